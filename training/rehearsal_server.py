"""An annotation server for one rehearsal: the real one, on a home inside the generation.

Simulated annotators get no accounts where people work, so a rehearsal never speaks to the server of the user's home.
Its own ends with the stage; where the cycle is killed, the kernel ends it. What was answered stays in its home, from
which the next one goes on.

    python -m training.rehearsal_server HOME PARENT     what `serving` starts: ends when process PARENT does
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from annotation.api import Api
from annotation.server.environment import server_python
from annotation.server.home import Home, make_home, running
from annotation.server.launch import die_with_parent
from schemas.problems import Problem
from schemas.stage import Advance


@contextmanager
def serving(directory: Path, advance: Advance) -> Iterator[Api]:
    """Serve from a home for as long as the block runs.

    Args:
        directory: The home, made or not.
        advance: Told of the server's installation, on first use.

    Yields:
        The owner's account.

    Raises:
        Problem: The server does not start; the sentences are its own.
    """
    home = make_home(directory.absolute())
    server_python(advance)
    advance(0, None, "starting a server")
    log = home.path / "log" / "serve.log"
    command = [sys.executable, "-m", "training.rehearsal_server", str(home.path), str(os.getpid())]
    with log.open("wb") as out:
        # A session of its own: Ctrl-C goes to the cycle, which ends the server once it needs it no longer.
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
    try:
        with closing(Api(_url(home, process, log), home.secret("api_key"))) as api:
            yield api
    finally:
        process.terminate()
        process.wait()


def _url(home: Home, process: subprocess.Popen[bytes], log: Path) -> str:
    while process.poll() is None:
        told = running(home)
        if told and told["pid"] == process.pid:
            return str(told["url"])
        time.sleep(0.05)
    said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-3:]
    raise Problem(
        *said or [f"{home.path}: the rehearsal's server did not start; its parts' words are in {log.parent}."]
    )


def main() -> int:
    """Serve, and be killed with the parent: a next server takes the home at once, and waits for no slow ending."""
    home, parent = sys.argv[1:]
    die_with_parent(signal.SIGKILL, int(parent))
    from annotation.__main__ import main as annotation

    return annotation(["serve", "--home", home, "--port", "0"])


if __name__ == "__main__":
    sys.exit(main())
