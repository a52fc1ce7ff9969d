"""Fault 38: a file larger than memory and disk together goes through in the memory of a small one."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from exports.s3.crc32 import to_base64
from tests.faults.copying import MIB, Certificate
from tests.loopback.bucket import BucketServer
from tests.loopback.content import Content
from tests.loopback.server import serving
from tests.loopback.source import SourceServer

SMALL, LARGE = 40 * MIB, 600 * MIB
"""Bytes. The large one is more than twice what the process may allocate."""


@pytest.fixture
def bucket(certificate: Certificate) -> Iterator[BucketServer]:
    bucket = BucketServer(certificate.serving, keeps=False)
    with serving(bucket):
        yield bucket


def carry(server: SourceServer, bucket: BucketServer, certificate: Certificate, size: int) -> dict[str, Any]:
    """What a fresh process says of carrying a file of so many bytes."""
    server.body = Content(1, size)
    bucket.stored.clear()
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(sys.path),
        "AWS_ENDPOINT_URL": bucket.endpoint,
        "AWS_CA_BUNDLE": str(certificate.path),
    }
    command = [sys.executable, "-m", "tests.faults.carry", server.download_url, bucket.endpoint, str(certificate.path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    output: dict[str, Any] = json.loads(done.stdout)
    return output


def test_fault_38_invariant_7_memory_does_not_grow_with_the_file(
    server: SourceServer, bucket: BucketServer, certificate: Certificate
) -> None:
    small = carry(server, bucket, certificate, SMALL)
    large = carry(server, bucket, certificate, LARGE)

    assert large["bytes"] == LARGE
    assert large["crc32"] == to_base64(Content(1, LARGE).crc32(0, LARGE))
    assert large["peak"] - small["peak"] < 5 * MIB
    assert large["peak"] < 100 * MIB
