"""`status`: where the server is, and what is in it."""

from __future__ import annotations

import argparse
import contextlib
import json
import time
from typing import TYPE_CHECKING, Any

from annotation.server.archive import size_on_disk
from annotation.server.home import Home, find_home, running

if TYPE_CHECKING:
    from annotation.api import Api


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """In which form."""
    parser.add_argument("--json", action="store_true", help="for programs")


def run(given: argparse.Namespace) -> None:
    """Print the status.

    Raises:
        Problem: No server answers.
    """
    told = status(given.home)
    if given.json:
        print(json.dumps(told, indent=1))
        return
    print(f"Argilla {told['version']} at {told['url']}")
    embedded = told["embedded"]
    if embedded:
        parts = ", ".join(f"{name} {pid}" for name, pid in embedded["parts"].items())
        hours, seconds = divmod(int(embedded["age_seconds"]), 3600)
        print(f"Home: {embedded['home']}, {embedded['disk_bytes'] / 1e6:,.1f} MB")
        print(f"Running for {hours} h {seconds // 60} min; processes: server {embedded['pid']}, {parts}")
    print("Accounts: " + ", ".join(f"{count} {role}" for role, count in told["users"].items()))
    for dataset in told["datasets"]:
        print(f"{dataset['workspace']}/{dataset['name']}: {dataset['completed']:,} of {dataset['records']:,} completed")


def status(home: Any = None) -> dict[str, Any]:
    """What can be told of the server that commands speak to.

    Args:
        home: As given on the command line.

    Returns:
        `url`, `version`, `users` (number by role), `datasets` (`name`, `workspace`, `records`, `completed`) and
        `embedded`: null for a server of somebody else's, otherwise `home`, `disk_bytes`, `pid`, `parts` (pid by name)
        and `age_seconds`.
    """
    from annotation.connection import connect

    with contextlib.closing(connect(home)) as api:
        return _status(api, Home(find_home(home)))


def _status(api: Api, place: Home) -> dict[str, Any]:
    told = running(place)
    embedded = None
    if told and told["url"] == api.url:
        embedded = {
            "home": str(place.path),
            "disk_bytes": size_on_disk(place.path),
            "pid": told["pid"],
            "parts": told["parts"],
            "age_seconds": round(time.time() - told["started"], 1),
        }
    roles = [user["role"] for user in api.get("users")["items"]]
    workspaces = {space["id"]: space["name"] for space in api.get("me/workspaces")["items"]}
    datasets = []
    for dataset in api.get("me/datasets")["items"]:
        progress = api.get(f"datasets/{dataset['id']}/progress") if dataset["status"] == "ready" else {}
        datasets.append(
            {
                "name": dataset["name"],
                "workspace": workspaces.get(dataset["workspace_id"], ""),
                "records": progress.get("total", 0),
                "completed": progress.get("completed", 0),
            }
        )
    return {
        "url": api.url,
        "version": api.get("version")["version"],
        "users": {role: roles.count(role) for role in ("owner", "admin", "annotator")},
        "datasets": datasets,
        "embedded": embedded,
    }
