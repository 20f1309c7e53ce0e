"""`users`: accounts of annotators, on the embedded server or on one of somebody else's."""

from __future__ import annotations

import argparse
import contextlib
import re
import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from schemas.problems import Problem, nearest

if TYPE_CHECKING:
    from annotation.api import Api

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}")
ROLES = ("annotator", "admin", "owner")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do, and for whom."""
    actions = parser.add_subparsers(required=True, metavar="ACTION", dest="action")
    add = actions.add_parser("add", help="make an account, or say anew what an annotator reads")
    add.add_argument("name", metavar="NAME", help="small letters, digits, - and _")
    add.add_argument(
        "--locale",
        action="append",
        default=[],
        metavar="LOCALE",
        help="a locale this person reads, such as de-DE; again for more",
    )
    add.add_argument("--role", choices=ROLES, default="annotator", help="default: annotator")
    password = actions.add_parser("password", help="give an account a new password")
    password.add_argument("name", metavar="NAME")
    actions.add_parser("list", help="who is there, and what they read")
    remove = actions.add_parser("remove", help="remove an account and all its answers")
    remove.add_argument("name", metavar="NAME")
    remove.add_argument("--yes", action="store_true", help="its answers are to be removed with it")


def run(given: argparse.Namespace) -> None:
    """Do what was asked."""
    from annotation.connection import connect

    with contextlib.closing(connect(given.home)) as api:
        {"add": _add, "password": _password, "list": _list, "remove": _remove}[given.action](api, given)


def _add(api: Api, given: argparse.Namespace) -> None:
    from annotation.server.home import Home, find_home
    from schemas.turns import LOCALE_PATTERN

    if not NAME.fullmatch(given.name):
        raise Problem(
            f"{given.name!r}: a user name has small letters, digits, - and _, and begins with a letter or digit."
        )
    for locale in given.locale:
        if not re.fullmatch(LOCALE_PATTERN, locale):
            raise Problem(f"--locale {locale!r}: expected a BCP-47 locale such as pt-BR.")
    if given.role == "annotator" and not given.locale:
        raise Problem(
            f"{given.name}: give --locale for each locale this person reads; records are handed out by locale."
        )
    home = Home(find_home(given.home))
    user = _find(api, given.name)
    if user is None:
        password = secrets.token_urlsafe(12)
        file = home.keep_password(given.name, password)  # before the account: a password is never lost to a kill
        account = {"username": given.name, "first_name": given.name, "role": given.role, "password": password}
        user = api.post("users", account)
        print(f"{given.name}: added as {user['role']}; the password to hand over is in {file}")
    else:
        print(f"{given.name}: was there already, as {user['role']}; the password is as it was.")
    if user["role"] == "annotator":
        home.keep_locales({**home.locales(), given.name: {"locales": sorted(set(given.locale)), "id": user["id"]}})
        _give_access(api, home.locales())


def _password(api: Api, given: argparse.Namespace) -> None:
    from annotation.server.home import Home, find_home

    user = _known(api, given.name)
    if user["id"] == api.get("me")["id"]:
        raise Problem(f"{given.name}: the account that these commands use; its password is the server's own business.")
    password = secrets.token_urlsafe(12)
    file = Home(find_home(given.home)).keep_password(given.name, password)
    api.patch(f"users/{user['id']}", {"password": password})
    print(f"{given.name}: the new password to hand over is in {file}")


def _give_access(api: Api, annotators: dict[str, dict[str, Any]]) -> None:
    """Let annotators into what was pushed already; a later push does the same for what it brings."""
    from annotation.datasets import PREFIX, assign

    spaces = [space["name"] for space in api.get("me/workspaces")["items"] if space["name"].startswith(PREFIX)]
    known = {user["username"] for user in api.get("users")["items"]}
    readers = {name: told["locales"] for name, told in annotators.items() if name in known}
    assign(api, readers, [name.removeprefix(PREFIX) for name in spaces])


def _list(api: Api, given: argparse.Namespace) -> None:
    from rich.console import Console
    from rich.table import Table

    from annotation.server.home import Home, find_home

    locales = Home(find_home(given.home)).locales()
    answers = _answers(api)
    table = Table("name", "role", "reads", "submitted")
    for user in api.get("users")["items"]:
        reads = ", ".join(locales.get(user["username"], {}).get("locales", []))
        table.add_row(user["username"], user["role"], reads, f"{answers.get(user['username'], 0):,}")
    Console().print(table)


def _remove(api: Api, given: argparse.Namespace) -> None:
    from annotation.server.archive import write_backup
    from annotation.server.home import Home, find_home, running

    user = _known(api, given.name)
    if user["id"] == api.get("me")["id"]:
        raise Problem(f"{given.name}: the account that these commands use; it cannot remove itself.")
    count = _answers(api).get(given.name, 0)
    if not given.yes:
        raise Problem(
            f"{given.name}: Argilla removes an account's answers with it, {count:,} submitted ones here; pull them "
            "first, then give --yes.",
        )
    home = Home(find_home(given.home))
    told = running(home)
    if told and told["url"] == api.url:
        (home.path / "backups").mkdir(mode=0o700, exist_ok=True)
        file = home.path / "backups" / f"before-removing-{given.name}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.zip"
        write_backup(home, file)
        print(f"A backup was taken first: {file}")
    api.delete(f"users/{user['id']}")
    home.keep_locales({name: told for name, told in home.locales().items() if name != given.name})
    home.forget_password(given.name)
    print(f"{given.name}: removed, with {count:,} submitted answers.")


def _find(api: Api, name: str) -> dict[str, Any] | None:
    return next((user for user in api.get("users")["items"] if user["username"] == name), None)


def _known(api: Api, name: str) -> dict[str, Any]:
    user = _find(api, name)
    if user is None:
        close = nearest(name, [item["username"] for item in api.get("users")["items"]])
        raise Problem(f"{name}: no such account." + (f" Did you mean {close}?" if close else ""))
    return user


def _answers(api: Api) -> dict[str, int]:
    """Submitted answers by user name."""
    counts: dict[str, int] = {}
    for dataset in api.get("me/datasets")["items"]:
        for user in api.get(f"datasets/{dataset['id']}/users/progress")["users"]:
            done = sum(user[state]["submitted"] for state in ("completed", "pending"))
            counts[user["username"]] = counts.get(user["username"], 0) + done
    return counts
