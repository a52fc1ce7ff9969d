"""Exports as files: a zip as the service makes it, or what else has been seen, written as a stream."""

import gzip
import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, BinaryIO, cast

from local.double.data.agent_files import results
from local.double.data.contents import Compression, Container, Contents, CsvFile, Kind, member_name
from local.double.data.data_center import LATEST, DataCenter
from local.double.data.files import csv_files, main_file

EXTENSIONS = {Container.CSV: "csv", Container.GZIP: "csv.gz"}
"""Of what is not a zip."""
ZIP64_FROM_BYTES = 1 << 30
COMPRESSION_LEVEL = 1
COPY_BYTES = 1 << 20


@contextmanager
def export_file(data_center: DataCenter, contents: Contents) -> Iterator[BinaryIO]:
    """The export in a temporary file without a name, at its start; it is gone with the process, however that ends."""
    with tempfile.TemporaryFile() as file:
        write_export(data_center, contents, file)
        file.seek(0)
        yield file


def write_export(data_center: DataCenter, contents: Contents, target: IO[bytes]) -> None:
    """Write the export to a seekable file. Memory does not grow with its size; equal arguments give equal bytes."""
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
    """Write the file's bytes and say how many they are; without a file, nothing."""
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
    """A zip that holds a zip: the outer one has it stored, as archives of archives usually do."""
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
    """Whether a member may pass 2 GiB: its size stands in the zip before it is known."""
    return contents.min_bytes >= ZIP64_FROM_BYTES
