"""The README's commands do what it says; those that take minutes are the demo's, and are checked to be the demo's."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys

import pytest
from conftest import ROOT

README = (ROOT / "README.md").read_text()
COMMANDS = [line.split("#")[0].split() for line in re.findall(r"^    \.venv/bin/python (.+)$", README, flags=re.M)]


def run(arguments, **more):
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=500, **more)


def test_the_readme_is_one_screen_to_the_first_result_and_its_links_exist():
    assert README.index("make demo") < 1200
    for link in re.findall(r"\]\(([^)]+)\)", README):
        assert (ROOT / link).is_file(), link


def test_make_knows_what_the_readme_asks_for():
    for target in re.findall(r"^    make (\w+)$", README, flags=re.M):
        planned = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True)
        assert planned.returncode == 0, planned.stderr
        if target == "demo":
            assert "training.cycle run examples/quickstart.yaml" in planned.stdout


@pytest.mark.parametrize("command", [c for c in COMMANDS if "validate" in c or "plan" in c], ids=" ".join)
def test_validate_and_plan(command):
    done = run(command)
    assert done.returncode == 0, done.stderr


def test_status_before_a_first_run_says_what_to_do(tmp_path):
    command = next(c for c in COMMANDS if "status" in c)
    recipe = tmp_path / "recipe.yaml"
    text = (ROOT / "examples" / "quickstart.yaml").read_text()
    for name in ("traffic.parquet", "personas.yaml"):
        text = text.replace(name, str(ROOT / "examples" / name))
    recipe.write_text(text.replace("../runs", str(tmp_path / "runs")))
    done = run([*command[:-1], str(recipe)])
    assert done.returncode == 2
    assert "use `run`" in done.stderr


def test_curation_of_ones_own_logs(tmp_path):
    command = shlex.split(next(" ".join(c) for c in COMMANDS if "curation" in c))
    logs = tmp_path / "logs.jsonl"
    conversations = [
        {
            "conversation_id": str(i),
            "messages": [
                {"role": "system", "content": f"You are keeper number {i} of a lighthouse."},
                {"role": "user", "content": f"hello, what did you see at hour {i} of the watch?"},
                {"role": "assistant", "content": f"A ship with {i} lamps, and fog behind it. What brings you up here?"},
            ],
        }
        for i in range(50)
    ]
    logs.write_text("\n".join(json.dumps(row) for row in conversations))
    out = tmp_path / "curated"
    done = run([{"LOGS": str(logs), "curated": str(out)}.get(word, word) for word in command])
    assert done.returncode == 0, done.stderr
    rows = json.loads((out / "report.json").read_text())["rows"]
    assert rows["in"] == 50 == rows["kept"] + rows["dropped"] + rows["quarantined"]
