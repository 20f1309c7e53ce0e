"""`serve`: the real Argilla, its worker and Redis, on this machine, from one command."""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

from annotation.server.archive import check_finished
from annotation.server.home import OWNER, Home, find_home, locked, make_home, running, take_lock
from schemas.problems import Problem

PORT = 6900


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where to listen, and whether to stay."""
    parser.add_argument("--port", type=int, default=PORT, help=f"0 takes one that is free (default: {PORT})")
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1, seen from this machine only)"
    )
    parser.add_argument("--detach", action="store_true", help="return once the first page can be had, and keep serving")


def run(given: argparse.Namespace) -> int:
    """Serve until Ctrl-C, SIGTERM or `stop`; with `--detach`, return once it serves."""
    if sys.platform != "linux":
        raise Problem("serve: needs Linux. Elsewhere, set ARGILLA_API_URL and ARGILLA_API_KEY to a server that runs.")
    if not 0 <= given.port <= 65535:
        raise Problem(f"--port {given.port}: expected a whole number from 0 to 65535.")
    os.umask(0o077)
    path = find_home(given.home)
    check_finished(Home(path))
    home = make_home(path)
    if given.detach:
        start_detached(home, host=given.host, port=given.port)
        print(_welcome(home))
        return 0
    _serve(home, given.host, given.port)
    return 0


def start_detached(home: Home, *, host: str = "127.0.0.1", port: int = PORT) -> str:
    """Start a server that outlives this process, and wait until it serves.

    Returns:
        Its URL.

    Raises:
        Problem: It does not start; the sentences are its own.
    """
    from annotation.server.environment import server_python

    with locked(home), _bar() as advance:
        server_python(advance)  # here, where its progress is seen
    command = [sys.executable, "-m", "annotation", "serve"]
    command += ["--home", str(home.path), "--host", host, "--port", str(port)]
    log = home.path / "log" / "serve.log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
    try:
        while process.poll() is None:
            told = running(home)
            if told and told["pid"] == process.pid:
                process.returncode = 0  # it goes on without us: nobody waits for it
                return told["url"]
            time.sleep(0.05)
    except BaseException:
        process.terminate()
        process.wait()
        raise
    raise Problem(*log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-3:])


def _serve(home: Home, host: str, port: int) -> None:
    from annotation.server import supervisor
    from annotation.server.environment import server_python

    lock = take_lock(home)
    try:
        listening = supervisor.listen(host, port)
        with _bar() as advance:
            python = server_python(advance)
        with supervisor.signals_held():
            supervisor.run(home, python, listening, lock, lambda: print(_welcome(home), flush=True))
    finally:
        os.close(lock)


@contextlib.contextmanager
def _bar() -> Iterator[Callable[[int, int, str], None]]:
    """A bar that shows from the first time it is moved; gives the function that moves it."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    progress = Progress(*columns, console=Console(stderr=True), transient=True)
    task = progress.add_task("")

    def advance(done: int, total: int, note: str) -> None:
        progress.start()
        progress.update(task, completed=done, total=total, description=note)

    try:
        yield advance
    finally:
        if progress.live.is_started:
            progress.stop()


def _welcome(home: Home) -> str:
    told = running(home)
    assert told is not None
    lines = [
        f"Argilla is at {told['url']}",
        f"Sign in as {OWNER}; the password is in {home.password_file}",
        "`python -m annotation users add NAME --locale LOCALE` makes an account for each annotator.",
    ]
    if told["open"]:
        lines.append(
            f"CAUTION: --host {told['host']} lets other machines reach this server, over HTTP without encryption: "
            "passwords and messages can be read on the way. Put a proxy with TLS before it, or use an SSH tunnel."
        )
    return "\n".join(lines)
