"""An annotation project on the server: workspaces, datasets, and who may read them.

Argilla gives access by workspace and sets the number of votes by dataset. So each locale has a workspace,
`flywheel-de-DE`, whose members are the annotators who read it, and in it each project has a dataset for each number of
votes, `pairwise-3-votes` (`pairwise-3-votes-ROUND` in a round that was given a name). Records that deserve one more
vote are asked about again in `pairwise-extra-1`, `pairwise-extra-2` and so on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from annotation.api import Api, Refused
from annotation.projects.project import Json, Project
from schemas.problems import Problem

PREFIX = "flywheel-"
MARK = "flywheel"  # key of ours in a dataset's metadata
VECTOR = "meaning"
ROUND = re.compile(r"[a-z0-9][a-z0-9-]{0,60}")
CONFLICT = 409


class Dataset(NamedTuple):
    """A dataset of ours on the server.

    Attributes:
        id: The server's.
        name: The dataset's.
        workspace: Name of its workspace.
        locale: What is read in it.
        votes: Responses a record until it is done.
        extra: 0, or the how-many-eth vote beyond those it is for.
        questions: The server's ids of questions, by name.
    """

    id: str
    name: str
    workspace: str
    locale: str
    votes: int
    extra: int
    questions: dict[str, str]

    @property
    def label(self) -> str:
        """For people."""
        return f"{self.workspace}/{self.name}"


def check_round(round_: str | None) -> None:
    """
    Raises:
        Problem: It cannot be part of a dataset's name.
    """
    if round_ is not None and not ROUND.fullmatch(round_):
        raise Problem(f"--round {round_}: expected lower-case letters, digits and hyphens, 61 of them at most.")


def dataset_name(project: str, votes: int, round_: str | None, extra: int = 0) -> str:
    """Name of a dataset within its workspace."""
    what = f"extra-{extra}" if extra else f"{votes}-votes"
    return f"{project}-{what}" + (f"-{round_}" if round_ else "")


def list_datasets(api: Api, project: Project, round_: str | None) -> list[Dataset]:
    """Datasets of a project and round that are on the server, complete ones, ordered by label.

    Raises:
        Problem: One of them asks other questions than the project does.
    """
    spaces = {space["id"]: space["name"] for space in api.get("me/workspaces")["items"]}
    found = []
    for dataset in api.get("me/datasets")["items"]:
        mark = (dataset.get("metadata") or {}).get(MARK) or {}
        if (mark.get("project"), mark.get("round")) != (project.name, round_) or dataset["status"] != "ready":
            continue
        found.append(_checked(api, project, dataset, spaces.get(dataset["workspace_id"], "?")))
    return sorted(found, key=lambda dataset: dataset.label)


def make_dataset(
    api: Api,
    project: Project,
    locale: str,
    votes: int,
    round_: str | None,
    *,
    dimensions: int | None = None,
    extra: int = 0,
) -> Dataset:
    """The dataset for a locale and a number of votes: found, finished where its making was cut off, or made.

    Guidelines on the server are brought to the project's.

    Args:
        api: An owner's account.
        project: The project.
        locale: BCP-47.
        votes: Responses a record until it is done.
        round_: Name of the round, or None.
        dimensions: Of the vectors to find similar records by, if there are any.
        extra: For votes beyond those that were asked for first: which of them.

    Raises:
        Problem: The dataset asks other questions than the project does, or has vectors of another size.
    """
    space = _workspace(api, PREFIX + locale)
    name = dataset_name(project.name, votes, round_, extra)
    mark = {"project": project.name, "round": round_, "locale": locale, "version": project.version, "extra": extra}
    guidelines = project.guidelines

    def existing() -> Json | None:
        return next(
            (d for d in api.get("me/datasets")["items"] if d["workspace_id"] == space and d["name"] == name), None
        )

    dataset = existing() or _unless_there(
        api,
        "datasets",
        {
            "name": name,
            "workspace_id": space,
            "guidelines": guidelines,
            "allow_extra_metadata": True,  # where a record came from: unseen by annotators, and not indexed
            "distribution": {"strategy": "overlap", "min_submitted": votes},
            "metadata": {MARK: mark},
        },
    )
    dataset = dataset or existing()
    if dataset is None:
        raise Problem(f"{PREFIX}{locale}/{name}: was removed while it was being made; run the same command again.")
    if MARK not in (dataset.get("metadata") or {}):
        raise Problem(f"{PREFIX}{locale}/{name}: a dataset of somebody else's has this name; rename or remove it.")
    path = f"datasets/{dataset['id']}"
    if dataset["status"] != "ready":
        _fill(api, project, path)
    if dimensions is not None:
        _vectors(api, path, dimensions, f"{PREFIX}{locale}/{name}")
    if dataset["status"] != "ready":
        api.put(f"{path}/publish")
    found = _checked(api, project, dataset, PREFIX + locale)
    if dataset.get("guidelines") != guidelines:
        api.patch(path, {"guidelines": guidelines})
    return found


def assign(api: Api, readers: Mapping[str, Iterable[str]], locales: Iterable[str]) -> list[str]:
    """Give annotators access to what they read, and take away what they do not.

    Args:
        api: An owner's account.
        readers: Locales by user name: `de-DE`, or `de` for German of any region. Users not named are left as they are.
        locales: Locales that have a workspace.

    Returns:
        A sentence for each locale that nobody reads, and for each reader whom the server does not know.
    """
    accounts = {user["username"]: user["id"] for user in api.get("users")["items"] if user["role"] == "annotator"}
    spaces = {space["name"]: space["id"] for space in api.get("me/workspaces")["items"]}
    told = [f"{name}: no annotator of this name is on the server." for name in sorted(set(readers) - set(accounts))]
    named = {accounts[name]: list(read) for name, read in readers.items() if name in accounts}
    for locale in sorted(set(locales)):
        space = spaces[PREFIX + locale]
        members = {user["id"] for user in api.get(f"workspaces/{space}/users")["items"] if user["role"] == "annotator"}
        wanted = {user for user, read in named.items() if reads(read, locale)}
        for user in wanted - members:
            _unless_there(api, f"workspaces/{space}/users", {"user_id": user})
        for user in (members & set(named)) - wanted:
            api.delete(f"workspaces/{space}/users/{user}")
        if not wanted | (members - set(named)):
            told.append(f"{locale}: nobody reads it yet; add one with `python -m annotation users add` and push again.")
    return told


def reads(read: Iterable[str], locale: str) -> bool:
    """Whether somebody who reads these locales reads that one: by its tag, or a leading part of it."""
    return any(locale == tag or locale.startswith(f"{tag}-") for tag in read)


def _workspace(api: Api, name: str) -> str:
    def existing() -> str | None:
        return next((s["id"] for s in api.get("me/workspaces")["items"] if s["name"] == name), None)

    there = existing()
    if there is None:
        made = _unless_there(api, "workspaces", {"name": name})
        there = made["id"] if made else existing()
    if there is None:
        raise Problem(f"{name}: the workspace was removed while it was being made; run the same command again.")
    return there


def _fill(api: Api, project: Project, path: str) -> None:
    """Fields, questions and metadata that a dataset lacks: all of them, or those left when its making was cut off."""
    mine = (("fields", project.fields), ("questions", project.questions), ("metadata-properties", project.metadata))
    for kind, wanted in mine:
        listed = api.get(f"me/{path}/{kind}" if kind == "metadata-properties" else f"{path}/{kind}")
        there = {item["name"] for item in listed["items"]}
        for item in wanted:
            if item["name"] not in there:
                _unless_there(api, f"{path}/{kind}", item)


def _vectors(api: Api, path: str, dimensions: int, label: str) -> None:
    there = {item["name"]: item["dimensions"] for item in api.get(f"{path}/vectors-settings")["items"]}
    if VECTOR not in there:
        settings = {"name": VECTOR, "title": "Similar in meaning", "dimensions": dimensions}
        _unless_there(api, f"{path}/vectors-settings", settings)
    elif there[VECTOR] != dimensions:
        raise Problem(
            f"{label}: its vectors have {there[VECTOR]} dimensions, those of --vectors {dimensions}; give vectors of "
            "the same model, or push without."
        )


def _checked(api: Api, project: Project, dataset: Json, workspace: str) -> Dataset:
    """The dataset, once it is known to ask what the project asks."""
    label = f"{workspace}/{dataset['name']}"
    there = {item["name"]: item for item in api.get(f"datasets/{dataset['id']}/questions")["items"]}
    wrong = [item["name"] for item in project.questions if not _asks(there.get(item["name"]), item)]
    wrong += [name for name in there if name not in {item["name"] for item in project.questions}]
    mark = dataset["metadata"][MARK]
    version = mark.get("version")
    if wrong or version != project.version:
        what = f"its question {wrong[0]!r} is not the project's" if wrong else "it was made by another version"
        raise Problem(
            f"{label}: {what} (dataset {version}, project {project.version}), so its answers would be misread. Nothing "
            "was changed. Put the question back, or pull with the version that made it and push to a new --round."
        )
    return Dataset(
        dataset["id"],
        dataset["name"],
        workspace,
        mark["locale"],
        dataset["distribution"]["min_submitted"],
        mark.get("extra", 0),
        {name: item["id"] for name, item in there.items()},
    )


def _asks(there: Json | None, wanted: Json) -> bool:
    """Whether a question on the server takes the answers that the project's does; its title may be changed at will."""
    if there is None or there["settings"]["type"] != wanted["settings"]["type"]:
        return False
    values = [{option["value"] for option in item["settings"].get("options", [])} for item in (there, wanted)]
    return values[0] == values[1] and there["required"] == wanted["required"]


def _unless_there(api: Api, path: str, body: Mapping[str, Any]) -> Json | None:
    """Make something; None where another push was faster."""
    try:
        return api.post(path, body)
    except Refused as refused:
        if refused.status != CONFLICT:
            raise
        return None
