"""Control requests, command line and shutdown of the double."""

import os
import re
import signal
import subprocess
import sys
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from local.double import __main__
from local.double.agents import Agent
from local.double.scenario import Addition, Scenario, Settings
from local.stack.certificate import make_certificate
from tests.unit.doubles import START, Running, discovery_client


def test_scenarios_are_used_in_order_and_then_the_default(running: Running) -> None:
    running.double.set_scenarios({"outcome": "FAILED"}, {"export_id": "export-mine"}, default={"outcome": "ODD"})

    ids = [running.start() for _ in range(4)]

    assert [running.status(export_id) for export_id in ids] == ["FAILED", "SUCCEEDED", "ODD", "ODD"]
    assert ids[1] == "export-mine"


@pytest.mark.parametrize("token", ["", "/", "/another", "/0123456789abcde", "/0123456789abcdef0", "/0123456789ABCDEF"])
def test_attack_1_calls_and_control_requests_need_the_token(running: Running, token: str) -> None:
    export_id = running.start()
    url, target = f"{running.server.origin}{token}", {"X-Amz-Target": "AWSPoseidonService_V2015_11_01.StartExportTask"}

    assert running.http.request("POST", f"{url}/", headers=target, body=b"{}").status == 403
    assert running.http.request("POST", f"{url}/_double/reset").status == 403
    assert running.http.request("GET", f"{url}/_double/signatures").status == 404
    assert running.double.counts()["calls"]["StartExportTask"] == 1
    assert running.status(export_id) == "SUCCEEDED"


def test_scenarios_that_a_block_does_not_use_are_removed(running: Running) -> None:
    ids: list[str] = []

    def interrupted() -> None:
        with running.double.with_scenarios({"outcome": "ODD"}, {"outcome": "FAILED"}):
            ids.append(running.start())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    ids.append(running.start())

    assert [running.status(export_id) for export_id in ids] == ["ODD", "SUCCEEDED"]


def test_added_exports_have_their_ids_kinds_ages_and_statuses(running: Running) -> None:
    ids = running.double.add(
        {"id": "export-old", "age_seconds": 86400},
        {"id": "export-failed", "kind": "agent", "outcome": "FAILED", "requested_start": START - 60},
        {"id": "export-slow", "in_progress_seconds": 1e9},
    )

    old, failed, slow = (running.describe(export_id)[0] for export_id in ids)

    assert ids == ["export-old", "export-failed", "export-slow"]
    assert old["exportRequestTime"] == datetime.fromtimestamp(START - 86400, UTC)
    assert failed["exportStatus"] == "FAILED"
    assert failed["requestedStartTime"] == datetime.fromtimestamp(START - 60, UTC)
    assert slow["exportStatus"] == "IN_PROGRESS"


def test_many_exports_are_added_at_once(running: Running) -> None:
    ids = running.double.add_many(2_000, {"kind": "agent"})

    assert len(set(ids)) == 2_000
    assert {info["exportStatus"] for info in running.describe(*ids[:100])} == {"SUCCEEDED"}


def test_added_agent_exports_use_the_agents_in_order(running: Running) -> None:
    running.double.add_many(24, {"kind": "agent"})
    filters: Any = [{"name": "agentIds", "condition": "EQUALS", "values": [running.double.agents()[5]]}]

    assert len(running.service.describe_export_tasks(filters=filters)["exportsInfo"]) == 2


@pytest.mark.parametrize(
    ("member", "value", "message"),
    [
        ("rowz", 1, "rowz: Unexpected"),
        ("rows", "1", "rows: Input should be a valid integer"),
        ("rows", True, "rows: Input should be a valid integer"),
        ("rows", -1, "rows: Input should be greater than or equal to 0"),
        ("container", "tar", "container: Input should be 'zip', 'nested', 'csv', 'gzip' or 'none'"),
        ("connection_columns", 11, "connection_columns: Input should be 10 or 12"),
        ("url_lifetime_seconds", 0, "url_lifetime_seconds: Input should be greater than or equal to 1"),
        ("download_url", 1, "download_url: Input should be a valid string"),
        ("info", {"status": 1}, r"info.status.\[key\]: Value error, ExportInfo has no member status"),
        ("info_without", ["id"], "info_without.0: Value error, ExportInfo has no member id"),
        ("entry", "{", "entry: Value error"),
    ],
)
def test_an_invalid_scenario_is_rejected_by_name_without_effect(
    running: Running, member: str, value: object, message: str
) -> None:
    running.double.set_scenarios(default={"outcome": "ODD"})

    with pytest.raises(ValueError, match=f"^{message}"):
        running.double.set_scenarios({member: value})

    assert running.status(running.start()) == "ODD"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"throttle_rate": 2}, "throttle_rate: Input should be less than or equal to 1"),
        ({"page_size": 0}, "page_size: Input should be greater than or equal to 1"),
        ({"marker": "a/b"}, "marker: String should match pattern"),
        ({"speed": 1}, "speed: Unexpected"),
    ],
)
def test_invalid_settings_are_rejected(running: Running, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        running.double.settings(**changes)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "nothing", ""),
        ("POST", "exports", "{}"),
        ("POST", "exports", '{"count": "3"}'),
        ("POST", "exports", '{"exports": [1]}'),
        ("PUT", "scenarios", '{"next": {}}'),
        ("PUT", "scenarios", '{"coming": []}'),
        ("PUT", "agents", "{}"),
        ("PUT", "agents", '{"agents": [{"health": "ILL"}]}'),
        ("POST", "rows", '{"agent_id": "o-0123456789abcdef0"}'),
        ("POST", "rows", '{"agent_id": "o-0123456789abcdef0", "start": 0, "end": 1}'),
        ("PATCH", "settings", "[]"),
        ("PATCH", "settings", "{"),
    ],
)
def test_an_invalid_control_request_has_an_error_message(running: Running, method: str, path: str, body: str) -> None:
    answer = running.http.request(method, f"{running.server.url}/_double/{path}", body=body)

    assert answer.status == 400
    assert answer.json()["error"]


def test_a_reset_clears_all_state(running: Running) -> None:
    running.double.set_scenarios(default={"outcome": "FAILED"})
    running.double.settings(page_size=1, marker="m")
    running.start()

    running.double.reset()

    assert running.service.describe_export_tasks()["exportsInfo"] == []
    assert running.double.settings()["page_size"] == 100
    assert running.status(running.start()) == "SUCCEEDED"


def test_help_lists_options_requests_and_members(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        __main__.main(["--help"])

    text = capsys.readouterr().out
    for word in (
        "--s3",
        "/_double/counts",
        "in_progress_seconds",
        "refused_gets",
        "throttle_rate",
        "age_seconds",
        "last_ping",
    ):
        assert word in text


def test_the_docs_list_every_control_request_and_every_member(running: Running) -> None:
    page = (Path(__file__).parents[3] / "docs" / "local-aws.md").read_text("utf-8")
    refusal = running.http.request("GET", f"{running.server.url}/_double/nothing").json()["error"]
    requests = set(re.findall(r"/_double/\w+", refusal)) - {"/_double/nothing"}
    members = {member.name for part in (Scenario, Settings, Addition, Agent) for member in fields(part)} - {"scenario"}

    assert {request for request in requests if f" {request}`" not in page} == set()
    assert {member for member in members if f"`{member}`" not in page} == set()
    assert (len(requests), len(members)) == (8, 55)


def test_a_missing_certificate_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        __main__.main(["--cert", "/no/cert.pem", "--key", "/no/key.pem", "--s3", "https://localhost:1"])

    assert "there is no file /no/cert.pem" in capsys.readouterr().err


def test_the_process_prints_its_url_serves_and_leaves_no_files(tmp_path: Path) -> None:
    cert, key, temporary = tmp_path / "cert.pem", tmp_path / "key.pem", tmp_path / "tmp"
    make_certificate(cert, key)
    temporary.mkdir()
    options: list[str | Path] = ["--cert", cert, "--key", key, "--s3", "https://localhost:1"]
    with subprocess.Popen(
        [sys.executable, "-m", "local.double", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(temporary)},
    ) as process:
        assert process.stdout
        client = discovery_client(process.stdout.readline().strip(), cert, "us-east-1")
        started = client.start_export_task()
        client.close()
        process.send_signal(signal.SIGTERM)
        rest, errors = process.communicate(timeout=10)

    assert started["exportId"].startswith("export-")
    assert (process.returncode, rest, errors) == (0, "", "")
    assert list(temporary.iterdir()) == []
