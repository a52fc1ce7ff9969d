"""Exports that are made to exhaust ``StoreExport`` need a limited part of its memory, and leave a small manifest."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.slow.hostile import GZIP, HOSTILE, SHARE_OF_MEMORY

CHILD = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
FILES = {"usual", "as many headers as are stored", "10,000 known files"}
ALL = [*HOSTILE, *GZIP]
QUICK = [
    *("usual", "as many headers as are stored", "names of 65,000 characters", "directories of inner zip files"),
    *("commas", "blank lines", "90,000 cells beyond the last column", "records of 8 MB", "a quote that is not closed"),
    *("a million and one gzip members", "a header of gzip without end"),
]
"""Some of each kind. ``make soak`` stores all exports, which takes minutes."""


@pytest.mark.parametrize("name", ALL if os.environ.get("SOAK") else QUICK)
def test_contents_08_09_10_11_hostile_export_needs_limited_memory(name: str) -> None:
    command = [sys.executable, "-m", "tests.slow.hostile", name]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=CHILD)
    needed: dict[str, Any] = json.loads(done.stdout)

    assert needed["peak"] < SHARE_OF_MEMORY
    assert needed["manifest"] < 20 * 10**6
    assert needed["outcome"] == "STORED" or needed["outcome"].startswith(("TOO_LARGE", "CORRUPT"))
    assert (needed["outcome"] == "STORED") or name not in FILES
