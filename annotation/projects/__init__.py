"""The annotation projects, by name."""

from __future__ import annotations

from annotation.projects.project import Project
from schemas.judgements import PROJECTS
from schemas.problems import Problem, nearest


def find(name: str) -> Project:
    """The project of a name.

    Raises:
        Problem: There is none.
    """
    from annotation.projects import grey, image, pairwise, violation

    known = {module.PROJECT.name: module.PROJECT for module in (pairwise, violation, image, grey)}
    if name in known:
        return known[name]
    close = nearest(name, PROJECTS)
    raise Problem(
        f"--project {name}: no such project; " + (f"did you mean {close}?" if close else f"known: {', '.join(known)}.")
    )
