"""The search engine's checks, run where it runs: in the server's own environment."""

from __future__ import annotations

import os
import subprocess
import sysconfig
from pathlib import Path

from conftest import ROOT

CHECKS = Path(__file__).parent / "in_server" / "engine_checks.py"
# The server's environment has no pytest. Ours is put behind its own packages, so that these stay what is pinned there.
RUN = """
import sys
sys.path += sys.argv[1:3]
sys.dont_write_bytecode = True
import pytest
sys.exit(pytest.main(["-c", "/dev/null", "--rootdir", sys.argv[1], "-p", "no:cacheprovider", "-q", sys.argv[3]]))
"""


def test_search_engine_in_the_servers_environment(tmp_path):
    from annotation.server.environment import server_python

    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ARGILLA_", "PYTEST"))}
    environment |= {
        "ARGILLA_HOME_PATH": str(tmp_path),
        "ARGILLA_SEARCH_ENGINE": "sqlite",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTHONPATH": "",
    }
    command = [
        str(server_python()),
        "-c",
        RUN,
        str(ROOT / "annotation/server"),
        sysconfig.get_path("purelib"),
        str(CHECKS),
    ]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2000:]
