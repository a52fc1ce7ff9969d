"""Every documented outcome, as a run reports it."""

import json

import pytest

from tests.local.service import Service
from tests.local.stack import Stack


@pytest.mark.parametrize("kind", ["summary", "agent", "ec2-recommendations"])
def test_a_finished_export_of_each_kind_is_stored(stack: Stack, service: Service, kind: str) -> None:
    export_id = service.has(kind=kind)

    run = stack.run(exportIds=[export_id])

    assert run.status == "SUCCEEDED"
    assert run.entry(export_id) == {
        "exportId": export_id,
        "outcome": "STORED",
        "kind": kind,
        "manifest": stack.uri(f"manifests/{export_id}.json"),
    }


@pytest.mark.parametrize(
    ("container", "extension", "files"), [("nested", "zip", 8), ("csv", "csv", 1), ("gzip", "csv.gz", 1)]
)
def test_an_export_may_have_another_container_format(
    stack: Stack, service: Service, container: str, extension: str, files: int
) -> None:
    export_id = service.has(container=container)

    run = stack.run(exportIds=[export_id])

    manifest = stack.manifest(export_id)
    assert run.outcome(export_id) == "STORED"
    assert manifest["raw"]["key"].endswith(f"/{export_id}.{extension}")
    assert stack.body(manifest["raw"]["key"]) == service.download(export_id)
    assert len(manifest["files"]) == files


def test_an_export_with_no_result_is_stored_with_no_files(stack: Stack, service: Service) -> None:
    export_id = service.has(container="none")

    run = stack.run(exportIds=[export_id])

    assert run.outcome(export_id) == "STORED"
    assert stack.manifest(export_id)["files"] == []


def test_fault_22_an_export_that_reached_its_size_limit_is_stored_as_truncated(stack: Stack, service: Service) -> None:
    export_id = service.has(kind="agent", is_truncated=True)

    run = stack.run(exportIds=[export_id])

    assert run.status == "SUCCEEDED"
    assert run.outcome(export_id) == "TRUNCATED"
    assert stack.manifest(export_id)["isTruncated"] is True


def test_a_failed_export_is_reported_with_its_message(stack: Stack, service: Service) -> None:
    export_id = service.has(outcome="FAILED", status_message="no agents")

    run = stack.run(exportIds=[export_id])

    assert run.entry(export_id) == {"exportId": export_id, "outcome": "FAILED", "statusMessage": "no agents"}
    assert stack.keys_of(export_id) == []


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:8443/export.zip",
        "https://exports.example/export.zip",
        "https://s3.amazonaws.com.exports.example/export.zip",
        "https://s3.amazonaws.com@exports.example/export.zip",
        "https://169.254.169.254/latest/meta-data",
    ],
)
def test_a_download_url_outside_s3_is_rejected(stack: Stack, service: Service, url: str) -> None:
    export_id = service.has(download_url=url)

    run = stack.run(exportIds=[export_id])

    assert (run.outcome(export_id), run.reason(export_id)) == ("REJECTED", "URL_REFUSED")
    assert stack.keys_of(export_id) == []


@pytest.mark.parametrize("script", [{"no_download_url": True}, {"download_url": ""}], ids=["none", "empty"])
def test_bad_input_15_an_export_without_a_url_is_gone_after_the_grace_period(
    stack: Stack, service: Service, script: dict[str, object]
) -> None:
    export_id = service.has(**script)

    run = stack.run(exportIds=[export_id])

    assert (run.outcome(export_id), run.reason(export_id)) == ("REJECTED", "GONE")


def test_fault_18_an_id_that_the_service_does_not_know_is_not_found(stack: Stack) -> None:
    run = stack.run(exportIds=["export-never-started"])

    assert run.entry("export-never-started") == {"exportId": "export-never-started", "outcome": "NOT_FOUND"}


def test_an_id_that_appears_late_is_stored(stack: Stack, service: Service) -> None:
    export_id = service.has(appears_after_seconds=1.5)

    run = stack.run(exportIds=[export_id])

    assert run.outcome(export_id) == "STORED"


def test_an_export_in_progress_is_polled_until_it_is_finished(stack: Stack, service: Service) -> None:
    export_id = service.has(in_progress_seconds=3)

    run = stack.run(exportIds=[export_id])

    assert run.outcome(export_id) == "STORED"
    assert (stack.row(export_id) or {})["polls"] > 1


def test_fault_07_a_new_url_is_requested_for_an_expired_one(stack: Stack, service: Service) -> None:
    export_id = service.has(refused_gets=2)

    run = stack.run(exportIds=[export_id])

    assert run.outcome(export_id) == "STORED"


def test_fault_21_failed_exports_do_not_affect_others(stack: Stack, service: Service) -> None:
    stored, failed, rejected = (
        service.has(),
        service.has(outcome="FAILED"),
        service.has(download_url="http://exports.example/"),
    )

    run = stack.run(exportIds=[failed, stored, rejected, "export-unknown-too"])

    assert (run.status, run.error) == ("FAILED", "ExportsNotStored")
    assert json.loads(run.cause or "") == {
        "counts": {"FAILED": 1, "STORED": 1, "REJECTED": 1, "NOT_FOUND": 1},
        "report": stack.uri(f"runs/{run.name}.json"),
    }
    assert run.outcome(stored) == "STORED"
    assert stack.manifest(stored)


def test_the_output_of_a_run_has_the_documented_members(stack: Stack, service: Service) -> None:
    stored, failed = service.has(kind="agent"), service.has(outcome="FAILED", status_message="no agents")

    run = stack.run(exportIds=[stored, failed], onFailure="report")

    assert run.status == "SUCCEEDED"
    assert run.output == {
        "runId": run.name,
        "requested": 2,
        "counts": {"STORED": 1, "FAILED": 1},
        "exports": [
            {
                "exportId": stored,
                "outcome": "STORED",
                "kind": "agent",
                "manifest": stack.uri(f"manifests/{stored}.json"),
            },
            {"exportId": failed, "outcome": "FAILED", "statusMessage": "no agents"},
        ],
        "report": stack.uri(f"runs/{run.name}.json"),
    }
    assert run.report == run.output


@pytest.mark.parametrize(("on_failure", "status"), [("fail", "FAILED"), ("report", "SUCCEEDED"), (None, "FAILED")])
def test_a_run_by_id_fails_unless_it_only_reports(
    stack: Stack, service: Service, on_failure: str | None, status: str
) -> None:
    asked = {"onFailure": on_failure} if on_failure else {}

    run = stack.run(exportIds=[service.has(outcome="FAILED")], **asked)

    assert run.status == status
    assert run.counts == {"FAILED": 1}
