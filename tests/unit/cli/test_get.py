"""``get``: verified and resumed downloads, names that leave no folder, and what is said about the export."""

import base64
import errno
import fcntl
import hashlib
import io
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import IncompleteReadError, ReadTimeoutError, ResponseStreamingError
from botocore.response import StreamingBody
from hypothesis import given
from hypothesis import strategies as st

from discovery_exports.cli import downloads
from discovery_exports.cli.downloads import local_names
from tests.unit.cli.stack import BUCKET, FakeStack, run

BODY = bytes(range(256)) * 10_000
SMALL = b"a,b\n1,2\n"
RAW_KEY = "raw/1/us-east-1/2026-11-29/export-1.zip"
CRC32 = base64.b64encode(zlib.crc32(BODY).to_bytes(4, "big")).decode()
HOSTILE = [
    "data/x/../../../etc/passwd", "..", "/", "", "data/x/..", "C:\\Windows\\a.csv", "data/x/\x1b[31ma\n.csv",
    "data/x/a.csv", "data/y/a.csv", "data/y/A.CSV", "data/z/a.csv.part", "data/x/nul", "data/x/COM1.csv",
    "data/x/-rf", "data/x/.bashrc", f"data/x/{'y' * 400}.csv", "data/x/\u202egpj.csv", "data/x/a:b",
]  # fmt: skip
"""Keys that no function would write."""
NAME_PARTS = ["a", "A", ".", "/", "\\", "-", ".part", "nul", "\0", "ü", "\ud800", "x" * 150]


class Exported:
    """A stored export with these files, and a count of what is read of the bucket."""

    def __init__(self, stack: FakeStack, monkeypatch: pytest.MonkeyPatch) -> None:
        self.stack = stack
        self.requests: list[dict[str, Any]] = []
        self.answers: list[Callable[[Any], Any]] = []
        """What happens to the next responses."""
        self._get = stack.s3.get_object
        monkeypatch.setattr(stack.s3, "get_object", self._counted)

    def stores(self, *files: tuple[str, bytes], status: str = "STORED", **manifest: Any) -> None:
        entries = [self.entry(key, body) for key, body in files]
        for key, body in files:
            self.stack.puts(key, body)
        self.stack.puts("manifests/export-1.json", {"files": entries, **manifest})
        self.stack.has("export-1", status, manifestKey="manifests/export-1.json")

    @staticmethod
    def entry(key: str, body: bytes) -> dict[str, Any]:
        dataset = key.split("/")[1] if "/" in key else "other"
        name, sha256 = key.rpartition("/")[2], hashlib.sha256(body).hexdigest()
        return {"name": name, "dataset": dataset, "key": key, "bytes": len(body), "rows": 1, "sha256": sha256}

    @property
    def ranges(self) -> list[str]:
        return [each["Range"] for each in self.requests]

    def _counted(self, **request: Any) -> Any:
        if "manifests/" in request["Key"]:
            return self._get(**request)
        self.requests.append(request)
        response: Any = self._get(**request)
        return self.answers.pop(0)(response) if self.answers else response


@pytest.fixture
def exported(stack: FakeStack, monkeypatch: pytest.MonkeyPatch) -> Exported:
    return Exported(stack, monkeypatch)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


class _Broken(io.BytesIO):
    """The first bytes of a body, and then an error."""

    def __init__(self, data: bytes, error: BaseException) -> None:
        super().__init__(data)
        self._error = error

    def read(self, size: int | None = -1) -> bytes:
        if data := super().read(size):
            return data
        raise self._error


def broken_after(count: int, error: BaseException) -> Callable[[Any], Any]:
    def broken(response: Any) -> Any:
        body = _Broken(response["Body"].read(count), error)
        return {**response, "Body": StreamingBody(body, count + 1)}

    return broken


LOST = ResponseStreamingError(error="cut off")


class TestDownload:
    def test_files_are_written_and_verified(self, exported: Exported, folder: Path) -> None:
        exported.stores(("data/a/x.csv", SMALL), ("data/b/y.csv", b""), ("data/b/z.csv", BODY))

        answer = run("get", "export-1")

        assert answer.code == 0, answer.err
        rows = {row["path"]: row["state"] for row in answer.json}
        assert rows == dict.fromkeys(("export-1/x.csv", "export-1/y.csv", "export-1/z.csv"), "downloaded")
        contents = {path.name: path.read_bytes() for path in (folder / "export-1").iterdir()}
        assert contents == {"x.csv": SMALL, "y.csv": b"", "z.csv": BODY}

    def test_complete_files_are_not_downloaded_again(self, exported: Exported) -> None:
        exported.stores(("data/a/x.csv", SMALL), ("data/b/z.csv", BODY))
        run("get", "export-1")
        exported.requests.clear()

        answer = run("get", "export-1")

        assert [row["state"] for row in answer.json] == ["here already", "here already"]
        assert exported.requests == []

    def test_fault_46_an_interrupted_file_is_continued_where_it_stopped(self, exported: Exported, folder: Path) -> None:
        exported.stores(("data/a/x.csv", SMALL), ("data/b/z.csv", BODY))
        exported.answers = [lambda response: response, broken_after(1_000_000, KeyboardInterrupt())]
        first = run("get", "export-1", "-d", "out")
        part = (folder / "out" / "z.csv.part").read_bytes()

        second = run("get", "export-1", "-d", "out")

        assert (first.code, part) == (130, BODY[:1_000_000])
        assert "Interrupted. What was downloaded is kept: the same command continues." in first.err
        assert [row["state"] for row in second.json] == ["here already", "resumed"]
        assert exported.ranges[-1] == f"bytes=1000000-{len(BODY) - 1}"
        assert (folder / "out" / "z.csv").read_bytes() == BODY
        assert not list(folder.glob("out/*.part"))

    @pytest.mark.parametrize(
        "error",
        [LOST, IncompleteReadError(actual_bytes=1, expected_bytes=2), ReadTimeoutError(endpoint_url="https://x")],
        ids=["cut off", "short", "timeout"],
    )
    def test_fault_46_after_a_lost_connection_the_same_object_is_continued(
        self, exported: Exported, folder: Path, error: Exception
    ) -> None:
        exported.stores(("data/b/z.csv", BODY))
        exported.answers = [broken_after(700_000, error), broken_after(800_000, error)]

        answer = run("get", "export-1")

        assert answer.code == 0, answer.err
        assert exported.ranges == [f"bytes={first}-{len(BODY) - 1}" for first in (0, 700_000, 1_500_000)]
        assert ["IfMatch" in each for each in exported.requests] == [False, True, True]
        assert (folder / "export-1" / "z.csv").read_bytes() == BODY

    def test_a_connection_that_is_lost_each_time_ends_the_download(self, exported: Exported, folder: Path) -> None:
        exported.stores(("data/b/z.csv", BODY))
        exported.answers = [broken_after(500, LOST), *[broken_after(0, LOST)] * 20]

        answer = run("get", "export-1")

        assert answer.code == 253
        assert "What was downloaded is kept" in answer.err
        assert exported.stack.pauses == [1, 2, 4, 8, 16]
        assert (folder / "export-1" / "z.csv.part").read_bytes() == BODY[:500]

    @pytest.mark.parametrize("begun", [b"something else", BODY + b"x", BODY[:-1] + b"x"])
    def test_a_partial_file_of_something_else_is_downloaded_from_its_start(
        self, exported: Exported, folder: Path, begun: bytes
    ) -> None:
        exported.stores(("data/b/z.csv", BODY))
        (folder / "z.csv.part").write_bytes(begun)

        answer = run("get", "export-1", "-d", ".")

        assert answer.json[0]["state"] == "downloaded"
        assert (folder / "z.csv").read_bytes() == BODY

    @pytest.mark.parametrize("changed", [BODY[:-1] + b"x", BODY + b"x", BODY[:-1], b""])
    def test_an_object_that_was_changed_is_refused(self, exported: Exported, folder: Path, changed: bytes) -> None:
        exported.stores(("data/b/z.csv", BODY))
        exported.stack.puts("data/b/z.csv", changed)

        answer = run("get", "export-1")

        assert (answer.code, answer.out) == (1, "")
        assert f"s3://{BUCKET}/data/b/z.csv is not what the manifest says" in answer.err
        assert list((folder / "export-1").iterdir()) == []

    def test_an_object_that_changes_during_the_download_is_refused(self, exported: Exported, folder: Path) -> None:
        exported.stores(("data/b/z.csv", BODY))

        def changes(response: Any) -> Any:
            exported.stack.puts("data/b/z.csv", BODY[::-1])
            return broken_after(1_000, LOST)(response)

        exported.answers = [changes]

        assert run("get", "export-1").code == 1
        assert not list(folder.glob("export-1/*"))

    def test_an_object_that_was_deleted_is_named(self, exported: Exported) -> None:
        exported.stores(("data/b/z.csv", BODY))
        exported.stack.s3.delete_object(Bucket=BUCKET, Key="data/b/z.csv")

        answer = run("get", "export-1")

        assert answer.code == 1
        assert f"s3://{BUCKET}/data/b/z.csv was deleted" in answer.err

    def test_one_dataset_can_be_chosen(self, exported: Exported, folder: Path) -> None:
        exported.stores(("data/a/x.csv", SMALL), ("data/b/x.csv", b"2"), ("data/c/z.csv", b"3"))
        everything = {row["key"]: row["path"] for row in run("get", "export-1", "-d", "all").json}

        chosen = {row["key"]: row["path"] for row in run("get", "export-1", "--dataset", "b", "-d", "all").json}

        assert chosen == {"data/b/x.csv": everything["data/b/x.csv"]}
        unknown = run("get", "export-1", "--dataset", "x")
        assert (unknown.code, "has no files of a dataset 'x'. It has a, b, c." in unknown.err) == (2, True)
        assert run("get", "export-1", "--dataset", "a", "--raw").code == 2


class TestRaw:
    def test_the_export_as_received_is_verified_by_its_crc32(self, exported: Exported, folder: Path) -> None:
        exported.stores(raw={"key": RAW_KEY, "bytes": len(BODY), "crc32": CRC32})
        exported.stack.puts(RAW_KEY, BODY)

        assert run("get", "export-1", "--raw", "-d", ".").code == 0
        assert (folder / "export-1.zip").read_bytes() == BODY

        exported.stack.puts(RAW_KEY, BODY[::-1])
        assert run("get", "export-1", "--raw", "-d", "other").code == 1

    def test_what_was_received_of_a_rejected_export_can_be_downloaded(self, exported: Exported, folder: Path) -> None:
        kept: dict[str, Any] = {"rawKey": RAW_KEY, "bytes": len(BODY), "rawCrc32": CRC32}
        exported.stack.has("export-1", "REJECTED", reason="CORRUPT", **kept)
        exported.stack.puts(RAW_KEY, BODY)

        refused, raw = run("get", "export-1"), run("get", "export-1", "--raw")

        assert refused.code == 1
        assert "is REJECTED (CORRUPT). What was received is kept: discovery-exports get export-1 --raw" in refused.err
        assert (raw.code, "The export is REJECTED." in raw.err) == (0, True)
        assert (folder / "export-1" / "export-1.zip").read_bytes() == BODY


class TestOutcomes:
    @pytest.mark.parametrize(
        ("status", "attributes", "code", "says"),
        [
            ("FAILED", {"statusMessage": "no data."}, 1, "is FAILED (no data). To request it again: "),
            ("REJECTED", {"reason": "GONE"}, 1, "is REJECTED (GONE). To request it again: discovery-exports again"),
            ("NOT_FOUND", {}, 1, "is NOT_FOUND (the service does not list it). To request it again: "),
            ("IN_PROGRESS", {}, 3, "is IN_PROGRESS (in progress in the service). To follow it: "),
            ("TIMED_OUT", {}, 3, "is TIMED_OUT. To follow it: discovery-exports watch export-1"),
            ("STORED", {"manifestKey": "manifests/gone.json"}, 1, "but its manifest is gone"),
        ],
    )
    def test_an_export_without_data_says_its_outcome_and_what_to_do(
        self, stack: FakeStack, folder: Path, status: str, attributes: dict[str, Any], code: int, says: str
    ) -> None:
        stack.has("export-1", status, **attributes)

        answer = run("get", "export-1")

        assert (answer.code, answer.out) == (code, "")
        assert says in answer.err
        assert list(folder.iterdir()) == []

    def test_an_unknown_export_is_not_stored(self, stack: FakeStack) -> None:
        assert "knows no export export-none" in run("get", "export-none").err

    def test_truncation_and_remarks_are_said(self, exported: Exported) -> None:
        notes = [{"name": f"\x1b[31m{number}.csv", "missing": ["a"], "ragged": 2} for number in range(12)]
        exported.stores(("data/a/x.csv", SMALL), status="TRUNCATED", schemaNotes=notes)

        answer = run("get", "export-1")

        assert answer.code == 0
        assert "The export is TRUNCATED: the data is incomplete for its time range." in answer.err
        assert r"\x1b[31m9.csv: missing, ragged" in answer.err
        assert "discovery-exports show export-1 -o json" in answer.err
        assert "10.csv" not in answer.err
        assert "\x1b" not in answer.err

    def test_an_export_without_files_is_done(self, exported: Exported) -> None:
        exported.stores()

        answer = run("get", "export-1")

        assert (answer.code, answer.json, "has no files" in answer.err) == (0, [], True)

    @pytest.mark.parametrize("manifest", [b"[]", b"{", b'{"files": [{}]}', b'{"files": null}', b'{"files": [1]}'])
    @pytest.mark.parametrize("option", [[], ["--raw"]])
    def test_a_manifest_of_another_form_is_one_line(self, stack: FakeStack, manifest: bytes, option: list[str]) -> None:
        stack.puts("manifests/export-1.json", manifest)
        stack.has("export-1", manifestKey="manifests/export-1.json")

        answer = run("get", "export-1", *option)

        assert (answer.code, answer.err.count("\n"), "defect" in answer.err) == (1, 1, False)


class TestPlaces:
    def test_bad_input_47_no_key_leaves_the_folder(self, exported: Exported, folder: Path) -> None:
        entries = [{**Exported.entry(key, b""), "key": key} for key in HOSTILE]
        exported.stack.puts("manifests/export-1.json", {"files": entries})
        exported.stack.has("export-1", manifestKey="manifests/export-1.json")

        answer = run("get", "export-1", "-d", "out")

        assert answer.code == 0, answer.err
        assert [path.name for path in folder.iterdir()] == ["out"]
        assert len(list((folder / "out").iterdir())) == len(HOSTILE)

    @given(st.lists(st.lists(st.sampled_from(NAME_PARTS)).map("".join)))
    def test_bad_input_47_names_are_distinct_and_safe_for_any_keys(self, keys: list[str]) -> None:
        names = local_names(keys)

        with_parts = [name.lower() for name in names] + [f"{name}.part".lower() for name in names]
        assert len(set(with_parts)) == 2 * len(keys)
        for name in names:
            assert name.isascii()
            assert name.isprintable()
            assert not set(name) & set('/\\: "')
            assert name[0] not in ".-"
            assert len(name) < 200

    @pytest.mark.parametrize("there", ["file", "folder", "link", "link to the same bytes", "broken link"])
    def test_bad_input_47_what_is_there_already_is_never_overwritten(
        self, exported: Exported, folder: Path, there: str
    ) -> None:
        exported.stores(("data/a/first.csv", SMALL), ("data/a/x.csv", SMALL))
        path, target = folder / "x.csv", folder / "target"
        target.write_bytes(SMALL if there == "link to the same bytes" else b"precious")
        match there:
            case "file":
                path.write_bytes(b"precious")
            case "folder":
                path.mkdir()
            case "broken link":
                path.symlink_to(folder / "nowhere")
            case _:
                path.symlink_to(target)

        answer = run("get", "export-1", "-d", ".")

        assert (answer.code, "x.csv exists and is another file." in answer.err) == (2, True)
        assert exported.requests == []
        assert not (folder / "nowhere").exists()
        assert target.read_bytes() in {SMALL, b"precious"}

    @pytest.mark.parametrize("there", ["link", "pipe", "in use"])
    def test_bad_input_47_a_partial_file_that_is_none_of_ours_is_not_written(
        self, exported: Exported, folder: Path, there: str
    ) -> None:
        exported.stores(("data/a/x.csv", SMALL))
        part, target = folder / "x.csv.part", folder / "target"
        target.write_bytes(b"precious")
        held = part.open("wb") if there == "in use" else None
        if held:
            fcntl.flock(held, fcntl.LOCK_EX)
        elif there == "link":
            part.symlink_to(target)
        else:
            os.mkfifo(part)

        answer = run("get", "export-1", "-d", ".")

        assert (answer.code, answer.err.count("x.csv.part is ")) == (2, 1)
        assert target.read_bytes() == b"precious"
        if held:
            held.close()

    def test_a_file_that_appears_meanwhile_is_not_replaced(self, exported: Exported, folder: Path) -> None:
        exported.stores(("data/a/x.csv", SMALL))

        def appears(response: Any) -> Any:
            (folder / "x.csv").write_bytes(b"precious")
            return response

        exported.answers = [appears]

        assert run("get", "export-1", "-d", ".").code == 2
        assert (folder / "x.csv").read_bytes() == b"precious"

    def test_fault_46_a_full_disk_is_one_line_and_keeps_the_part(
        self, exported: Exported, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        exported.stores(("data/b/z.csv", BODY))
        opened = downloads._opened

        class Full:
            def __init__(self, path: Path) -> None:
                self._file = opened(path)

            def __enter__(self) -> "Full":
                return self

            def __exit__(self, *_: object) -> None:
                self._file.close()

            def __getattr__(self, name: str) -> Any:
                return getattr(self._file, name)

            def write(self, data: bytes) -> None:
                if self._file.tell() + len(data) > 2_000_000:
                    raise OSError(errno.ENOSPC, "No space left on device")
                self._file.write(data)

        monkeypatch.setattr(downloads, "_opened", Full)

        answer = run("get", "export-1", "-d", "out")

        assert (answer.code, answer.out) == (253, "")
        assert "discovery-exports: There is no space left for out. Make room" in answer.err
        assert (folder / "out" / "z.csv.part").read_bytes() == BODY[: 1 << 20]

    @pytest.mark.parametrize("directory", ["file", "file/x", "file/x/y"])
    def test_a_file_in_place_of_the_folder_is_wrong_use(self, exported: Exported, folder: Path, directory: str) -> None:
        exported.stores(("data/a/x.csv", SMALL))
        (folder / "file").write_bytes(b"")

        answer = run("get", "export-1", "-d", directory)

        assert (answer.code, answer.err) == (
            2,
            "discovery-exports: file is not a folder. Choose another one with -d.\n",
        )

    def test_a_folder_that_cannot_be_written_is_one_line(
        self, exported: Exported, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refused(path: Path, **_: object) -> None:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))

        exported.stores(("data/a/x.csv", SMALL))
        monkeypatch.setattr(Path, "mkdir", refused)

        answer = run("get", "export-1", "-d", "x")

        assert (answer.code, answer.err.count("\n")) == (253, 1)
        assert "x cannot be written: Permission denied. Choose another folder with -d" in answer.err
