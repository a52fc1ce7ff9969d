"""Carry one file from a link into an S3 in a process of its own, as little as a function has, and tell what it took.

``python -m tests.faults.carry LINK ENDPOINT CERTIFICATE``: nothing can be written to disk, nor more than 256 MiB be
allocated.
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


def carry(link: str, endpoint: str, certificate: str) -> dict[str, object]:
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (MAX_DATA, MAX_DATA))
    session = boto3.Session(aws_access_key_id="key", aws_secret_access_key="secret", region_name="us-east-1")
    result = copy(
        Download(
            link, refresh_url=lambda: None, hosts=["localhost:*"], context=tls_context(certificate), connections=8
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
    """The most memory that this process held. Not ``ru_maxrss``, which begins with that of the process it came from."""
    status = Path("/proc/self/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) * 1024


if __name__ == "__main__":
    print(json.dumps(carry(*sys.argv[1:])))
