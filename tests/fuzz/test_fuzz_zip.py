"""Zip files with faults: what Python's zipfile and Info-ZIP's unzip both read is stored, or refused for a known reason.

The faults are those of docs/errors.md. The verdicts of unzip are recorded, and asked for again where it is installed.
"""

import base64
import json
import random
import re
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exports.errors import Rejected
from tests.fuzz.zip_files import VERDICTS, by_unzip, by_zipfile, mutated, valid
from tests.unit.builders import unpacked
from tests.unit.fakes import FakeBucket

PAGE = Path(__file__).parents[2] / "docs" / "errors.md"
ROW = re.compile(r"^\| `([^`|]+)`[^|]* \| ([A-Z_]+) \| (yes|no) \|", re.MULTILINE)
RANDOMS = st.randoms(use_true_random=False)


def faults(*, others_read: str) -> list[str]:
    """The start of the messages in the page, each with its reason."""
    return [f"{reason}: {text}" for text, reason, read in ROW.findall(PAGE.read_text("utf-8")) if read == others_read]


OTHERS_READ, OTHERS_REFUSE = faults(others_read="yes"), faults(others_read="no")


def by_us(body: bytes) -> tuple[list[bytes] | None, str]:
    """The contents of all files, or None and the message of the rejection."""
    bucket = FakeBucket()
    try:
        files = unpacked(bucket, bucket.holds(body)).files
    except Rejected as rejected:
        return None, str(rejected)
    return [bucket.objects[file.key] for file in files], ""


def check(body: bytes, *, unzip_reads: bool = False) -> None:
    """``unzip_reads``: whether unzip is known to read the file."""
    ours, rejected = by_us(body)
    theirs = by_zipfile(body)
    if ours is None:
        known = OTHERS_READ if theirs is not None and unzip_reads else [*OTHERS_READ, *OTHERS_REFUSE]
        assert rejected.startswith(tuple(known)), "a documented reason"
    elif theirs is not None:
        # For zipfile, a folder is an empty file.
        assert list(filter(None, ours)) == list(filter(None, theirs))


def test_the_page_lists_faults() -> None:
    assert len(OTHERS_READ) > 3
    assert len(OTHERS_REFUSE) > 3


@given(RANDOMS)
def test_contents_12_any_valid_zip_is_stored_as_zipfile_reads_it(rng: random.Random) -> None:
    body = bytes(valid(rng).body)
    ours, rejected = by_us(body)
    theirs = by_zipfile(body)

    assert (ours is not None) or rejected.startswith(tuple(OTHERS_READ))
    if ours is not None and theirs is not None:
        assert list(filter(None, ours)) == list(filter(None, theirs))


@given(RANDOMS)
def test_contents_12_a_zip_with_faults_is_stored_as_zipfile_reads_it_or_rejected(rng: random.Random) -> None:
    check(mutated(rng))


def recorded() -> list[tuple[int, bytes]]:
    return [(row["unzip"], base64.b64decode(row["zip"])) for row in json.loads(VERDICTS.read_text("ascii"))]


@pytest.mark.parametrize(("unzip", "body"), recorded(), ids=lambda value: value if isinstance(value, int) else "")
def test_contents_12_what_zipfile_and_unzip_read_is_stored_or_rejected_for_a_known_reason(
    unzip: int, body: bytes
) -> None:
    check(body, unzip_reads=unzip <= 1)


if shutil.which("unzip"):

    @given(RANDOMS)
    def test_unzip_reads_the_same_or_the_reason_is_known(rng: random.Random) -> None:
        body = mutated(rng)

        check(body, unzip_reads=by_unzip(body) <= 1)
