"""Runs argilla-server's own search engine tests against ours.

    ENVIRONMENT/bin/python tests/annotation/server/conformance.py argilla_server-2.8.0.tar.gz [pytest's options]

ENVIRONMENT is one like the server's, with what its tests need besides:

    pip install "pytest<8" "pytest-asyncio<0.22" "factory-boy<3.4" pytest-mock pytest-randomly

The archive is the source distribution (`pip download --no-binary :all: --no-deps argilla-server==2.8.0`), unpacked
into a temporary folder: nothing of it enters this repository. Those tests reach into Elasticsearch to set the scene, so
`in_server/conformance_conftest.py` gives them a client that does the same to our file. What inspects Elasticsearch's
mappings or stored documents cannot apply and is skipped, with the reason.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main(archive: str, *options: str) -> int:
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
        (root,) = (path for path in Path(folder).iterdir() if path.is_dir())
        shutil.copy(HERE / "in_server" / "conformance_conftest.py", root / "tests/unit/search_engine/conftest.py")
        home = Path(folder) / "home"
        home.mkdir()
        environment = os.environ | {
            "ARGILLA_HOME_PATH": str(home),
            "ARGILLA_SEARCH_ENGINE": "elasticsearch",  # or its tests skip themselves; the fixture gives them ours
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "PYTHONPATH": os.pathsep.join([str(HERE.parents[2] / "annotation/server"), str(root)]),
        }
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-o", "log_cli=false", "-rs", "-q"]
        return subprocess.run(
            [*command, *options, "tests/unit/search_engine"], cwd=root, env=environment, check=False
        ).returncode


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
