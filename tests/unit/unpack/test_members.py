"""What a raw object contains: files, zip files in zip files, and what other programs added."""

import gzip
import io
import random
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exports.errors import Rejected
from exports.model import Kind, RawObject, Reason
from exports.runs import Unfinished
from exports.unpack import members
from exports.unpack.members import MAX_INNER_ZIPS
from exports.unpack.unpacking import Unpacked
from tests.unit.builders import KEYS, countdown, unpacked, unpacking, zipped
from tests.unit.fakes import FakeBucket
from tests.unit.unpack.test_unpacking import OS_INFO, rejection

APPLE_DOUBLE = b"\0\5\x16\7\0\2\0\0Mac OS X        \0\2\0\0\0\x09\0\0\0\x32\0\0\0\xb0" + bytes(120)
STORED, DEFLATED = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED
METHODS = pytest.mark.parametrize("method", [STORED, DEFLATED])


@pytest.fixture
def bucket() -> FakeBucket:
    return FakeBucket()


def names_of(unpacked: Unpacked) -> list[tuple[str, str]]:
    return [(file.name, file.dataset) for file in unpacked.files]


@METHODS
@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("__MACOSX/._123_osInfo.csv", APPLE_DOUBLE),
        ("__MACOSX/123_osInfo.csv", OS_INFO),
        ("folder/__MACOSX/._inner.zip", APPLE_DOUBLE),
        ("._123_osInfo.csv", APPLE_DOUBLE),
        ("folder/._123_results.json", APPLE_DOUBLE),
        ("._inner.zip", b"a resource fork: " + zipped({"123_osInfo.csv": OS_INFO})),
        ("inner.zip", APPLE_DOUBLE),
        ("copy of 123_osInfo.csv", b"\0\5\x16\0" + APPLE_DOUBLE[4:]),
        (".AppleDouble/inner.zip", b"\0\5\x16\7"),
        ("@eaDir/inner.zip/SYNO.zip", b""),
        ("~$123_osInfo.csv", b"\x05admin" + bytes(50)),
        (".DS_Store", b"\0\0\0\1Bud1"),
        ("Thumbs.db", b"\xd0\xcf\x11\xe0"),
        ("folder\\desktop.ini", b"[.ShellClassInfo]\r\n"),
    ],
)
def test_contents_01_a_file_that_an_archiver_added_is_stored_as_other(
    bucket: FakeBucket, method: int, name: str, body: bytes
) -> None:
    raw = bucket.holds(zipped([(name, body), ("123_osInfo.csv", OS_INFO)], method=method))

    result = unpacked(bucket, raw, with_tables=True)

    assert names_of(result) == [(name, "other"), ("123_osInfo.csv", "agent_os_info")]
    added, real = result.files
    assert (bucket.objects[added.key], added.rows, added.columns, added.table_key) == (body, None, (), None)
    assert added.notes == {"noTable": "added by the program that made the zip file"}
    assert (real.rows, result.kind, result.notes) == (1, Kind.AGENT, ())


@METHODS
def test_contents_01_files_of_archivers_in_an_inner_zip_are_stored(bucket: FakeBucket, method: int) -> None:
    inner = zipped({"123_osInfo.csv": OS_INFO, "__MACOSX/._123_osInfo.csv": APPLE_DOUBLE, "__MACOSX/": b""})

    result = unpacked(bucket, bucket.holds(zipped({"export.zip": inner, "._export.zip": APPLE_DOUBLE}, method=method)))

    assert [dataset for _, dataset in names_of(result)] == ["agent_os_info", "other", "other"]


STUB = b"MZ" + random.Random(1).randbytes(3_000)
SHELL = b"#!/bin/sh\ntail -c +60 $0 > export.zip; unzip export.zip; exit\n"


def shifted(body: bytes, by: int) -> bytes:
    """The zip file with offsets that count from ``by`` bytes in front of it, as a program that writes both has them."""
    moved = bytearray(body)
    end = body.rfind(b"PK\5\6")
    (at,) = struct.unpack_from("<L", body, end + 16)
    struct.pack_into("<L", moved, end + 16, at + by)
    while body.startswith(b"PK\1\2", at):
        name, extra, comment = struct.unpack_from("<3H", body, at + 28)
        (offset,) = struct.unpack_from("<L", body, at + 42)
        struct.pack_into("<L", moved, at + 42, offset + by)
        at += 46 + name + extra + comment
    return bytes(moved)


@pytest.mark.parametrize("relative", [True, False], ids=["own offsets", "all offsets"])
@pytest.mark.parametrize(
    ("before", "extension"),
    [(b"PK\7\x08", "zip"), (b"PK00", "zip"), (STUB, "csv"), (SHELL, "csv"), (b"\r\n", "csv"), (b"a,b\n1,2\n", "csv")],
    ids=["split", "split before", "program", "script", "newline", "text"],
)
def test_contents_02_bytes_in_front_of_a_zip_are_noted(
    bucket: FakeBucket, before: bytes, extension: str, relative: bool
) -> None:
    body = zipped({"123_osInfo.csv": OS_INFO, "123_results.json": b"{}"})
    raw = bucket.holds(before + (body if relative else shifted(body, len(before))), extension)

    result = unpacked(bucket, raw)

    assert names_of(result) == [("123_osInfo.csv", "agent_os_info"), ("123_results.json", "agent_results")]
    assert bucket.data["agent_os_info/123_osInfo.csv"] == OS_INFO
    assert result.notes == ({"name": raw.key.rpartition("/")[2], "leadingBytes": len(before)},)


@METHODS
def test_contents_02_bytes_in_front_of_an_inner_zip_are_noted_with_its_name(bucket: FakeBucket, method: int) -> None:
    raw = bucket.holds(zipped({"a/inner.zip": STUB + zipped({"123_osInfo.csv": OS_INFO})}, method=method))

    assert unpacked(bucket, raw).notes == ({"name": "a/inner.zip", "leadingBytes": len(STUB)},)


def test_contents_02_text_that_ends_with_an_empty_zip_is_text(bucket: FakeBucket) -> None:
    body = OS_INFO + zipped({})

    (file,) = unpacked(bucket, bucket.holds(body, "csv")).files

    assert (file.dataset, bucket.objects[file.key]) == ("agent_os_info", body)


def test_contents_02_a_zip_without_its_first_bytes_is_corrupt() -> None:
    body = zipped({"123_osInfo.csv": OS_INFO, "b.csv": b""})

    assert {rejection(body[cut:], extension) for cut in (1, 4, 60) for extension in ("zip", "csv")} == {Reason.CORRUPT}


def with_one_folder(name: str, attributes: int, body: bytes = b"") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", DEFLATED) as archive:
        info = zipfile.ZipInfo("x")
        info.filename, info.external_attr, info.compress_type = name, attributes, DEFLATED
        archive.writestr(info, body)
        archive.writestr("folder/123_osInfo.csv", OS_INFO)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "attributes"),
    [
        ("folder/", 0),
        ("folder\\", 0),
        ("folder", 0x10),
        ("a\\folder", 0x10),
        ("folder", 0o40755 << 16),
        ("folder", 0o40755 << 16 | 0x10),
        ("folder.zip", 0x10),
        ("123_osInfo.csv", 0x10),
        ("folder/", 0o100644 << 16),
    ],
)
def test_contents_03_a_folder_is_no_file(bucket: FakeBucket, name: str, attributes: int) -> None:
    result = unpacked(bucket, bucket.holds(with_one_folder(name, attributes)))

    assert names_of(result) == [("folder/123_osInfo.csv", "agent_os_info")]


@pytest.mark.parametrize(
    ("name", "attributes", "body"),
    [("a.csv", 0x10, b"x"), ("a.csv", 0o100644 << 16 | 0x10, b""), ("a.csv", 0x20, b""), ("a\\b.csv", 0, b"")],
)
def test_contents_03_a_file_is_no_folder(bucket: FakeBucket, name: str, attributes: int, body: bytes) -> None:
    result = unpacked(bucket, bucket.holds(with_one_folder(name, attributes, body)))

    assert (result.files[0].name, result.files[0].bytes) == (name, len(body))


def test_contents_03_names_in_directory_and_header_can_differ_in_their_slashes(bucket: FakeBucket) -> None:
    body = zipped({"a/123_osInfo.csv": OS_INFO}).replace(b"a/123", b"a\\123", 1)

    assert names_of(unpacked(bucket, bucket.holds(body))) == [("a/123_osInfo.csv", "agent_os_info")]


def test_contents_03_names_in_directory_and_header_can_differ_in_their_encoding(bucket: FakeBucket) -> None:
    body = zipped({"é/123_osInfo.csv": OS_INFO})
    name = "é/123_osInfo.csv".encode("cp437")
    # The name is a byte shorter than in UTF-8. The extra field has that byte.
    local = body[:6] + b"\0\0" + body[8:26] + struct.pack("<2H", len(name), 1) + name + b"\0"

    result = unpacked(bucket, bucket.holds(local + body[len(local) :]))

    assert names_of(result) == [("é/123_osInfo.csv", "agent_os_info")]


def test_contents_03_another_name_in_the_header_is_corrupt() -> None:
    assert rejection(zipped({"a/123_osInfo.csv": OS_INFO}).replace(b"a/123", b"a/124", 1)) is Reason.CORRUPT


@pytest.mark.parametrize(
    "pack",
    [
        gzip.compress,
        lambda body: gzip.compress(gzip.compress(body)),
        lambda body: gzip.compress(body[:200]) + gzip.compress(body[200:]),
        lambda body: gzip.compress(STUB + body),
        lambda body: gzip.compress(b"PK\7\x08" + body),
    ],
    ids=["gzip", "gzip twice", "gzip of two members", "program", "split"],
)
def test_contents_07_a_zip_that_was_compressed_on_its_way_is_unpacked(
    bucket: FakeBucket, pack: Callable[[bytes], bytes]
) -> None:
    packed = pack(zipped({"123_osInfo.csv": OS_INFO, "inner.zip": zipped({"123_results.json": b"{}"})}))
    raw = bucket.holds(packed, "csv.gz")

    result = unpacked(bucket, raw)

    assert names_of(result) == [("123_osInfo.csv", "agent_os_info"), ("inner.zip/123_results.json", "agent_results")]
    assert bucket.objects[raw.key] == packed, "the raw object is as received"


def test_contents_07_text_that_was_compressed_twice_is_one_file(bucket: FakeBucket) -> None:
    (file,) = unpacked(bucket, bucket.holds(gzip.compress(gzip.compress(OS_INFO)), "csv.gz")).files

    assert (file.name, file.dataset, bucket.objects[file.key]) == ("export-1.csv", "agent_os_info", OS_INFO)


def test_contents_07_it_is_inflated_once(bucket: FakeBucket) -> None:
    body = zipped({f"{number}_osInfo.csv": OS_INFO for number in range(4)})
    raw = bucket.holds(gzip.compress(body), "csv.gz")

    calls, result = settled(bucket, raw, lambda: {"time_left": countdown(1)})

    assert (calls, len(result.files)) == (5, 4)
    assert len([key for key in bucket.written if key.startswith("work/")]) == 1


def test_contents_07_levels_are_limited() -> None:
    body = OS_INFO
    for _ in range(5):
        body = gzip.compress(body)

    assert rejection(body, "csv.gz") is Reason.CORRUPT


def test_contents_07_a_zip_bomb_in_gzip_is_too_large() -> None:
    bomb = zipped({"a.csv": bytes(64 << 20)})

    assert rejection(gzip.compress(bomb), "csv.gz") is Reason.TOO_LARGE
    assert rejection(gzip.compress(gzip.compress(bytes(64 << 20))), "csv.gz") is Reason.TOO_LARGE


def settled(
    bucket: FakeBucket, raw: RawObject, options: Callable[[], dict[str, Any]], max_calls: int = 1_000
) -> tuple[int, Unpacked]:
    """The number of calls, each with new ``options``, and the result. Raises Rejected."""
    for call in range(1, max_calls + 1):
        result = unpacking(bucket, raw, **options())
        if isinstance(result, Unpacked):
            return call, result
    raise AssertionError(f"not settled after {max_calls} calls")


@METHODS
def test_contents_09_too_many_inner_zips_are_too_large_before_they_are_read(bucket: FakeBucket, method: int) -> None:
    inner = zipped({"a.csv": b""})
    raw = bucket.holds(zipped([(f"{number}.zip", inner) for number in range(9_990)], method=method))

    with pytest.raises(Rejected, match="TOO_LARGE: more than 100 inner zip files"):
        unpacked(bucket, raw)
    assert {key for key, _, _ in bucket.reads} == {raw.key}
    assert len(bucket.reads) <= 2


def test_contents_09_inner_zips_of_all_levels_are_added(bucket: FakeBucket) -> None:
    inner = zipped({f"{number}.zip": zipped({}) for number in range(19)})

    def body(outer: int) -> bytes:
        return zipped({f"{number}.zip": inner for number in range(outer)})

    assert unpacked(bucket, bucket.holds(body(MAX_INNER_ZIPS // 20))).files == ()
    assert rejection(body(MAX_INNER_ZIPS // 20 + 1)) is Reason.TOO_LARGE


@METHODS
def test_contents_09_an_inner_zip_that_takes_longer_than_an_invocation_is_too_large(method: int) -> None:
    bucket = FakeBucket(chunk=1_000)
    noise = zipped({"noise": random.Random(1).randbytes(100_000)}, method=STORED)
    raw = bucket.holds(zipped({"inner.zip": noise}, method=method))

    with pytest.raises(Rejected, match="TOO_LARGE: a file that takes longer"):
        settled(bucket, raw, lambda: {"invocation_time_left": countdown(50)}, max_calls=4)


def test_contents_09_compressed_bytes_without_content_end_with_the_invocation() -> None:
    """Empty blocks of deflate inflate to nothing, so no limit for what is unpacked applies to them."""
    compressed = b"\0\0\0\xff\xff" * 100_000 + zlib.compress(b"x", wbits=-15)
    header = gzip.compress(b"", mtime=0)[:10]
    body = header + compressed + struct.pack("<2L", zlib.crc32(b"x"), 1)
    bucket = FakeBucket(chunk=1_000)

    with pytest.raises(Rejected, match="TOO_LARGE: a file that takes longer"):
        settled(bucket, bucket.holds(body, "csv.gz"), lambda: {"invocation_time_left": countdown(100)}, max_calls=4)


def test_contents_09_a_file_that_takes_longer_than_an_invocation_to_read_is_stored(bucket: FakeBucket) -> None:
    """The rows are too slow for the time that is enough for the bytes: the second pass of a file with a ragged row."""
    body = OS_INFO + b"1,o-2,L,2,x,h,,2020\n" * 200_000 + b"1\n"
    raw = bucket.holds(zipped({"1_osInfo.csv": body, "2_osInfo.csv": OS_INFO}))

    calls, result = settled(
        bucket, raw, lambda: {"invocation_time_left": countdown(25), "with_tables": True}, max_calls=4
    )

    large, small = result.files
    assert (calls, large.rows, large.table_key, len(large.columns)) == (3, None, None, 8)
    assert large.notes == {"noTable": "reading it takes longer than an invocation"}
    assert bucket.objects[large.key] == body
    assert (small.rows, "noTable" in small.notes) == (1, False)


def test_contents_09_deleting_the_files_of_a_rejected_export_can_need_several_calls(bucket: FakeBucket) -> None:
    files = {f"{number}_osInfo.csv": OS_INFO for number in range(20)}
    body = bytearray(zipped({**files, "z.csv": b"damaged" * 9}, method=STORED))
    body[body.rindex(b"damaged")] ^= 1
    raw = bucket.holds(bytes(body))

    def call() -> Unpacked | Unfinished:
        return unpacking(bucket, raw, time_left=countdown(30), with_tables=True)

    assert call() == Unfinished()
    assert 0 < len(bucket.data) < 20
    with pytest.raises(Rejected, match="CORRUPT: a member of the zip file does not have its declared size or CRC-32"):
        call()

    assert len(bucket.written) == 20, "nothing was stored again"
    assert set(bucket.objects) == {raw.key}
    assert not bucket.pending


def test_contents_09_a_kill_while_files_are_deleted_leaves_the_rejection(bucket: FakeBucket) -> None:
    body = bytearray(zipped({"1_osInfo.csv": OS_INFO, "2_osInfo.csv": OS_INFO, "z": b"damaged" * 9}, method=STORED))
    body[body.rindex(b"damaged")] ^= 1
    raw = bucket.holds(bytes(body))
    deleted: list[str] = []

    class Killed(BaseException):
        pass

    def killed(key: str) -> None:
        deleted.append(key)
        raise Killed

    real = bucket.delete
    bucket.delete = killed  # type: ignore[method-assign]  # the function ends at this call
    with pytest.raises(Killed):
        unpacking(bucket, raw)
    bucket.delete = real  # type: ignore[method-assign]

    assert len(deleted) == 1
    assert rejected_again(bucket, raw) is Reason.CORRUPT
    assert set(bucket.objects) == {raw.key}
    assert len(bucket.written) == 2


def rejected_again(bucket: FakeBucket, raw: RawObject) -> Reason:
    with pytest.raises(Rejected) as rejected:
        unpacking(bucket, raw)
    return rejected.value.reason


TREES = st.recursive(
    st.sampled_from([OS_INFO, b"x" * 3_000, b"a,b\n1\n", OS_INFO + b"1,2\n" * 5_000]),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=8,
)


def zip_of(tree: Any, method: int) -> bytes:
    return zipped(
        {
            f"{number}{'_osInfo.csv' if isinstance(body, bytes) else '.zip'}": (
                body if isinstance(body, bytes) else zip_of(body, method)
            )
            for number, body in enumerate(tree)
        },
        method=method,
    )


def size_of(tree: Any) -> int:
    """Files and zip files in the tree."""
    return sum(1 if isinstance(body, bytes) else 1 + size_of(body) for body in tree)


@given(
    tree=st.lists(TREES, max_size=4),
    method=st.sampled_from([STORED, DEFLATED]),
    chunk=st.sampled_from([100, 5_000]),
    budget=st.integers(1, 5),
    invocation=st.integers(1, 300),
    damage=st.booleans(),
)
def test_contents_09_every_export_is_settled_after_a_limited_number_of_calls(
    tree: Any, method: int, chunk: int, budget: int, invocation: int, damage: bool
) -> None:
    """However short the invocations are: an operation is in at most three of them, and is then done or rejected."""
    body = bytearray(zip_of(tree, method))
    if damage:
        body[len(body) // 2] ^= 1
    bucket = FakeBucket(chunk=chunk)
    raw = bucket.holds(bytes(body))

    try:
        _, result = settled(
            bucket,
            raw,
            lambda: {"time_left": countdown(budget), "invocation_time_left": countdown(invocation)},
            max_calls=3 * (size_of(tree) + 1) + 1,
        )
    except Rejected:
        assert set(bucket.objects) - {raw.key} == {key for key in bucket.objects if key.startswith("work/")} - {
            KEYS.work("unpacked.json")
        }
    else:
        assert {file.key for file in result.files} == {key for key in bucket.objects if key.startswith("data/")}


def test_contents_08_names_of_all_entries_have_a_limit(bucket: FakeBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members, "MAX_NAME_CHARACTERS", 100)

    assert len(unpacked(bucket, bucket.holds(zipped({"a" * 60: b"", "b" * 40: b""}))).files) == 2
    assert rejection(zipped({"a" * 60: b"", "b" * 41: b""})) is Reason.TOO_LARGE
    assert rejection(zipped({"a" * 60 + "/": b"", "b" * 41 + "/": b""})) is Reason.TOO_LARGE
    inner = zipped({"a": b"", "b": b"", "c": b""})
    assert rejection(zipped({f"{'z' * 30}.zip": inner})) is Reason.TOO_LARGE, "an inner name has the outer one, too"


def empty_gzip_members(number: int) -> bytes:
    return gzip.compress(b"", mtime=0) * number


def test_contents_11_empty_gzip_members_have_a_limit(bucket: FakeBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exports.formats.zip_reader.MAX_GZIP_MEMBERS", 1_000)
    body = gzip.compress(OS_INFO, mtime=0)

    (file,) = unpacked(bucket, bucket.holds(empty_gzip_members(999) + body, "csv.gz")).files

    assert file.rows == 1
    assert rejection(empty_gzip_members(1_000) + body, "csv.gz") is Reason.TOO_LARGE
    assert rejection(body + empty_gzip_members(1_000), "csv.gz") is Reason.TOO_LARGE
    assert rejection(gzip.compress(b"a\n", mtime=0) * 1_001, "csv.gz") is Reason.TOO_LARGE
