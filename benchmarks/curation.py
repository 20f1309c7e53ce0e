"""All of curation's measurements against other tools, one after another.

    python -m benchmarks.curation DATA [--only scrubbing embedding near_duplicates memory toxicity quotas choosing]
        [--python /tmp/bench/bin/python]

DATA is a directory with public sets by name: `topical-chat/`, `presidio-research/`, `wnut17/`, `convabuse/`, `xstest/`,
`synthetic-persona-chat/`. Each measurement is a module here that says what it compares and which gates it holds: counts
are checked together with speed, side by side in one run. Exits with 1 where any gate does not hold. Run it on a machine
that does nothing else. `--python` is an environment with SemHash and datatrove, see `benchmarks.near_duplicates`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time


def main() -> int:
    """Run them; 1 where any exits otherwise than with 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", metavar="DATA")
    parser.add_argument("--only", nargs="+", metavar="NAME")
    parser.add_argument("--python", metavar="PATH", help="environment with SemHash and datatrove")
    given = parser.parse_args()
    data = given.data
    others = ["--python", given.python] if given.python else []
    private = {
        "privacy-presidio": f"{data}/presidio-research/synth_dataset_v2.json",
        "privacy-wnut17": f"{data}/wnut17/emerging.dev.conll",
        "privacy-sample": "examples/traffic.parquet",
    }
    commands = {
        **{name: ["curation", "privacy-eval", path, "--baseline"] for name, path in private.items()},
        "scrubbing": ["benchmarks.scrubbing", data],
        "toxicity": ["benchmarks.toxicity", data],
        "embedding": ["benchmarks.embedding", data],
        "near_duplicates": ["benchmarks.near_duplicates", data, *others],
        "memory": ["benchmarks.near_duplicates", data, "--memory"],
        "quotas": ["benchmarks.quotas"],
        "choosing": ["benchmarks.choosing"],
    }
    if unknown := sorted(set(given.only or ()) - set(commands)):
        parser.error(f"--only: no measurement {', '.join(unknown)}; known are {', '.join(commands)}")
    failed = []
    for name in given.only or commands:
        print(f"\n== {name}: python -m {' '.join(commands[name])}", flush=True)
        begun = time.perf_counter()
        code = subprocess.run([sys.executable, "-m", *commands[name]]).returncode
        print(f"== {name}: {'held' if code == 0 else f'exit {code}'}, {time.perf_counter() - begun:.0f} s", flush=True)
        failed += [name] if code else []
    print(f"\n{len(failed)} of {len(given.only or commands)} did not hold: {', '.join(failed) or 'none'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
