"""Every permission of the roles of the functions is needed: without any one of them, a part of the scenario fails.

This takes some minutes, so only ``make soak`` runs it.
"""

import io
import json
import random
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import pytest
from boto3.dynamodb.types import TypeSerializer

from exports.keys import STATUS_PAGE
from exports.model import IN_PROGRESS, utc_text
from exports.s3.multipart import Upload, part_size_for
from local.stack.aws import LocalAws
from local.stack.environment import ACCOUNT, REGION
from tests.local.kills import open_uploads
from tests.local.manual_calls import ManualCalls
from tests.local.print_live import PrintLive
from tests.local.service import Service
from tests.local.stack import Stack
from tests.local.waiting import until

pytestmark = pytest.mark.alone

MB = 1_000_000
NOT_CHECKED = ("logs:", "discovery:")
"""Actions that the local AWS does not check; the test double of the service is not part of it."""
ERROR_DETAIL = {"s3:ListBucket"}
"""Without it, AWS returns 403 instead of 404 for a missing object; the local AWS always returns 404."""

Action = tuple[str, str, str]
"""Function, action, and the end of the ARN that identifies the resource."""


@contextmanager
def without(stack: Stack, removed: Action) -> Iterator[None]:
    """Remove the action on the resource from the function's role during the block."""
    function, action, end = removed
    role = stack.role_of(function)
    (policy,) = stack.iam.list_role_policies(RoleName=role)["PolicyNames"]
    document: Any = stack.iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
    reduced = {**document, "Statement": [each for each in single(document) if not matches(each, action, end)]}
    assert len(reduced["Statement"]) < len(single(document))
    stack.iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(reduced))
    try:
        yield
    finally:
        stack.iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(document))


def single(document: Any) -> list[dict[str, Any]]:
    """The policy's statements, each for one action on one resource."""
    return [
        {**statement, "Action": action, "Resource": resource}
        for statement in document["Statement"]
        for action in many(statement["Action"])
        for resource in many(statement["Resource"])
    ]


def matches(statement: Mapping[str, Any], action: str, end: str) -> bool:
    return statement["Action"] == action and end == arn_end(statement["Resource"])


def arn_end(resource: str) -> str:
    """``raw/*`` for the ARN of objects in a bucket, empty for other ARNs."""
    return resource.partition("/")[2] if resource.startswith("arn:aws:s3:") else ""


def many(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def checked_actions(stack: Stack, function: str) -> list[Action]:
    """Every action of the function's role that the local AWS checks."""
    role = stack.role_of(function)
    (policy,) = stack.iam.list_role_policies(RoleName=role)["PolicyNames"]
    document = stack.iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
    checked = [
        each
        for each in single(document)
        if not each["Action"].startswith(NOT_CHECKED) and each["Action"] not in ERROR_DETAIL
    ]
    return sorted({(function, each["Action"], arn_end(each["Resource"])) for each in checked})


def random_csv(size: int) -> bytes:
    """Processes with names that cannot be compressed, so that their table is large as well."""
    draw = random.Random(size)
    header = b"accountNumber,agentId,agentAssignedProcessId,isSystem,name,cmdLine,path,agentProvidedTimeStamp\n"
    return header + b"".join(b'1,o-1,1,0,"%s",,,\n' % draw.randbytes(100).hex().encode() for _ in range(size // 217))


def zipped(files: Mapping[str, bytes], *, damaged: str = "", method: int = zipfile.ZIP_STORED) -> bytes:
    """A zip file of the files; one bit near the end of the ``damaged`` one is flipped."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    data = bytearray(body.getvalue())
    if damaged:
        entry = archive.getinfo(damaged)
        data[entry.header_offset + 30 + len(damaged) + entry.compress_size - 50] ^= 1
    return bytes(data)


class RoleScenario:
    """All ways to process exports, without the workflow; each part returns whether its result is as expected."""

    def __init__(self, aws: LocalAws, stack: Stack, service: Service) -> None:
        self._manual_run = ManualCalls(aws, stack)
        self._stack = stack
        self._service = service
        small = {"1_o-1_osInfo.csv": b"accountNumber,agentId\n1,o-1\n"}
        self._damaged = zipped({**small, "1_o-1_process.csv": random_csv(20 * MB)}, damaged="1_o-1_process.csv")
        noise = {"noise.bin": random.Random(9).randbytes(9 * MB)}
        self._damaged_inside = zipped({"inner.zip": zipped(noise)}, damaged="inner.zip", method=zipfile.ZIP_DEFLATED)

    @property
    def parts(self) -> Sequence[Callable[[], bool]]:
        return (
            self.a_sweep_is_planned,
            self.a_failed_export_is_settled_and_published,
            self.a_batch_that_could_not_be_settled_is_reported,
            self.the_status_page_is_written_by_each_run,
            self.a_small_export_is_stored_and_existing_objects_are_accepted,
            self.a_large_upload_is_resumed_and_other_uploads_are_aborted,
            self.the_raw_object_of_a_damaged_export_is_kept_and_later_replaced,
            self.a_damaged_nested_zip_leaves_no_open_upload,
        )

    def a_sweep_is_planned(self) -> bool:
        export_id = self._service.has()
        self._manual_run.plan()
        self._settled([export_id])
        return True

    def a_failed_export_is_settled_and_published(self) -> bool:
        return self._settled([self._service.has(outcome="FAILED")]) == {"FAILED": 1}

    def a_batch_that_could_not_be_settled_is_reported(self) -> bool:
        export_id = self._service.has()
        self._manual_run.plan(exportIds=[export_id])
        counts = self._manual_run.report({"batch": 1, "error": "States.Timeout", "cause": ""})
        return counts == {"NOT_STORED": 1} and self._published([export_id])

    def the_status_page_is_written_by_each_run(self) -> bool:
        export_id = self._service.has(outcome="FAILED")
        return self._settled([export_id]) == {"FAILED": 1} and export_id in self._stack.body(STATUS_PAGE).decode()

    def a_small_export_is_stored_and_existing_objects_are_accepted(self) -> bool:
        export_id = self._service.has(kind="agent")
        first = self._settled([export_id])
        self._forget(export_id)
        return first == self._settled([export_id]) == {"STORED": 1}

    def a_large_upload_is_resumed_and_other_uploads_are_aborted(self) -> bool:
        export_id = self._service.has(kind="agent", min_bytes=12 * MB, compression="stored")
        date = self._service.described(export_id)["exportRequestTime"].strftime("%Y-%m-%d")
        key = f"raw/{ACCOUNT}/{REGION}/{date}/{export_id}.zip"
        self._stack.s3.create_multipart_upload(Bucket=self._stack.bucket, Key=key)
        self._begin_upload(export_id, key)
        return self._settled([export_id]) == {"STORED": 1} and self._has_no_open_upload(export_id)

    def the_raw_object_of_a_damaged_export_is_kept_and_later_replaced(self) -> bool:
        export_id = self._service.has_body(self._damaged)
        rejected = self._settled([export_id])
        left = {key.partition("/")[0] for key in self._stack.keys_of(export_id)}
        self._service.set_scenario(export_id)
        return (
            rejected == {"REJECTED": 1}
            and left == {"raw"}
            and self._has_no_open_upload(export_id)
            and self._settled([export_id]) == {"STORED": 1}
        )

    def a_damaged_nested_zip_leaves_no_open_upload(self) -> bool:
        export_id = self._service.has_body(self._damaged_inside)
        return self._settled([export_id]) == {"REJECTED": 1} and self._has_no_open_upload(export_id)

    def _settled(self, export_ids: Sequence[str]) -> dict[str, int]:
        """The counts of a run of these exports; empty if a function settled one without publishing its event."""
        self._manual_run.settle(self._manual_run.plan(exportIds=export_ids))
        published = self._published(export_ids)
        counts = self._manual_run.report()
        return counts if published else {}

    def _published(self, export_ids: Sequence[str]) -> bool:
        return all("announcedAt" in (self._stack.row(export_id) or {}) for export_id in export_ids)

    def _forget(self, export_id: str) -> None:
        """Restore the state before the manifest was written, without the catalog item."""
        self._stack.s3.delete_object(Bucket=self._stack.bucket, Key=f"manifests/{export_id}.json")
        self._stack.dynamodb.delete_item(TableName=self._stack.table, Key={"exportId": {"S": export_id}})

    def _begin_upload(self, export_id: str, key: str) -> None:
        """Create the state of an invocation that was killed after it began to copy the export."""
        until(lambda: self._service.described(export_id).get("configurationsDownloadUrl"), what="a download URL")
        body = self._service.download(export_id)
        upload_id = self._stack.s3.create_multipart_upload(
            Bucket=self._stack.bucket, Key=key, ChecksumAlgorithm="CRC32", ChecksumType="COMPOSITE"
        )["UploadId"]
        upload = asdict(Upload(key, upload_id, self._service.etag(export_id), len(body), part_size_for(len(body))))
        item: Any = {
            "exportId": {"S": export_id},
            "status": {"S": IN_PROGRESS},
            "firstSeenAt": {"S": utc_text(datetime.now(UTC))},
            "upload": TypeSerializer().serialize(upload),
        }
        self._stack.dynamodb.put_item(TableName=self._stack.table, Item=item)

    def _has_no_open_upload(self, export_id: str) -> bool:
        return not [upload for upload in open_uploads(self._stack) if export_id in upload["Key"]]


@pytest.fixture(scope="module")
def scenario(aws: LocalAws, stack: Stack, service: Service) -> RoleScenario:
    return RoleScenario(aws, stack, service)


@pytest.mark.parametrize("function", ["PlanRun", "CheckExports", "StoreExport", "ReportRun"])
def test_every_action_is_needed(stack: Stack, scenario: RoleScenario, print_live: PrintLive, function: str) -> None:
    assert [part.__name__ for part in scenario.parts if not part()] == [], "every part succeeds with all permissions"

    needed = {action: failing_part(stack, scenario, action) for action in checked_actions(stack, function)}

    for (_, action, end), part in needed.items():
        print_live(f"{function} without {action} {end}: {part or 'no part failed'}")
    assert needed
    assert [action for action, part in needed.items() if not part] == []


def failing_part(stack: Stack, scenario: RoleScenario, action: Action) -> str:
    """The part that fails without the action and succeeds with it again; empty if none fails."""
    with without(stack, action):
        part = next((each for each in scenario.parts if not succeeds(each)), None)
    if part is None:
        return ""
    name = part.__name__.replace("_", " ")
    assert succeeds(part), f"{action} is restored, but this still fails: {name}"
    return name


def succeeds(part: Callable[[], bool]) -> bool:
    try:
        return part()
    except (AssertionError, LookupError):
        return False
