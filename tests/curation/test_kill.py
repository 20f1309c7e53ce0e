"""`kill -9` in the middle of a run, at 1, 2 and 4 workers: nobody is left, and the same command ends the same."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
from conftest import OFFLINE, ROOT
from test_flow import with_key
from test_pipeline import PERSONAS, sample, turn, turns, write

RECIPE = """
name: killed
precision: float32
curation:
  input: traffic.parquet
  personas: personas.yaml
  shard_rows: 12
  near_duplicates: {similarity: 1.0, added: 0.0}
  quotas: {max_persona_share: 0.3}
"""


def folder_with_logs(folder: Path) -> Path:
    with_key(folder)
    rows = [*sample(), *(turn(n, f"Is {n} a lucky number for you?", f"Only on day {n}.") for n in range(100, 160))]
    write(rows, folder / "traffic.parquet")
    (folder / "recipe.yaml").write_text(RECIPE)
    (folder / "personas.yaml").write_text(json.dumps([p.model_dump(mode="json") for p in PERSONAS.values()]))
    return folder


def start(folder: Path, workers: int) -> subprocess.Popen[bytes]:
    words = ["run", str(folder / "recipe.yaml"), "--out", str(folder / "out"), "--workers", str(workers)]
    environment = {**os.environ, "PYTHONPATH": str(OFFLINE), "PYTHONWARNINGS": "error", "HF_HUB_OFFLINE": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "curation", *words],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def alive(session: int) -> list[int]:
    """Processes of a session that still run."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                after = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(after[3]) == session and after[0] != "Z":
                found.append(int(entry.name))
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing interrupted."""
    folder = folder_with_logs(tmp_path_factory.mktemp("whole"))
    output = start(folder, 2).communicate(timeout=300)[0]
    assert (folder / "out" / "manifest.json").is_file(), output.decode()
    return folder / "out"


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_a_run_that_was_killed_ends_as_if_it_had_not_been(whole: Path, tmp_path: Path, workers: int) -> None:
    folder = folder_with_logs(tmp_path)
    process = start(folder, workers)
    deadline = time.monotonic() + 200
    while not list((folder / "curation-store").glob("language-*/*/*.parquet")) and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()[0].decode()
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)  # which closes the pipe
    assert not (folder / "out" / "manifest.json").exists(), "it was over before the kill"
    deadline = time.monotonic() + 20
    while alive(process.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert alive(process.pid) == []

    before = {path: path.stat().st_mtime_ns for path in (folder / "curation-store").rglob("*.parquet")}
    assert before
    again = start(folder, workers)
    output = again.communicate(timeout=300)[0].decode()
    assert again.returncode == 0, output
    assert all(path.stat().st_mtime_ns == moment for path, moment in before.items())
    assert turns(folder / "out").equals(turns(whole))
    dropped = [pl.read_parquet(out / "dropped" / "*.parquet") for out in (folder / "out", whole)]
    assert dropped[0].equals(dropped[1])
    told = [json.loads((out / "report.json").read_bytes()) for out in (folder / "out", whole)]
    assert {**told[0], "recipe": ""} == {**told[1], "recipe": ""}  # its paths differ
