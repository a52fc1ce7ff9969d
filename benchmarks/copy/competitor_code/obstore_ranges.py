"""obstore (Rust's object_store) with eight concurrent range reads, in order, into one multipart upload."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import obstore
from obstore.store import HTTPStore, S3Store

from benchmarks.copy.competitor_code.job import Job
from benchmarks.jobs import BUCKET, SIGNATURE

RANGES = 8
PART = 8 * 1024 * 1024


def ready(job: Job) -> Callable[[str], None]:
    tls = {"root_certificate": Path(job.certificates).read_bytes()}
    source = HTTPStore(f"{job.source}?{SIGNATURE}", client_options=tls)
    bucket = S3Store(
        BUCKET, endpoint=job.endpoint, region="us-east-1", virtual_hosted_style_request=False, client_options=tls
    )
    return lambda name: asyncio.run(_copy(source, bucket, name))


async def _copy(source: HTTPStore, bucket: S3Store, name: str) -> None:
    first = await obstore.get_async(source, name, options={"range": (0, 1)})
    ranges = _ranges(source, name, first.meta["size"])
    await obstore.put_async(bucket, name, ranges, chunk_size=PART, max_concurrency=RANGES)


async def _ranges(source: HTTPStore, name: str, size: int) -> AsyncIterator[obstore.Bytes]:
    pending: deque[asyncio.Future[obstore.Bytes]] = deque()
    for at in range(0, size, PART):
        pending.append(asyncio.ensure_future(_range(source, name, at, min(at + PART, size))))
        if len(pending) == RANGES:
            yield await pending.popleft()
    while pending:
        yield await pending.popleft()


async def _range(source: HTTPStore, name: str, first: int, end: int) -> obstore.Bytes:
    return await obstore.get_range_async(source, name, start=first, end=end)
