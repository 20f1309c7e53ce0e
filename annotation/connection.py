"""Which server the commands speak to: the one named in the environment, or the embedded one of the home directory."""

from __future__ import annotations

import json
import os
from pathlib import Path

from annotation.api import Api
from annotation.server.home import find_home
from schemas.problems import Problem

URL, KEY, HOME = "ARGILLA_API_URL", "ARGILLA_API_KEY", "FLYWHEEL_ANNOTATION_HOME"


def home_directory(home: Path | None = None) -> Path:
    """The home of the embedded server and of what push and pull remember.

    Args:
        home: As given on the command line; None takes the environment's, or the default one.
    """
    return find_home(home)


def connect(home: Path | None = None) -> Api:
    """The server to speak to, and the owner's account on it.

    Args:
        home: The embedded server's home; None takes the environment's, or the default one.

    Raises:
        Problem: Neither is a server named nor does the embedded one run, or what its home holds cannot be read.
    """
    url, key = os.environ.get(URL), os.environ.get(KEY)
    if url and key:
        return Api(url, key)
    if url or key:
        given, lacking = (URL, KEY) if url else (KEY, URL)
        raise Problem(f"{given} is set and {lacking} is not; set both for a server of your own, or neither.")
    directory = home_directory(home)
    running = directory / "running.json"
    try:
        address = str(json.loads(running.read_bytes())["url"])
    except FileNotFoundError:
        raise Problem(
            f"{directory}: no annotation server runs here; start it with `python -m annotation serve`, or set "
            f"{URL} and {KEY} to one that runs."
        ) from None
    except (OSError, ValueError, KeyError, TypeError):
        raise Problem(f"{running}: cannot be read; stop the server and start it again.") from None
    secret = directory / "credentials" / "api_key"
    try:
        return Api(address, secret.read_text(encoding="utf-8").strip())
    except OSError as error:
        raise Problem(f"{secret}: {error.strerror}; expected the owner's API key, which `serve` writes.") from None
