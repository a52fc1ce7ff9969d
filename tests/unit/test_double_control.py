"""The double's control requests, its command line, and its end."""

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

from local import discovery
from local.certificate import make_certificate
from local.double.script import Addition, Script, Settings
from tests.unit.doubles import START, Running, discovery_client


def test_scripts_are_used_in_turn_and_then_the_usual_one(running: Running) -> None:
    running.double.script({"outcome": "FAILED"}, {"export_id": "export-mine"}, usual={"outcome": "ODD"})

    ids = [running.start() for _ in range(4)]

    assert [running.status(export_id) for export_id in ids] == ["FAILED", "SUCCEEDED", "ODD", "ODD"]
    assert ids[1] == "export-mine"


def test_what_a_block_leaves_of_its_scripts_no_later_export_plays(running: Running) -> None:
    ids: list[str] = []

    def interrupted() -> None:
        with running.double.scripted({"outcome": "ODD"}, {"outcome": "FAILED"}):
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


def test_added_agent_exports_take_the_agents_in_turn(running: Running) -> None:
    running.double.add_many(24, {"kind": "agent"})
    filters: Any = [{"name": "agentIds", "condition": "EQUALS", "values": [running.double.agents()[5]]}]

    assert len(running.service.describe_export_tasks(filters=filters)["exportsInfo"]) == 2


@pytest.mark.parametrize(
    ("member", "value", "complaint"),
    [
        ("rowz", 1, "rowz: Unexpected"),
        ("rows", "1", "rows: Input should be a valid integer"),
        ("rows", True, "rows: Input should be a valid integer"),
        ("rows", -1, "rows: Input should be greater than or equal to 0"),
        ("container", "tar", "container: Input should be 'zip', 'nested', 'csv', 'gzip' or 'none'"),
        ("connection_columns", 11, "connection_columns: Input should be 10 or 12"),
        ("link_lifetime_seconds", 0, "link_lifetime_seconds: Input should be greater than or equal to 1"),
        ("link", 1, "link: Input should be a valid string"),
    ],
)
def test_a_faulty_script_is_refused_by_name_and_changes_nothing(
    running: Running, member: str, value: object, complaint: str
) -> None:
    running.double.script(usual={"outcome": "ODD"})

    with pytest.raises(ValueError, match=f"^{complaint}"):
        running.double.script({member: value})

    assert running.status(running.start()) == "ODD"


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"throttle_rate": 2}, "throttle_rate: Input should be less than or equal to 1"),
        ({"page_size": 0}, "page_size: Input should be greater than or equal to 1"),
        ({"marker": "a/b"}, "marker: String should match pattern"),
        ({"speed": 1}, "speed: Unexpected"),
    ],
)
def test_faulty_settings_are_refused(running: Running, changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=f"^{complaint}"):
        running.double.settings(**changes)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "nothing", ""),
        ("POST", "exports", "{}"),
        ("POST", "exports", '{"count": "3"}'),
        ("POST", "exports", '{"exports": [1]}'),
        ("PUT", "script", '{"next": {}}'),
        ("PUT", "script", '{"coming": []}'),
        ("PATCH", "settings", "[]"),
        ("PATCH", "settings", "{"),
    ],
)
def test_a_control_request_that_makes_no_sense_is_answered_with_words(
    running: Running, method: str, path: str, body: str
) -> None:
    answer = running.http.request(method, f"{running.server.url}/_double/{path}", body=body)

    assert answer.status == 400
    assert answer.json()["error"]


def test_a_reset_forgets_everything(running: Running) -> None:
    running.double.script(usual={"outcome": "FAILED"})
    running.double.settings(page_size=1, marker="m")
    running.start()

    running.double.reset()

    assert running.service.describe_export_tasks()["exportsInfo"] == []
    assert running.double.settings()["page_size"] == 100
    assert running.status(running.start()) == "SUCCEEDED"


def test_help_explains_every_member_of_a_script(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        discovery.main(["--help"])

    text = capsys.readouterr().out
    for word in ("--s3", "/_double/counts", "in_progress_seconds", "refused_gets", "throttle_rate", "age_seconds"):
        assert word in text


def test_the_page_names_every_control_request_and_every_member(running: Running) -> None:
    page = (Path(__file__).parents[2] / "docs" / "local-aws.md").read_text("utf-8")
    refusal = running.http.request("GET", f"{running.server.url}/_double/nothing").json()["error"]
    requests = set(re.findall(r"/_double/\w+", refusal)) - {"/_double/nothing"}
    members = {member.name for part in (Script, Settings, Addition) for member in fields(part)} - {"script"}

    assert {request for request in requests if f" {request}`" not in page} == set()
    assert {member for member in members if f"`{member}`" not in page} == set()
    assert (len(requests), len(members)) == (7, 34)


def test_a_missing_certificate_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        discovery.main(["--cert", "/no/cert.pem", "--key", "/no/key.pem", "--s3", "https://localhost:1"])

    assert "there is no file /no/cert.pem" in capsys.readouterr().err


def test_it_says_its_url_serves_and_ends_without_a_trace(tmp_path: Path) -> None:
    cert, key, temporary = tmp_path / "cert.pem", tmp_path / "key.pem", tmp_path / "tmp"
    make_certificate(cert, key)
    temporary.mkdir()
    options: list[str | Path] = ["--cert", cert, "--key", key, "--s3", "https://localhost:1"]
    with subprocess.Popen(
        [sys.executable, "-m", "local.discovery", *options],
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
