"""Zips and gzips read by ranges: the directory from one read of the tail, each member from one read of its bytes.

The standard library's ``zipfile`` was weighed and is the oracle of the tests, not the reader. It reads the whole
directory and makes an object of every entry before anything can be counted, hides a second member of the same name,
cuts names at a NUL, decodes them before their bytes are seen, lets members overlap (before 3.11.8), looks for an end
record that does not reach the end of the file, and takes several reads for a member. Here entries are counted as they
stream by, names stay bytes, whatever does not add up is refused, and inflating stays with zlib.

Format: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT (section 4.3 for the records, 4.4.4 for the flags).
"""

import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from exports.errors import Rejected
from exports.model import Reason

CHUNK_BYTES = 256 << 10
"""What inflating gives at once, however much a few bytes would inflate to."""
TAIL_BYTES = 1 << 20
"""Read from the end of a zip at first: holds the directory of most zips, and always its end record."""
DIRECTORY_BYTES_PER_ENTRY = 1 << 10
"""A directory larger than this for each entry that is allowed (and than the tail) would only fill the memory."""

STORED, DEFLATED = 0, 8
ENCRYPTED, UTF8 = 1 << 0, 1 << 11
MASKED_HEADERS = 1 << 13
"""Names and sizes are masked: the directory is encrypted."""
ZIP64_MARKER_16, ZIP64_MARKER_32 = 0xFFFF, 0xFFFFFFFF
"""What stands where the ZIP64 record or extra field says the number."""

_END = struct.Struct("<4s4H2LH")
_LOCATOR = struct.Struct("<4sLQL")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_EXTRA = struct.Struct("<2H")
_MAX_LOCAL_HEADER = _LOCAL.size + 2 * 0xFFFF
_MAX_END_RECORDS = _END_64.size + _LOCATOR.size + _END.size + 0xFFFF


@dataclass(frozen=True, slots=True)
class ObjectSlice:
    """``size`` bytes of an object from ``start`` on: a whole object, or a zip that lies stored in another.

    ``source`` gives exactly the bytes ``first`` to ``last`` (inclusive) of the object, or raises ServiceError.
    """

    source: Callable[[int, int], Iterator[bytes]] = field(repr=False)
    start: int
    size: int

    def read(self, first: int, size: int) -> Iterator[bytes]:
        """``size`` bytes from ``first`` on, counted from the window's start."""
        if first < 0 or first + size > self.size:
            raise _corrupt("the zip points beyond its own end")
        begin = self.start + first
        return self.source(begin, begin + size - 1) if size else iter(())

    def part(self, first: int, size: int) -> "ObjectSlice":
        return replace(self, start=self.start + first, size=size)


@dataclass(frozen=True, slots=True)
class Entry:
    """A member as the directory tells it; ``offset`` counts from the window's start, by ``end`` the next one begins."""

    name: bytes
    flags: int
    method: int
    crc32: int
    compressed_size: int
    size: int
    offset: int
    end: int = 0

    @property
    def text(self) -> str:
        """The name as text, every byte still to be told: UTF-8 where flagged, otherwise code page 437."""
        return self.name.decode("utf-8" if self.flags & UTF8 else "cp437", "backslashreplace")

    @property
    def is_directory(self) -> bool:
        return self.name.endswith(b"/") and not self.size


def directory(zipped: ObjectSlice, *, max_entries: int) -> list[Entry]:
    """Every entry in the directory's order, folders included.

    Raises Rejected: CORRUPT when it does not add up, TOO_LARGE above ``max_entries``, ENCRYPTED and UNSUPPORTED (a zip
    of several disks, another method than stored or deflated) when a member could not be read.
    """
    tail = _TailBuffer.of(zipped)
    end = _end_record(tail)
    start = end.position - end.size
    prefix_length = start - end.offset
    if start < 0 or prefix_length < 0 or end.entries * _ENTRY.size > end.size:
        raise _corrupt("the zip's directory does not lie where it should")
    if end.entries > max_entries:
        raise Rejected(Reason.TOO_LARGE, f"a zip of {end.entries} entries; {max_entries} are allowed")
    if end.size > max(TAIL_BYTES, max_entries * DIRECTORY_BYTES_PER_ENTRY):
        raise Rejected(Reason.TOO_LARGE, f"a zip whose directory has {end.size} bytes")
    first = start - tail.start
    listed = zipped.read(start, end.size) if first < 0 else iter((tail.data[first : first + end.size],))
    entries = list(_entries(_ByteReader(listed), end, prefix_length))
    return _without_overlap(entries, start)


def content(zipped: ObjectSlice, entry: Entry) -> Iterator[bytes]:
    """The member's bytes, at most 256 KiB at a time, from one read.

    Raises Rejected(CORRUPT) as soon as there is more than the directory said, or at the end when size or CRC-32 differ:
    nothing may be made visible before the last byte was taken.
    """
    feed = _ByteReader(
        zipped.read(entry.offset, min(entry.end - entry.offset, _MAX_LOCAL_HEADER + entry.compressed_size))
    )
    _skip_local_header(feed, entry)
    compressed_size = feed.stream(entry.compressed_size)
    size = crc32 = 0
    for piece in compressed_size if entry.method == STORED else _inflated(compressed_size):
        size += len(piece)
        if size > entry.size:
            raise _corrupt("a member of the zip is larger than it says")
        crc32 = zlib.crc32(piece, crc32)
        yield piece
    if size != entry.size or crc32 != entry.crc32:
        raise _corrupt("a member of the zip has not the size or CRC-32 that it says")


def stored_window(zipped: ObjectSlice, entry: Entry) -> ObjectSlice:
    """Where the bytes of a stored member lie."""
    feed = _ByteReader(zipped.read(entry.offset, min(entry.end - entry.offset, _MAX_LOCAL_HEADER)))
    return zipped.part(entry.offset + _skip_local_header(feed, entry), entry.compressed_size)


def gunzipped(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """What a gzip of one or more members holds, at most 256 KiB at a time. Raises Rejected(CORRUPT).

    zlib checks CRC-32 and length of each member; anything behind the last that is no further member is refused.
    """
    inflater = zlib.decompressobj(wbits=31)
    try:
        for chunk in chunks:
            rest = chunk
            while rest:
                if inflater.eof:
                    inflater = zlib.decompressobj(wbits=31)
                yield from _pieces(inflater, rest)
                rest = inflater.unused_data
    except zlib.error as error:
        raise _corrupt(f"the gzip cannot be inflated ({error})") from None
    if not inflater.eof:
        raise _corrupt("the gzip ends early")


def _inflated(compressed_size: Iterator[bytes]) -> Iterator[bytes]:
    """What a raw deflate stream inflates to; it must end exactly where ``compressed_size`` does."""
    inflater = zlib.decompressobj(wbits=-15)
    try:
        for chunk in compressed_size:
            if inflater.eof:
                raise _corrupt("a member of the zip goes on behind its end")
            yield from _pieces(inflater, chunk)
    except zlib.error as error:
        raise _corrupt(f"a member of the zip cannot be inflated ({error})") from None
    if not inflater.eof or inflater.unused_data:
        raise _corrupt("a member of the zip ends elsewhere than it says")


def _pieces(inflater: "zlib._Decompress", compressed_size: bytes) -> Iterator[bytes]:
    """All that ``compressed_size`` inflates to up to the stream's end. A full piece may leave more behind inside zlib."""
    while not inflater.eof:
        piece = inflater.decompress(compressed_size, CHUNK_BYTES)
        if piece:
            yield piece
        compressed_size = inflater.unconsumed_tail
        if not compressed_size and len(piece) < CHUNK_BYTES:
            return


@dataclass(frozen=True, slots=True)
class _End:
    """The end record: ``position`` is where the directory really ends, ``offset`` where it says that it begins."""

    entries: int
    size: int
    offset: int
    position: int


@dataclass(frozen=True, slots=True)
class _TailBuffer:
    """The last bytes of a zip, from ``start`` on."""

    start: int
    data: bytes

    @classmethod
    def of(cls, zipped: ObjectSlice) -> "_TailBuffer":
        start = max(0, zipped.size - TAIL_BYTES)
        return cls(start, b"".join(zipped.read(start, zipped.size - start)))

    def record(self, layout: struct.Struct, signature: bytes, position: int) -> tuple[int, ...] | None:
        """The numbers of the record at ``position``; None when none lies there."""
        first = position - self.start
        if first < 0 or first + layout.size > len(self.data) or not self.data.startswith(signature, first):
            return None
        return tuple(layout.unpack_from(self.data, first)[1:])


class ZipEnd:
    """Watches a stream go by and says whether it ended as a zip ends: the only sign of wholeness without a length."""

    def __init__(self) -> None:
        self._tail = b""
        self._seen = 0

    def update(self, chunk: bytes) -> None:
        self._tail = (self._tail + chunk[-_MAX_END_RECORDS:])[-_MAX_END_RECORDS:]
        self._seen += len(chunk)

    def whole(self) -> bool:
        """Whether the last bytes are an end record that speaks of a zip of exactly the size that went by."""
        try:
            end = _end_record(_TailBuffer(self._seen - len(self._tail), self._tail))
        except Rejected:
            return False
        return end.offset + end.size == end.position


def _end_record(tail: _TailBuffer) -> _End:
    at = _end_position(tail.data)
    _, disk, first_disk, here, entries, size, offset, _ = _END.unpack_from(tail.data, at)
    position = tail.start + at
    locator = tail.record(_LOCATOR, b"PK\6\7", position - _LOCATOR.size)
    if locator:
        return _end_record_64(tail, position - _LOCATOR.size, locator)
    if disk or first_disk or here != entries:
        raise _several_disks()
    return _End(entries, size, offset, position)


def _end_position(data: bytes) -> int:
    """Where the end record lies whose comment reaches exactly to the end: anything else was cut or appended to."""
    at = len(data) - _END.size + 1
    lowest = max(0, len(data) - _END.size - 0xFFFF)
    while (at := data.rfind(b"PK\5\6", lowest, at + 3)) >= 0:
        if at + _END.size + int.from_bytes(data[at + 20 : at + 22], "little") == len(data):
            return at
    raise _corrupt("the zip has no end record: it was cut short, or is no zip")


def _end_record_64(tail: _TailBuffer, locator_position: int, locator: Sequence[int]) -> _End:
    """The ZIP64 end record, where its locator says or, with data before the first member, right before the locator."""
    disk_of_record, said, disks = locator
    for position in (said, locator_position - _END_64.size):
        record = tail.record(_END_64, b"PK\6\6", position)
        if record and position + 12 + record[0] == locator_position:
            _, _, _, disk, first_disk, here, entries, size, offset = record
            if disk_of_record or disks > 1 or disk or first_disk or here != entries:
                raise _several_disks()
            return _End(entries, size, offset, position)
    raise _corrupt("the zip's ZIP64 end record is not where it should be")


def _entries(feed: "_ByteReader", end: _End, prefix_length: int) -> Iterator[Entry]:
    left = end.size
    for _ in range(end.entries):
        entry, size = _entry(feed, prefix_length)
        left -= size
        yield entry
    if left:
        raise _corrupt("the zip's directory has more bytes than entries")


def _entry(feed: "_ByteReader", prefix_length: int) -> tuple[Entry, int]:
    """The next entry of the directory and its size there; ``prefix_length`` is how much lies before the zip's own start."""
    header = _ENTRY.unpack(feed.take(_ENTRY.size))
    signature, _, _, flags, method, _, _, crc32, compressed_size, size, name, extra, comment, disk, _, _, offset = (
        header
    )
    if signature != b"PK\1\2":
        raise _corrupt("the zip's directory cannot be read")
    rest = feed.take(name + extra + comment)
    size, compressed_size, offset, disk = _apply_zip64((size, compressed_size, offset, disk), rest[name : name + extra])
    if disk:
        raise _several_disks()
    _check_readable(flags, method)
    total = _ENTRY.size + name + extra + comment
    return Entry(rest[:name], flags, method, crc32, compressed_size, size, offset + prefix_length), total


def _apply_zip64(numbers: tuple[int, int, int, int], extra: bytes) -> list[int]:
    """The numbers with those that do not fit taken from the ZIP64 extra field (4.5.3), which holds only these."""
    limits = (ZIP64_MARKER_32, ZIP64_MARKER_32, ZIP64_MARKER_32, ZIP64_MARKER_16)
    if all(number < limit for number, limit in zip(numbers, limits, strict=True)):
        return list(numbers)
    feed = _ByteReader(iter((_extra_field(extra, 1),)))
    return [
        number if number < limit else int.from_bytes(feed.take(4 if limit == ZIP64_MARKER_16 else 8), "little")
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
        raise Rejected(Reason.ENCRYPTED, "a member of the zip is encrypted")
    if method not in (STORED, DEFLATED):
        raise Rejected(Reason.UNSUPPORTED, f"a member of the zip is packed by method {method}")


def _without_overlap(entries: list[Entry], limit: int) -> list[Entry]:
    """The entries with their ends. Members that share bytes are how a small zip holds petabytes."""
    ends: dict[int, int] = {}
    for entry in sorted(entries, key=lambda entry: entry.offset, reverse=True):
        if entry.offset + _LOCAL.size + len(entry.name) + entry.compressed_size > limit:
            raise _corrupt("members of the zip overlap")
        ends[entry.offset] = limit
        limit = entry.offset
    return [replace(entry, end=ends[entry.offset]) for entry in entries]


def _skip_local_header(feed: "_ByteReader", entry: Entry) -> int:
    """Take the header in front of a member and return its size. Only what the directory says is believed."""
    signature, _, flags, method, _, _, _, _, _, name, extra = _LOCAL.unpack(feed.take(_LOCAL.size))
    names = feed.take(name + extra)
    if signature != b"PK\3\4" or method != entry.method or names[:name] != entry.name:
        raise _corrupt("a member of the zip is not what the directory says")
    if flags & ENCRYPTED:
        raise Rejected(Reason.ENCRYPTED, "a member of the zip is encrypted")
    return _LOCAL.size + len(names)


class _ByteReader:
    """Exact counts of bytes out of chunks of any size."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = filter(None, chunks)
        self._chunk = b""
        self._at = 0

    def take(self, count: int) -> bytes:
        taken = b"".join(self.stream(count))
        if len(taken) < count:
            raise _corrupt("the zip ends in the middle of a record")
        return taken

    def stream(self, count: int) -> Iterator[bytes]:
        """The next ``count`` bytes, fewer where the chunks end."""
        while count:
            if self._at == len(self._chunk):
                self._chunk, self._at = next(self._chunks, b""), 0
            piece = self._chunk[self._at : self._at + count]
            if not piece:
                return
            self._at += len(piece)
            count -= len(piece)
            yield piece


def _corrupt(what: str) -> Rejected:
    return Rejected(Reason.CORRUPT, what)


def _several_disks() -> Rejected:
    return Rejected(Reason.UNSUPPORTED, "a zip of several disks")
