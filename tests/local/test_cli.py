"""The command on the deployed stack, as an operator runs it."""

import csv
import hashlib
import io
import json
import os
import pty
import re
import signal
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from local.stack.aws import LocalAws
from local.stack.servers import ROOT
from tests.local.caller import as_operator, make_role
from tests.local.commands import run_command
from tests.local.service import Service
from tests.local.stack import Stack
from tests.local.waiting import until

PROGRAM = ROOT / ".venv" / "bin" / "discovery-exports"
HOSTILE = "\x1b]0;title\x07\x1b[31m\u202e=1+1"


class Command:
    """``discovery-exports`` with the variables of ``.local/env``, and with others; None removes one."""

    def __init__(self, aws: LocalAws, **variables: str | None) -> None:
        self._aws = aws
        self._variables = variables

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        removed = [f"--unset={name}" for name, value in self._variables.items() if value is None]
        variables = [f"{name}={value}" for name, value in self._variables.items() if value is not None]
        return run_command(self._aws, "env", *removed, *variables, PROGRAM, *arguments)

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        """Another program, with the same variables."""
        return run_command(self._aws, *command)

    def json(self, *arguments: str, code: int = 0) -> Any:
        done = self(*arguments)
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def command(aws: LocalAws) -> Command:
    return Command(aws)


@pytest.fixture
def hostile(stack: Stack) -> Iterator[str]:
    """An item with a text that no run would write, such as from a table that is shared with others."""
    export_id = f"export-{uuid.uuid4()}"
    texts = {"exportId": export_id, "status": "FAILED", "statusMessage": HOSTILE, "kind": HOSTILE}
    times = {"firstSeenAt": "2026-01-01T00:00:00.000Z", "settledAt": "2999-01-01T00:00:00.000Z"}
    stack.dynamodb.put_item(TableName=stack.table, Item={name: {"S": text} for name, text in (texts | times).items()})
    yield export_id
    stack.dynamodb.delete_item(TableName=stack.table, Key={"exportId": {"S": export_id}})


def outcomes(rows: Any) -> dict[str, str]:
    return {row["exportId"]: row.get("outcome") or row["status"] for row in rows}


def test_exports_are_stored_and_then_found_by_every_command(command: Command, stack: Stack, service: Service) -> None:
    stored, failed = service.has(kind="agent"), service.has(outcome="FAILED", status_message="no agents")

    results = command.json("store", stored, failed, "--wait", code=1)

    assert outcomes(results) == {stored: "STORED", failed: "FAILED"}
    assert outcomes(command.json("list", "--since", "1h")).items() >= outcomes(results).items()
    shown = command.json("show", stored)
    assert (shown["export"]["status"], shown["manifest"]) == ("STORED", stack.manifest(stored))
    status = command.json("status", "--since", "1h", code=1)
    assert stored in outcomes(status["stored"])
    assert {row["exportId"]: row["why"] for row in status["notStored"]}[failed] == "no agents"
    files = list(csv.DictReader(io.StringIO(command("show", stored, "-o", "csv").stdout)))
    assert [file["key"] for file in files] == [file["key"] for file in stack.manifest(stored)["files"]]


def test_exports_of_an_agent_are_stored_and_listed(command: Command, service: Service) -> None:
    agent = f"o-{uuid.uuid4().hex[:16]}"
    ours = {service.has(kind="agent", agent_id=agent) for _ in range(2)}

    results = command.json("store", "--agent", agent, "--wait")

    assert set(outcomes(results)) == ours
    assert set(outcomes(command.json("list", "--agent", agent))) == ours


def test_a_run_can_be_left_and_followed_later_with_its_progress_on_standard_error(
    command: Command, stack: Stack, service: Service
) -> None:
    with service.with_unfinished({"in_progress_seconds": 3600}) as (export_id,):
        ((run,),) = (command.json("store", export_id),)
        until(lambda: stack.row(export_id), what="the first poll")
        left = command("watch", run["runId"], "--timeout", "1s")
        pending = command("watch", export_id, "--timeout", "0s")
        shown = command("show", export_id)
    followed = command("watch", run["executionArn"])

    assert [each.returncode for each in (left, pending, shown, followed)] == [3, 3, 3, 0]
    assert re.search(r"Run store-\S+, .*: 0 of 1 exports done; waiting for 1 in progress in the service", left.stderr)
    assert f"discovery-exports watch {run['runId']}" in left.stderr
    assert re.search(r"1 of 1 exports done: 1 STORED; \d.* copied", followed.stderr)
    assert outcomes(json.loads(followed.stdout)) == {export_id: "STORED"}
    assert outcomes(command.json("watch", export_id)) == {export_id: "STORED"}


def obey_interrupts() -> None:
    """A shell without job control starts what is in the background, such as all tests, with interrupts ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_an_interrupt_leaves_the_run(aws: LocalAws, stack: Stack, service: Service) -> None:
    with service.with_unfinished({"in_progress_seconds": 3600}) as (export_id,):
        process = subprocess.Popen(
            [PROGRAM, "store", export_id, "--wait"],
            env={**os.environ, **aws.env}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            preexec_fn=obey_interrupts,
        )  # fmt: skip
        assert process.stderr
        lines = [process.stderr.readline(), process.stderr.readline()]
        process.send_signal(signal.SIGINT)
        _, rest = process.communicate()
    (name,) = re.findall(r"Started the run (\S+)\.", lines[0])

    assert process.returncode == 130
    assert f"Interrupted. The run goes on: discovery-exports watch {name}" in rest
    arn = f"{stack.machine.replace(':stateMachine:', ':execution:')}:{name}"
    assert stack.ended(arn).outcome(export_id) == "STORED"


def test_what_a_run_did_not_store_is_requested_again(command: Command, stack: Stack, service: Service) -> None:
    stored, failed, rejected = (
        service.has(),
        service.has(outcome="FAILED"),
        service.has(download_url="http://x.example/"),
    )
    first = stack.run(exportIds=[stored, failed, rejected])
    for export_id in (failed, rejected):
        service.set_scenario(export_id)

    results = command.json("again", first.name, "--wait")

    assert outcomes(results) == {failed: "STORED", rejected: "STORED"}
    nothing = command("again", first.arn, stored)
    assert (nothing.returncode, nothing.stdout) == (0, "[]\n")
    assert "all exports (3) are stored" in nothing.stderr


def test_outputs_are_those_of_the_stack(aws: LocalAws, command: Command) -> None:
    assert command.json("outputs") == aws.outputs
    assert command("outputs", "BucketName").stdout == f"{aws.outputs['BucketName']}\n"


def test_fault_46_files_of_an_export_are_downloaded_and_a_partial_file_is_continued(
    command: Command, stack: Stack, service: Service, tmp_path: Path
) -> None:
    """A limit on the size of files ends the first download in the middle of a file."""
    export_id = service.has(kind="agent", min_bytes=8_000_000)
    assert command("store", export_id, "--wait").returncode == 0
    files = {file["key"]: file for file in stack.manifest(export_id)["files"]}
    get: list[str | Path] = [PROGRAM, "get", export_id, "-d", tmp_path / "out"]

    stopped = command.run("bash", "-c", 'ulimit -f 4096; exec "$@"', "bash", *get)
    (part,) = tmp_path.glob("out/*.part")
    size = part.stat().st_size
    rows = json.loads(command.run(*get).stdout)
    again = json.loads(command.run(*get).stdout)

    assert (stopped.returncode, stopped.stdout, size) == (253, "", 4096 * 1024)
    assert "cannot be written: File too large" in stopped.stderr
    assert [row["state"] for row in rows].count("resumed") == 1
    assert {row["state"] for row in again} == {"here already"}
    assert {row["key"] for row in rows} == set(files)
    for row in rows:
        assert hashlib.sha256(Path(row["path"]).read_bytes()).hexdigest() == files[row["key"]]["sha256"]
    assert len(list((tmp_path / "out").iterdir())) == len(files)


def test_the_export_as_received_is_downloaded(command: Command, service: Service, tmp_path: Path) -> None:
    export_id = service.has(is_truncated=True, kind="agent")
    command("store", export_id, "--wait")

    done = command("get", export_id, "--raw", "-d", str(tmp_path))

    assert done.returncode == 0
    assert (tmp_path / f"{export_id}.zip").read_bytes() == service.download(export_id)
    assert "The export is TRUNCATED" in done.stderr


def test_queries_print_rows(command: Command, aws: LocalAws, service: Service, tmp_path: Path) -> None:
    """The table has the exports of other tests, too, so the query selects this one."""
    export_id = service.has(kind="agent")
    command("store", export_id, "--wait")
    sql = tmp_path / "query.sql"
    sql.write_text(f"SELECT exportid, kind, istruncated, rawbytes FROM exports WHERE exportid = '{export_id}';\n")

    own = command.run("bash", "-c", '"$1" query - < "$2"', "bash", PROGRAM, sql)
    dependencies = command("query", "dependencies", "-o", "csv")

    (row,) = json.loads(own.stdout)
    assert (row["exportid"], row["kind"], row["istruncated"]) == (export_id, "agent", False)
    assert isinstance(row["rawbytes"], int)
    assert "1 row, " in own.stderr
    assert dependencies.returncode == 0
    header, *lines = list(csv.reader(io.StringIO(dependencies.stdout)))
    assert header[:4] == ["client", "server", "destinationport", "connections"]
    wrong = [line for line in lines if not re.fullmatch("[0-9]*", line[2])]
    assert not wrong, "a port is a number, or empty in odd exports of other tests"


def test_the_doctor_checks_the_stack(command: Command) -> None:
    """Alarms and dead letters are not compared: other tests cause them."""
    done = command("doctor", "-o", "json")
    findings = json.loads(done.stdout)
    results = {row["check"]: row["result"] for row in findings}

    assert done.returncode == (1 if "FAIL" in results.values() else 0)
    assert {results[name] for name in ("identity", "outputs", "release", "schedules", "trail", "key", "tables")} == {
        "OK"
    }
    assert results["concurrency"] in {"OK", "WARN"}
    unknown = {row["check"]: row["found"] for row in findings if row["result"] == "UNKNOWN"}
    assert unknown == {
        "Region": "GetHomeRegion is not available here: 400",
        "Lake Formation": "ListPermissions is not available here: 400",
    }


WRONG: dict[str, tuple[tuple[str, ...], int, str]] = {
    "export that is unknown": (("get", "export-none"), 1, "Check the ID, or store the export"),
    "raw and a dataset": (("get", "export-1", "--raw", "--dataset", "other"), 2, "Leave out --raw or --dataset"),
    "unknown query": (("query", "dependncies"), 2, "Did you mean 'dependencies'?"),
    "no SQL": (("query", "-"), 2, "Standard input has no SQL"),
    "unknown agent": (("start", "agent", "o-none"), 2, "The service lists no agent o-none."),
    "unknown bucket": (("handoff", "mgn", "--to", "s3://no-such-bucket/x.csv"), 2, "There is no bucket no-such-bucket"),
    "arguments of doctor": (("doctor", "all"), 2, "Got unexpected extra argument"),
    "doctor of no stack": (("doctor", "--stack", "None"), 253, "There is no stack None"),
    "unknown command": (("lst",), 2, "Did you mean 'list'?"),
    "unknown option": (("list", "--state", "x"), 2, "No such option: --state"),
    "unknown value": (("list", "--status", "done"), 2, "'done' is not a status"),
    "no export ID": (("show", "../x"), 2, "'../x' is not an export ID"),
    "options that exclude each other": (("store", "export-1", "--all"), 2, "one of the three"),
    "unknown export": (("show", "export-none"), 1, "Check the ID, or store the export"),
    "unknown run": (("watch", "run-none"), 1, "Check the ID"),
    "unknown stack": (("status", "--stack", "None"), 253, "There is no stack None in us-east-1"),
    "unknown profile": (("status", "--profile", "none"), 253, "Correct --profile"),
}
SET_UP_WRONG: dict[str, tuple[dict[str, str | None], int, str]] = {
    "no connection": (
        {"AWS_ENDPOINT_URL": "https://127.0.0.1:1"},
        253,
        "There is no connection to https://127.0.0.1:1.",
    ),
    "no endpoint": ({"AWS_ENDPOINT_URL": "local"}, 253, "Correct AWS_ENDPOINT_URL"),
    "no region": ({"AWS_DEFAULT_REGION": None, "AWS_REGION": None}, 253, "There is no Region. Add --region"),
    "wrong secret key": (
        {"AWS_SECRET_ACCESS_KEY": "wrong"},
        253,
        "signed with its credentials. `. .local/env` sets them.",
    ),
    "untrusted certificate": ({"AWS_CA_BUNDLE": f"{ROOT}/LICENSE"}, 253, "AWS_CA_BUNDLE"),
}


@pytest.mark.parametrize(("arguments", "code", "message"), WRONG.values(), ids=WRONG)
def test_wrong_use_is_answered_by_one_line(
    command: Command, arguments: tuple[str, ...], code: int, message: str
) -> None:
    assert_one_line(command(*arguments), code, message)


@pytest.mark.parametrize(("variables", "code", "message"), SET_UP_WRONG.values(), ids=SET_UP_WRONG)
def test_a_wrong_set_up_is_answered_by_one_line(
    aws: LocalAws, variables: dict[str, str | None], code: int, message: str
) -> None:
    assert_one_line(Command(aws, **variables)("status"), code, message)


def assert_one_line(done: subprocess.CompletedProcess[str], code: int, message: str) -> None:
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (code, "", 1), done.stderr
    assert message in done.stderr


@pytest.mark.parametrize("form", ["table", "json", "jsonl", "csv"])
def test_bad_input_41_no_form_prints_what_controls_a_terminal(command: Command, hostile: str, form: str) -> None:
    for arguments in (["list"], ["status"], ["show", hostile]):
        done = command(*arguments, "-o", form)

        assert all(line.isprintable() for line in done.stdout.split("\n")), done.stdout
        assert hostile in done.stdout or arguments[0] != "list"  # `status` shows the newest 20 of a group


def test_a_terminal_gets_a_table_and_live_progress(aws: LocalAws, service: Service) -> None:
    with service.with_unfinished({"in_progress_seconds": 3600}) as (slow,):
        watched = on_a_terminal(aws, "store", slow, "--wait")
        out = ""
        while out.count("0 of 1 exports done") < 2:  # the export is in progress until its progress was shown twice
            out += next(watched)
    out += "".join(watched)
    plain = "".join(on_a_terminal(aws, "list", "--status", "stored", NO_COLOR="1"))

    assert re.search(rf"export .*outcome.*\n{slow}.*STORED", out)
    assert slow in plain
    assert "\x1b" not in plain


def on_a_terminal(aws: LocalAws, *arguments: str, **variables: str) -> Iterator[str]:
    """The output of the command on a pseudo-terminal, in pieces; it must end with exit code 0."""
    ours, theirs = pty.openpty()
    env = {**os.environ, **aws.env, "TERM": "xterm-256color", "COLUMNS": "120", **variables}
    process = subprocess.Popen([PROGRAM, *arguments], env=env, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    with suppress(OSError):  # Linux: the other end is closed
        while chunk := os.read(ours, 65_536):
            yield chunk.decode(errors="replace").replace("\r\n", "\n")
    os.close(ours)
    assert process.wait() == 0


@pytest.fixture
def operator(aws: LocalAws, stack: Stack) -> Command:
    """The command with a role that has the policy of the examples, and nothing else."""
    collector = {"CollectingTableName": "none", "CollectorStateMachineArn": f"{stack.machine}-none"}
    return Command(aws, **as_operator(aws, stack, StackName="DiscoveryExports", **collector))


def test_an_operator_needs_the_policy_of_the_examples_and_no_more(
    aws: LocalAws, operator: Command, service: Service, tmp_path: Path
) -> None:
    agent = f"o-{uuid.uuid4().hex[:16]}"
    stored, failed = service.has(kind="agent", agent_id=agent), service.has(outcome="FAILED")
    (run,) = operator.json("store", stored, failed)

    codes = {
        "watch": operator("watch", run["runId"]).returncode,
        "status": operator("status").returncode,
        "list": operator("list", "--agent", agent).returncode,
        "show": operator("show", stored).returncode,
        "again": operator("again", run["runId"], "--wait").returncode,
        "outputs": operator("outputs").returncode,
        "get": operator("get", stored, "-d", str(tmp_path / "files")).returncode,
        "raw": operator("get", stored, "--raw", "-d", str(tmp_path / "raw")).returncode,
        "page": operator("page", "--file", str(tmp_path / "page.html")).returncode,
        "link": operator("page", "--link", "1m").returncode,
    }

    ends = {
        "watch": 1,
        "status": 1,
        "list": 0,
        "show": 0,
        "again": 1,
        "outputs": 0,
        "get": 0,
        "raw": 0,
        "page": 0,
        "link": 0,
    }
    assert codes == ends
    # The emulator checks another action for GetFunctionConcurrency: docs/local-aws.md.
    assert set(re.findall(r"no permission for (\w+)", operator("doctor").stdout)) == {"GetFunctionConcurrency"}


def test_a_denied_call_names_the_call(aws: LocalAws) -> None:
    role = make_role(aws, f"nobody-{uuid.uuid4().hex[:12]}")
    credentials = aws.client("sts").assume_role(RoleArn=role, RoleSessionName="nobody")["Credentials"]
    nobody = Command(
        aws,
        AWS_ACCESS_KEY_ID=credentials["AccessKeyId"],
        AWS_SECRET_ACCESS_KEY=credentials["SecretAccessKey"],
        AWS_SESSION_TOKEN=credentials["SessionToken"],
    )

    assert_one_line(nobody("status"), 254, "AWS refused DescribeStacks: AccessDenied")
