"""Zip files of all forms, with faults in their fields, and what other programs say about them.

``python -m tests.fuzz.zip_files`` writes ``unzip_verdicts.json`` again, with the verdicts of Info-ZIP's ``unzip``.
"""

import base64
import io
import json
import random
import re
import struct
import subprocess
import tempfile
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path

VERDICTS = Path(__file__).with_name("unzip_verdicts.json")
RECORDED = 100
NAMES = [b"1_osInfo.csv", b"a/b.csv", b"folder/", b"folder\\", b"caf\x82.csv", "é.csv".encode(), b"", b"._a", b"x" * 60]
CONTENTS = [b"", b"a", b"a,b\n1,2\n", b"osName\n" * 40, bytes(300), b"PK\3\4", b"PK\5\6" + bytes(18)]
PREFIXES = [b"", b"", b"", b"PK\7\x08", b"PK00", b"MZ" + bytes(60), b"#!/bin/sh\n"]
VALUES = [0, 1, 2, 8, 9, 20, 45, 63, 0x7F, 0x800, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF]
STORED, DEFLATED = 0, 8


@dataclass
class Writer:
    """Writes the records of a zip file, and notes where each of their fields is: offset and size."""

    body: bytearray = field(default_factory=bytearray)
    fields: list[tuple[int, int]] = field(default_factory=list)

    def record(self, layout: str, *values: bytes | int) -> None:
        at = len(self.body)
        for count, code in re.findall(r"(\d*)([sHLQ])", layout):
            sizes = [int(count)] if code == "s" else [struct.calcsize("<" + code)] * int(count or 1)
            for size in sizes:
                self.fields.append((at, size))
                at += size
        self.body += struct.pack("<" + layout, *values)


@dataclass(frozen=True)
class Member:
    name: bytes
    content: bytes
    method: int
    flags: int
    attributes: int
    zip64: bool
    extra: bytes
    comment: bytes

    @property
    def compressed(self) -> bytes:
        return zlib.compress(self.content, wbits=-15) if self.method == DEFLATED else self.content


def any_member(rng: random.Random) -> Member:
    return Member(
        name=rng.choice(NAMES),
        content=rng.choice(CONTENTS),
        method=rng.choice([STORED, DEFLATED, DEFLATED]),
        flags=rng.choice([0, 0, 8, 0x800, 0x808]),
        attributes=rng.choice([0, 0, 0x10, 0x20, 0o100644 << 16, 0o40755 << 16 | 0x10]),
        zip64=rng.random() < 0.2,
        extra=rng.choice([b"", b"", struct.pack("<2HB", 0x5455, 1, 0), b"\0", struct.pack("<2H", 1, 0)]),
        comment=rng.choice([b"", b"", b"remark", b"PK\5\6"]),
    )


def valid(rng: random.Random) -> Writer:
    """A zip file that follows the specification, in one of its many forms."""
    writer = Writer(bytearray(rng.choice(PREFIXES)))
    base = rng.choice([0, len(writer.body)])
    members = [any_member(rng) for _ in range(rng.randrange(4))]
    offsets = []
    for member in members:
        offsets.append(len(writer.body) - base)
        _write_local(writer, member)
        writer.body += rng.choice([b"", b"", b"between"])
    start = len(writer.body)
    order = list(zip(members, offsets, strict=True))
    if rng.random() < 0.3:
        order.reverse()
    for member, offset in order:
        _write_central(writer, member, offset)
    _write_end(writer, len(members), start - base, base, zip64=rng.random() < 0.2, comment=rng.choice([b"", b"end"]))
    return writer


def _write_local(writer: Writer, member: Member) -> None:
    compressed = member.compressed
    crc32, packed, size = zlib.crc32(member.content), len(compressed), len(member.content)
    later = member.flags & 8
    numbers = (0, 0, 0) if later else (crc32, packed, size)
    lengths = (len(member.name), len(member.extra))
    writer.record("4s5H3L2H", b"PK\3\4", 20, member.flags, member.method, 0, 0x21, *numbers, *lengths)
    writer.body += member.name + member.extra + compressed
    if later:
        writer.record("4s3L", b"PK\7\x08", crc32, packed, size)


def _write_central(writer: Writer, member: Member, offset: int) -> None:
    packed, size = len(member.compressed), len(member.content)
    extra = member.extra
    if member.zip64:
        extra = struct.pack("<2H3Q", 1, 24, size, packed, offset) + extra
        packed = size = offset = 0xFFFFFFFF
    numbers = (zlib.crc32(member.content), packed, size, len(member.name), len(extra), len(member.comment))
    writer.record(
        "4s6H3L5H2L",
        b"PK\1\2",
        20,
        20,
        member.flags,
        member.method,
        0,
        0x21,
        *numbers,
        0,
        0,
        member.attributes,
        offset,
    )
    writer.body += member.name + extra + member.comment


def _write_end(writer: Writer, members: int, start: int, base: int, *, zip64: bool, comment: bytes) -> None:
    size = len(writer.body) - base - start
    numbers = (members, members, size, start)
    if zip64:
        at = len(writer.body) - base
        writer.record("4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, *numbers)
        writer.record("4sLQL", b"PK\6\7", 0, at, 1)
        numbers = (0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF)
    writer.record("4s4H2LH", b"PK\5\6", 0, 0, *numbers, len(comment))
    writer.body += comment


def mutated(rng: random.Random) -> bytes:
    """A zip file with up to three faults, which may be harmless."""
    writer = valid(rng)
    body, fields = writer.body, writer.fields
    for _ in range(rng.randrange(4)):
        at, size = rng.choice(fields)
        old = int.from_bytes(body[at : at + size], "little")
        match rng.randrange(8):
            case 0 | 1:
                new = rng.choice(VALUES)
                body[at : at + size] = (new % (1 << 8 * size)).to_bytes(size, "little")
            case 2 | 3:
                new = (old + rng.choice([-1, 1, 4, 30, 46])) % (1 << 8 * size)
                body[at : at + size] = new.to_bytes(size, "little")
            case 4:
                other, _ = rng.choice(fields)
                body[at : at + size] = body[other : other + size]
            case 5:
                position = rng.randrange(len(body))
                body[position] ^= 1 << rng.randrange(8)
            case 6:
                position = rng.randrange(len(body))
                body[position:position] = rng.choice([b"\0", b"PK\3\4", b"PK\5\6", bytes(30)])
            case _:
                position = rng.randrange(len(body))
                del body[position : position + rng.choice([1, 4, 22])]
    return bytes(body)


def by_zipfile(body: bytes) -> list[bytes] | None:
    """The contents of all members, folders included, as Python's zipfile reads them; None if it refuses the file."""
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            return [archive.read(info) for info in archive.infolist()]
    except Exception:  # zipfile raises errors of many kinds for such files
        return None


def by_unzip(body: bytes) -> int:
    """The exit status of ``unzip -t``: 0 if all is well, 1 with warnings, more if it refuses the file."""
    with tempfile.NamedTemporaryFile(suffix=".zip") as file:
        file.write(body)
        file.flush()
        done = subprocess.run(
            ["unzip", "-qq", "-t", file.name], stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=60
        )
    return done.returncode


def main() -> None:
    cases = [mutated(random.Random(seed)) for seed in range(4 * RECORDED)]
    found = [(body, by_unzip(body)) for body in cases]
    accepted = [case for case in found if case[1] <= 1][: RECORDED * 3 // 4]
    refused = [case for case in found if case[1] > 1][: RECORDED - len(accepted)]
    rows = [{"unzip": code, "zip": base64.b64encode(body).decode("ascii")} for body, code in (*accepted, *refused)]
    VERDICTS.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n", "ascii")
    print(len(rows), "verdicts")


if __name__ == "__main__":
    main()
