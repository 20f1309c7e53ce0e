"""A command of `python -m curation` in this process, with pipes of memory."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from curation.__main__ import main


class Shell:
    """What a command printed."""

    def __init__(self, code: int, out: bytes, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


def run(*words: str | Path, stdin: bytes | Sequence[Any] = b"") -> Shell:
    """A command in this process, with pipes of memory."""
    given = stdin if isinstance(stdin, bytes) else b"".join(json.dumps(row).encode() + b"\n" for row in stdin)
    out, err = io.BytesIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
        patch.setattr(sys, "stdout", io.TextIOWrapper(out))
        patch.setattr(sys, "stderr", err)
        code = main([str(word) for word in words])
        sys.stdout.flush()
        return Shell(code, out.getvalue(), err.getvalue())
