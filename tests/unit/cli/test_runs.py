"""``store``, ``watch`` and ``again``: the runs that they start, what they show, and their exit codes."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from discovery_exports.cli.catalog import MAX_ATTEMPTS
from exports.settings import Settings
from exports.workflow.run_input import read_run
from tests.unit.cli.stack import BUCKET, EXECUTION, FakeStack, client_error, run

SERVER_ERROR = ClientError(
    {"Error": {"Code": "Odd"}, "ResponseMetadata": {"HTTPStatusCode": 503}},  # type: ignore[typeddict-item]
    "DescribeExecution",
)
STORED = {"exportId": "export-1", "outcome": "STORED", "kind": "agent", "manifest": "s3://bucket/manifests/1.json"}
FAILED = {"exportId": "export-2", "outcome": "FAILED", "statusMessage": "no agents"}


@pytest.fixture(autouse=True)
def inputs_are_accepted(stack: FakeStack) -> Iterator[None]:
    """The workflow accepts the input of every run that a test of this file starts."""
    yield
    settings = Settings({"DEADLINE_MINUTES": "720", "SWEEP_DEADLINE_MINUTES": "55"})
    for each in stack.steps.inputs:
        read_run({"Name": "run", "StartTime": "2026-11-23T12:00:00Z", "Input": each}, settings)


class TestStore:
    def test_a_run_is_started_for_the_ids(self, stack: FakeStack) -> None:
        answer = run("store", "export-1", "export-2", "export-1")

        assert answer.code == 0
        assert stack.steps.inputs == [{"exportIds": ["export-1", "export-2"], "onFailure": "report"}]
        name = stack.run_id
        assert re.fullmatch(r"store-20261123T120000-[0-9a-f]{8}", name)
        assert answer.json == [{"runId": name, "status": "RUNNING", "executionArn": f"{EXECUTION}:{name}"}]
        assert answer.err.endswith(f"discovery-exports watch {name}\n")

    def test_more_ids_than_a_run_takes_are_spread_over_runs(self, stack: FakeStack) -> None:
        run("store", *(f"export-{index}" for index in range(5_001)))

        assert [len(each["exportIds"]) for each in stack.steps.inputs] == [5_000, 1]

    @pytest.mark.parametrize("wait", [(), ("--wait",)])
    def test_runs_that_were_started_before_one_is_refused_are_named(
        self, stack: FakeStack, monkeypatch: pytest.MonkeyPatch, wait: tuple[str, ...]
    ) -> None:
        start, error = stack.steps.start_execution, client_error("ThrottlingException", "", "StartExecution")

        def limited(**arguments: Any) -> Any:
            if len(stack.steps.executions) == 2:
                raise error
            return start(**arguments)

        monkeypatch.setattr(stack.steps, "start_execution", limited)

        answer = run("store", *(f"export-{index}" for index in range(10_001)), *wait)

        first, second = stack.steps.executions
        assert answer.code == 254
        assert answer.err.count("Started the run ") == 2
        assert answer.err.endswith(f"These runs go on: {first}, {second}.\n")

    def test_results_are_printed_although_one_run_has_no_report(self, stack: FakeStack) -> None:
        def end() -> None:
            first, second = stack.steps.executions
            stack.steps.executions[first] = {"status": "ABORTED"}
            stack.ends(second, STORED)

        stack.events = [end]

        answer = run("store", *(f"export-{index}" for index in range(5_001)), "--wait")

        assert answer.code == 1
        assert [each["exportId"] for each in answer.json] == ["export-1"]
        assert "ended as ABORTED without a report" in answer.err

    def test_agents_become_a_filter_and_all_is_a_sweep(self, stack: FakeStack) -> None:
        run("store", "--agent", "o-1", "--agent", "o-2")
        run("store", "--all")

        filters = [{"name": "agentIds", "condition": "EQUALS", "values": ["o-1", "o-2"]}]
        assert stack.steps.inputs == [{"filters": filters, "onFailure": "report"}, {}]

    def test_wait_follows_the_run_and_prints_its_exports(self, stack: FakeStack) -> None:
        stack.has("export-1", "IN_PROGRESS", exportStatus="IN_PROGRESS")
        stack.events = [
            lambda: stack.plans(stack.run_id, "export-1", "export-2"),
            lambda: stack.has("export-1", bytes=4_000_000, runId=stack.run_id, settledAt="2026-11-23T12:00:02.000Z"),
            lambda: stack.ends(stack.run_id, STORED, FAILED),
        ]

        answer = run("store", "export-1", "export-2", "--wait")

        assert answer.code == 1
        assert answer.json == [{**STORED, "runId": stack.run_id}, {**FAILED, "runId": stack.run_id}]
        assert "RUNNING: no exports yet" in answer.err
        assert "0 of 2 exports done; waiting for 1 not listed by the service yet, 1 in progress" in answer.err
        assert "1 of 2 exports done: 1 STORED; 4.0 MB copied, 4.0 MB/s" in answer.err

    @pytest.mark.parametrize(
        ("outcomes", "code"),
        [
            (["STORED", "TRUNCATED"], 0),
            (["STORED", "TIMED_OUT"], 3),
            (["TIMED_OUT", "FAILED"], 1),
            (["NOT_FOUND"], 1),
            ([], 0),
        ],
    )
    def test_the_exit_code_is_that_of_the_outcomes(self, stack: FakeStack, outcomes: list[str], code: int) -> None:
        exports = [{"exportId": f"export-{index}", "outcome": each} for index, each in enumerate(outcomes)]
        stack.events = [lambda: stack.ends(stack.run_id, *exports)]

        assert run("store", "--all", "--wait").code == code

    def test_a_run_that_failed_because_of_its_exports_is_reported_like_any_other(self, stack: FakeStack) -> None:
        stack.events = [lambda: stack.ends(stack.run_id, FAILED, status="FAILED", error="ExportsNotStored")]

        answer = run("store", "export-2", "--wait")

        assert (answer.code, [each["outcome"] for each in answer.json]) == (1, ["FAILED"])

    def test_a_run_without_a_report_says_how_it_ended(self, stack: FakeStack) -> None:
        ended = {"status": "FAILED", "error": "InvalidInput", "cause": "exportIds[0]\nis bad \x1b[31m"}
        stack.events = [lambda: stack.steps.executions[stack.run_id].update(ended)]

        answer = run("store", "export-2", "--wait")

        assert (answer.code, answer.out) == (1, "")
        assert answer.err.endswith("See the section on failed runs in the runbook.\n")
        assert r"ended as FAILED without a report: InvalidInput: exportIds[0] is bad \x1b[31m" in answer.err

    def test_a_run_that_was_stopped_says_what_is_stored_and_how_to_request_the_rest(self, stack: FakeStack) -> None:
        stack.plans("run-1", "export-1", "export-2", "export-3")
        stack.has("export-1")
        stack.has("export-2", "FAILED")
        stack.has("export-3", "IN_PROGRESS")
        stack.steps.executions["run-1"] = {"status": "ABORTED"}

        answer = run("watch", "run-1")

        assert (answer.code, answer.out) == (1, "")
        assert answer.err.splitlines()[-1] == (
            "discovery-exports: The run run-1 ended as ABORTED without a report. See the section on failed runs in the "
            "runbook. 2 of 3 exports done: 1 STORED, 1 FAILED. discovery-exports again run-1 --wait requests again "
            "what is not stored."
        )

    def test_a_table_of_the_results_says_why(self, stack: FakeStack) -> None:
        rejected = {"exportId": "export-3", "outcome": "REJECTED", "reason": "GONE", "statusMessage": "SUCCEEDED"}
        stack.events = [lambda: stack.ends(stack.run_id, FAILED, rejected)]

        out = run("store", "export-2", "export-3", "--wait", "-o", "table").out

        assert [line.split(maxsplit=2) for line in out.splitlines()[1:]] == [
            ["export-2", "FAILED", "no agents"],
            ["export-3", "REJECTED", "GONE"],
        ]

    def test_a_timeout_ends_the_wait_and_not_the_run(self, stack: FakeStack) -> None:
        answer = run("store", "export-1", "--wait", "--timeout", "90s")

        assert answer.code == 3
        assert answer.json == []
        assert round(sum(stack.pauses), 3) == 90
        assert answer.err.endswith(f"Not done yet. To follow it: discovery-exports watch {stack.run_id}\n")

    def test_a_refused_start_is_reported(self, stack: FakeStack) -> None:
        stack.steps.error = client_error("AccessDeniedException", "states:StartExecution", "StartExecution")

        answer = run("store", "export-1")

        assert answer.code == 254
        assert "AWS refused StartExecution: AccessDeniedException" in answer.err

    def test_an_interrupt_says_that_the_run_goes_on(self, stack: FakeStack) -> None:
        def interrupt() -> None:
            raise KeyboardInterrupt

        stack.events = [interrupt]

        answer = run("store", "export-1", "--wait")

        assert answer.code == 130
        assert f"Interrupted. The run goes on: discovery-exports watch {stack.run_id}" in answer.err


class TestLostConnection:
    def lose(self, stack: FakeStack, monkeypatch: pytest.MonkeyPatch, error: Exception, polls: int) -> None:
        """The next ``polls`` reads of the run fail, after the one at the start of the command."""
        describe, left = stack.steps.describe_execution, iter(range(polls + 1))

        def failing(**arguments: Any) -> Any:
            if next(left, None) not in {None, 0}:
                raise error
            return describe(**arguments)

        monkeypatch.setattr(stack.steps, "describe_execution", failing)

    @pytest.mark.parametrize(
        "error",
        [EndpointConnectionError(endpoint_url="https://states"), client_error("ThrottlingException"), SERVER_ERROR],
        ids=["connection", "throttling", "server error"],
    )
    def test_a_failure_that_passes_does_not_end_the_wait(
        self, stack: FakeStack, monkeypatch: pytest.MonkeyPatch, error: Exception
    ) -> None:
        stack.ends("run-1", STORED)
        self.lose(stack, monkeypatch, error, polls=20)

        answer = run("watch", "run-1")

        assert (answer.code, stack.pauses) == (0, [10] * 20)
        assert answer.err.count("Trying again for 5 min.") == 1

    def test_a_failure_that_lasts_ends_it_and_says_that_the_run_goes_on(
        self, stack: FakeStack, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stack.ends("run-1", STORED)
        self.lose(stack, monkeypatch, EndpointConnectionError(endpoint_url="https://states"), polls=100)

        answer = run("watch", "run-1")

        assert (answer.code, sum(stack.pauses)) == (253, 300)
        assert answer.err.endswith("The run goes on: discovery-exports watch run-1\n")

    def test_a_refused_call_ends_it_at_once(self, stack: FakeStack, monkeypatch: pytest.MonkeyPatch) -> None:
        stack.ends("run-1", STORED)
        self.lose(stack, monkeypatch, client_error("ExpiredTokenException"), polls=100)

        assert (run("watch", "run-1").code, stack.pauses) == (253, [])

    def test_a_timeout_is_kept_to_the_second(self, stack: FakeStack, monkeypatch: pytest.MonkeyPatch) -> None:
        stack.ends("run-1", STORED)
        self.lose(stack, monkeypatch, client_error("ThrottlingException"), polls=100)

        run("watch", "run-1", "--timeout", "14s")

        assert sum(stack.pauses) == 14

    def test_throttled_reads_of_the_catalog_do_not_end_the_wait(
        self, stack: FakeStack, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        left = iter(range(3 * MAX_ATTEMPTS))
        read = stack.dynamodb.batch_get_item
        stack.has("export-1")

        def throttled(*, RequestItems: Any) -> Any:  # noqa: N803
            if next(left, None) is not None:
                return {"Responses": {}, "UnprocessedKeys": RequestItems}
            return read(RequestItems=RequestItems)

        monkeypatch.setattr(stack.dynamodb, "batch_get_item", throttled)

        answer = run("watch", "export-1")

        assert answer.code == 0
        assert stack.pauses.count(10) == 3
        assert answer.err.count("Trying again for 5 min.") == 1

    def test_a_timeout_is_not_extended(self, stack: FakeStack, monkeypatch: pytest.MonkeyPatch) -> None:
        stack.ends("run-1", STORED)
        self.lose(stack, monkeypatch, client_error("ThrottlingException"), polls=100)

        run("watch", "run-1", "--timeout", "30s")

        assert sum(stack.pauses) == 30


class TestProgress:
    def test_the_exports_are_counted_by_what_they_wait_for(self, stack: FakeStack) -> None:
        later = "2026-11-23T12:30:00.000Z"
        upload = stack.s3.create_multipart_upload(Bucket=BUCKET, Key="raw/copying")["UploadId"]
        stack.s3.upload_part(Bucket=BUCKET, Key="raw/copying", UploadId=upload, PartNumber=1, Body=b"x" * 6_000_000)
        copy = {"key": "raw/copying", "upload_id": upload, "size": 9_000_000}
        stack.has("copying", "IN_PROGRESS", exportStatus="SUCCEEDED", claimedBy="r", claimedUntil=later, upload=copy)
        raw = {"key": "raw/x", "bytes": 1_000_000}
        stack.has("unpacking", "IN_PROGRESS", exportStatus="SUCCEEDED", claimedUntil=later, raw=raw, upload=copy)
        stack.has("turn", "IN_PROGRESS", exportStatus="SUCCEEDED", claimedUntil="2026-11-23T11:59:00.000Z")
        stack.has("service", "IN_PROGRESS", exportStatus="IN_PROGRESS", hours=2)
        stack.steps.executions["run-1"] = {"status": "RUNNING"}
        stack.plans("run-1", "copying", "unpacking", "turn", "service", "unlisted")

        err = run("watch", "run-1", "--timeout", "0s").err

        assert "7.0 MB copied" in err
        assert (
            "waiting for 1 not listed by the service yet, 1 in progress in the service (requested 2 h ago), "
            "1 ready to be stored, 1 being copied, 1 being unpacked"
        ) in err

    def test_an_earlier_outcome_counts_only_if_it_is_final_for_the_run(self, stack: FakeStack) -> None:
        stack.has("stored", hours=50, runId="earlier", bytes=5)
        stack.has("rejected", "REJECTED", hours=50, runId="earlier", exportStatus="SUCCEEDED")
        stack.has("not-found", "NOT_FOUND", hours=50, runId="earlier")
        stack.has("own", "TIMED_OUT", hours=0, runId="run-1")
        stack.steps.executions["run-1"] = {"status": "RUNNING"}
        stack.plans("run-1", "stored", "rejected", "not-found", "own")

        assert "2 of 4 exports done: 1 STORED, 1 TIMED_OUT; waiting" in run("watch", "run-1", "--timeout", "0s").err

    @pytest.mark.parametrize("status", ["FAILED", "REJECTED", "NOT_FOUND"])
    def test_once_the_run_has_ended_the_progress_says_what_the_result_says(self, stack: FakeStack, status: str) -> None:
        stack.has("export-1", status, hours=50, runId="earlier")
        stack.plans("run-1", "export-1")
        stack.ends("run-1", {"exportId": "export-1", "outcome": status})

        answer = run("watch", "run-1")

        assert answer.code == 1
        assert f"1 of 1 exports done: 1 {status}" in answer.err
        assert "waiting" not in answer.err

    def test_a_sweep_does_not_process_what_is_settled(self, stack: FakeStack) -> None:
        stack.has("rejected", "REJECTED", hours=50, runId="earlier")
        stack.steps.executions["run-1"] = {"status": "RUNNING"}
        stack.plans("run-1", "rejected", by_id=False)

        assert "1 of 1 exports done: 1 REJECTED" in run("watch", "run-1", "--timeout", "0s").err

    def test_without_a_terminal_a_line_is_printed_for_a_change_or_each_minute(self, stack: FakeStack) -> None:
        stack.steps.executions["run-1"] = {"status": "RUNNING"}
        stack.plans("run-1", "export-1")

        lines = run("watch", "run-1", "--timeout", "150s").err.splitlines()

        *progress, last = lines
        assert [line.partition(",")[0] for line in progress] == ["Run run-1"] * 3
        assert last.startswith("Not done yet.")

    def test_polls_become_rare(self, stack: FakeStack) -> None:
        stack.steps.executions["run-1"] = {"status": "RUNNING"}

        run("watch", "run-1", "--timeout", "1h")

        assert (stack.pauses[0], max(stack.pauses)) == (1, 10)
        assert len(stack.pauses) < 450

    def test_on_a_terminal_the_block_is_drawn_again_without_escape_codes_of_others(
        self, stack: FakeStack, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("TERM", "xterm-256color")
        stack.has("export-1", "IN_PROGRESS", exportStatus="IN_PROGRESS")
        stack.events = [lambda: None, lambda: stack.has("export-1", bytes=5)]

        answer = run("watch", "export-1")

        assert answer.code == 0
        assert answer.err.count("Export export-1") >= 3
        assert "\x1b[" in answer.err
        assert "1 of 1 exports done: 1 STORED" in answer.err


class TestWatch:
    def test_a_run_is_found_by_its_id_and_by_its_arn(self, stack: FakeStack) -> None:
        stack.ends("run-1", STORED)

        assert [run("watch", each).code for each in ("run-1", f"{EXECUTION}:run-1")] == [0, 0]

    def test_an_export_is_followed_until_it_has_an_outcome(self, stack: FakeStack) -> None:
        stack.has("export-1", "IN_PROGRESS", exportStatus="IN_PROGRESS")
        stack.events = [lambda: stack.has("export-1", "REJECTED", reason="GONE")]

        answer = run("watch", "export-1")

        assert answer.code == 1
        assert [each["reason"] for each in answer.json] == ["GONE"]
        assert "waiting for 1 in progress in the service (requested 1 h ago)" in answer.err

    def test_an_export_that_a_run_has_claimed_again_is_followed(self, stack: FakeStack) -> None:
        claimed: dict[str, Any] = {"claimedBy": "run-2", "claimedUntil": "2026-11-23T12:15:00.000Z"}
        stack.has("export-1", "TIMED_OUT", exportStatus="SUCCEEDED", **claimed)
        stack.events = [lambda: stack.has("export-1")]

        assert run("watch", "export-1").json[0]["status"] == "STORED"

    def test_a_name_that_is_both_is_the_run(self, stack: FakeStack) -> None:
        stack.has("export-1", "FAILED")
        stack.ends("export-1", STORED)

        assert run("watch", "export-1").json[0]["outcome"] == "STORED"

    def test_an_export_that_stays_in_progress_is_pending_at_the_timeout(self, stack: FakeStack) -> None:
        stack.has("export-1", "IN_PROGRESS", exportStatus="IN_PROGRESS")

        answer = run("watch", "export-1", "--timeout", "5s")

        assert (answer.code, answer.json[0]["status"]) == (3, "IN_PROGRESS")

    def test_an_id_longer_than_an_execution_name_is_an_export(self, stack: FakeStack) -> None:
        stack.has("e" * 200)

        assert run("watch", "e" * 200).code == 0

    def test_what_is_neither_is_unknown(self, stack: FakeStack) -> None:
        assert "knows no run and no export run-9." in run("watch", "run-9").err
        assert run("watch", "run-9").code == 1

    def test_a_run_that_step_functions_has_deleted_is_found_by_its_report(self, stack: FakeStack) -> None:
        for run_id in ("store-20260101T120000-0a1b2c3d", "5b0d7c1e-run", "again-20260101T120000-0a1b2c3d"):
            stack.ends(run_id, STORED, FAILED)
            del stack.steps.executions[run_id]

            for name in (run_id, f"{EXECUTION}:{run_id}"):
                answer = run("watch", name)

                assert (answer.code, [each["outcome"] for each in answer.json]) == (1, ["STORED", "FAILED"])

    def test_of_an_export_with_a_deleted_run_the_catalog_is_shown(self, stack: FakeStack) -> None:
        stack.ends("export-1", FAILED)
        del stack.steps.executions["export-1"]
        stack.has("export-1")

        assert run("watch", "export-1").json[0]["status"] == "STORED"

    def test_what_can_be_neither_is_wrong_use(self, stack: FakeStack) -> None:
        answer = run("watch", "a/b")

        assert answer.code == 2
        assert "'a/b' is neither the ID or ARN of a run nor the ID of an export." in answer.err

    def test_a_run_of_another_stack_is_refused(self, stack: FakeStack) -> None:
        answer = run("watch", "arn:aws:states:us-east-1:123456789012:execution:Other:run-1")

        assert answer.code == 1
        assert "is not a run of the stack DiscoveryExports" in answer.err


class TestAgain:
    def test_what_a_run_did_not_store_is_requested_again(self, stack: FakeStack) -> None:
        stack.steps.executions["run-1"] = {"status": "FAILED", "error": "ExportsNotStored"}
        stack.plans("run-1", "stored", "failed", "unseen")
        stack.has("stored")
        stack.has("failed", "FAILED")

        answer = run("again", "run-1")

        assert answer.code == 0
        assert stack.steps.inputs == [{"exportIds": ["failed", "unseen"], "onFailure": "report"}]
        assert stack.run_id.startswith("again-")

    def test_ids_and_runs_can_be_mixed(self, stack: FakeStack) -> None:
        stack.steps.executions["run-1"] = {"status": "SUCCEEDED"}
        stack.plans("run-1", "export-1", "export-2", "export-3")
        for export_id in ("export-9", "export-1"):
            stack.has(export_id, "REJECTED")

        run("again", "export-9", "run-1", "export-1")

        assert stack.steps.inputs[0]["exportIds"] == ["export-9", "export-1", "export-2", "export-3"]

    def test_nothing_is_started_if_everything_is_stored(self, stack: FakeStack) -> None:
        stack.has("export-1", "TRUNCATED")

        answer = run("again", "export-1", "--wait")

        assert (answer.code, stack.steps.inputs) == (0, [])
        assert answer.err == "Nothing to do: all exports (1) are stored.\n"

    @pytest.mark.parametrize(
        ("arguments", "out"),
        [
            ((), "[]\n"),
            (("-o", "json", "--wait"), "[]\n"),
            (("-o", "jsonl"), ""),
            (("-o", "csv"), "runId,status,executionArn\n"),
            (("-o", "csv", "--wait"), "exportId,outcome,kind,reason,statusMessage,manifest,runId\n"),
            (("-o", "table"), ""),
        ],
    )
    def test_nothing_to_do_is_an_empty_list(self, stack: FakeStack, arguments: tuple[str, ...], out: str) -> None:
        stack.has("export-1")

        assert run("again", "export-1", *arguments).out == out

    def test_a_run_that_has_not_ended_is_pending(self, stack: FakeStack) -> None:
        stack.steps.executions["run-1"] = {"status": "RUNNING"}

        answer = run("again", "run-1")

        assert (answer.code, stack.steps.inputs) == (3, [])
        assert "Follow it: discovery-exports watch run-1" in answer.err

    def test_a_run_whose_input_was_invalid_has_no_exports(self, stack: FakeStack) -> None:
        stack.steps.executions["run-1"] = {"status": "FAILED", "error": "InvalidInput", "cause": "deadlineMinutes"}

        answer = run("again", "run-1")

        assert answer.code == 1
        assert "InvalidInput: deadlineMinutes" in answer.err

    def test_the_new_run_can_be_followed(self, stack: FakeStack) -> None:
        stack.has("export-1", "TIMED_OUT")
        stack.events = [lambda: stack.ends(stack.run_id, STORED)]

        assert run("again", "export-1", "--wait").code == 0

    def test_a_run_that_step_functions_has_deleted_is_requested_again(self, stack: FakeStack) -> None:
        stack.plans("run-1", "export-1", "export-2")
        stack.ends("run-1", STORED, FAILED)
        del stack.steps.executions["run-1"]
        stack.has("export-1")

        assert run("again", "run-1").code == 0
        assert stack.steps.inputs[0]["exportIds"] == ["export-2"]

    def test_the_name_of_a_run_is_not_advised_as_an_export(self, stack: FakeStack) -> None:
        for name in ("store-20261123T120000-0a1b2c3d", "again-20261123T120000-0a1b2c3d"):
            for command in ("watch", "again", "show"):
                answer = run(command, name)

                assert answer.code == 1
                assert "discovery-exports store" not in answer.err

    def test_a_misspelled_run_is_not_taken_for_an_export(self, stack: FakeStack) -> None:
        answer = run("again", "store-20261123T120000-typo")

        assert (answer.code, stack.steps.inputs) == (1, [])
        assert "knows no run and no export store-20261123T120000-typo. Check the ID" in answer.err
