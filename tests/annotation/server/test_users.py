"""Accounts: made, listed, given access by locale, removed with a backup first."""

from __future__ import annotations

import contextlib
import json
import stat
import subprocess
import sys
import zipfile

import httpx
import pytest
from tests_server import ROOT, annotation

from annotation.api import Api
from annotation.commands.users import NAME
from annotation.server.home import Home


@pytest.fixture(scope="module")
def server(fresh_server):
    """One that no other file has made accounts or workspaces on."""
    return fresh_server


@pytest.fixture(scope="module")
def api(server):
    """The owner's."""
    with contextlib.closing(Api(server.url, server.api_key)) as api:
        yield api


def names(api):
    return {user["username"]: user for user in api.get("users")["items"]}


def test_an_annotator_can_sign_in_and_sees_what_they_read(server, api):
    for locale in ("de-DE", "pt-BR"):
        api.post("workspaces", {"name": f"flywheel-{locale}"})
    done = annotation("users", "add", "anna", "--locale", "de-DE", "--locale", "en-GB", home=server.home)
    assert done.returncode == 0, done.stderr
    home = Home(server.home)
    file = server.home / "credentials" / "users" / "anna"
    assert str(file) in done.stdout
    assert file.read_text().strip() not in done.stdout
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE((server.home / "users.json").stat().st_mode) == 0o600
    user = names(api)["anna"]
    assert (user["role"], home.locales()["anna"]) == ("annotator", {"locales": ["de-DE", "en-GB"], "id": user["id"]})
    token = httpx.post(f"{server.url}/api/v1/token", data={"username": "anna", "password": file.read_text().strip()})
    bearer = {"Authorization": f"Bearer {token.json()['access_token']}"}
    mine = httpx.get(f"{server.url}/api/v1/me/workspaces", headers=bearer).json()["items"]
    assert [space["name"] for space in mine] == ["flywheel-de-DE"]
    listed = annotation("users", "list", home=server.home)
    assert "anna" in listed.stdout
    assert "de-DE, en-GB" in listed.stdout


def test_adding_again_changes_what_they_read_and_not_the_password(server, api):
    assert annotation("users", "add", "ben", "--locale", "de-DE", home=server.home).returncode == 0
    password = (server.home / "credentials" / "users" / "ben").read_text()
    done = annotation("users", "add", "ben", "--locale", "pt-BR", home=server.home)
    assert "was there already" in done.stdout
    assert (server.home / "credentials" / "users" / "ben").read_text() == password
    assert Home(server.home).locales()["ben"]["locales"] == ["pt-BR"]
    spaces = {space["name"]: space["id"] for space in api.get("me/workspaces")["items"]}
    readers = {
        name: [user["username"] for user in api.get(f"workspaces/{spaces[name]}/users")["items"]]
        for name in ("flywheel-de-DE", "flywheel-pt-BR")
    }
    assert "ben" not in readers["flywheel-de-DE"]
    assert "ben" in readers["flywheel-pt-BR"]


def sign_in(server, name):
    """Status of signing in with the password that is kept."""
    password = (server.home / "credentials" / "users" / name).read_text().strip()
    return httpx.post(f"{server.url}/api/v1/token", data={"username": name, "password": password}).status_code


def test_a_lost_password_is_replaced(server, api):
    assert annotation("users", "add", "ida", "--locale", "de-DE", home=server.home).returncode == 0
    file = server.home / "credentials" / "users" / "ida"
    before = file.read_text()
    file.write_text("lost, and wrong")
    assert sign_in(server, "ida") == 401
    assert annotation("users", "password", "ida", home=server.home).returncode == 0
    assert sign_in(server, "ida") == 201
    assert file.read_text() != before


def test_removing_wants_a_yes_and_takes_a_backup_first(server, api):
    assert annotation("users", "add", "carl", "--locale", "de-DE", home=server.home).returncode == 0
    refused = annotation("users", "remove", "carl", home=server.home)
    assert refused.returncode == 2
    assert "--yes" in refused.stderr
    assert "carl" in names(api)
    done = annotation("users", "remove", "carl", "--yes", home=server.home)
    assert done.returncode == 0, done.stderr
    assert "carl" not in names(api)
    assert "carl" not in Home(server.home).locales()
    assert not (server.home / "credentials" / "users" / "carl").exists()
    (backup,) = (server.home / "backups").glob("before-removing-carl-*.zip")
    with zipfile.ZipFile(backup) as archive:
        assert "carl" in json.loads(archive.read("users.json"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["add", "Ünal", "--locale", "tr-TR"], "small letters"),
        (["add", "../../x", "--locale", "tr-TR"], "small letters"),
        (["add", "dora"], "--locale for each locale"),
        (["add", "dora", "--locale", "German"], "BCP-47"),
        (["remove", "ana", "--yes"], "no such account"),
        (["remove", "owner", "--yes"], "cannot remove itself"),
        (["password", "nobody"], "no such account"),
        (["password", "owner"], "the server's own business"),
    ],
)
def test_wrong_words_get_a_sentence_and_change_nothing(server, api, words, said):
    before = names(api)
    done = annotation("users", *words, home=server.home)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert names(api) == before


def test_a_server_of_somebody_elses_is_as_good(server, api, tmp_path, monkeypatch):
    from annotation.__main__ import main

    monkeypatch.setenv("ARGILLA_API_URL", server.url)
    monkeypatch.setenv("ARGILLA_API_KEY", server.api_key)
    monkeypatch.setenv("FLYWHEEL_ANNOTATION_HOME", str(tmp_path / "home"))
    assert main(["users", "add", "emil", "--locale", "fr-FR"]) == 0
    assert names(api)["emil"]["role"] == "annotator"
    assert list(Home(tmp_path / "home").locales()) == ["emil"]
    assert (tmp_path / "home" / "credentials" / "users" / "emil").is_file()
    assert main(["users", "remove", "emil", "--yes"]) == 0
    assert "emil" not in names(api)
    monkeypatch.setenv("ARGILLA_API_KEY", "expired")
    assert main(["users", "list"]) == 2


def test_names_are_those_of_files():
    assert NAME.fullmatch("simulated-1")
    assert not any(NAME.fullmatch(name) for name in ("", "-a", "a/b", "a.b", ".", "A", "a" * 61, "a\n"))


def test_output_that_nobody_reads_is_no_fault(server):
    """As with `| head -1`."""
    command = [sys.executable, "-m", "annotation", "status", "--json", "--home", str(server.home)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141
