"""The environment that Argilla's server runs in: its own, since its pins do not fit beside ours.

It is made on first use in the user's cache, under a name that holds a hash of the pins and of the interpreter, and is
never changed afterwards: other pins, another environment.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from collections import deque
from collections.abc import Callable
from pathlib import Path

from schemas.command_line import cache_dir
from schemas.problems import Problem

PINS = Path(__file__).with_name("server-constraints.txt")
LAUNCH = Path(__file__).with_name("launch.py")
ENGINE = Path(__file__).with_name("search_engine.py")


def environment_path() -> Path:
    """Where the environment for these pins and this interpreter is, made or not."""
    made_of = f"{sys.version}\n{os.path.realpath(sys.executable)}\n".encode() + PINS.read_bytes()
    return cache_dir() / f"argilla-server-{hashlib.sha256(made_of).hexdigest()[:16]}"


def server_python(advance: Callable[[int, int, str], None] | None = None) -> Path:
    """The interpreter of the server's environment, which is made if it is not there.

    Several processes may ask at once: one makes it, the others wait. An installation that is killed leaves a draft that
    the next one throws away.

    Args:
        advance: Told while it is made: packages done, packages in all, what is being done.

    Returns:
        Path of its `python`.

    Raises:
        Problem: It could not be installed.
    """
    path = environment_path()
    python = path / "bin" / "python"
    if python.exists():
        return python
    report = advance or (lambda done, total, note: None)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with (path.parent / "argilla-server.lock").open("a") as lock:
            report(0, 1, "waiting for another installation")
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not python.exists():
                for abandoned in path.parent.glob(".argilla-server-*"):
                    shutil.rmtree(abandoned)
                _install(path, report)
    except OSError as error:
        raise Problem(
            f"{error.filename or path}: {error.strerror}. The server's environment needs 600 MB there; make room, or "
            "set XDG_CACHE_HOME to another directory."
        ) from None
    return python


def _install(path: Path, report: Callable[[int, int, str], None]) -> None:
    draft = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    try:
        venv.create(draft, symlinks=True, with_pip=False)
        pins = PINS.read_text(encoding="utf-8").split()
        # The list is complete, so pip has nothing to work out; and it compiles no file that is never imported.
        command = [sys.executable, "-m", "pip", "--python", str(draft / "bin" / "python"), "install"]
        command += ["--no-deps", "--no-compile", "--progress-bar=off", "--no-input", "-r", str(PINS)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as pip:
            said: deque[str] = deque(maxlen=200)
            collected = 0
            assert pip.stdout is not None
            try:
                for line in pip.stdout:
                    said.append(line.strip())
                    collected += line.startswith("Collecting ")
                    note = "unpacking" if line.startswith("Installing collected") else "downloading"
                    report(collected, len(pins), f"{note} the server's packages")
            except BaseException:
                pip.kill()
                raise
        if pip.returncode:
            reasons = [line for line in said if line.startswith("ERROR: ")] or list(said)[-1:]
            raise Problem(
                f"The server's environment could not be installed: {reasons[-1].removeprefix('ERROR: ')}",
                f"It takes {len(pins)} packages, listed in {PINS.name}, from where pip gets its packages: check the "
                "network and pip's settings, and run the same command again.",
            )
        report(len(pins), len(pins), "compiling what is used")
        _check(draft / "bin" / "python")
        draft.rename(path)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def _check(python: Path) -> None:
    """Load the server once, on a home that is thrown away; Python keeps what it compiles for the first real start."""
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / "credentials").mkdir()
        (Path(directory) / "credentials" / "auth_secret").write_text("none")
        command = [str(python), "-P", str(LAUNCH), "check", "--home", directory, "--engine", str(ENGINE)]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env=os.environ | {"TMPDIR": directory}
        )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise Problem(
            f"The server's environment was installed, but does not load: {last}. Please report this sentence."
        )
