"""Copies one file from a download URL into S3 in its own process, and prints its size, CRC-32 and peak memory.

``python -m tests.faults.copy_file URL ENDPOINT CERTIFICATE``. The process cannot write to disk or allocate more than
256 MiB, which is as little as a function has.
"""

import json
import re
import resource
import sys
from pathlib import Path

import boto3

from exports.download.connections import tls_context
from exports.download.download import Download
from exports.model import RawObject
from exports.retry import RetryPolicy
from exports.s3.bucket import Bucket, s3_client
from exports.transfer.copying import copy

MAX_DATA = 256 * 1024 * 1024


def copy_file(download_url: str, endpoint: str, certificate: str) -> dict[str, object]:
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (MAX_DATA, MAX_DATA))
    session = boto3.Session(aws_access_key_id="key", aws_secret_access_key="secret", region_name="us-east-1")
    result = copy(
        Download(
            download_url,
            refresh_url=lambda: None,
            hosts=["localhost:*"],
            context=tls_context(certificate),
            connections=8,
        ),
        Bucket(s3_client(session), bucket="bucket", owner="123456789012"),
        key="raw/export.{}".format,
        known=None,
        save_progress=lambda upload: None,
        retry_policy=RetryPolicy(),
    )
    assert isinstance(result, RawObject)
    return {"bytes": result.bytes, "crc32": result.crc32, "peak": peak_bytes()}


def peak_bytes() -> int:
    """Peak memory of this process. ``ru_maxrss`` does not serve: it starts with the value of the parent process."""
    status = Path("/proc/self/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) * 1024


if __name__ == "__main__":
    print(json.dumps(copy_file(*sys.argv[1:])))
