"""Starting and ending: one server a home, nothing left behind, a sentence for what is wrong."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request

import pytest
from tests_server import ROOT, annotation, serving

from annotation.api import Api
from annotation.server.archive import write_backup
from annotation.server.home import Home, find_home, make_home, running, take_lock
from annotation.server.launch import _at_head
from schemas.problems import Problem


def test_the_home_is_where_it_was_said_to_be(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.delenv("FLYWHEEL_ANNOTATION_HOME", raising=False)
    assert find_home() == tmp_path / "character-flywheel" / "annotation"
    monkeypatch.setenv("FLYWHEEL_ANNOTATION_HOME", str(tmp_path / "other"))
    assert find_home() == tmp_path / "other"
    assert find_home(tmp_path / "given") == tmp_path / "given"


def test_credentials_are_made_once_and_differ_between_homes(tmp_path):
    first, second = make_home(tmp_path / "first"), make_home(tmp_path / "second")
    assert len({home.secret(name) for home in (first, second) for name in ("password", "api_key", "auth_secret")}) == 6
    assert make_home(tmp_path / "first").secret("api_key") == first.secret("api_key")


def test_a_directory_with_something_else_in_it_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").touch()
    mode = tmp_path.stat().st_mode
    with pytest.raises(Problem, match="not empty"):
        make_home(tmp_path)
    assert os.listdir(tmp_path) == ["thesis.tex"]
    assert tmp_path.stat().st_mode == mode


def test_a_home_that_cannot_be_made_is_a_sentence(tmp_path):
    (tmp_path / "file").touch()
    done = annotation("serve", home=tmp_path / "file" / "home")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Give --home a directory that you may write" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_home_is_served_once(tmp_path):
    home = make_home(tmp_path / "home")
    held = take_lock(home)
    try:
        done = annotation("serve", "--port", 0, home=home.path)
        assert done.returncode == 2
        assert f"in use by process {os.getpid()}" in done.stderr
        assert running(home) is None  # it has not said where it is
    finally:
        os.close(held)


def test_a_lock_outlives_its_first_process_only_with_one_of_its_children(tmp_path):
    home = make_home(tmp_path / "home")
    code = (
        "import os, subprocess, sys; from pathlib import Path; from annotation.server.home import Home, take_lock\n"
        f"lock = take_lock(Home(Path({str(home.path)!r})))\n"
        "child = subprocess.Popen(['sleep', '600'], pass_fds=[lock], stdout=-3, stderr=-3); print(child.pid)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    with pytest.raises(Problem, match="in use"):
        take_lock(home, wait=0.1)
    os.kill(int(done.stdout), signal.SIGKILL)
    os.close(take_lock(home, wait=60))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--port", "taken"], "--port 0 takes one that is free"),
        (["--port", "70000"], "from 0 to 65535"),
        (["--host", "192.0.2.1", "--port", "0"], "an address of this machine"),
        (["--host", "no such host", "--port", "0"], "an address of this machine"),
    ],
)
def test_an_address_that_cannot_be_had_is_a_sentence(tmp_path, words, said):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        words = [str(taken.getsockname()[1]) if word == "taken" else word for word in words]
        done = annotation("serve", *words, home=tmp_path / "home")
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_server_every_command_says_how_to_start_one(tmp_path):
    for words in (["status"], ["users", "list"], ["users", "add", "a", "--locale", "de-DE"], ["stop"], ["backup", "x"]):
        done = annotation(*words, home=tmp_path / "home")
        assert done.returncode == 2, words
        assert "python -m annotation serve" in done.stderr
    assert not (tmp_path / "home").exists()


def test_a_damaged_database_is_told_and_a_backup_helps(tmp_path):
    home = make_home(tmp_path / "home")
    home.database.write_bytes(b"this was a database once" * 400)
    done = annotation("serve", "--port", 0, home=home.path)
    assert done.returncode == 2
    assert f"{home.database}: damaged" in done.stderr
    assert "restore" in done.stderr
    assert "Traceback" not in done.stderr
    os.close(take_lock(home))


def test_a_part_that_does_not_run_is_told_with_its_log(tmp_path):
    home = make_home(tmp_path / "home")
    (home.path / "redis" / "appendonly.aof").mkdir()
    done = annotation("serve", "--port", 0, home=home.path)
    assert done.returncode == 2
    assert f"Redis does not run; its own words are in {home.path / 'log' / 'redis.log'}" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    os.close(take_lock(home))


def test_migrations_are_skipped_only_where_all_have_been_applied(tmp_path):
    versions, database = tmp_path / "versions", tmp_path / "ö ?#%41.db"
    versions.mkdir()
    (versions / "a.py").write_text('revision = "aa"\ndown_revision = None\n')
    (versions / "b.py").write_text("revision = 'bb'\ndown_revision = 'aa'\n")
    assert not _at_head(database, versions)
    with contextlib.closing(sqlite3.connect(database)) as connection:
        assert not _at_head(database, versions)
        connection.executescript(
            "CREATE TABLE alembic_version (version_num); INSERT INTO alembic_version VALUES ('aa')"
        )
        assert not _at_head(database, versions)
        connection.executescript("UPDATE alembic_version SET version_num = 'bb'")
        assert _at_head(database, versions)
    (versions / "c.py").write_text('revision = "cc"\ndown_revision = "bb"\n')
    assert not _at_head(database, versions)


def test_ctrl_c_ends_it_all(tmp_path):
    home = Home(tmp_path / ("a-long-way-" * 12) / "ö ?#%41&x=y")  # longer than the path of a socket may be
    command = [sys.executable, "-m", "annotation", "serve", "--home", str(home.path), "--port", "0"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            assert process.stdout is not None
            said = [process.stdout.readline() for _ in range(3)]
            told = running(home)
            assert told is not None
            assert said[0] == f"Argilla is at {told['url']}\n"
            assert urllib.request.urlopen(told["url"]).status == 200
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does it
            _, complaints = process.communicate(timeout=120)
        finally:
            process.kill()
    assert process.returncode == 0
    assert (
        complaints.removeprefix("Still starting: the database is brought up to date, the search index made anew.\n")
        == ""
    )
    assert home.secret("password") not in "".join(said)
    assert str(home.password_file) in said[1]
    assert not any(os.path.exists(f"/proc/{pid}") for pid in told["parts"].values())
    assert not home.running_file.exists()
    assert write_backup(home, tmp_path / "backup.zip")["counts"]["users"] == 1


def test_stop_ends_it_and_a_full_disk_loses_nothing(tmp_path):
    path = tmp_path / "home"
    with serving(path) as server:
        api = Api(server.url, server.api_key, patience=0)
        assert api.post("workspaces", {"name": "before"})["name"] == "before"
        web = running(Home(path))["parts"]["web"]
        for file in path.glob("*.db-wal"):
            resource.prlimit(web, resource.RLIMIT_FSIZE, (file.stat().st_size, resource.RLIM_INFINITY))
        with pytest.raises(Problem) as told:
            api.post("workspaces", {"name": "meanwhile"})
        assert "full disk" in str(told.value)
        api.close()  # uvicorn closes a connection after a failure, perhaps not before the next call would use it
        resource.prlimit(web, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert api.post("workspaces", {"name": "after"})["name"] == "after"
        assert {space["name"] for space in api.get("me/workspaces")["items"]} == {"before", "after"}
        assert running(Home(path))["parts"]["web"] == web
        api.close()
        began = time.monotonic()
        assert annotation("stop", home=path).returncode == 0
        assert time.monotonic() - began < 60
        assert running(Home(path)) is None
        assert "no server runs here" in annotation("stop", home=path).stdout
