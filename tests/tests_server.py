"""Running annotation servers for tests: the real Argilla, on a home of its own, at a free port.

`server` is one for all the tests of a process: what a test puts in needs a name of its own. `fresh_server` is one for
the tests of a file, empty at first. Both are plain users of the command line, as a person is.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@dataclass
class Server:
    """A server that runs.

    Attributes:
        url: `http://127.0.0.1:PORT`.
        api_key: The owner's.
        home: Directory.
        pid: The supervisor's.
        said: What `serve` printed.
    """

    url: str
    api_key: str
    home: Path
    pid: int
    said: str


def annotation(*words: object, home: Path | None = None, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """Run `python -m annotation`, with nothing of this machine's own annotation settings."""
    command = [sys.executable, "-m", "annotation", *map(str, words)]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("ARGILLA_", "FLYWHEEL_"))}
    if home is not None:
        clean["FLYWHEEL_ANNOTATION_HOME"] = str(home)
    return subprocess.run(command, cwd=ROOT, env=clean, capture_output=True, text=True, timeout=timeout, check=False)


@contextmanager
def serving(home: Path, *words: object) -> Iterator[Server]:
    """Serve from a home, and end the server afterwards."""
    from annotation.server.home import Home, running

    started = annotation("serve", "--detach", "--port", 0, *words, home=home, timeout=600)
    assert started.returncode == 0, started.stderr
    told = running(Home(home))
    assert told is not None
    try:
        yield Server(told["url"], Home(home).secret("api_key"), home, told["pid"], started.stdout)
    finally:
        still = running(Home(home))
        if still:
            os.kill(still["pid"], signal.SIGTERM)
            with open(home / "lock") as lock:
                import fcntl

                fcntl.flock(lock, fcntl.LOCK_EX)  # until its last process is gone


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests of this process."""
    with serving(tmp_path_factory.mktemp("annotation") / "home") as running:
        yield running


@pytest.fixture(scope="module")
def fresh_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server for the tests of this file alone."""
    with serving(tmp_path_factory.mktemp("annotation") / "home") as running:
        yield running
