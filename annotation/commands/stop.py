"""`stop`: end the embedded server and all that belongs to it."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import time

from annotation.server.home import find_home, open_home, running
from schemas.problems import Problem

WITHIN = 60.0  # seconds


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing beside the home."""


def run(given: argparse.Namespace) -> None:
    """Ask the server to end, and wait until its last process is gone."""
    home = open_home(find_home(given.home))
    told = running(home)
    if told is None:
        print(f"{home.path}: no server runs here.")
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(told["pid"], signal.SIGTERM)
    until = time.monotonic() + WITHIN
    while running(home):
        if time.monotonic() > until:
            raise Problem(f"{home.path}: process {told['pid']} does not end; `kill -9 {told['pid']}` ends it all.")
        time.sleep(0.05)
    print(f"{home.path}: the server has ended.")
