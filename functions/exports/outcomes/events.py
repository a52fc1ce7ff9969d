"""EventBridge events that report the outcome of an export."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

from exports.aws.client_errors import aws_call, service_error
from exports.errors import ServiceError
from exports.outcomes.outcome import Outcome
from exports.outcomes.rows import Row
from exports.retry import RetryPolicy

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient

SOURCE = "discovery.exports"
VERSION = "1"
NOT_FOUND_EVENT = "Exports Not Found"
"""One event for each run, because each caller of a run can request thousands of ids that do not exist."""
PUBLISH_RETRY = RetryPolicy(attempts=4, base_seconds=0.1)
"""For an entry that fails in a response of HTTP 200; botocore retries a call that fails as a whole."""
MAX_CONSECUTIVE_FAILURES = 3
"""Publishing stops after this many failures in a row: a report may have thousands of events and limited time."""


@dataclass(frozen=True, slots=True)
class NotFound:
    """The exports of a run that were not found: their number, and the first of their ids."""

    run_id: str
    correlation_id: str | None
    account: str
    region: str
    count: int
    export_ids: Sequence[str]
    report: str

    def detail(self) -> dict[str, Any]:
        return {
            "version": VERSION,
            "metadata": {
                "runId": self.run_id,
                "correlationId": self.correlation_id,
                "account": self.account,
                "region": self.region,
            },
            "data": {
                "outcome": Outcome.NOT_FOUND,
                "exports": self.count,
                "exportIds": list(self.export_ids),
                "report": self.report,
            },
        }


class EventPublisher:
    """Publishes one event at a time and checks FailedEntryCount: PutEvents returns 200 even if an entry failed.

    It serves one invocation: after several failures in a row, it rejects further events without a call.

    ``catalog`` is the ARN of the table whose items are announced. It is in each event's ``resources``, which
    distinguishes the events of two stacks on one bus.
    """

    def __init__(
        self,
        client: "EventBridgeClient",
        event_bus: str,
        *,
        bucket: str,
        catalog: str,
        retry_policy: RetryPolicy = PUBLISH_RETRY,
    ) -> None:
        self._client = client
        self._retry_policy = retry_policy
        self._event_bus = event_bus
        self._bucket = bucket
        self._catalog = catalog
        self._consecutive_failures = 0
        self.failure: ServiceError | None = None
        """Why the last event that was not published was not."""

    def publish(self, row: Row, outcome: Outcome) -> None:
        """Publish the outcome of the item.

        Raises ServiceError with EventBridge's code if the entry keeps failing, and with ``PublishingStopped``, without
        a call, after several failures in a row.
        """
        if self._consecutive_failures >= MAX_CONSECUTIVE_FAILURES:
            raise ServiceError("PublishingStopped")
        try:
            self._put(outcome.event_type, detail(row, outcome, bucket=self._bucket))
        except ServiceError:
            self._consecutive_failures += 1
            raise
        self._consecutive_failures = 0

    def publish_not_found(self, found: NotFound) -> None:
        """Publish one event for all exports of a run that were not found. Raises ServiceError."""
        self._put(NOT_FOUND_EVENT, found.detail())

    def publish_coverage(self, detail_type: str, data: Mapping[str, Any], *, account: str, region: str) -> None:
        """Publish an event of collecting, which is of an agent and of no run. Raises ServiceError."""
        metadata = {"account": account, "region": region}
        self._put(detail_type, {"version": VERSION, "metadata": metadata, "data": data})

    def _put(self, detail_type: str, detail: Mapping[str, Any]) -> None:
        entry: Any = {
            "EventBusName": self._event_bus,
            "Source": SOURCE,
            "DetailType": detail_type,
            "Resources": [self._catalog],
            "Detail": json.dumps(detail),
        }
        try:
            self._send(entry)
        except ServiceError as error:
            self.failure = error
            raise

    def _send(self, entry: Any) -> None:
        for failures in count(1):
            with aws_call():
                response = self._client.put_events(Entries=[entry])
            if not response["FailedEntryCount"]:
                return
            code = response["Entries"][0].get("ErrorCode")
            self._retry_policy.wait_or_raise(failures, service_error(code))


def detail(row: Row, outcome: Outcome, *, bucket: str) -> dict[str, Any]:
    """The event's detail; ``data`` omits members without a value."""
    data = {
        "exportId": row.export_id,
        "outcome": outcome,
        "reason": row.reason,
        "kind": row.kind,
        "manifest": row.manifest_uri(bucket),
        **{name: row.count(name) for name in ("bytes", "rows", "files", "schemaNotes")},
        "statusMessage": row.text("statusMessage"),
        "askedFor": row.asked_for,
    }
    return {
        "version": VERSION,
        "metadata": {
            "runId": row.run_id,
            "correlationId": row.text("correlationId"),
            "account": row.text("accountId"),
            "region": row.text("region"),
        },
        "data": {name: value for name, value in data.items() if value is not None},
    }
