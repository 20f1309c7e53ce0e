"""Which server the commands speak to: the one named in the environment, or the embedded one of the home directory."""

from __future__ import annotations

import os
from pathlib import Path

from annotation.api import Api
from annotation.server.home import Home, find_home, running
from schemas.problems import Problem

URL, KEY = "ARGILLA_API_URL", "ARGILLA_API_KEY"


def connect(home: Path | None = None) -> Api:
    """The server to speak to, and the owner's account on it.

    Args:
        home: The embedded server's home; None takes the environment's, or the default one.

    Raises:
        Problem: Neither is a server named nor does the embedded one run.
    """
    url, key = os.environ.get(URL), os.environ.get(KEY)
    if url and key:
        return Api(url, key)
    if url or key:
        given, lacking = (URL, KEY) if url else (KEY, URL)
        raise Problem(f"{given} is set and {lacking} is not; set both for a server of your own, or neither.")
    embedded = Home(find_home(home))
    told = running(embedded)
    if told is None:
        raise Problem(
            f"{embedded.path}: no annotation server runs here; start it with `python -m annotation serve`, or set "
            f"{URL} and {KEY} to one that runs."
        )
    return Api(told["url"], embedded.secret("api_key"))
