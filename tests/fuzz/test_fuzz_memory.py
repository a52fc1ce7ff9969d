"""A search for CSV files that need more memory than StoreExport has, and for manifests that are too large."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exports.errors import Rejected
from exports.unpack import unpacking as unpack_module
from tests.slow.hostile import SHARE_OF_MEMORY
from tests.unit.builders import manifest_of, unpacked, zipped
from tests.unit.fakes import FakeBucket

CHILD = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
SIZES = st.integers(0, 12).map(lambda power: 2**power)
TEXTS = st.sampled_from(["", "a", "*", "ab*", '"', '""', '"\n', "é", "\0", "07/14/2020 08:46:38 PM"])
BLOCKS = st.tuples(SIZES.map(lambda cells: 16 * cells), SIZES, TEXTS, st.sampled_from([1, 100_000, 4_000_000]))


@settings(max_examples=max(4, settings().max_examples // 20))
@given(header=SIZES.map(lambda columns: 2 * columns), blocks=st.lists(BLOCKS, min_size=1, max_size=3))
def test_contents_10_csv_of_any_shape_needs_limited_memory(
    header: int, blocks: list[tuple[int, int, str, int]]
) -> None:
    """In a process of its own, because the memory of the native library is part of no trace."""
    command = [sys.executable, "-m", "tests.slow.hostile", json.dumps([header, blocks])]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=CHILD)
    needed: dict[str, Any] = json.loads(done.stdout)

    assert needed["outcome"] == "STORED"
    assert needed["peak"] < SHARE_OF_MEMORY


NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=200) | st.sampled_from(["1_osInfo.csv", "a.zip"])
HEADERS = st.lists(st.text(max_size=30), max_size=40).map(lambda cells: ",".join(cells).encode("utf-8", "replace"))
LIMIT = 6_000


@given(files=st.lists(st.tuples(NAMES.filter(lambda name: not name.lower().endswith(".zip")), HEADERS), max_size=12))
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_contents_08_manifest_of_any_names_and_headers_has_a_limited_size(files: list[tuple[str, bytes]]) -> None:
    bucket = FakeBucket()
    raw = bucket.holds(zipped(files))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unpack_module, "MAX_DESCRIPTION_BYTES", LIMIT)
        try:
            stored = unpacked(bucket, raw, with_tables=True)
        except Rejected:
            return
    document = manifest_of(stored, raw)

    assert len(json.dumps(document)) < LIMIT + 1_500
