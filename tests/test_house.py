"""The house rules that a program can check: who imports whom, what stays fast, what no file may hold."""

from __future__ import annotations

import ast
import re
import subprocess
import sys

import pytest
from conftest import ROOT

MAY_IMPORT = {
    "schemas": set(),
    "curation": {"schemas"},
    "rewards": {"schemas"},
    "annotation": {"schemas"},
    "training": {"schemas", "curation", "rewards", "annotation"},
    "apps": {"schemas", "curation", "rewards", "annotation", "training"},
}
HEAVY = {
    "torch",
    "transformers",
    "trl",
    "argilla",
    "spacy",
    "presidio_analyzer",
    "sentence_transformers",
    "datasets",
    "faiss",
    "streamlit",
    "altair",
    "pandas",
}


def imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_packages_import_only_what_stands_below_them(package):
    for path in (ROOT / package).rglob("*.py"):
        ours = set(imports(path)) & set(MAY_IMPORT) - {package}
        assert ours <= MAY_IMPORT[package], f"{path.relative_to(ROOT)} imports {ours - MAY_IMPORT[package]}"


@pytest.mark.parametrize(
    "module", ["schemas", "curation", "rewards", "annotation", "training", "training.cycle", "apps"]
)
def test_importing_a_package_loads_nothing_heavy(module):
    code = f"import sys, {module}; print(sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


def test_constraints_name_no_host_and_pin_every_line():
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        assert re.fullmatch(r"[A-Za-z0-9_.-]+==[A-Za-z0-9_.]+", line), line


# A plug-in of the server's is one file that needs nothing beside it: it is loaded by its path, into an environment that
# has none of our packages.
MAY_BE_LONG = {"annotation/server/search_engine.py"}


def test_modules_stay_readable():
    long = [
        path
        for package in MAY_IMPORT
        for path in (ROOT / package).rglob("*.py")
        if len(path.read_text(encoding="utf-8").splitlines()) > 450 and str(path.relative_to(ROOT)) not in MAY_BE_LONG
    ]
    assert not long


def test_no_two_test_files_have_one_name() -> None:
    """Pytest imports them by their name alone."""
    names = [path.name for path in (ROOT / "tests").rglob("*.py")]
    assert sorted(names) == sorted(set(names))
