"""Backups: of one moment while people answer, verified when they come back, and never in place of anything."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import sqlite3
import stat
import threading
import zipfile

import pytest
from tests_server import annotation, serving

from annotation.api import Api
from annotation.server import archive
from annotation.server.archive import check_finished, put_back, write_backup
from annotation.server.home import Home, make_home, take_lock
from schemas.problems import Problem

SCHEMA = "CREATE TABLE users (n); CREATE TABLE datasets (n); CREATE TABLE records (n); CREATE TABLE responses (n);"


@pytest.fixture
def home(tmp_path):
    """A home with a database that is no server's."""
    home = make_home(tmp_path / "home")
    with contextlib.closing(sqlite3.connect(home.database)) as database:
        database.executescript(SCHEMA + "INSERT INTO users VALUES (1)")
    (home.path / "users.json").write_text('{"anna": {"locales": ["de-DE"], "id": "1"}}')
    (home.path / "projects").mkdir()
    (home.path / "projects" / "gold.parquet").write_bytes(b"gold")
    return home


def contents(home):
    kept = [home.path / "credentials", home.path / "users.json", home.path / "projects"]
    files = [file for place in kept for file in (place.rglob("*") if place.is_dir() else [place]) if file.is_file()]
    with contextlib.closing(sqlite3.connect(home.database)) as database:
        rows = database.execute("SELECT n FROM users").fetchall()
    return rows, {file.relative_to(home.path): file.read_bytes() for file in files}


def test_there_and_back_again(home, tmp_path):
    manifest = write_backup(home, tmp_path / "b.zip")
    assert manifest["counts"] == {"users": 1, "datasets": 0, "records": 0, "responses": 0}
    assert stat.S_IMODE((tmp_path / "b.zip").stat().st_mode) == 0o600
    assert {file.name for file in tmp_path.iterdir()} == {"home", "b.zip"}  # no draft is left
    before = contents(home)
    with contextlib.closing(sqlite3.connect(home.database)) as database:
        database.execute("INSERT INTO users VALUES (2)")
        database.commit()
    (home.path / "projects" / "gold.parquet").write_bytes(b"other")
    changed = contents(home)
    aside = put_back(home.path, tmp_path / "b.zip")
    assert contents(home) == before
    assert contents(Home(aside)) == changed
    assert put_back(tmp_path / "new", tmp_path / "b.zip") is None
    assert contents(Home(tmp_path / "new")) == before
    assert all(
        stat.S_IMODE(file.stat().st_mode) == (0o700 if file.is_dir() else 0o600)
        for file in (tmp_path / "new").rglob("*")
    )


def test_a_backup_never_writes_over_a_file(home, tmp_path):
    (tmp_path / "b.zip").write_text("precious")
    with pytest.raises(Problem, match="another name"):
        write_backup(home, tmp_path / "b.zip")
    assert (tmp_path / "b.zip").read_text() == "precious"


def test_a_damaged_database_is_not_backed_up(home, tmp_path):
    home.database.write_bytes(home.database.read_bytes()[:4096] + os.urandom(12288))
    with pytest.raises(Problem, match=r"argilla\.db"):
        write_backup(home, tmp_path / "b.zip")
    assert not (tmp_path / "b.zip").exists()


def spoilt(good, bad, change):
    """Write a backup again with something changed."""
    with zipfile.ZipFile(good) as source, zipfile.ZipFile(bad, "w") as target:
        for name, data in change({name: source.read(name) for name in source.namelist()}).items():
            target.writestr(name, data)
    return bad


@pytest.mark.parametrize(
    "change",
    [
        lambda files: {**files, "users.json": b"{}"},
        lambda files: {name: data for name, data in files.items() if name != "users.json"},
        lambda files: {name: data for name, data in files.items() if name != "manifest.json"},
        lambda files: {**files, "manifest.json": b"[]"},
        lambda files: {**files, "more": b""},
        lambda files: {
            **files,
            "projects/../../evil": b"",
            "manifest.json": json.dumps(
                {"format": archive.FORMAT, "files": {name: {} for name in [*files, "projects/../../evil"]}}
            ).encode(),
        },
    ],
    ids=["other bytes", "one missing", "no manifest", "no object", "one too many", "outside"],
)
def test_what_is_not_a_whole_backup_changes_nothing(home, tmp_path, change):
    write_backup(home, tmp_path / "good.zip")
    bad = spoilt(tmp_path / "good.zip", tmp_path / "bad.zip", change)
    before = contents(home), sorted(os.listdir(home.path))
    with pytest.raises(Problem, match="nothing was changed"):
        put_back(home.path, bad)
    (tmp_path / "cut.zip").write_bytes((tmp_path / "good.zip").read_bytes()[:-40])
    with pytest.raises(Problem, match="nothing was changed"):
        put_back(home.path, tmp_path / "cut.zip")
    assert (contents(home), sorted({*os.listdir(home.path)} - {"lock"})) == (before[0], sorted({*before[1]} - {"lock"}))
    assert not (tmp_path / "evil").exists()


def test_a_running_server_is_not_restored_under(home, tmp_path):
    write_backup(home, tmp_path / "b.zip")
    held = take_lock(home)
    with pytest.raises(Problem, match="in use"):
        put_back(home.path, tmp_path / "b.zip")
    os.close(held)


def test_a_restore_that_was_cut_off_is_not_taken_for_a_new_home(home, tmp_path, monkeypatch):
    write_backup(home, tmp_path / "b.zip")
    before = contents(home)
    renames = itertools.count()
    rename = archive.Path.rename

    def cut_off(path, target):
        if next(renames) == 2:
            raise KeyboardInterrupt
        return rename(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(archive.Path, "rename", cut_off)
        with pytest.raises(KeyboardInterrupt):
            put_back(home.path, tmp_path / "b.zip")
    done = annotation("serve", "--port", 0, home=home.path)
    assert done.returncode == 2
    assert f"restore {tmp_path / 'b.zip'}" in done.stderr
    put_back(home.path, tmp_path / "b.zip")
    assert contents(home) == before
    check_finished(home)


def test_a_backup_of_a_server_at_work_is_of_one_moment_and_serves(server, tmp_path):
    with contextlib.closing(Api(server.url, server.api_key)) as api:
        api.post("workspaces", {"name": "backed-up"})
        over, made = threading.Event(), itertools.count()

        def work():
            while not over.is_set():
                api.post("workspaces", {"name": f"while-at-it-{next(made)}"})

        worker = threading.Thread(target=work)
        worker.start()
        try:
            done = annotation("backup", tmp_path / "b.zip", home=server.home)
        finally:
            over.set()
            worker.join()
        assert done.returncode == 0, done.stderr
        refused = annotation("restore", tmp_path / "b.zip", home=server.home)
        assert refused.returncode == 2
        assert "in use" in refused.stderr
    restored = annotation("restore", tmp_path / "b.zip", home=tmp_path / "other")
    assert restored.returncode == 0, restored.stderr
    with serving(tmp_path / "other") as again, contextlib.closing(Api(again.url, server.api_key)) as api:
        spaces = {space["name"] for space in api.get("me/workspaces")["items"]}
        assert "backed-up" in spaces
        numbers = sorted(int(name.rpartition("-")[2]) for name in spaces if name.startswith("while-at-it-"))
        assert numbers == list(range(len(numbers)))  # of one moment: none is missing before the last
