"""Writes exports as a stream: a zip as the service does, or another container that was seen."""

import gzip
import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, BinaryIO, cast

from .agent_files import results
from .contents import Compression, Container, Contents, CsvFile, Kind, member_name
from .data_center import DataCenter
from .files import csv_files, main_file
from .samples import LATEST

EXTENSIONS = {Container.CSV: "csv", Container.GZIP: "csv.gz"}
"""File extensions of the containers that are not a zip."""
ZIP64_FROM_BYTES = 1 << 30
COMPRESSION_LEVEL = 1
COPY_BYTES = 1 << 20


@contextmanager
def export_file(data_center: DataCenter, contents: Contents) -> Iterator[BinaryIO]:
    """The export in an unnamed temporary file, at position 0. The file is gone when the process ends, in any way."""
    with tempfile.TemporaryFile() as file:
        write_export(data_center, contents, file)
        file.seek(0)
        yield file


def write_export(data_center: DataCenter, contents: Contents, target: IO[bytes]) -> None:
    """Write the export to a seekable file. Memory is independent of its size; equal arguments give equal bytes."""
    match contents.container:
        case Container.ZIP | Container.NONE:
            _write_zip(data_center, contents, target)
        case Container.NESTED:
            _write_nested(data_center, contents, target)
        case Container.CSV:
            _write_chunks(main_file(data_center, contents), target)
        case Container.GZIP:
            with gzip.GzipFile(
                filename="", mode="wb", fileobj=target, compresslevel=COMPRESSION_LEVEL, mtime=0
            ) as file:
                _write_chunks(main_file(data_center, contents), cast(IO[bytes], file))


def _write_chunks(file: CsvFile | None, target: IO[bytes]) -> int:
    """Write the file, and return its number of bytes: 0 without a file."""
    return sum(target.write(chunk) for chunk in file.chunks()) if file else 0


def _write_zip(data_center: DataCenter, contents: Contents, target: IO[bytes]) -> None:
    sizes = {}
    with zipfile.ZipFile(target, "w", compresslevel=COMPRESSION_LEVEL) as archive:
        for file in csv_files(data_center, contents):
            with archive.open(_info(file.name, contents), "w", force_zip64=_large(contents)) as member:
                sizes[file.name] = _write_chunks(file, member)
        if contents.kind is Kind.AGENT:
            name = member_name(data_center, contents, "results.json")
            archive.writestr(_info(name, contents), json.dumps(results(data_center, contents, sizes)))


def _write_nested(data_center: DataCenter, contents: Contents, target: IO[bytes]) -> None:
    """Write a zip in a zip. The outer zip does not compress it, as is usual."""
    with tempfile.TemporaryFile() as inner:
        _write_zip(data_center, contents, inner)
        inner.seek(0)
        info = _info(f"{data_center.account}_{contents.kind}.zip", contents)
        info.compress_type = zipfile.ZIP_STORED
        with (
            zipfile.ZipFile(target, "w") as archive,
            archive.open(info, "w", force_zip64=_large(contents)) as member,
        ):
            shutil.copyfileobj(inner, member, COPY_BYTES)


def _info(name: str, contents: Contents) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, LATEST.timetuple()[:6])
    info.compress_type = zipfile.ZIP_STORED if contents.compression is Compression.STORED else zipfile.ZIP_DEFLATED
    return info


def _large(contents: Contents) -> bool:
    """Whether a member may exceed 2 GiB. The zip format needs to know this before the size is known."""
    return contents.min_bytes >= ZIP64_FROM_BYTES
