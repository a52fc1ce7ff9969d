"""Fault 38: a file larger than memory and disk together goes through in the memory of a small one."""

import json
import os
import subprocess
import sys
import zlib
from collections.abc import Iterator
from typing import Any, cast

import pytest

from exports.checksums import crc32_of_parts, to_base64
from tests.faults.copying import MIB, Certificate
from tests.faults.s3server import S3Server
from tests.faults.server import Server, serving

BLOCK = b"0123456789,abcdef\n" * (MIB // 18 + 1)
SMALL, LARGE = 40, 600
"""MiB. The large one is more than twice what the process may allocate."""


class Endless:
    """``size`` bytes that exist only where they are looked at."""

    def __init__(self, size: int) -> None:
        self._size = size

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, wanted: slice) -> bytes:
        length = wanted.stop - wanted.start
        blocks: bytes = BLOCK[:MIB] * (length // MIB + 2)
        return blocks[wanted.start % MIB :][:length]


@pytest.fixture
def s3(certificate: Certificate) -> Iterator[S3Server]:
    server = S3Server(certificate.serving, keeps=False)
    with serving(server):
        yield server


def carry(server: Server, s3: S3Server, certificate: Certificate, mebibytes: int) -> dict[str, Any]:
    """What a fresh process says of carrying a file of so many MiB."""
    server.body = cast(bytes, Endless(mebibytes * MIB))
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(sys.path),
        "AWS_ENDPOINT_URL": s3.endpoint,
        "AWS_CA_BUNDLE": str(certificate.path),
    }
    command = [sys.executable, "-m", "tests.faults.carry", server.link, s3.endpoint, str(certificate.path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_fault_38_invariant_7_memory_does_not_grow_with_the_file(
    server: Server, s3: S3Server, certificate: Certificate
) -> None:
    small = carry(server, s3, certificate, SMALL)
    large = carry(server, s3, certificate, LARGE)

    assert large["bytes"] == LARGE * MIB
    assert large["crc32"] == to_base64(crc32_of_parts([(zlib.crc32(BLOCK[:MIB]), MIB)] * LARGE))
    assert large["peak"] - small["peak"] < 5 * MIB
    assert large["peak"] < 100 * MIB
