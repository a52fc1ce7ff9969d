"""Reads zip and gzip files by byte ranges: the directory with one read of the tail, each member with one read.

The standard library's ``zipfile`` is used as the oracle of the tests, not as the reader. It reads the whole directory
and creates an object for every entry before entries can be counted, hides a second member of the same name, cuts names
at a NUL, decodes names before their bytes can be checked, allows overlapping members (before 3.11.8), accepts an end
record that does not reach the end of the file, and needs several reads for a member. This module counts entries while
it reads them, keeps names as bytes, and rejects every inconsistency; zlib inflates.

Format: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT (section 4.3 for the records, 4.4.4 for the flags).
"""

import re
import stat
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from exports.errors import Rejected
from exports.model import Reason

CHUNK_BYTES = 256 << 10
"""Maximum size of an inflated chunk, even if a few bytes inflate to more."""
MIN_STEP = 1 << 10
"""Compressed bytes that a new gzip member starts with. What follows the end of a member is copied by zlib each time, so
the steps are short until a member proves to be long."""
TAIL_BYTES = 1 << 20
"""The first read, from the end of a zip file: it holds the directory of most files, and always the end record."""
DIRECTORY_BYTES_PER_ENTRY = 1 << 10
"""Maximum directory size per allowed entry, to limit memory. A directory up to ``TAIL_BYTES`` is always allowed."""

STORED, DEFLATED = 0, 8
MAX_GZIP_MEMBERS = 1_000_000
"""Programs that compress in blocks write a member for 64 KB or more. An empty one has 20 bytes and needs 1 µs."""
ENCRYPTED, UTF8 = 1 << 0, 1 << 11
MASKED_HEADERS = 1 << 13
"""Names and sizes are masked, because the directory is encrypted."""
ZIP64_MARKER_16, ZIP64_MARKER_32 = 0xFFFF, 0xFFFFFFFF
"""The value of a field whose number is in the ZIP64 record or extra field."""
SPANNING_MARKERS = (b"PK\7\x08", b"PK00")
"""What can precede the first member of a zip file that was written to be split (8.5.3 and 8.5.4)."""
MARKER_BYTES = 4
FOLDER_ATTRIBUTE = 0x10
"""Of MS-DOS, in the low byte of the external attributes; the mode of Unix is in the two high bytes."""

_NOT_PADDING = re.compile(rb"[^\0]")
_END = struct.Struct("<4s4H2LH")
_LOCATOR = struct.Struct("<4sLQL")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_ENTRY_SIGNATURE = b"PK\1\2"
_LOCAL = struct.Struct("<4s5H3L2H")
_EXTRA = struct.Struct("<2H")
_MAX_LOCAL_HEADER = _LOCAL.size + 2 * 0xFFFF
_MAX_END_RECORDS = _END_64.size + _LOCATOR.size + _END.size + 0xFFFF


@dataclass(frozen=True, slots=True)
class ObjectSlice:
    """``size`` bytes of an object from ``start``: a whole object, or a zip file that is stored inside another.

    ``source`` returns exactly the bytes ``first`` to ``last`` (inclusive) of the object, or raises ServiceError.
    """

    source: Callable[[int, int], Iterator[bytes]] = field(repr=False)
    start: int
    size: int

    def read(self, first: int, size: int) -> Iterator[bytes]:
        """``size`` bytes from ``first``, counted from the start of the slice."""
        if first < 0 or first + size > self.size:
            raise _corrupt("the zip file refers to bytes beyond its end")
        begin = self.start + first
        return self.source(begin, begin + size - 1) if size else iter(())

    def part(self, first: int, size: int) -> "ObjectSlice":
        return replace(self, start=self.start + first, size=size)


@dataclass(frozen=True, slots=True)
class Entry:
    """A member's directory entry; ``offset`` counts from the slice's start, and the next one starts at ``end``.

    ``attributes`` are the external ones (4.4.15).
    """

    name: bytes
    flags: int
    method: int
    crc32: int
    compressed_size: int
    size: int
    offset: int
    end: int = 0
    attributes: int = 0

    @property
    def text(self) -> str:
        """The name as text without loss: UTF-8 if flagged, otherwise code page 437; invalid bytes are escaped."""
        return _text(self.name, self.flags)

    @property
    def is_directory(self) -> bool:
        """A folder has no bytes, and a name or attributes that say so. Some programs write only one of both."""
        if self.size or self.crc32:
            return False
        mode = self.attributes >> 16
        is_folder = stat.S_ISDIR(mode) or (self.attributes & FOLDER_ATTRIBUTE and not stat.S_ISREG(mode))
        return bool(is_folder) or self.name.endswith((b"/", b"\\"))


def directory(zipped: ObjectSlice, *, max_entries: int) -> list[Entry]:
    """All entries in the order of the directory, including folders.

    Raises Rejected: CORRUPT if the directory is inconsistent, TOO_LARGE above ``max_entries``, ENCRYPTED or UNSUPPORTED
    (several disks, or a method other than stored and deflated) if a member cannot be read.
    """
    tail = _TailBuffer.of(zipped)
    end = _end_record(tail)
    start = end.position - end.size
    prefix_length = start - end.offset
    if start < 0 or prefix_length < 0 or end.entries * _ENTRY.size > end.size:
        raise _corrupt("the directory of the zip file does not match its end record")
    if end.entries > max_entries:
        raise Rejected(Reason.TOO_LARGE, f"a zip file of {end.entries} entries; {max_entries} are allowed")
    if end.size > max(TAIL_BYTES, max_entries * DIRECTORY_BYTES_PER_ENTRY):
        raise Rejected(Reason.TOO_LARGE, f"a zip file whose directory has {end.size} bytes")
    first = start - tail.start
    listed = zipped.read(start, end.size) if first < 0 else iter((tail.data[first : first + end.size],))
    entries = list(_entries(_ByteReader(listed), end, prefix_length))
    return _without_overlap(entries, start)


def ends_as_zip(content: ObjectSlice) -> bool:
    """Whether the content ends with the directory of a zip file that has members, whatever precedes them."""
    try:
        end = _end_record(_TailBuffer.of(content))
        return b"".join(content.read(end.position - end.size, MARKER_BYTES)) == _ENTRY_SIGNATURE
    except Rejected:
        return False


def read_entry(zipped: ObjectSlice, entry: Entry) -> Iterator[bytes]:
    """The member's bytes, at most 256 KiB at a time, from one read.

    Raises Rejected(CORRUPT) at the first byte beyond the declared size, or at the end if size or CRC-32 differ: the
    caller must not make anything visible before it has read the last byte.
    """
    reader = _ByteReader(
        zipped.read(entry.offset, min(entry.end - entry.offset, _MAX_LOCAL_HEADER + entry.compressed_size))
    )
    _skip_local_header(reader, entry)
    compressed = reader.stream(entry.compressed_size)
    size = crc32 = 0
    for piece in compressed if entry.method == STORED else _inflated(compressed):
        size += len(piece)
        if size > entry.size:
            raise _corrupt("a member of the zip file is larger than its declared size")
        crc32 = zlib.crc32(piece, crc32)
        yield piece
    if size != entry.size or crc32 != entry.crc32:
        raise _corrupt("a member of the zip file does not have its declared size or CRC-32")


def stored_slice(zipped: ObjectSlice, entry: Entry) -> ObjectSlice:
    """The slice with the bytes of a stored member."""
    reader = _ByteReader(zipped.read(entry.offset, min(entry.end - entry.offset, _MAX_LOCAL_HEADER)))
    return zipped.part(entry.offset + _skip_local_header(reader, entry), entry.compressed_size)


def gunzipped(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The content of a gzip file of one or more members, at most 256 KiB at a time. Raises Rejected(CORRUPT).

    zlib checks CRC-32 and length of each member. Zeros after a member are padding, as for Python and gzip. Other bytes
    after the last member are rejected, and more than MAX_GZIP_MEMBERS are TOO_LARGE.
    """
    inflater = zlib.decompressobj(wbits=31)
    members, step = 1, MIN_STEP
    try:
        for chunk in chunks:
            at = 0
            while at < len(chunk):
                if inflater.eof:
                    following = _NOT_PADDING.search(chunk, at)
                    if following is None:
                        break
                    at = following.start()
                    inflater = zlib.decompressobj(wbits=31)
                    members, step = members + 1, MIN_STEP
                    if members > MAX_GZIP_MEMBERS:
                        raise Rejected(Reason.TOO_LARGE, f"a gzip file of more than {MAX_GZIP_MEMBERS} members")
                taken = chunk[at : at + step]
                yield from _pieces(inflater, taken)
                at += len(taken) - len(inflater.unused_data)
                step = min(2 * step, CHUNK_BYTES)
    except zlib.error as error:
        raise _corrupt(f"the gzip file cannot be inflated ({error})") from None
    if not inflater.eof:
        raise _corrupt("the gzip file is truncated")


def _inflated(compressed: Iterator[bytes]) -> Iterator[bytes]:
    """Inflate a raw deflate stream, which must end exactly where ``compressed`` ends."""
    inflater = zlib.decompressobj(wbits=-15)
    try:
        for chunk in compressed:
            if inflater.eof:
                raise _corrupt("a member of the zip file continues after the end of its data")
            yield from _pieces(inflater, chunk)
    except zlib.error as error:
        raise _corrupt(f"a member of the zip file cannot be inflated ({error})") from None
    if not inflater.eof or inflater.unused_data:
        raise _corrupt("a member of the zip file does not end at its declared position")


def _pieces(inflater: "zlib._Decompress", compressed: bytes) -> Iterator[bytes]:
    """Inflate ``compressed`` up to the end of the stream. After a full piece, zlib may hold more output."""
    while not inflater.eof:
        piece = inflater.decompress(compressed, CHUNK_BYTES)
        if piece:
            yield piece
        compressed = inflater.unconsumed_tail
        if not compressed and len(piece) < CHUNK_BYTES:
            return


@dataclass(frozen=True, slots=True)
class _End:
    """The end record: ``position`` is the real end of the directory, ``offset`` its declared start."""

    entries: int
    size: int
    offset: int
    position: int


@dataclass(frozen=True, slots=True)
class _TailBuffer:
    """The last bytes of a zip file, from ``start``."""

    start: int
    data: bytes

    @classmethod
    def of(cls, zipped: ObjectSlice) -> "_TailBuffer":
        start = max(0, zipped.size - TAIL_BYTES)
        return cls(start, b"".join(zipped.read(start, zipped.size - start)))

    def record(self, layout: struct.Struct, signature: bytes, position: int) -> tuple[int, ...] | None:
        """The fields of the record at ``position``; None if there is none."""
        first = position - self.start
        if first < 0 or first + layout.size > len(self.data) or not self.data.startswith(signature, first):
            return None
        return tuple(layout.unpack_from(self.data, first)[1:])


class ZipEnd:
    """Detects whether a stream ended as a zip file ends: without a length, the only sign that it is complete.

    Bytes in front of the zip file are no such sign, unless they are the marker of a file that was to be split: a stream
    could end after a zip file that is stored in the zip file.
    """

    def __init__(self) -> None:
        self._head = b""
        self._tail = b""
        self._seen = 0

    def update(self, chunk: bytes) -> None:
        self._head += chunk[: MARKER_BYTES - len(self._head)]
        self._tail = (self._tail + chunk[-_MAX_END_RECORDS:])[-_MAX_END_RECORDS:]
        self._seen += len(chunk)

    def is_complete(self) -> bool:
        """Whether the last bytes are an end record for a zip file of exactly the size of the stream."""
        try:
            end = _end_record(_TailBuffer(self._seen - len(self._tail), self._tail))
        except Rejected:
            return False
        missing = end.position - end.offset - end.size
        return missing == 0 or (missing == MARKER_BYTES and self._head in SPANNING_MARKERS)


def _end_record(tail: _TailBuffer) -> _End:
    at = _end_position(tail.data)
    _, disk, first_disk, entries_on_disk, entries, size, offset, _ = _END.unpack_from(tail.data, at)
    position = tail.start + at
    locator = tail.record(_LOCATOR, b"PK\6\7", position - _LOCATOR.size)
    if locator:
        return _end_record_64(tail, position - _LOCATOR.size, locator)
    if disk or first_disk or entries_on_disk != entries:
        raise _several_disks()
    return _End(entries, size, offset, position)


def _end_position(data: bytes) -> int:
    """The position of the end record. Its comment must reach the end: else bytes were cut off or appended."""
    at = len(data) - _END.size + 1
    lowest = max(0, len(data) - _END.size - 0xFFFF)
    while (at := data.rfind(b"PK\5\6", lowest, at + 3)) >= 0:
        if at + _END.size + int.from_bytes(data[at + 20 : at + 22], "little") == len(data):
            return at
    raise _corrupt("no end record: the zip file is truncated, or it is not a zip file")


def _end_record_64(tail: _TailBuffer, locator_position: int, locator: Sequence[int]) -> _End:
    """The ZIP64 end record: at its declared position or, with data before the first member, before the locator."""
    disk_of_record, declared, disks = locator
    for position in (declared, locator_position - _END_64.size):
        record = tail.record(_END_64, b"PK\6\6", position)
        if record and position + 12 + record[0] == locator_position:
            _, _, _, disk, first_disk, entries_on_disk, entries, size, offset = record
            if disk_of_record or disks > 1 or disk or first_disk or entries_on_disk != entries:
                raise _several_disks()
            return _End(entries, size, offset, position)
    raise _corrupt("the ZIP64 end record of the zip file is not at its declared position")


def _entries(reader: "_ByteReader", end: _End, prefix_length: int) -> Iterator[Entry]:
    left = end.size
    for _ in range(end.entries):
        entry, size = _entry(reader, prefix_length)
        left -= size
        yield entry
    if left:
        raise _corrupt("the directory of the zip file has bytes after its last entry")


def _entry(reader: "_ByteReader", prefix_length: int) -> tuple[Entry, int]:
    """The next directory entry and its size in the directory; ``prefix_length`` bytes precede the zip file itself."""
    header = _ENTRY.unpack(reader.take(_ENTRY.size))
    (signature, _, _, flags, method, _, _, crc32, compressed_size, size, name, extra, comment, disk, _, attributes) = (
        header[:-1]
    )
    offset = header[-1]
    if signature != _ENTRY_SIGNATURE:
        raise _corrupt("the directory of the zip file cannot be read")
    rest = reader.take(name + extra + comment)
    size, compressed_size, offset, disk = _apply_zip64((size, compressed_size, offset, disk), rest[name : name + extra])
    if disk:
        raise _several_disks()
    _check_readable(flags, method)
    total = _ENTRY.size + name + extra + comment
    entry = Entry(rest[:name], flags, method, crc32, compressed_size, size, offset + prefix_length, 0, attributes)
    return entry, total


def _apply_zip64(numbers: tuple[int, int, int, int], extra: bytes) -> list[int]:
    """The numbers; those that do not fit are read from the ZIP64 extra field (4.5.3), which holds only these."""
    limits = (ZIP64_MARKER_32, ZIP64_MARKER_32, ZIP64_MARKER_32, ZIP64_MARKER_16)
    if all(number < limit for number, limit in zip(numbers, limits, strict=True)):
        return list(numbers)
    reader = _ByteReader(iter((_extra_field(extra, 1),)))
    return [
        number if number < limit else int.from_bytes(reader.take(4 if limit == ZIP64_MARKER_16 else 8), "little")
        for number, limit in zip(numbers, limits, strict=True)
    ]


def _extra_field(extra: bytes, wanted: int) -> bytes:
    at = 0
    while at + _EXTRA.size <= len(extra):
        tag, size = _EXTRA.unpack_from(extra, at)
        if tag == wanted:
            return extra[at + _EXTRA.size : at + _EXTRA.size + size]
        at += _EXTRA.size + size
    return b""


def _check_readable(flags: int, method: int) -> None:
    if flags & (ENCRYPTED | MASKED_HEADERS):
        raise Rejected(Reason.ENCRYPTED, "a member of the zip file is encrypted")
    if method not in (STORED, DEFLATED):
        raise Rejected(Reason.UNSUPPORTED, f"a member of the zip file uses compression method {method}")


def _without_overlap(entries: list[Entry], limit: int) -> list[Entry]:
    """The entries with their ends. Overlap is an error: with shared bytes, a small zip file can hold petabytes."""
    ends: dict[int, int] = {}
    for entry in sorted(entries, key=lambda entry: entry.offset, reverse=True):
        if entry.offset + _LOCAL.size + len(entry.name) + entry.compressed_size > limit:
            raise _corrupt("members of the zip file overlap")
        ends[entry.offset] = limit
        limit = entry.offset
    return [replace(entry, end=ends[entry.offset]) for entry in entries]


def _skip_local_header(reader: "_ByteReader", entry: Entry) -> int:
    """Skip the header before a member and return its size. Sizes and CRC-32 in it are ignored."""
    signature, _, flags, method, _, _, _, _, _, name, extra = _LOCAL.unpack(reader.take(_LOCAL.size))
    names = reader.take(name + extra)
    if signature != b"PK\3\4" or method != entry.method or not _is_same_name(names[:name], flags, entry):
        raise _corrupt("a member of the zip file differs from its directory entry")
    if flags & ENCRYPTED:
        raise Rejected(Reason.ENCRYPTED, "a member of the zip file is encrypted")
    return _LOCAL.size + len(names)


def _is_same_name(name: bytes, flags: int, entry: Entry) -> bool:
    """Whether the name in a local header is that of the directory. Encoding and kind of slash can differ."""
    return name == entry.name or _comparable(name, flags) == _comparable(entry.name, entry.flags)


def _comparable(name: bytes, flags: int) -> str:
    return _text(name, flags).replace("\\", "/").rstrip("/")


def _text(name: bytes, flags: int) -> str:
    return name.decode("utf-8" if flags & UTF8 else "cp437", "backslashreplace")


class _ByteReader:
    """Reads exact numbers of bytes from chunks of any size."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = filter(None, chunks)
        self._chunk = b""
        self._at = 0

    def take(self, count: int) -> bytes:
        taken = b"".join(self.stream(count))
        if len(taken) < count:
            raise _corrupt("the zip file ends in the middle of a record")
        return taken

    def stream(self, count: int) -> Iterator[bytes]:
        """The next ``count`` bytes, fewer only if the chunks end."""
        while count:
            if self._at == len(self._chunk):
                self._chunk, self._at = next(self._chunks, b""), 0
            piece = self._chunk[self._at : self._at + count]
            if not piece:
                return
            self._at += len(piece)
            count -= len(piece)
            yield piece


def _corrupt(detail: str) -> Rejected:
    return Rejected(Reason.CORRUPT, detail)


def _several_disks() -> Rejected:
    return Rejected(Reason.UNSUPPORTED, "a zip file that is split over several disks")
