"""`restore`: a backup becomes the home's contents; what was there is kept aside."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where it comes from."""
    parser.add_argument("path", type=Path, metavar="PATH", help="written by `backup`")


def run(given: argparse.Namespace) -> None:
    """Put the backup back."""
    from annotation.server.archive import put_back
    from annotation.server.home import find_home

    home = find_home(given.home)
    aside = put_back(home, given.path.absolute())
    print(f"{home}: restored from {given.path}. `python -m annotation serve` starts it; the search index is made anew.")
    if aside:
        print(f"What was there before is in {aside}; remove it when it is not needed any more.")
