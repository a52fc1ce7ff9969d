"""``status``, ``list``, ``show`` and ``outputs``: what they print and their exit codes."""

import csv
import io
import json
import re
from typing import Any

import pytest

from tests.unit.cli.stack import BUCKET, MACHINE, OUTPUTS, FakeStack, client_error, run

MANIFEST = {
    "exportId": "export-1",
    "files": [
        {"name": "a.csv", "dataset": "agent_os_info", "key": "data/a.csv", "bytes": 1_200, "rows": 3, "sha256": "00"},
        {"name": "=cmd", "dataset": "other", "key": "data/=cmd", "bytes": 5, "rows": None, "sha256": "11"},
    ],
    "actualStartTime": "2024-01-01 00:00:00",
    "schemaNotes": [],
}


@pytest.fixture
def fleet(stack: FakeStack) -> FakeStack:
    """One export of each status, and some of yesterday and before."""
    stack.has("stored", kind="agent", bytes=1_500, rows=12, files=2, manifestKey="manifests/stored.json")
    stack.has("truncated", "TRUNCATED", hours=3, kind="summary", bytes=500)
    stack.has("old", hours=100, kind="agent", bytes=1)
    stack.has("failed", "FAILED", statusMessage="no agents \x1b[31m")
    stack.has("rejected", "REJECTED", reason="CORRUPT")
    stack.has("denied", "NOT_STORED", reason="AccessDenied")
    stack.has("unknown", "NOT_FOUND", exportRequestTime=None)
    stack.has("waiting", "IN_PROGRESS", exportStatus="IN_PROGRESS")
    stack.has("stuck", "IN_PROGRESS", hours=30, exportStatus="SUCCEEDED", lastError="SlowDown")
    stack.has("timed-out", "TIMED_OUT", hours=50, exportStatus="IN_PROGRESS")
    stack.has("old-failed", "FAILED", hours=80, statusMessage="old")
    return stack


def ids(rows: Any) -> list[str]:
    return [row["exportId"] for row in rows]


class TestStatus:
    def test_each_export_is_in_one_group(self, fleet: FakeStack) -> None:
        answer = run("status").json

        assert ids(answer["stored"]) == ["stored", "truncated"]
        assert ids(answer["late"]) == ["stuck", "timed-out"]
        assert sorted(ids(answer["notStored"])) == ["denied", "failed", "rejected", "unknown"]
        assert ids(answer["pending"]) == ["waiting"]
        assert answer["counts"] == {
            "IN_PROGRESS": 2, "STORED": 2, "TRUNCATED": 1, "FAILED": 2, "REJECTED": 1, "NOT_STORED": 1, "NOT_FOUND": 1,
            "TIMED_OUT": 1,
        }  # fmt: skip

    def test_each_export_says_why(self, fleet: FakeStack) -> None:
        answer = run("status").json
        why = {row["exportId"]: row["why"] for group in ("late", "notStored", "pending") for row in answer[group]}

        assert why == {
            "failed": "no agents \x1b[31m",
            "rejected": "CORRUPT",
            "denied": "AccessDenied",
            "unknown": "the service does not list it",
            "waiting": "in progress in the service",
            "stuck": "the last attempt to store it ended with SlowDown",
            "timed-out": "",
        }

    def test_since_and_late_after_move_the_limits(self, fleet: FakeStack) -> None:
        answer = run("status", "--since", "7d", "--late-after", "40h").json

        assert (ids(answer["stored"]), ids(answer["late"])) == (["stored", "truncated", "old"], ["timed-out"])
        assert {"failed", "old-failed"} < set(ids(answer["notStored"]))
        assert set(ids(answer["pending"])) == {"waiting", "stuck"}

    def test_a_table_shows_the_groups_with_their_numbers(self, fleet: FakeStack) -> None:
        out = run("status", "-o", "table").out

        assert "Stored since 2026-11-22 12:00 UTC (2.0 kB): 2\n" in out
        assert "Late: requested more than 1 d ago, not settled: 2\n" in out
        assert "Not stored since 2026-11-22 12:00 UTC: 4\n" in out
        assert r"no agents \x1b[31m" in out
        assert "2 IN_PROGRESS, 2 STORED, 1 TRUNCATED, 2 FAILED" in out

    def test_a_table_of_many_exports_is_cut_and_says_so(self, stack: FakeStack) -> None:
        for index in range(25):
            stack.has(f"export-{index}")

        out = run("status", "-o", "table").out

        assert out.count("\nexport-") == 20
        assert "… and 5 more: discovery-exports status -o csv" in out

    def test_csv_has_a_row_for_each_export_that_is_shown(self, fleet: FakeStack) -> None:
        rows = list(csv.DictReader(io.StringIO(run("status", "-o", "csv").out)))

        assert {row["exportId"]: row["group"] for row in rows}["stuck"] == "late"
        assert len(rows) == 9

    @pytest.mark.parametrize(
        ("statuses", "code"),
        [
            (["STORED", "TRUNCATED"], 0),
            (["STORED", "IN_PROGRESS"], 3),
            (["TIMED_OUT"], 3),
            (["IN_PROGRESS", "FAILED"], 1),
            (["NOT_STORED"], 1),
            (["NOT_FOUND"], 1),
            (["REJECTED"], 1),
            ([], 0),
        ],
    )
    def test_the_exit_code_is_that_of_what_is_shown(self, stack: FakeStack, statuses: list[str], code: int) -> None:
        for status in statuses:
            stack.has(status.lower(), status)

        assert run("status").code == code

    def test_an_empty_catalog_is_shown_as_such(self, stack: FakeStack) -> None:
        assert "All exports of the stack DiscoveryExports: none\n" in run("status", "-o", "table").out


class TestList:
    def test_all_exports_are_listed_newest_first(self, fleet: FakeStack) -> None:
        answer = run("list")

        assert answer.code == 0
        assert len(answer.json) == 11
        assert ids(answer.json)[-3:] == ["timed-out", "old-failed", "old"]

    def test_status_kind_and_since_select(self, fleet: FakeStack) -> None:
        assert set(ids(run("list", "--status", "stored", "--status", "not-found").json)) == {"stored", "old", "unknown"}
        assert ids(run("list", "--kind", "agent").json) == ["stored", "old"]
        assert ids(run("list", "--kind", "agent", "--since", "2h").json) == ["stored"]
        assert "timed-out" in ids(run("list", "--since", "2026-11-21").json)
        assert run("list", "--kind", "other").json == []

    def test_an_export_that_was_recorded_since_is_listed_whenever_it_was_first_seen(self, stack: FakeStack) -> None:
        stack.has("slow", hours=100, settledAt="2026-11-23T11:30:00.000Z")
        stack.has("not-found", "NOT_FOUND", hours=100, announcedAt="2026-11-23T11:30:00.000Z")

        assert set(ids(run("list", "--since", "1h").json)) == {"slow", "not-found"}

    def test_agent_selects_the_exports_that_the_service_lists_for_it(self, fleet: FakeStack) -> None:
        fleet.discovery.exports = {"o-1": ["stored", "not-seen-yet"], "o-2": ["failed"]}

        assert ids(run("list", "--agent", "o-1").json) == ["stored"]
        assert set(ids(run("list", "--agent", "o-1", "--agent", "o-2").json)) == {"stored", "failed"}

    def test_limit_selects_the_newest_and_says_that_there_are_more(self, fleet: FakeStack) -> None:
        cut, whole = run("list", "--limit", "2", "--kind", "agent", "--kind", "agent"), run("list", "--limit", "11")

        assert ids(cut.json) == ["stored", "old"]
        assert ids(run("list", "--limit", "8").json) == ids(whole.json)[:8]
        assert (len(whole.json), whole.err) == (11, "")
        assert "These are the newest 8; there are more." in run("list", "--limit", "8").err
        assert (
            run("list", "--limit", "1", "--status", "not-found", "--status", "failed").json[0]["exportId"] == "unknown"
        )

    def test_a_table_has_the_newest_thousand(self, stack: FakeStack, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("discovery_exports.cli.list_exports.MAX_TABLE_ROWS", 3)
        for index in range(5):
            stack.has(f"export-{index}", hours=index + 1)

        table, document = run("list", "-o", "table"), run("list")

        assert re.findall(r"export-\d", table.out) == ["export-0", "export-1", "export-2"]
        assert "These are the newest 3; there are more. To list all: discovery-exports list -o csv" in table.err
        assert len(document.json) == 5

    def test_a_table_says_why(self, fleet: FakeStack) -> None:
        lines = [line.split() for line in run("list", "-o", "table").out.splitlines()]

        assert lines[0] == ["export", "status", "kind", "requested", "rows", "size", "why"]
        assert ["rejected", "REJECTED", "2026-11-23", "11:00", "CORRUPT"] in lines
        assert ["old", "STORED", "agent", "2026-11-19", "08:00", "1", "B"] in lines

    def test_internal_attributes_are_not_printed(self, stack: FakeStack) -> None:
        stack.has("export-1", "IN_PROGRESS", claimedBy="run", upload={"upload_id": "x", "size": 5}, linklessSince="x")

        rows = [*run("list").json, *run("status").json["pending"], run("show", "export-1").json["export"]]

        own = {"exportId", "status", "firstSeenAt", "exportRequestTime"}
        assert [set(row) - {"why", "recordedAt"} for row in rows] == [own] * 3

    def test_more_than_a_page_is_read(self, stack: FakeStack) -> None:
        for index in range(40):
            stack.has(f"export-{index}", note="x" * 40_000)

        assert len(run("list").json) == 40


class TestShow:
    def test_the_item_and_the_manifest_are_shown(self, stack: FakeStack) -> None:
        stack.has("export-1", manifestKey="manifests/export-1.json", bytes=7)
        stack.puts("manifests/export-1.json", MANIFEST)

        answer = run("show", "export-1")

        assert answer.code == 0
        assert (answer.json["export"]["bytes"], answer.json["manifest"]) == (7, MANIFEST)

    def test_a_table_lists_the_files(self, stack: FakeStack) -> None:
        stack.has("export-1", manifestKey="manifests/export-1.json", bytes=1_234_567)
        stack.puts("manifests/export-1.json", MANIFEST)

        lines = run("show", "export-1", "-o", "table").out.splitlines()

        assert "bytes              1,234,567" in lines
        assert "actualStartTime    2024-01-01 00:00:00" in lines
        assert ["agent_os_info", "1.2", "kB", "3", "a.csv"] in [line.split() for line in lines]

    def test_csv_lists_the_files_with_guarded_names(self, stack: FakeStack) -> None:
        stack.has("export-1", manifestKey="manifests/export-1.json")
        stack.puts("manifests/export-1.json", MANIFEST)

        rows = list(csv.DictReader(io.StringIO(run("show", "export-1", "-o", "csv").out)))

        assert [row["name"] for row in rows] == ["a.csv", "'=cmd"]

    def test_an_export_in_progress_says_what_it_waits_for(self, stack: FakeStack) -> None:
        stack.has("export-1", "IN_PROGRESS", exportStatus="SUCCEEDED", claimedBy="run-7")

        answer = run("show", "export-1", "-o", "table")

        assert answer.code == 3
        assert "is being stored by the run run-7" in answer.out

    def test_a_deleted_manifest_is_no_error(self, stack: FakeStack) -> None:
        stack.has("export-1", manifestKey="manifests/export-1.json")

        answer = run("show", "export-1")

        assert (answer.code, answer.json["manifest"]) == (0, None)
        assert answer.err == f"The manifest s3://{BUCKET}/manifests/export-1.json was deleted.\n"

    @pytest.mark.parametrize(("status", "code"), [("FAILED", 1), ("REJECTED", 1), ("TIMED_OUT", 3)])
    def test_the_exit_code_says_whether_it_is_stored(self, stack: FakeStack, status: str, code: int) -> None:
        stack.has("export-1", status)

        assert run("show", "export-1").code == code

    def test_an_unknown_export_says_how_to_store_it(self, stack: FakeStack) -> None:
        answer = run("show", "export-2")

        assert (answer.code, answer.out) == (1, "")
        assert answer.err.endswith("Check the ID, or store the export: discovery-exports store export-2\n")


class TestOutputs:
    def test_all_outputs_or_one(self, stack: FakeStack) -> None:
        assert run("outputs").json == OUTPUTS
        assert run("outputs", "-o", "csv").out.splitlines()[0] == "output,value"
        assert run("outputs", "StateMachineArn").out == f"{MACHINE}\n"
        assert run("outputs", "-o", "table").out.splitlines()[1] == "BucketName       bucket"

    def test_a_missing_stack_is_a_matter_of_configuration(self, stack: FakeStack) -> None:
        stack.cloudformation.error = client_error("ValidationError", "Stack with id Nope does not exist")

        answer = run("outputs", "--stack", "No\x1b[31mpe")

        assert answer.code == 253
        assert answer.err.startswith(r"discovery-exports: There is no stack No\x1b[31mpe in")
        assert "--stack, DISCOVERY_EXPORTS_STACK, --region and --profile" in answer.err

    def test_a_stack_of_others_is_a_matter_of_configuration(self, stack: FakeStack) -> None:
        stack.cloudformation.outputs = {"Url": "x"}

        answer = run("list")

        assert answer.code == 253
        assert "has no output TableName" in answer.err

    def test_a_denied_call_says_which(self, stack: FakeStack) -> None:
        stack.cloudformation.error = client_error("AccessDenied", "not authorized: cloudformation:DescribeStacks")

        answer = run("status")

        assert answer.code == 254
        assert "AWS refused DescribeStacks: AccessDenied: not authorized: cloudformation:DescribeStacks" in answer.err


def test_json_lines_are_one_document_each(fleet: FakeStack) -> None:
    lines = run("list", "-o", "jsonl").out.splitlines()

    assert len([json.loads(line) for line in lines]) == 11
    assert len(run("outputs", "-o", "jsonl").out.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "out"),
    [
        ((), "bucket\n"),
        (("-o", "table"), "bucket\n"),
        (("-o", "json"), '"bucket"\n'),
        (("-o", "jsonl"), '"bucket"\n'),
    ],
)
def test_one_output_is_bare_text_unless_json_is_asked_for(
    stack: FakeStack, arguments: tuple[str, ...], out: str
) -> None:
    assert run("outputs", "BucketName", *arguments).out == out
