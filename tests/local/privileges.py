"""No role holds more than it takes: without any one of its actions, something that ought to come out does not.

Some minutes, so only ``make soak`` runs this.
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

from exports.model import IN_PROGRESS, utc_text
from exports.s3.multipart import Upload, part_size_for
from local.stack.aws import LocalAws
from local.stack.environment import ACCOUNT, REGION
from tests.local.manual_calls import ManualCalls
from tests.local.print_live import PrintLive
from tests.local.service import Service
from tests.local.stack import Stack
from tests.local.trouble import open_uploads
from tests.local.waiting import until

pytestmark = pytest.mark.alone

MB = 1_000_000
NOT_JUDGED = ("logs:", "discovery:")
"""What the local AWS does not judge; the double of the service is no part of it."""
TELLS_MORE = {"s3:ListBucket"}
"""Without it, AWS answers 403 instead of 404 for what is not there; the local AWS answers 404 to everybody."""

Action = tuple[str, str, str]
"""Function, action, and the end of the resource's ARN that tells it from others."""


@contextmanager
def without(stack: Stack, removed: Action) -> Iterator[None]:
    """The function's role lacks the action on that resource for the block."""
    function, action, place = removed
    role = stack.role_of(function)
    (policy,) = stack.iam.list_role_policies(RoleName=role)["PolicyNames"]
    document: Any = stack.iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
    less = {**document, "Statement": [each for each in single(document) if not is_removed(each, action, place)]}
    assert len(less["Statement"]) < len(single(document))
    stack.iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(less))
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


def is_removed(statement: Mapping[str, Any], action: str, place: str) -> bool:
    return statement["Action"] == action and place == place_of(statement["Resource"])


def place_of(resource: str) -> str:
    """``raw/*`` of a bucket's ARN, and nothing of others."""
    return resource.partition("/")[2] if resource.startswith("arn:aws:s3:") else ""


def many(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def held(stack: Stack, function: str) -> list[Action]:
    """Every action that the function's role holds and the local AWS judges."""
    role = stack.role_of(function)
    (policy,) = stack.iam.list_role_policies(RoleName=role)["PolicyNames"]
    document = stack.iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
    judged = [
        each
        for each in single(document)
        if not each["Action"].startswith(NOT_JUDGED) and each["Action"] not in TELLS_MORE
    ]
    return sorted({(function, each["Action"], place_of(each["Resource"])) for each in judged})


def random_csv(size: int) -> bytes:
    """Processes with names that no compression makes small, so that their table is large, too."""
    draw = random.Random(size)
    header = b"accountNumber,agentId,agentAssignedProcessId,isSystem,name,cmdLine,path,agentProvidedTimeStamp\n"
    return header + b"".join(b'1,o-1,1,0,"%s",,,\n' % draw.randbytes(100).hex().encode() for _ in range(size // 217))


def zipped(files: Mapping[str, bytes], *, damaged: str = "", method: int = zipfile.ZIP_STORED) -> bytes:
    """A zip of the files; of the ``damaged`` one, a bit near its end is another than it was."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    spoilt = bytearray(body.getvalue())
    if damaged:
        entry = archive.getinfo(damaged)
        spoilt[entry.header_offset + 30 + len(damaged) + entry.compress_size - 50] ^= 1
    return bytes(spoilt)


class RoleScenario:
    """All that may become of exports, done by hand: each part says whether it came out as it ought to."""

    def __init__(self, aws: LocalAws, stack: Stack, service: Service) -> None:
        self._by_hand = ManualCalls(aws, stack)
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
            self.what_failed_is_settled_and_announced,
            self.a_batch_that_could_not_be_settled_is_reported,
            self.a_small_export_is_stored_and_what_is_there_already_is_adopted,
            self.a_large_export_is_gone_on_with_and_other_uploads_of_it_are_let_go_of,
            self.of_a_damaged_export_the_raw_object_stays_and_makes_room_for_a_better_one,
            self.of_an_export_damaged_inside_nothing_is_left_half_sent,
        )

    def a_sweep_is_planned(self) -> bool:
        export_id = self._service.has()
        self._by_hand.begins()
        self._settled([export_id])
        return True

    def what_failed_is_settled_and_announced(self) -> bool:
        return self._settled([self._service.has(outcome="FAILED")]) == {"FAILED": 1}

    def a_batch_that_could_not_be_settled_is_reported(self) -> bool:
        export_id = self._service.has()
        self._by_hand.begins(exportIds=[export_id])
        counts = self._by_hand.reports({"batch": 1, "error": "States.Timeout", "cause": ""})
        return counts == {"NOT_STORED": 1} and self._announced([export_id])

    def a_small_export_is_stored_and_what_is_there_already_is_adopted(self) -> bool:
        export_id = self._service.has(kind="agent")
        first = self._settled([export_id])
        self._forget(export_id)
        return first == self._settled([export_id]) == {"STORED": 1}

    def a_large_export_is_gone_on_with_and_other_uploads_of_it_are_let_go_of(self) -> bool:
        export_id = self._service.has(kind="agent", min_bytes=12 * MB, compression="stored")
        date = self._service.described(export_id)["exportRequestTime"].strftime("%Y-%m-%d")
        key = f"raw/{ACCOUNT}/{REGION}/{date}/{export_id}.zip"
        self._stack.s3.create_multipart_upload(Bucket=self._stack.bucket, Key=key)
        self._begun(export_id, key)
        return self._settled([export_id]) == {"STORED": 1} and self._nothing_is_half_sent(export_id)

    def of_a_damaged_export_the_raw_object_stays_and_makes_room_for_a_better_one(self) -> bool:
        export_id = self._service.has_body(self._damaged)
        rejected = self._settled([export_id])
        left = {key.partition("/")[0] for key in self._stack.keys_of(export_id)}
        self._service.now_plays(export_id)
        return (
            rejected == {"REJECTED": 1}
            and left == {"raw"}
            and self._nothing_is_half_sent(export_id)
            and self._settled([export_id]) == {"STORED": 1}
        )

    def of_an_export_damaged_inside_nothing_is_left_half_sent(self) -> bool:
        export_id = self._service.has_body(self._damaged_inside)
        return self._settled([export_id]) == {"REJECTED": 1} and self._nothing_is_half_sent(export_id)

    def _settled(self, export_ids: Sequence[str]) -> dict[str, int]:
        """The counts of a run of these exports; nothing if one of them was not announced by who settled it."""
        self._by_hand.settles(self._by_hand.begins(exportIds=export_ids))
        announced = self._announced(export_ids)
        counts = self._by_hand.reports()
        return counts if announced else {}

    def _announced(self, export_ids: Sequence[str]) -> bool:
        return all("announcedAt" in (self._stack.row(export_id) or {}) for export_id in export_ids)

    def _forget(self, export_id: str) -> None:
        """As if the run had been killed before it wrote the manifest, and the row were gone."""
        self._stack.s3.delete_object(Bucket=self._stack.bucket, Key=f"manifests/{export_id}.json")
        self._stack.dynamodb.delete_item(TableName=self._stack.table, Key={"exportId": {"S": export_id}})

    def _begun(self, export_id: str, key: str) -> None:
        """As if a call had been killed after it began to copy the export."""
        until(lambda: self._service.described(export_id).get("configurationsDownloadUrl"), what="the export has a link")
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

    def _nothing_is_half_sent(self, export_id: str) -> bool:
        return not [upload for upload in open_uploads(self._stack) if export_id in upload["Key"]]


@pytest.fixture(scope="module")
def day(aws: LocalAws, stack: Stack, service: Service) -> RoleScenario:
    return RoleScenario(aws, stack, service)


@pytest.mark.parametrize("function", ["PlanRun", "CheckExports", "StoreExport", "ReportRun"])
def test_every_action_is_needed(stack: Stack, day: RoleScenario, tell: PrintLive, function: str) -> None:
    assert [part.__name__ for part in day.parts if not part()] == [], "with all of them it comes out"

    needed = {action: missed(stack, day, action) for action in held(stack, function)}

    for (_, action, place), part in needed.items():
        tell(f"{function} without {action} {place}: {part or 'all came out'}")
    assert needed
    assert [action for action, part in needed.items() if not part] == []


def missed(stack: Stack, day: RoleScenario, action: Action) -> str:
    """What does not come out without the action, and does with it again; empty when all does."""
    with without(stack, action):
        part = next((each for each in day.parts if not comes_out(each)), None)
    if part is None:
        return ""
    name = part.__name__.replace("_", " ")
    assert comes_out(part), f"{action} is given back, and still not: {name}"
    return name


def comes_out(part: Callable[[], bool]) -> bool:
    try:
        return part()
    except (AssertionError, LookupError):
        return False
