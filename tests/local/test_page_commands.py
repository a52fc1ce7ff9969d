"""The commands of docs/reading.md, and some of the runbook, print what the pages say and nothing of other stacks."""

import hashlib
import re
import subprocess
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from local.stack.aws import LocalAws
from local.stack.servers import MINISTACK_PYTHON, ROOT
from tests.local.commands import run_command
from tests.local.service import Service
from tests.local.stack import Stack
from tests.local.test_runbook import RUNBOOK, commands

READING = ROOT / "docs" / "reading.md"
CHANGELOG = ROOT / "CHANGELOG.md"
NEW = (
    "agent_os_info/requested_month=2026-01/export-1-0001.parquet",
    "exports/requested_month=2026-01/export-1.parquet",
)


def run_in_bash(aws: LocalAws, *blocks: str) -> subprocess.CompletedProcess[str]:
    """Run the blocks one after the other in one shell, which stops at the first error."""
    return run_command(aws, "bash", "-euxo", "pipefail", "-c", "\n".join(blocks))


@pytest.fixture
def requested(stack: Stack) -> Iterator[dict[int, str]]:
    """IDs of pending exports in the catalog, by the hours since their request."""
    now, ids = datetime.now(UTC), {hours: f"export-{uuid.uuid4()}" for hours in (23, 25, 49)}
    for hours, export_id in ids.items():
        item: Any = {
            "exportId": {"S": export_id},
            "status": {"S": "TIMED_OUT"},
            "exportRequestTime": {"S": (now - timedelta(hours=hours)).isoformat()},
            "firstSeenAt": {"S": now.isoformat()},
        }
        stack.dynamodb.put_item(TableName=stack.table, Item=item)
    yield ids
    for export_id in ids.values():
        stack.dynamodb.delete_item(TableName=stack.table, Key={"exportId": {"S": export_id}})


def test_the_runbook_lists_exports_that_are_late_and_no_others_oldest_first(
    aws: LocalAws, requested: dict[int, str]
) -> None:
    setup, *others = commands(RUNBOOK)
    (late,) = (block for block in others if "late_after_hours=" in block)

    done = run_in_bash(aws, setup, late)

    assert done.returncode == 0, done.stderr
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    ours = [line for line in lines if line[2] in requested.values()]
    assert [line[2] for line in ours] == [requested[49], requested[25]]
    assert all(float(line[0].removesuffix(" h")) >= hours for line, hours in zip(ours, (49, 25), strict=True))


@pytest.fixture
def neighbour(aws: LocalAws) -> Iterator[str]:
    """The name of an alarm in ALARM of another stack, of its dead-letter queue, and of the message in it."""
    name = f"Neighbour-WatchingDeadLetters{uuid.uuid4().hex[:8]}"
    alarm: Any = {"Namespace": name, "MetricName": name, "Statistic": "Sum", "Period": 300, "EvaluationPeriods": 1}
    cloudwatch, sqs = aws.client("cloudwatch"), aws.client("sqs")
    cloudwatch.put_metric_alarm(
        AlarmName=name, Threshold=0, ComparisonOperator="GreaterThanThreshold", ActionsEnabled=False, **alarm
    )
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="for a test")
    queue = sqs.create_queue(QueueName=name)["QueueUrl"]
    sqs.send_message(QueueUrl=queue, MessageBody=name)
    yield name
    cloudwatch.delete_alarms(AlarmNames=[name])
    sqs.delete_queue(QueueUrl=queue)


def test_the_runbook_shows_no_alarms_and_dead_letters_of_other_stacks(aws: LocalAws, neighbour: str) -> None:
    setup, *others = commands(RUNBOOK)
    shown = [block for block in others if "describe-alarms" in block or "receive-message" in block]

    done = run_in_bash(aws, setup, *shown)

    assert (done.returncode, len(shown)) == (0, 2), done.stderr
    assert neighbour not in done.stdout


def test_the_commands_of_the_page_download_and_verify_an_export_and_list_it_as_stored(
    aws: LocalAws, stack: Stack, service: Service, tmp_path: Path
) -> None:
    export_id = service.has()
    stack.run(exportIds=[export_id])
    files = stack.manifest(export_id)["files"]

    done = run_in_bash(aws, f"cd '{tmp_path}' && export_id={export_id}", *commands(READING))

    assert done.returncode == 0, done.stderr
    assert {file["key"]: file["sha256"] for file in files} == {
        file["key"]: hashlib.sha256((tmp_path / file["key"]).read_bytes()).hexdigest() for file in files
    }
    assert [f"{file['key']}: OK" for file in files] == [line for line in done.stdout.splitlines() if "OK" in line]
    assert ["STORED", export_id, "summary", str(len(files))] in [
        line.split("\t")[1:] for line in done.stdout.splitlines()
    ]


def test_the_commands_of_the_page_copy_a_table_for_duckdb(
    aws: LocalAws, stack: Stack, service: Service, tmp_path: Path
) -> None:
    """DuckDB of the emulator's environment runs the Python of the page."""
    export_id = service.has(kind="summary")
    stack.run(exportIds=[export_id])
    setup, *others = commands(READING)
    (copy,) = (block for block in others if "s3 sync" in block)
    (script,) = re.findall(r"```python\n(import duckdb\n.*?)```", READING.read_text("utf-8"), re.DOTALL)

    copied = run_in_bash(aws, f"cd '{tmp_path}'", setup, copy)
    done = run_command(aws, "bash", "-c", f"cd '{tmp_path}' && '{MINISTACK_PYTHON}' -c \"$0\"", script)

    assert (copied.returncode, done.returncode) == (0, 0), copied.stderr + done.stderr
    month = stack.manifest(export_id)["exportRequestTime"][:7]
    assert f"{month} {export_id} 12" in done.stdout.splitlines()


def test_the_command_of_the_changelog_removes_the_tables_of_an_earlier_version_and_keeps_their_versions(
    aws: LocalAws, stack: Stack
) -> None:
    """In a bucket of its own: in the stack's, which the first line names, such objects make other tests fail."""
    bucket = f"earlier-{uuid.uuid4().hex}"
    stack.s3.create_bucket(Bucket=bucket)
    stack.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    old = "tables/agent_os_info/requested_date=2026-01-01/export_id=export-1/1_osInfo.csv.jsonl.gz"
    kept = ["data/agent_os_info/2026-01-01/export-1/1_osInfo.csv", *(f"tables/{name}" for name in NEW)]
    for key in (old, *kept):
        stack.s3.put_object(Bucket=bucket, Key=key, Body=b"1")
    (block,) = (block for block in commands(CHANGELOG) if "s3 rm" in block)
    first, remove = block.splitlines()

    done = run_in_bash(aws, f'{first}; [ "$bucket" = {stack.bucket} ]; bucket={bucket}', remove)

    assert done.returncode == 0, done.stderr
    assert [entry["Key"] for entry in stack.s3.list_objects_v2(Bucket=bucket)["Contents"]] == sorted(kept)
    versions = stack.s3.list_object_versions(Bucket=bucket, Prefix=old)
    assert [len(versions[kind]) for kind in ("Versions", "DeleteMarkers")] == [1, 1]
