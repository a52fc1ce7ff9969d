"""Zip files read by ranges: inconsistent files are rejected, others have the members that zipfile reads."""

import gzip
import io
import random
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exports.errors import Rejected
from exports.formats.zip_reader import (
    CHUNK_BYTES,
    TAIL_BYTES,
    ObjectSlice,
    directory,
    ends_as_zip,
    gunzipped,
    read_entry,
    stored_slice,
)
from exports.model import Reason
from tests.unit.builders import Files, in_chunks, peak_memory, zipped
from tests.unit.fakes import FakeBucket

CSV = b"accountNumber,agentId\n" + b"".join(b"123456789012,o-%d\n" % number for number in range(500))
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)
BODIES = st.binary(max_size=300) | st.just(CSV)


def window_of(body: bytes, bucket: FakeBucket | None = None) -> ObjectSlice:
    bucket = bucket or FakeBucket()
    return ObjectSlice(partial(bucket.read, bucket.holds(body).key), 0, len(body))


def contents(body: bytes, *, chunk: int = 64 << 10, max_entries: int = 1_000) -> list[tuple[str, bytes]]:
    window = window_of(body, FakeBucket(chunk=chunk))
    return [(entry.text, b"".join(read_entry(window, entry))) for entry in directory(window, max_entries=max_entries)]


def rejection(body: bytes, *, max_entries: int = 1_000) -> Reason:
    with pytest.raises(Rejected) as rejected:
        contents(body, max_entries=max_entries)
    return rejected.value.reason


def patched(body: bytes, signature: bytes, offset: int, value: bytes, *, last: bool = False) -> bytes:
    """The zip file with ``value`` in its first or last record with ``signature``."""
    at = (body.rfind(signature) if last else body.find(signature)) + offset
    return body[:at] + value + body[at + len(value) :]


@given(
    files=st.lists(st.tuples(NAMES, BODIES), max_size=6),
    method=st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]),
    comment=st.binary(max_size=40).filter(lambda comment: b"PK\5\6" not in comment),
    before=st.binary(max_size=40).filter(lambda before: b"PK" not in before),
    chunk=st.sampled_from([1, 7, 64 << 10]),
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_members_are_those_of_zipfile(files: Files, method: int, comment: bytes, before: bytes, chunk: int) -> None:
    body = before + zipped(files, method=method, comment=comment)

    found = contents(body, chunk=chunk)

    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        assert found == [(info.orig_filename, archive.read(info)) for info in archive.infolist()]


def test_a_comment_that_looks_like_an_end_record_is_a_comment() -> None:
    """zipfile takes it for an end record and finds no zip file."""
    assert contents(zipped({"a.csv": CSV}, comment=b"PK\5\6" + bytes(20))) == [("a.csv", CSV)]


def test_the_directory_and_each_member_are_one_read() -> None:
    bucket = FakeBucket()
    window = window_of(zipped({"a.csv": CSV, "b.csv": CSV}), bucket)

    for entry in directory(window, max_entries=9):
        b"".join(read_entry(window, entry))

    assert len(bucket.reads) == 3


def test_directory_larger_than_the_tail_is_read_by_its_range() -> None:
    names = [f"{number:0200d}" for number in range(5_000)]
    body = many_entries(names)

    entries = directory(window_of(body), max_entries=5_000)

    assert len(body) > TAIL_BYTES
    assert [entry.text for entry in entries] == names


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_bad_input_21_incomplete_zip_is_corrupt(method: int) -> None:
    body = zipped({"a.csv": CSV[:200], "b.csv": b"x"}, method=method, comment=b"remark")

    assert {rejection(body[:length]) for length in range(len(body))} == {Reason.CORRUPT}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_bad_input_21_flipped_bit_is_rejected_or_has_no_effect(method: int) -> None:
    files = [("a.csv", CSV[:100]), ("b.csv", b"x,y\n1,2\n")]
    body = zipped(files, method=method)

    for bit in range(len(body) * 8):
        flipped = bytearray(body)
        flipped[bit // 8] ^= 1 << bit % 8
        with suppress(Rejected):
            assert contents(bytes(flipped)) == files


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_bad_input_21_flipped_bit_of_data_is_corrupt(method: int) -> None:
    body = zipped({"a.csv": CSV}, method=method)

    flipped = bytearray(body)
    flipped[len(body) // 2] ^= 1

    assert rejection(bytes(flipped)) is Reason.CORRUPT


def test_bad_input_22_wrong_crc_is_corrupt() -> None:
    body = zipped({"a.csv": CSV})

    assert rejection(patched(body, b"PK\1\2", 16, b"\0\0\0\0")) is Reason.CORRUPT


@pytest.mark.parametrize("size", [0, len(CSV) - 1, len(CSV) + 1, 0xFFFF_FFFE])
def test_bad_input_22_forged_size_is_corrupt(size: int) -> None:
    body = zipped({"a.csv": CSV})

    assert rejection(patched(body, b"PK\1\2", 24, size.to_bytes(4, "little"))) is Reason.CORRUPT


@pytest.mark.parametrize("compressed_size", [0, 1, 0xFFFF_FFFE])
def test_bad_input_22_forged_compressed_size_is_corrupt(compressed_size: int) -> None:
    body = zipped({"a.csv": CSV, "b.csv": CSV})

    assert rejection(patched(body, b"PK\1\2", 20, compressed_size.to_bytes(4, "little"))) is Reason.CORRUPT


@pytest.mark.parametrize("chunk", [1, 7, 64 << 10])
def test_bad_input_22_bytes_after_the_end_of_a_member_are_corrupt(chunk: int) -> None:
    compressor = zlib.compressobj(wbits=-15)
    compressed = compressor.compress(b"short") + compressor.flush()
    valid, forged = (deflated(b"short", compressed + rest) for rest in (b"", b"hidden"))

    assert contents(valid, chunk=chunk) == [("a.csv", b"short")]
    with pytest.raises(Rejected, match="CORRUPT"):
        contents(forged, chunk=chunk)


def deflated(body: bytes, compressed: bytes) -> bytes:
    """A zip file that declares ``compressed`` as the deflated bytes of ``body``."""
    forged = zipped({"a.csv": compressed}, method=zipfile.ZIP_STORED)
    facts = struct.pack("<3L", zlib.crc32(body), len(compressed), len(body))
    for signature, method_at in ((b"PK\3\4", 8), (b"PK\1\2", 10)):
        forged = patched(patched(forged, signature, method_at, b"\x08"), signature, method_at + 6, facts)
    return forged


def test_bad_input_22_members_that_share_bytes_are_corrupt() -> None:
    body = zipped({"a.csv": CSV, "b.csv": CSV})
    first = body.find(b"PK\1\2")
    second = body.find(b"PK\1\2", first + 1)

    twice = patched(body, b"PK\1\2", 42, body[second + 42 : second + 46])
    half = patched(body, b"PK\1\2", 42, struct.pack("<L", 5))

    assert rejection(twice) is Reason.CORRUPT
    assert rejection(half) is Reason.CORRUPT


def test_bad_input_22_local_header_that_overlaps_the_next_member_is_corrupt() -> None:
    body = zipped({"a.csv": CSV, "b.csv": CSV}, method=zipfile.ZIP_STORED)

    assert rejection(patched(body, b"PK\3\4", 28, b"\x10\0")) is Reason.CORRUPT


def test_bad_input_22_member_with_the_bytes_of_the_next_one_is_corrupt() -> None:
    """The members are equal, so the bytes of the next one even match the declared CRC-32."""
    body = zipped({"a.csv": CSV, "b.csv": CSV}, method=zipfile.ZIP_STORED)
    distance = body.find(CSV, body.find(CSV) + 1) - body.find(CSV)

    assert rejection(patched(body, b"PK\3\4", 28, distance.to_bytes(2, "little"))) is Reason.CORRUPT


@pytest.mark.parametrize("field_at", [12, 16], ids=["size", "offset"])
def test_bad_input_21_wrong_size_or_offset_of_the_directory_is_corrupt(field_at: int) -> None:
    window = window_of(patched(zipped({"a.csv": CSV}), b"PK\5\6", field_at, b"\xff\xff\xff"))

    with pytest.raises(Rejected, match="CORRUPT"):
        directory(window, max_entries=9)


def test_bad_input_21_bytes_after_the_end_record_are_corrupt() -> None:
    assert rejection(zipped({"a.csv": CSV}) + b"\0") is Reason.CORRUPT


def many_entries(names: list[str], *, declared: int | None = None, extension: bytes = b"") -> bytes:
    """A zip file of empty members, without zipfile, which would take seconds."""
    local = [struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 0, 0, 0, 0, 0, 0, len(n), 0) + n.encode() for n in names]
    offset, central = 0, []
    for name, header in zip(names, local, strict=True):
        numbers = (20, 20, 0, 0, 0, 0, 0, 0, 0, len(name), 0, 0, 0, 0, 0, offset)
        central.append(struct.pack("<4s6H3L5H2L", b"PK\1\2", *numbers) + name.encode())
        offset += len(header)
    size = sum(map(len, central))
    count = len(names) if declared is None else declared
    end_64 = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44 + len(extension), 45, 45, 0, 0, count, count, size, offset)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, offset + size, 1)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return b"".join((*local, *central, end_64, extension, locator, end))


@pytest.fixture(scope="module")
def hundred_thousand() -> bytes:
    return many_entries([f"{number}.csv" for number in range(100_000)])


def test_bad_input_22_a_hundred_thousand_entries_are_too_large_and_need_little_memory(hundred_thousand: bytes) -> None:
    bucket = FakeBucket()
    window = window_of(hundred_thousand, bucket)

    def read() -> None:
        with pytest.raises(Rejected, match="TOO_LARGE"):
            directory(window, max_entries=10_000)

    assert peak_memory(read) < 4 * TAIL_BYTES
    assert len(bucket.reads) == 1


def test_a_hundred_thousand_entries_are_read_if_the_limit_allows(hundred_thousand: bytes) -> None:
    assert len(directory(window_of(hundred_thousand), max_entries=100_000)) == 100_000


@pytest.mark.parametrize("declared", [0, 2, 4, 1_000, 2**63])
def test_bad_input_22_forged_number_of_entries_is_corrupt(declared: int) -> None:
    assert rejection(many_entries(["a", "b", "c"], declared=declared)) is Reason.CORRUPT


def test_bad_input_22_directory_larger_than_the_limit_is_too_large() -> None:
    assert rejection(many_entries(["n" * 60_000] * 20), max_entries=20) is Reason.TOO_LARGE


def test_bad_input_24_encrypted_member_is_rejected() -> None:
    body = zipped({"a.csv": CSV})

    assert rejection(patched(body, b"PK\1\2", 8, b"\1\0")) is Reason.ENCRYPTED
    assert rejection(patched(body, b"PK\1\2", 8, b"\0\x20")) is Reason.ENCRYPTED
    assert rejection(patched(body, b"PK\3\4", 6, b"\1\0")) is Reason.ENCRYPTED


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_bad_input_24_unsupported_method_is_rejected(method: int) -> None:
    assert rejection(zipped({"a.csv": CSV}, method=method)) is Reason.UNSUPPORTED


@pytest.mark.parametrize("offset", [4, 6])
def test_bad_input_24_zip_of_several_disks_is_unsupported(offset: int) -> None:
    assert rejection(patched(zipped({"a.csv": CSV}), b"PK\5\6", offset, b"\1\0")) is Reason.UNSUPPORTED


@pytest.fixture
def _everything_is_zip64(monkeypatch: pytest.MonkeyPatch) -> None:
    """zipfile treats every number as too large for the records without ZIP64."""
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", -1)
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", -1)


@pytest.mark.usefixtures("_everything_is_zip64")
@pytest.mark.parametrize("before", [b"", b"something before the first member"])
def test_bad_input_24_zip64_is_read(before: bytes) -> None:
    body = before + zipped({"a.csv": CSV, "b.csv": b"", "c.csv": b"x"}, comment=b"remark")

    assert b"PK\6\6" in body
    assert contents(body) == [("a.csv", CSV), ("b.csv", b""), ("c.csv", b"x")]


@pytest.mark.usefixtures("_everything_is_zip64")
def test_bad_input_24_missing_zip64_numbers_are_corrupt() -> None:
    body = zipped({"a.csv": CSV, "b.csv": b"x"})
    at = body.find(b"PK\1\2")

    for field_at in (20, 24, 42):
        assert body[at + field_at : at + field_at + 4] == b"\xff\xff\xff\xff"
    assert rejection(patched(body, b"PK\1\2", 30, b"\0\0")) is Reason.CORRUPT


@pytest.mark.usefixtures("_everything_is_zip64")
@pytest.mark.parametrize(
    ("signature", "offset", "value", "reason"),
    [
        (b"PK\6\7", 4, b"\1", Reason.UNSUPPORTED),
        (b"PK\6\7", 16, b"\2", Reason.UNSUPPORTED),
        (b"PK\6\6", 16, b"\1", Reason.UNSUPPORTED),
        (b"PK\6\6", 4, b"\x2d", Reason.CORRUPT),
        (b"PK\6\6", 3, b"\0", Reason.CORRUPT),
    ],
)
def test_bad_input_24_inconsistent_zip64_record_is_rejected(
    signature: bytes, offset: int, value: bytes, reason: Reason
) -> None:
    body = zipped({"a.csv": CSV})

    assert rejection(patched(body, signature, offset, value, last=True)) is reason


def test_bad_input_24_zip64_end_record_may_be_longer_than_its_fields() -> None:
    body = many_entries(["a", "b"], extension=b"more of the record")

    assert contents(body) == [("a", b""), ("b", b"")]


class Sparse:
    """An object of 5 GB that is zeros up to ``start``, without memory. A read far before ``start`` fails."""

    def __init__(self, start: int, body: bytes) -> None:
        self.start = start
        self.body = body

    def read(self, first: int, last: int) -> Iterator[bytes]:
        assert first >= self.start - TAIL_BYTES
        empty = bytes(max(0, min(self.start, last + 1) - first))
        yield empty + self.body[max(0, first - self.start) : last + 1 - self.start]


def test_bad_input_24_member_after_4_gb_is_read() -> None:
    five_gb = 5 * 10**9
    compressor = zlib.compressobj(wbits=-15)
    compressed = compressor.compress(CSV) + compressor.flush()
    local = struct.pack("<4s5H3L2H", b"PK\3\4", 45, 0, 8, 0, 0, 0, 0, 0, 5, 0) + b"a.csv" + compressed
    extra = struct.pack("<2HQ", 1, 8, five_gb)
    numbers = (45, 45, 0, 8, 0, 0, zlib.crc32(CSV), len(compressed), len(CSV), 5, len(extra), 0, 0, 0, 0, 0xFFFFFFFF)
    central = struct.pack("<4s6H3L5H2L", b"PK\1\2", *numbers) + b"a.csv" + extra
    start = five_gb + len(local)
    end_64 = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, len(central), start)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, start + len(central), 1)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(central), 0xFFFFFFFF, 0)
    body = local + central + end_64 + locator + end
    window = ObjectSlice(Sparse(five_gb, body).read, 0, five_gb + len(body))

    (entry,) = directory(window, max_entries=1)

    assert b"".join(read_entry(window, entry)) == CSV


def test_a_stored_member_can_be_read_in_place() -> None:
    window = window_of(zipped({"a": b"x", "inner.zip": b"stored bytes"}, method=zipfile.ZIP_STORED))
    entry = directory(window, max_entries=2)[1]

    member = stored_slice(window, entry)

    assert b"".join(member.read(0, member.size)) == b"stored bytes"


def test_a_folder_is_detected() -> None:
    entries = directory(window_of(zipped({"folder/": b"", "file": b"", "odd/": b"x"})), max_entries=9)

    assert [entry.is_directory for entry in entries] == [True, False, False]


def test_inflated_chunks_are_small() -> None:
    window = window_of(zipped({"zeros": bytes(3_000_000)}))
    (entry,) = directory(window, max_entries=1)

    assert max(map(len, read_entry(window, entry))) <= CHUNK_BYTES


@pytest.mark.parametrize("more", [1, 21, 100, 150, 220, 1_000])
def test_data_that_zlib_holds_after_a_full_chunk_is_read(more: int) -> None:
    zeros = bytes(CHUNK_BYTES + more)

    assert contents(zipped({"zeros": zeros})) == [("zeros", zeros)]


@given(bodies=st.lists(BODIES, min_size=1, max_size=4), chunk=st.integers(1, 400))
def test_a_gzip_file_of_several_members_is_read_as_one(bodies: list[bytes], chunk: int) -> None:
    compressed = b"".join(map(gzip.compress, bodies))

    assert b"".join(gunzipped(in_chunks(compressed, chunk))) == b"".join(bodies)


@pytest.mark.parametrize("padding", [1, 7, 512, 20_000])
@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize("chunk", [13, 1 << 20])
def test_zeros_after_a_gzip_member_are_padding(padding: int, members: int, chunk: int) -> None:
    padded = (gzip.compress(CSV) + bytes(padding)) * members

    assert b"".join(gunzipped(in_chunks(padded, chunk))) == CSV * members == gzip.decompress(padded)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1],
        lambda data: data[:5],
        lambda data: b"",
        lambda data: data + b"garbage",
        lambda data: data + b"\0garbage",
        lambda data: b"\0" + data,
        lambda data: data[:-8] + b"\0\0\0\0" + data[-4:],
        lambda data: data + data[:-1],
    ],
    ids=[
        "cut",
        "header only",
        "nothing",
        "garbage",
        "padding and garbage",
        "padding in front",
        "crc",
        "second member cut",
    ],
)
@pytest.mark.parametrize("chunk", [1, 1 << 20])
def test_bad_input_21_damaged_gzip_is_corrupt(damage: Callable[[bytes], bytes], chunk: int) -> None:
    with pytest.raises(Rejected) as rejected:
        b"".join(gunzipped(in_chunks(damage(gzip.compress(CSV)), chunk)))

    assert rejected.value.reason is Reason.CORRUPT


def test_random_bytes_are_corrupt() -> None:
    generator = random.Random(1)

    assert {rejection(generator.randbytes(generator.randrange(2_000))) for _ in range(200)} == {Reason.CORRUPT}


def test_contents_11_what_follows_a_short_gzip_member_is_not_copied_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    copied = 0
    decompressobj = zlib.decompressobj

    class Counting:
        def __init__(self, wbits: int) -> None:
            self._inflater = decompressobj(wbits=wbits)

        def decompress(self, data: bytes, max_length: int) -> bytes:
            nonlocal copied
            piece = self._inflater.decompress(data, max_length)
            copied += len(self._inflater.unused_data)
            return piece

        def __getattr__(self, name: str) -> object:
            return getattr(self._inflater, name)

    monkeypatch.setattr(zlib, "decompressobj", Counting)
    body = gzip.compress(b"", mtime=0) * 10_000

    assert b"".join(gunzipped(iter([body]))) == b""
    assert copied <= 10_000 * 1_024


def test_contents_11_gzip_members_above_the_limit_are_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exports.formats.zip_reader.MAX_GZIP_MEMBERS", 3)
    member = gzip.compress(CSV, mtime=0)

    assert b"".join(gunzipped(in_chunks(member * 3, 7))) == CSV * 3
    with pytest.raises(Rejected, match="TOO_LARGE"):
        b"".join(gunzipped(in_chunks(member * 4, 7)))


@given(sizes=st.lists(st.integers(0, 5_000), min_size=1, max_size=5), chunk=st.sampled_from([1, 999, 1_024, 300_000]))
def test_contents_11_members_of_any_length_are_inflated(sizes: list[int], chunk: int) -> None:
    """Random bytes do not compress, so members end at any position of the growing steps."""
    generator = random.Random(1)
    bodies = [generator.randbytes(size) for size in sizes]

    assert b"".join(gunzipped(in_chunks(b"".join(map(gzip.compress, bodies)), chunk))) == b"".join(bodies)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (zipped({"a": b""}), True),
        (b"MZ" + zipped({"a": b""}), True),
        (zipped({}), False),
        (b"a,b\n" + zipped({}), False),
        (b"a,b\n1,2\n", False),
        (zipped({"a": b""})[1:], True),
        (zipped({"a": b""}) + b"\n", False),
        (b"", False),
    ],
)
def test_contents_02_a_zip_with_members_is_detected_at_its_end(body: bytes, expected: bool) -> None:
    assert ends_as_zip(window_of(body)) is expected
