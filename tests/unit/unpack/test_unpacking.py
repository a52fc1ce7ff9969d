"""Unpacking of raw objects: every member is verified, stored and assigned to a dataset, or the export is rejected."""

import gzip
import hashlib
import io
import json
import random
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exports.datasets.detection import known_datasets
from exports.errors import Rejected, ServiceError
from exports.formats.zip_reader import CHUNK_BYTES
from exports.model import Kind, RawObject, Reason, StoredFile
from exports.runs import Unfinished
from exports.unpack import unpacking as unpack_module
from exports.unpack.members import RATIO_FLOOR, Limits
from exports.unpack.unpacking import Unpacked
from tests.unit.builders import KEYS, Files, countdown, peak_memory, unpacked, unpacking, zipped
from tests.unit.fakes import FakeBucket

OS_INFO = b"accountNumber,agentId,osName,osVersion,cpuType,hostName,hypervisor,timestamp\n1,o-1,L,2,x,h,,2020\n"
SERVERS = (",".join(next(d.variants[0] for d in known_datasets() if d.name == "summary_server")) + "\n").encode()


def rejection(body: bytes, extension: str = "zip", **options: Any) -> Reason:
    bucket = FakeBucket()
    with pytest.raises(Rejected) as rejected:
        unpacking(bucket, bucket.holds(body, extension), **options)
    return rejected.value.reason


@pytest.fixture
def bucket() -> FakeBucket:
    return FakeBucket()


def test_each_member_is_stored_as_an_object(bucket: FakeBucket) -> None:
    result = unpacked(bucket, bucket.holds(zipped({"123_osInfo.csv": OS_INFO, "123_results.json": b"{}"})))

    header = tuple(OS_INFO.decode().partition("\n")[0].split(","))
    key = "data/agent_os_info/2026-11-23/export-1/123_osInfo.csv"
    assert result.kind is Kind.AGENT
    assert result.files[0] == StoredFile(
        "123_osInfo.csv", "agent_os_info", key, len(OS_INFO), hashlib.sha256(OS_INFO).hexdigest(), 1, header
    )
    assert result.files[1].dataset == "agent_results"
    assert (result.files[1].rows, result.files[1].columns) == (None, ())
    assert bucket.data == {"agent_os_info/123_osInfo.csv": OS_INFO, "agent_results/123_results.json": b"{}"}


def test_dataset_is_detected_by_the_header_if_not_by_the_name() -> None:
    bucket = FakeBucket(chunk=5)

    result = unpacked(bucket, bucket.holds(zipped({"part 1.csv": b"\xef\xbb\xbf" + SERVERS, "part 2": SERVERS})))

    assert [(file.dataset, file.rows) for file in result.files] == [("summary_server", 0)] * 2
    assert result.kind is Kind.SUMMARY


def test_added_columns_are_noted(bucket: FakeBucket) -> None:
    body = OS_INFO.replace(b",timestamp", b",timestamp,new").replace(b",2020", b",2020,1")

    (file,) = unpacked(bucket, bucket.holds(zipped({"123_osInfo.csv": body}))).files

    assert file.notes == {"added": ["new"]}


def test_plain_csv_is_one_file(bucket: FakeBucket) -> None:
    (file,) = unpacked(bucket, bucket.holds(OS_INFO, "csv")).files

    assert (file.name, file.dataset, file.rows) == ("export-1.csv", "agent_os_info", 1)
    assert bucket.data == {"agent_os_info/export-1.csv": OS_INFO}


def test_gzip_is_stored_uncompressed(bucket: FakeBucket) -> None:
    (file,) = unpacked(bucket, bucket.holds(gzip.compress(OS_INFO) + gzip.compress(b"1,2,3,4,5,6,7,8"), "csv.gz")).files

    assert (file.name, file.rows) == ("export-1.csv", 2)
    assert bucket.data == {"agent_os_info/export-1.csv": OS_INFO + b"1,2,3,4,5,6,7,8"}


def test_bad_input_19_empty_raw_object_is_corrupt() -> None:
    assert {rejection(b"", extension) for extension in ("zip", "csv", "csv.gz")} == {Reason.CORRUPT}


@pytest.mark.parametrize("files", [{}, {"folder/": b""}])
def test_bad_input_19_a_zip_without_members_has_no_files(bucket: FakeBucket, files: Files) -> None:
    assert unpacked(bucket, bucket.holds(zipped(files))) == Unpacked((), Kind.OTHER)


def test_bad_input_19_a_zip_with_no_csv_is_stored(bucket: FakeBucket) -> None:
    result = unpacked(bucket, bucket.holds(zipped({"123_results.json": b"{}"})))

    assert (len(result.files), result.kind) == (1, Kind.AGENT)


@pytest.mark.parametrize("page", [b"<!DOCTYPE html>", b"\xef\xbb\xbf\n <Error><Code>x", b'{"message": "Forbidden"}'])
def test_bad_input_20_an_error_page_is_corrupt(page: bytes) -> None:
    assert rejection(page, "csv") is Reason.CORRUPT
    assert rejection(gzip.compress(page), "csv.gz") is Reason.CORRUPT


@pytest.mark.parametrize(
    ("encoding", "noted"),
    [
        ("utf-16", "utf-16-le"),
        ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "utf-16-be"),
        ("utf-32", "utf-32-le"),
        ("utf-8-sig", "utf-8-sig"),
        ("windows-1252", "windows-1252"),
    ],
)
@pytest.mark.parametrize(("extension", "compress"), [("csv", bytes), ("csv.gz", gzip.compress)])
def test_bad_input_35_an_export_of_one_file_can_have_any_encoding(
    bucket: FakeBucket, encoding: str, noted: str, extension: str, compress: Callable[[bytes], bytes]
) -> None:
    body = (OS_INFO.decode() + "1,straße\r\n" * 2).encode(encoding)

    (file,) = unpacked(bucket, bucket.holds(compress(body), extension)).files

    assert (file.rows, file.bytes, file.notes["encoding"]) == (3, len(body), noted)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32", "utf-8-sig"])
def test_bad_input_20_an_error_page_is_corrupt_in_any_encoding(encoding: str) -> None:
    assert rejection("<html>straße</html>".encode(encoding), "csv") is Reason.CORRUPT


@pytest.mark.parametrize("at", range(4))
def test_bad_input_21_zip_with_damaged_first_bytes_is_corrupt(at: int) -> None:
    body = bytearray(zipped({"123_osInfo.csv": OS_INFO}))
    body[at] ^= 4

    assert rejection(bytes(body), "csv") is Reason.CORRUPT


def test_bad_input_21_only_the_raw_object_of_a_damaged_zip_is_kept(bucket: FakeBucket) -> None:
    body = bytearray(zipped({"a.csv": OS_INFO, "b.csv": OS_INFO}, method=zipfile.ZIP_STORED))
    body[body.rfind(b"o-1")] ^= 1

    raw = bucket.holds(bytes(body))
    with pytest.raises(Rejected, match="CORRUPT"):
        unpacked(bucket, raw)

    assert bucket.written == [KEYS.data("agent_os_info", "a.csv")], "the damaged file was never visible"
    assert set(bucket.objects) == {raw.key}, "and the file before it is deleted"


def bomb(size: int) -> bytes:
    """A zip file whose member inflates to ``size`` bytes, a thousand times its compressed size."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("bomb.csv", "w") as member:
        for _ in range(size >> 20):
            member.write(bytes(1 << 20))
    return buffer.getvalue()


@pytest.fixture(scope="module")
def bomb_of_64_mb() -> bytes:
    return bomb(64 << 20)


def test_bad_input_22_zip_bomb_is_too_large_and_needs_little_memory(bomb_of_64_mb: bytes) -> None:
    bucket = FakeBucket(keeps=False)
    raw = bucket.holds(bomb_of_64_mb)

    def unpack_bomb() -> None:
        with pytest.raises(Rejected, match="TOO_LARGE"):
            unpacked(bucket, raw)

    assert peak_memory(unpack_bomb) < 4 << 20
    assert bucket.written == []


def test_bad_input_22_zip_bomb_beside_other_data_is_too_large() -> None:
    noise = random.Random(1).randbytes(200_000)

    assert rejection(zipped({"noise": noise, "bomb.csv": bytes(16 << 20)})) is Reason.TOO_LARGE


def test_bad_input_22_zip_bomb_with_a_forged_size_is_corrupt(bomb_of_64_mb: bytes) -> None:
    at = bomb_of_64_mb.find(b"PK\1\2") + 24
    forged = bomb_of_64_mb[:at] + (1000).to_bytes(4, "little") + bomb_of_64_mb[at + 4 :]

    assert peak_memory(lambda: rejection(forged)) < 4 << 20
    assert rejection(forged) is Reason.CORRUPT


def test_bad_input_22_gzip_bomb_is_too_large_and_needs_little_memory() -> None:
    bucket = FakeBucket(keeps=False)
    raw = bucket.holds(gzip.compress(b"a,b\n" + b"x" * (64 << 20)), "csv.gz")

    def unpack_bomb() -> None:
        with pytest.raises(Rejected, match="TOO_LARGE"):
            unpacked(bucket, raw)

    assert peak_memory(unpack_bomb) < 4 << 20
    assert bucket.written == []


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_bad_input_22_zip_bomb_in_a_zip_is_too_large(bomb_of_64_mb: bytes, method: int) -> None:
    assert rejection(zipped({"inner.zip": bomb_of_64_mb}, method=method)) is Reason.TOO_LARGE


def test_bad_input_22_zip_of_equal_zips_is_too_large() -> None:
    """Each level is within the ratio, all levels together are not: equal zip files compress as well as equal rows."""
    inner = zipped({"a.csv": b"1,2\n" * 2_000_000})
    body = zipped(
        {"middle.zip": zipped([(f"{number}.zip", inner) for number in range(150)], method=zipfile.ZIP_STORED)}
    )

    assert rejection(body, limits=Limits(max_ratio=600)) is Reason.TOO_LARGE


def test_bad_input_22_equal_rows_below_the_ratio_floor_are_stored(bucket: FakeBucket) -> None:
    body = b"a,b\n" + b"1,2\n" * 2_000_000

    (file,) = unpacked(bucket, bucket.holds(zipped({"a.csv": body}))).files

    assert RATIO_FLOOR > file.bytes > Limits().max_ratio * len(zipped({"a.csv": body}))
    assert file.rows == 2_000_000


@pytest.mark.parametrize(
    "limits",
    [Limits(max_files=1), Limits(max_file_bytes=99), Limits(max_total_bytes=199)],
    ids=["files", "file", "total"],
)
def test_bad_input_22_limits_reject_before_any_file_is_stored(bucket: FakeBucket, limits: Limits) -> None:
    raw = bucket.holds(zipped({"a.csv": bytes(100), "b.csv": bytes(100)}))

    with pytest.raises(Rejected, match="TOO_LARGE"):
        unpacked(bucket, raw, limits=limits)
    assert bucket.written == []


def test_bad_input_22_files_at_the_limits_are_stored(bucket: FakeBucket) -> None:
    raw = bucket.holds(zipped({"a.csv": bytes(100), "b.csv": bytes(100)}))

    result = unpacked(bucket, raw, limits=Limits(max_files=2, max_file_bytes=100, max_total_bytes=200))

    assert len(result.files) == 2


def described(*files: bytes) -> bytes:
    """A zip file of CSV files with these headers."""
    return zipped({f"{number}.csv": header for number, header in enumerate(files)})


def test_contents_08_headers_of_all_files_have_a_limit(bucket: FakeBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack_module, "MAX_DESCRIPTION_BYTES", 1_200)

    assert len(unpacked(bucket, bucket.holds(described(b"a,b\n", b"c,d,e\n"))).files) == 2
    assert rejection(described(b"a," * 100, b"d," * 100)) is Reason.TOO_LARGE
    assert rejection(described(b"\x01" * 200 + b"\n", "é".encode() * 200 + b"\n")) is Reason.TOO_LARGE


def test_contents_08_headers_of_earlier_invocations_count(bucket: FakeBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack_module, "MAX_DESCRIPTION_BYTES", 1_200)
    raw = bucket.holds(described(b"a," * 100, b"b," * 100, b"c\n"))

    def call(steps: int) -> Unpacked | Unfinished:
        return unpacking(bucket, raw, time_left=countdown(steps))

    assert call(1) == Unfinished()
    with pytest.raises(Rejected, match="TOO_LARGE"):
        call(3)


@pytest.mark.parametrize("limits", [Limits(max_file_bytes=99), Limits(max_total_bytes=99)])
def test_bad_input_22_limits_apply_to_files_of_undeclared_size(limits: Limits) -> None:
    assert rejection(b"a" * 100, "csv", limits=limits) is Reason.TOO_LARGE
    assert rejection(gzip.compress(b"a" * 100), "csv.gz", limits=limits) is Reason.TOO_LARGE


def test_bad_input_22_entries_of_all_zips_are_added(bucket: FakeBucket) -> None:
    inner = zipped({"a.csv": b"", "b.csv": b""})
    body = zipped({"1.zip": inner, "2.zip": inner})

    assert rejection(body, limits=Limits(max_files=5)) is Reason.TOO_LARGE
    assert len(unpacked(bucket, bucket.holds(body), limits=Limits(max_files=6)).files) == 4


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_bad_input_23_unsafe_names_are_kept_as_text_and_never_used_in_keys(bucket: FakeBucket) -> None:
    names = [
        "../../etc/passwd",
        "/abs.csv",
        "..\\up.csv",
        "C:\\x.csv",
        "C:x.csv",
        "nul\0.csv",
        "a.csv",
        "a.csv",
        "A.CSV",
    ]
    names += [".", "..", "...", " ", "\u202egpj.csv", "é.csv", "n" * 3_000 + ".csv", ".hidden", "a\nb.csv", "file"]

    files = unpacked(bucket, bucket.holds(zipped([(name, b"%d" % at) for at, name in enumerate(names)]))).files

    parts = [file.key.removeprefix(KEYS.data("other", "")) for file in files]
    assert [bucket.objects[file.key] for file in files] == [b"%d" % at for at in range(len(names))]
    assert [file.name[:900] for file in files] == [name[:900] for name in names]
    assert all(re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,149}", part) for part in parts)
    assert len({part.lower() for part in parts}) == len(names)


def test_bad_input_23_names_that_are_not_utf_8_are_escaped(bucket: FakeBucket) -> None:
    body = zipped({"é.csv": OS_INFO}).replace("é".encode(), b"\xff\xfe")

    (file,) = unpacked(bucket, bucket.holds(body)).files

    assert file.name == "\\xff\\xfe.csv"
    assert json.loads(json.dumps(file.name).encode("ascii")) == file.name


def test_bad_input_24_encrypted_and_unsupported_members_are_rejected() -> None:
    body = bytearray(zipped({"a.csv": OS_INFO, "b.csv": OS_INFO}))
    body[body.rfind(b"PK\1\2") + 8] |= 1

    assert rejection(bytes(body)) is Reason.ENCRYPTED
    assert rejection(zipped({"a.csv": OS_INFO}, method=zipfile.ZIP_LZMA)) is Reason.UNSUPPORTED


def test_bad_input_25_malformed_csv_is_noted_and_stored_completely(bucket: FakeBucket) -> None:
    body = OS_INFO + b'"' + b"x\n" * 600_000

    (file,) = unpacked(bucket, bucket.holds(zipped({"123_osInfo.csv": body}))).files

    assert (file.rows, file.bytes, len(file.columns)) == (None, len(body), 8)
    assert "malformed" in file.notes
    assert list(bucket.data.values()) == [body]


def nested(depth: int, method: int) -> bytes:
    """A CSV file in a zip file, in ``depth`` further zip files."""
    body = zipped({"123_osInfo.csv": OS_INFO}, method=method)
    for level in range(depth):
        body = zipped({f"z{level}.zip": body}, method=method)
    return body


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_nested_zips_are_unpacked_to_a_depth_of_three(bucket: FakeBucket, method: int) -> None:
    (file,) = unpacked(bucket, bucket.holds(nested(3, method))).files

    assert file.name == "z2.zip/z1.zip/z0.zip/123_osInfo.csv"
    assert re.fullmatch(r"data/agent_os_info/.*/123_osInfo-[0-9a-f]{12}\.csv", file.key)
    assert bucket.objects[file.key] == OS_INFO
    assert rejection(nested(4, method)) is Reason.UNSUPPORTED


def test_an_uncompressed_nested_zip_is_read_in_place(bucket: FakeBucket) -> None:
    unpacked(bucket, bucket.holds(zipped({"inner.zip": zipped({"a.csv": OS_INFO})}, method=zipfile.ZIP_STORED)))

    assert {key for key, _, _ in bucket.reads} == {KEYS.raw("zip")}
    assert [key for key in bucket.objects if key.startswith("work/")] == []


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_bad_input_21_directory_of_a_nested_zip_is_verified(method: int) -> None:
    """The names in a directory have no CRC-32 of their own, only that of the inner zip file in the outer one."""
    inner = zipped({"abc.csv": OS_INFO}, method=zipfile.ZIP_STORED)
    damaged = inner.replace(b"abc.csv", b"abd.csv")
    body = bytearray(zipped({"inner.zip": damaged}, method=method))
    at = body.rfind(b"PK\1\2") + 16
    body[at : at + 4] = zlib.crc32(inner).to_bytes(4, "little")

    assert rejection(bytes(body)) is Reason.CORRUPT


def test_a_member_with_the_name_of_a_zip_that_is_none_is_corrupt() -> None:
    assert rejection(zipped({"inner.zip": b"no zip"})) is Reason.CORRUPT


Tree = Mapping[str, "bytes | Tree"]
STEMS = st.sampled_from(["a", "A", "b", "osInfo", "folder/a", "é"])
CSVS = st.binary(max_size=60) | st.just(OS_INFO)
TREES: st.SearchStrategy[Tree] = st.recursive(
    st.dictionaries(STEMS.map("{}.csv".format), CSVS, max_size=3),
    lambda inner: st.dictionaries(STEMS.map("{}.csv".format), CSVS, max_size=2).flatmap(
        lambda files: st.dictionaries(STEMS.map("{}.zip".format), inner, max_size=2).map(lambda zips: {**files, **zips})
    ),
    max_leaves=4,
)


def zip_of(tree: Tree, choose: random.Random) -> bytes:
    files = {name: body if isinstance(body, bytes) else zip_of(body, choose) for name, body in tree.items()}
    return zipped(files, method=choose.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))


def leaves(tree: Tree, around: str = "") -> Iterator[tuple[str, bytes]]:
    for name, body in tree.items():
        if isinstance(body, bytes):
            yield around + name, body
        else:
            yield from leaves(body, f"{around}{name}/")


def depth(tree: Tree) -> int:
    return max((1 + depth(body) for body in tree.values() if not isinstance(body, bytes)), default=0)


@given(tree=TREES.filter(lambda tree: depth(tree) <= 3), seed=st.integers(0, 99), chunk=st.sampled_from([3, 64 << 10]))
def test_any_tree_of_zips_is_unpacked_completely(tree: Tree, seed: int, chunk: int) -> None:
    bucket = FakeBucket(chunk=chunk)

    files = unpacked(bucket, bucket.holds(zip_of(tree, random.Random(seed)))).files

    assert [(file.name, bucket.objects[file.key]) for file in files] == list(leaves(tree))
    assert len({file.key.lower() for file in files}) == len(files)


SEVERAL = {
    "1_osInfo.csv": OS_INFO,
    "deflated.zip": zipped({"2_osInfo.csv": OS_INFO, "deeper.zip": zipped({"3_osInfo.csv": OS_INFO})}),
    "4_osInfo.csv": OS_INFO,
}


def run_until_done(bucket: FakeBucket, raw: RawObject, steps: int) -> tuple[int, Unpacked]:
    for call in range(1, 20):
        result = unpacking(bucket, raw, time_left=countdown(steps))
        if isinstance(result, Unpacked):
            return call, result
    raise AssertionError("endless loop")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("steps", [1, 2, 5])
def test_an_invocation_resumes_where_the_previous_one_ran_out_of_time(method: int, steps: int) -> None:
    body = zipped(SEVERAL, method=method)
    whole, bucket = FakeBucket(), FakeBucket()
    expected = unpacked(whole, whole.holds(body))

    calls, result = run_until_done(bucket, bucket.holds(body), steps)

    assert result == expected
    assert bucket.data == whole.data
    assert Counter(bucket.written).most_common(1)[0][1] == 1, "no object is written twice"
    assert calls == -(-6 // steps)


def test_an_invocation_without_time_left_writes_nothing(bucket: FakeBucket) -> None:
    raw = bucket.holds(zipped(SEVERAL))

    assert unpacking(bucket, raw, time_left=lambda: 0) == Unfinished()
    assert bucket.written == []


def test_a_large_file_is_finished_after_the_end_of_the_time_budget() -> None:
    bucket = FakeBucket(chunk=1_000)
    body = OS_INFO + b"1,o-2,L,2,x,h,,2020\n" * 50_000
    raw = bucket.holds(zipped({"large_osInfo.csv": body, "next_osInfo.csv": OS_INFO}))

    def call(budget: int) -> Unpacked | Unfinished:
        return unpacking(bucket, raw, time_left=countdown(budget))

    assert call(1) == Unfinished()
    assert bucket.data == {"agent_os_info/large_osInfo.csv": body}, "and the next file is not started"
    assert isinstance(call(1), Unpacked)
    assert bucket.written == [KEYS.data("agent_os_info", f"{name}_osInfo.csv") for name in ("large", "next")]


LONG = zipped({"a.csv": OS_INFO, "long.csv": OS_INFO + b"1,o-2,L,2,x,h,,2020\n" * 200_000, "z.csv": OS_INFO})


def run_for(bucket: FakeBucket, raw: RawObject, chunks: int) -> Unpacked | Unfinished:
    """The result of an invocation that has time for ``chunks`` chunks."""
    return unpacking(bucket, raw, invocation_time_left=countdown(chunks))


def test_an_unfinished_file_is_the_first_of_the_next_invocation() -> None:
    whole, bucket = FakeBucket(), FakeBucket()
    expected = unpacked(whole, whole.holds(LONG))
    raw = bucket.holds(LONG)

    assert run_for(bucket, raw, 5) == Unfinished()
    assert bucket.data == {"agent_os_info/a.csv": OS_INFO}, "no part of the long file is visible"
    assert run_for(bucket, raw, 99) == expected

    assert bucket.data == whole.data
    assert Counter(bucket.written).most_common(1)[0][1] == 1, "no object is written twice"


def test_contents_09_a_file_that_takes_longer_than_an_invocation_is_too_large(bucket: FakeBucket) -> None:
    raw = bucket.holds(LONG)

    assert [run_for(bucket, raw, 5) for _ in range(2)] == [Unfinished()] * 2
    with pytest.raises(Rejected, match="TOO_LARGE"):
        run_for(bucket, raw, 5)

    assert set(bucket.objects) == {raw.key}


def test_two_unfinished_files_are_both_stored(bucket: FakeBucket) -> None:
    body = OS_INFO + b"1,o-2,L,2,x,h,,2020\n" * 200_000
    raw = bucket.holds(zipped({"a.csv": OS_INFO, "b.csv": body, "c.csv": body}))

    chunks = -(-len(body) // CHUNK_BYTES) + len(["directory", "compressed bytes"])

    assert run_for(bucket, raw, chunks // 2) == Unfinished()
    assert run_for(bucket, raw, chunks + chunks // 2) == Unfinished()
    assert isinstance(run_for(bucket, raw, chunks), Unpacked)


def test_bad_input_22_declared_sizes_of_all_zips_are_added_before_any_file_is_stored(bucket: FakeBucket) -> None:
    inner = zipped({"b.csv": bytes(100)})
    raw = bucket.holds(zipped({"a.csv": bytes(100), "inner.zip": inner}))

    with pytest.raises(Rejected, match="TOO_LARGE"):
        unpacked(bucket, raw, limits=Limits(max_total_bytes=len(inner) + 199))
    assert bucket.data == {}


def test_a_checkpoint_of_another_raw_object_is_ignored(bucket: FakeBucket) -> None:
    raw = bucket.holds(zipped({"a.csv": OS_INFO, "b.csv": OS_INFO}))
    unpacking(bucket, raw, time_left=countdown(1))
    other = bucket.holds(zipped({"a.csv": OS_INFO + OS_INFO}))

    del bucket.objects[KEYS.data("agent_os_info", "a.csv")]
    (file,) = unpacked(bucket, other).files

    assert (file.bytes, file.rows) == (2 * len(OS_INFO), 3)


@pytest.mark.parametrize("checkpoint", [{"raw": "of another release"}, {"files": 3}, [], 3, "text"])
def test_an_invalid_checkpoint_is_ignored(bucket: FakeBucket, checkpoint: object) -> None:
    raw = bucket.holds(zipped({"a.csv": OS_INFO}))
    bucket.put_json(KEYS.work("unpacked.json"), checkpoint)

    assert [file.name for file in unpacked(bucket, raw).files] == ["a.csv"]


def test_an_invalid_checkpoint_of_the_same_raw_object_is_ignored(bucket: FakeBucket) -> None:
    raw = bucket.holds(zipped({"a.csv": OS_INFO}))
    same = {"bytes": raw.bytes, "crc32": raw.crc32}
    bucket.put_json(KEYS.work("unpacked.json"), {"raw": same, "files": {"a.csv": {"columns": []}}, "zips": []})

    assert [file.rows for file in unpacked(bucket, raw).files] == [1]


def test_a_checkpoint_with_a_rejection_of_a_newer_release_is_ignored_with_the_files_that_it_names(
    bucket: FakeBucket,
) -> None:
    raw = bucket.holds(zipped({"a.csv": OS_INFO, "b.csv": OS_INFO}))
    unpacking(bucket, raw, time_left=countdown(1))
    checkpoint = bucket.read_json(KEYS.work("unpacked.json"))
    bucket.put_json(KEYS.work("unpacked.json"), {**checkpoint, "rejected": ["NOT_YET_KNOWN", "detail"]})
    deleted = [bucket.objects.pop(file["key"]) for file in checkpoint["files"].values()]

    files = unpacked(bucket, raw).files

    assert deleted
    assert {file.key for file in files} <= bucket.objects.keys()


def test_unpacking_can_be_repeated(bucket: FakeBucket) -> None:
    raw = bucket.holds(zipped(SEVERAL))

    assert unpacked(bucket, raw) == unpacked(bucket, raw)


def test_a_checkpoint_is_written_after_a_number_of_bytes(bucket: FakeBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exports.unpack.progress.CHECKPOINT_BYTES", 2 * len(OS_INFO))

    unpacked(bucket, bucket.holds(zipped({f"{number}.csv": OS_INFO for number in range(5)})))

    assert len(bucket.read_json(KEYS.work("unpacked.json"))["files"]) == 4


def test_an_error_of_the_bucket_is_not_a_corrupt_export() -> None:
    def slow_down(at: int) -> None:
        if at >= 3_000:
            raise ServiceError("SlowDown")

    bucket = FakeBucket(chunk=1_000, before_chunk=slow_down)
    raw = bucket.holds(random.Random(1).randbytes(10_000), "csv")

    with pytest.raises(ServiceError):
        unpacked(bucket, raw)
    assert bucket.written == []


def test_bad_input_26_cells_that_look_like_formulas_are_stored_unchanged(bucket: FakeBucket) -> None:
    body = b'name,value\n=HYPERLINK("x"),+1\n"@SUM(A1)",-2\n'

    unpacked(bucket, bucket.holds(zipped({"a.csv": body})))

    assert bucket.data == {"other/a.csv": body}
