"""Who is let in: nobody without a key, nobody from elsewhere, no page that asks another host."""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path

import httpx
import pytest
from tests_server import serving

from annotation.server.home import Home, running

LOOPBACK = "0100007F"  # 127.0.0.1 as /proc/net/tcp writes it
ELSEWHERE = "https://elsewhere.example"


@pytest.fixture(scope="module")
def client(server):
    """Without any key."""
    with httpx.Client(base_url=server.url, timeout=120) as client:
        yield client


def processes(server):
    """The supervisor, its parts, and what they started."""
    found = {server.pid}
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(status.parent.name)] = int(status.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def sockets(server):
    """Local and remote address, and state, of each TCP socket of the server's processes."""
    inodes = set()
    for pid in processes(server):
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            try:
                inodes.update(re.findall(r"socket:\[(\d+)\]", str(descriptor.readlink())))
            except FileNotFoundError:
                continue
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[9] in inodes:
                yield words[1].split(":")[0], words[2].split(":")[0], words[3]


def test_no_account_has_a_password_that_is_known(server, client):
    for name, password in (("argilla", "1234"), ("argilla", "12345678"), ("owner", "1234"), ("owner", "12345678")):
        refused = client.post("/api/v1/token", data={"username": name, "password": password})
        assert refused.status_code == 401, name
    for key in ("argilla.apikey", "owner.apikey", "admin.apikey", "", "x"):
        assert client.get("/api/v1/me", headers={"X-Argilla-Api-Key": key}).status_code == 401
    users = client.get("/api/v1/users", headers={"X-Argilla-Api-Key": server.api_key}).json()["items"]
    assert "argilla" not in {user["username"] for user in users}
    assert all(len(user["api_key"]) >= 32 for user in users)


def test_files_are_their_owners_alone(server):
    pages = server.home / "tmp"  # what is in there is public; the folder is not
    for file in [server.home, *(file for file in server.home.rglob("*") if pages not in file.parents)]:
        mode = stat.S_IMODE(file.lstat().st_mode)
        assert not mode & 0o077, f"{file} has mode {mode:o}"


def test_secrets_stand_in_no_command_line_environment_or_log(server):
    home = Home(server.home)
    secrets = [home.secret(name) for name in ("password", "api_key", "auth_secret")]
    for pid in processes(server):
        for place in ("cmdline", "environ"):
            text = Path(f"/proc/{pid}/{place}").read_bytes().decode(errors="replace")
            assert not any(secret in text for secret in secrets), f"{pid}: {place}"
    for log in (server.home / "log").iterdir():
        text = log.read_text()
        assert not any(secret in text for secret in secrets), log.name
    assert home.secret("api_key") not in home.running_file.read_text()


def test_it_is_seen_from_this_machine_only_and_speaks_to_no_other(server, client):
    assert "CAUTION" not in server.said
    assert client.get("/").status_code == 200
    found = list(sockets(server))
    assert {local for local, _, _ in found} == {LOOPBACK}
    assert {remote for _, remote, state in found if state != "0A"} <= {LOOPBACK}
    assert [local for local, _, state in found if state == "0A"] == [LOOPBACK]  # one listens


def test_a_server_that_others_can_reach_says_so(tmp_path):
    with serving(tmp_path / "home", "--host", "0.0.0.0") as open_server:
        assert "CAUTION" in open_server.said
        assert httpx.get(open_server.url, headers={"Host": "annotate.example"}).status_code == 200


def test_pages_of_other_sites_get_nothing(server, client):
    ask = {
        "Origin": ELSEWHERE,
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "x-argilla-api-key",
    }
    preflight = client.options("/api/v1/me", headers=ask)
    assert preflight.status_code == 400
    assert "access-control-allow-origin" not in preflight.headers
    answer = client.get("/api/v1/me", headers={"Origin": ELSEWHERE, "X-Argilla-Api-Key": server.api_key})
    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"


@pytest.mark.parametrize(
    "name", ["elsewhere.example", "127.0.0.1.elsewhere.example", "", "localhost.elsewhere.example:80"]
)
def test_the_server_under_another_name_is_refused(client, name):
    for path in ("/", "/api/v1/me", "/api/v1/version"):
        assert client.get(path, headers={"Host": name}).status_code == 400
    assert client.get("/api/v1/version", headers={"Host": "localhost:6900"}).status_code == 200


def test_no_route_answers_without_a_key_but_those_that_tell_nothing(client):
    described = client.get("/api/v1/openapi.json").json()["paths"]
    open_to_all = {"/version", "/status", "/token", "/security/oauth2/providers", "/settings"}
    id_ = "00000000-0000-4000-8000-000000000000"
    asked = 0
    for path, methods in described.items():
        for method in methods:
            if path in open_to_all or "oauth2" in path:
                continue
            place = "/api/v1" + re.sub(r"\{\w+\}", id_, path)
            for headers in ({}, {"X-Argilla-Api-Key": "wrong"}, {"Authorization": "Bearer wrong"}):
                status = client.request(method, place, headers=headers).status_code
                assert status == 401 or (status == 403 and path.endswith(("/import", "/export"))), (
                    method,
                    path,
                    status,
                )
                asked += 1
    assert asked > 150


def test_what_people_wrote_cannot_be_sent_to_a_hub(server, client):
    key = {"X-Argilla-Api-Key": server.api_key}
    for action in ("export", "import"):
        for end in ("", "/"):
            place = f"/api/v1/datasets/00000000-0000-4000-8000-000000000000/{action}{end}"
            refused = client.post(place, headers=key, json={"name": "x", "token": "x"})
            assert refused.status_code in (403, 404)
            if refused.status_code == 403:
                assert "outside hub" in refused.json()["detail"]


def test_pages_load_nothing_from_another_host(server, client):
    page = client.get("/")
    policy = dict(rule.split(" ", 1) for rule in page.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'self'"
    assert policy["connect-src"] == "'self'"
    assert policy["img-src"] == "'self' data: blob:"
    assert "'unsafe-inline'" not in policy["script-src"]
    assert not any("http" in rule or "*" in rule for rule in policy.values())
    (pages,) = (server.home / "tmp" / "web").glob("*/statics")
    for sheet in pages.rglob("*.css"):
        loads = re.findall(r"(?:url\(|@import )['\"]?(https?:)?//", sheet.read_text())
        assert not loads, sheet
    for html in pages.rglob("*.html"):
        assert not re.findall(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=\"(?:https?:)?//", html.read_text()), html
    assert client.get("/api/v1/docs").status_code == 404  # they come from another host
    assert {"web", "worker", "redis"} == set(running(Home(server.home))["parts"])


def test_errors_in_the_log_quote_nobody(server, client):
    key = {"X-Argilla-Api-Key": server.api_key}
    words = "a-private-sentence"
    space = client.post("/api/v1/workspaces", headers=key, json={"name": "quoting"}).json()["id"]
    made = client.post("/api/v1/datasets", headers=key, json={"name": "quoting", "workspace_id": space}).json()["id"]
    field = {"name": "text", "title": "T", "required": True, "settings": {"type": "text"}}
    client.post(f"/api/v1/datasets/{made}/fields", headers=key, json=field)
    question = {"name": "q", "title": "Q", "required": True, "settings": {"type": "text"}}
    client.post(f"/api/v1/datasets/{made}/questions", headers=key, json=question)
    client.put(f"/api/v1/datasets/{made}/publish", headers=key)
    for items in (
        [{"fields": {"text": words}, "metadata": {words: words}}, {"fields": {words: words}}],
        [{"fields": {"text": words + "\ud800"}}],
        [{"fields": {"text": words}, "external_id": words}, {"fields": {"text": words}, "external_id": words}],
    ):
        client.post(f"/api/v1/datasets/{made}/records/bulk", headers=key, content=json.dumps({"items": items}))
    for log in (server.home / "log").iterdir():
        assert words not in log.read_text(errors="replace"), log.name
