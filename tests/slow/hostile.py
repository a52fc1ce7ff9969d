"""Exports that are made to need as much memory, time or space as possible, each in a process of its own.

``python -m tests.slow.hostile NAME`` stores one, and prints what it needed as JSON.
"""

import gzip
import io
import json
import random
import re
import sys
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from exports.datasets.exports_table import exports_row
from exports.errors import Rejected
from exports.runs import Unfinished
from exports.unpack.members import Limits
from tests.unit.builders import manifest_of, unpacking
from tests.unit.fakes import FakeBucket

HEADER = "accountNumber,agentId,osName,osVersion,cpuType,hostName,hypervisor,timestamp\n"
ROW = "1,o-1,Linux,7,x86,h,,2020-07-14 20:46:38\n"
SHARE_OF_MEMORY = 400 * 10**6
"""Bytes that a process may need. The function has 1,769 MB, of which its own libraries need 110 MB."""
MEMBER = 1 << 20
"""Bytes that are compressed at once."""


def archive(files: Iterable[tuple[str, Iterable[str]]]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as zipped:
        for name, texts in files:
            with zipped.open(name, "w") as member:
                for text in texts:
                    member.write(text.encode())
    return buffer.getvalue()


def one(*texts: str, name: str = "1_osInfo.csv") -> bytes:
    return archive([(name, texts)])


def repeated(row: str, size: int) -> Iterator[str]:
    """The row, again and again, up to ``size`` characters."""
    block = row * max(1, MEMBER // len(row))
    for _ in range(size // len(block)):
        yield block


def headers(header: str, files: int) -> bytes:
    """CSV files of the same header."""
    return archive((f"{number}.csv", [header]) for number in range(files))


def columns(length: int) -> str:
    """A header of 16,000 characters, of distinct names that have ``length`` of them."""
    names = (f"{number:0{length}x}" for number in range(16_000 // (length + 1)))
    return ",".join(names)


def random_rows(cells: int, length: int, rows: int) -> Iterator[str]:
    generator = random.Random(1)
    for _ in range(rows):
        text = generator.randbytes(cells * length // 2 + 1).hex()
        yield ",".join(text[at : at + length] for at in range(0, cells * length, length)) + "\n"


def directories(zips: int, entries: int, comment: int) -> bytes:
    """Inner zip files with long comments in their directories."""
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as zipped:
        for number in range(entries):
            info = zipfile.ZipInfo(f"{number}.txt")
            info.comment = b"c" * comment
            zipped.writestr(info, b"")
    outer = io.BytesIO()
    with zipfile.ZipFile(outer, "w", zipfile.ZIP_STORED) as zipped:
        for number in range(zips):
            zipped.writestr(f"{number}.zip", inner.getvalue())
    return outer.getvalue()


HOSTILE: Mapping[str, Callable[[], bytes]] = {
    "usual": lambda: one(HEADER, *repeated(ROW, 8 << 20)),
    "10,000 headers of one long cell": lambda: headers("x" * 16_000, 10_000),
    "headers of cells of a character": lambda: headers("a," * 7_999, 450),
    "headers of cells of four characters": lambda: headers(columns(4), 700),
    "as many headers as are stored": lambda: headers(columns(4), 600),
    "headers of control characters": lambda: headers("\x01" * 16_000, 1_000),
    "headers of characters of four bytes": lambda: headers("\U0001f600" * 16_000, 1_000),
    "known headers with as many unknown columns": lambda: archive(
        (f"{number}_osInfo.csv", [columns(4)]) for number in range(400)
    ),
    "10,000 known files": lambda: archive((f"{number}_osInfo.csv", [HEADER, ROW]) for number in range(10_000)),
    "names of 65,000 characters": lambda: archive((f"{number}{'n' * 65_000}", []) for number in range(150)),
    "10,000 names of 999 characters": lambda: archive((f"{number:05}{'n' * 994}", []) for number in range(10_000)),
    "directories of inner zip files": lambda: directories(100, 99, 9_000),
    "commas": lambda: one(HEADER, *repeated(",,,,,,,\n", 32 << 20)),
    "commas that are not UTF-8": lambda: one(HEADER, *repeated(",,,,,,,\n", 8 << 20), "1\n"),
    "rows of one cell": lambda: one(HEADER, *repeated("a\n", 8 << 20)),
    "blank lines": lambda: one(HEADER, *repeated("\n", 16 << 20), "1\n"),
    "8,000 columns, full rows": lambda: one("a," * 7_999 + "b\n", *repeated("," * 7_999 + "\n", 24 << 20)),
    "8,000 columns, rows of one cell": lambda: one("a," * 7_999 + "b\n", "a\n" * 20_000),
    "8,000 columns, one full row in a thousand": lambda: one(
        "a," * 7_999 + "b\n", *(("1" + "," * 7_999 + "\n" + "a\n" * 999) for _ in range(20))
    ),
    "90,000 cells beyond the last column": lambda: one(HEADER, *repeated("," * 90_000 + "\n", 24 << 20)),
    "text beyond the last column": lambda: one(HEADER, *random_rows(5_000, 2, 2_000)),
    "cells that fit no column": lambda: one(columns(4), "\n", *random_rows(3_200, 4, 1_000)),
    "cells that fit no type": lambda: one(HEADER, *repeated("1,o,L,7,x,h,,?\n", 16 << 20)),
    "times in another form": lambda: one(HEADER, *repeated(",,,,,,,07/14/2020 08:46:38 PM\n", 16 << 20)),
    "records of 8 MB": lambda: one(HEADER, *(('"' + "x\n" * 520_000 + '",') * 8 + "\n" for _ in range(12))),
    "cells of a megabyte": lambda: one(
        HEADER, *(f"1,o,L,7,x,{random.Random(row).randbytes(524_280).hex()},,\n" for row in range(60))
    ),
    "a quote that is not closed": lambda: one(HEADER, '"', *repeated(ROW, 16 << 20)),
    "records of 2-character cells": lambda: one(HEADER, *random_rows(2_000_000, 2, 3)),
}
GZIP: Mapping[str, Callable[[], bytes]] = {
    "a million empty gzip members": lambda: gzip.compress(b"", mtime=0) * 1_000_000,
    "a million and one gzip members": lambda: gzip.compress(b"", mtime=0) * 1_000_001,
    "a header of gzip without end": lambda: b"\x1f\x8b\x08\x08" + bytes(6) + b"n" * (64 << 20),
}


def shaped(header: int, blocks: Iterable[tuple[int, int, str, int]]) -> bytes:
    """A CSV with a header of so many columns, then rows. A block has the cells of a row, the length of a cell, its
    text (with ``*`` for other characters each time), and the characters of all its rows."""
    generator = random.Random(1)

    def rows() -> Iterator[str]:
        for cells, length, text, size in blocks:
            cell = (text * (length // max(1, len(text)) + 1))[:length]
            row = ",".join([cell] * cells) + "\n"
            for _ in range(max(1, size // len(row))):
                yield re.sub(r"\*", lambda _: generator.choice("0123456789abcdef"), row) if "*" in row else row

    names = (HEADER.strip().split(",") + [f"c{number}" for number in range(header)])[: max(1, header)]
    return one(",".join(names) + "\n", *rows())


def body_of(name: str) -> tuple[bytes, str]:
    """An export by its name, or by its shape in JSON."""
    if name.startswith("["):
        return shaped(*json.loads(name)), "zip"
    return (GZIP[name](), "csv.gz") if name in GZIP else (HOSTILE[name](), "zip")


def main(name: str) -> None:
    body, extension = body_of(name)
    Path("/proc/self/clear_refs").write_text("5", "ascii")
    started = time.process_time()
    bucket = FakeBucket(keeps=False)
    raw = bucket.holds(body, extension)
    del body
    outcome, size, files = "STORED", 0, 0
    try:
        unpacked = unpacking(bucket, raw, with_tables=True, limits=Limits(max_ratio=10**9))
        assert not isinstance(unpacked, Unfinished)
        document = manifest_of(unpacked, raw)
        size, files = len(json.dumps(document)), len(unpacked.files)
        exports_row(document)
    except Rejected as rejected:
        outcome = str(rejected)
    status = dict(line.split(":") for line in Path("/proc/self/status").read_text("ascii").splitlines())
    print(
        json.dumps(
            {
                "outcome": outcome,
                "peak": int(status["VmHWM"].split()[0]) * 1024,
                "manifest": size,
                "files": files,
                "raw": raw.bytes,
                "seconds": round(time.process_time() - started, 1),
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1])
