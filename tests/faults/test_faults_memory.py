"""Fault 38: a file larger than memory and disk needs as little memory as a small file."""

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

SMALL_FILE_BYTES, LARGE = 40 * MIB, 600 * MIB
"""Bytes. The large file is more than twice what the process may allocate."""


@pytest.fixture
def bucket(certificate: Certificate) -> Iterator[BucketServer]:
    bucket = BucketServer(certificate.serving, keeps=False)
    with serving(bucket):
        yield bucket


def copy_in_process(server: SourceServer, bucket: BucketServer, certificate: Certificate, size: int) -> dict[str, Any]:
    """The output of a new process that copies a file of ``size`` bytes."""
    server.body = Content(1, size)
    bucket.stored.clear()
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(sys.path),
        "AWS_ENDPOINT_URL": bucket.endpoint,
        "AWS_CA_BUNDLE": str(certificate.path),
    }
    command = [
        sys.executable,
        "-m",
        "tests.faults.copy_file",
        server.download_url,
        bucket.endpoint,
        str(certificate.path),
    ]
    process = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert process.returncode == 0, process.stderr
    output: dict[str, Any] = json.loads(process.stdout)
    return output


def test_fault_38_invariant_7_memory_does_not_grow_with_the_file(
    server: SourceServer, bucket: BucketServer, certificate: Certificate
) -> None:
    small = copy_in_process(server, bucket, certificate, SMALL_FILE_BYTES)
    large = copy_in_process(server, bucket, certificate, LARGE)

    assert large["bytes"] == LARGE
    assert large["crc32"] == to_base64(Content(1, LARGE).crc32(0, LARGE))
    assert large["peak"] - small["peak"] < 5 * MIB
    assert large["peak"] < 100 * MIB
