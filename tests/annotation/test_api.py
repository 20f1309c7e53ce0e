"""The client of Argilla's API: retries, and errors that quote nothing."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests_server import Server

from annotation.api import Api, Refused
from annotation.connection import connect
from annotation.readers import read_readers
from schemas.problems import Problem

MARK = "MARKED-TEXT"


@contextmanager
def answering(*answers):
    """A server that gives these answers in turn, (status, body) or None to hang up, and keeps what it was asked."""
    asked, left = [], list(answers)

    class Handler(BaseHTTPRequestHandler):
        def answer(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            asked.append((self.command, self.path, body))
            told = left.pop(0) if len(left) > 1 else left[0]
            if told is None:
                self.close_connection = True
                return
            status, body = told
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_what_is_the_same_twice_as_once_is_tried_again():
    with answering(None, (503, {}), (200, {"x": 1})) as (url, asked):
        api = Api(url, "k")
        assert api.put("a", {"b": 2}) == {"x": 1}
        assert asked == [("PUT", "/api/v1/a", b'{"b": 2}')] * 3
        api.close()


def test_what_is_not_is_asked_once():
    with answering(None) as (url, asked):
        api = Api(url, "k")
        with pytest.raises(Problem, match="no Argilla server answers there"):
            api.post("a", {})
        assert len(asked) == 1
        api.close()


def test_a_server_that_is_not_there_gets_a_sentence():
    with answering((200, {})) as (url, _):
        pass
    with pytest.raises(Problem, match=r"python -m annotation serve"):
        Api(url, "k", patience=0.3).get("me")
    with pytest.raises(Problem, match="not an address"):
        Api("nonsense", "k", patience=0).get("me")


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (401, "does not take the API key"),
        (403, "this account may not do that"),
        (404, "not there"),
        (409, "refused"),
        (422, "refused"),
        (500, "the server failed"),
    ],
)
def test_refusals_are_sentences_that_quote_nothing(status, sentence):
    quoting = {
        "detail": {"code": MARK, "params": {"errors": [{"type": "string_too_long", "msg": MARK, "input": MARK}]}},
    }
    for body in (quoting, {"detail": f"Error parsing chat field 'c': {MARK}"}, MARK.encode(), [MARK]):
        with answering((status, body)) as (url, _):
            api = Api(url, "k", patience=0)
            with pytest.raises(Refused, match=sentence) as refused:
                api.put("a", {"text": MARK})
            api.close()
        assert MARK not in str(refused.value) + refused.value.reason
        assert refused.value.status == status


@given(st.text(max_size=40))
def test_no_reason_holds_what_a_server_quotes(text):
    import httpx

    from annotation.api import reason

    for detail in (
        f"Record at position 3 is not valid because {text}",
        {"params": {"errors": [{"type": text, "input": text, "msg": f"'type': '{text}'"}]}},
    ):
        told = reason(httpx.Response(422, json={"detail": detail}))
        assert told in (
            "the server's reason may quote messages; not shown",
            "what was sent is not as the server expects",
        )


def test_a_reason_of_the_server_s_own_is_told():
    import httpx

    from annotation.api import reason

    detail = "Record at position 0 is not valid because missing required value for field: 'reply'"
    assert reason(httpx.Response(422, json={"detail": detail})) == "missing required value for field: 'reply'"


def test_what_answers_but_is_no_argilla():
    with answering((200, b"<html>")) as (url, _):
        api = Api(url, "k")
        with pytest.raises(Problem, match="not an Argilla server"):
            api.get("me")
        api.close()


def test_the_real_server_takes_the_owner_s_key_and_no_other(server: Server):
    assert Api(server.url, server.api_key).get("me")["username"] == "owner"
    for key in ("", "wrong"):
        with pytest.raises(Refused, match="does not take the API key"):
            Api(server.url, key).get("me")


def test_which_server_is_spoken_to(monkeypatch, tmp_path, server: Server):
    for name in ("ARGILLA_API_URL", "ARGILLA_API_KEY", "FLYWHEEL_ANNOTATION_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert connect(server.home).get("me")["role"] == "owner"
    with pytest.raises(Problem, match="no annotation server runs here"):
        connect(tmp_path)
    monkeypatch.setenv("ARGILLA_API_URL", "http://127.0.0.1:1")
    with pytest.raises(Problem, match="ARGILLA_API_KEY is not"):
        connect(server.home)
    monkeypatch.setenv("ARGILLA_API_KEY", "k")
    assert connect(server.home).url == "http://127.0.0.1:1"


def test_damaged_readers_are_a_sentence(tmp_path):
    assert read_readers(None, tmp_path) == {}
    (tmp_path / "users.json").write_text("{")
    with pytest.raises(Problem, match=r"users\.json: not JSON any more"):
        read_readers(None, tmp_path)
    (tmp_path / "users.json").write_text('{"anna": {"locales": ["de"], "id": "1"}}')
    assert read_readers(None, tmp_path) == {"anna": ["de"]}
