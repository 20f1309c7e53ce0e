"""`backup`: everything in one file, of one moment, while people go on answering."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where it goes."""
    parser.add_argument("path", type=Path, metavar="PATH", help="a new file; it holds messages and credentials")


def run(given: argparse.Namespace) -> None:
    """Write the backup."""
    from annotation.server.archive import write_backup
    from annotation.server.home import find_home, open_home

    manifest = write_backup(open_home(find_home(given.home)), given.path.absolute())
    counts = ", ".join(f"{count:,} {table}" for table, count in manifest["counts"].items())
    print(f"{given.path}: {counts}. It also holds passwords and messages; it is readable by you alone, keep it so.")
