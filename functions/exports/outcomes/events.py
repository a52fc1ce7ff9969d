"""Events that tell others what became of an export."""

import json
from itertools import count
from typing import TYPE_CHECKING, Any

from exports.aws.client_errors import aws_call
from exports.errors import ServiceError
from exports.model import Outcome
from exports.outcomes.rows import Row
from exports.retry import RetryPolicy

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient

SOURCE = "discovery.exports"
VERSION = "1"
PUBLISH_RETRY = RetryPolicy(attempts=4, base_seconds=0.1)
"""For an event that EventBridge refuses in an answer of 200; botocore repeats a call that fails as a whole."""
MAX_CONSECUTIVE_FAILURES = 3
"""Events that are refused before the rest of a call's are not tried: a report may owe thousands, and has minutes."""


class EventPublisher:
    """Puts one event at a time and looks at FailedEntryCount: EventBridge answers 200 to an event that it refused.

    It serves one call of a function: once it has refused several events in a row, it refuses the others itself.

    ``catalog`` is the ARN of the table whose rows are announced. It stands in each event's ``resources``, which tells
    apart the events of two stacks on one bus.
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
        self._refused = 0

    def publish(self, row: Row, outcome: Outcome) -> None:
        """Publish the outcome that the row says.

        Raises ServiceError with EventBridge's code when it keeps refusing the event, and with ``PublishingStopped``,
        without a call, once it has refused several in a row.
        """
        if self._refused >= MAX_CONSECUTIVE_FAILURES:
            raise ServiceError("PublishingStopped")
        try:
            self._put(row, outcome)
        except ServiceError:
            self._refused += 1
            raise
        self._refused = 0

    def _put(self, row: Row, outcome: Outcome) -> None:
        entry: Any = {
            "EventBusName": self._event_bus,
            "Source": SOURCE,
            "DetailType": outcome.event_type,
            "Resources": [self._catalog],
            "Detail": json.dumps(detail(row, outcome, bucket=self._bucket)),
        }
        for failures in count(1):
            with aws_call():
                answer = self._client.put_events(Entries=[entry])
            if not answer["FailedEntryCount"]:
                return
            self._retry_policy.wait_or_raise(failures, ServiceError(answer["Entries"][0].get("ErrorCode", "Unknown")))


def detail(row: Row, outcome: Outcome, *, bucket: str) -> dict[str, Any]:
    """The event's detail; what the row does not know is left out of ``data``."""
    item = row.item
    data = {
        "exportId": row.export_id,
        "outcome": outcome,
        "reason": row.reason,
        "kind": item.get("kind"),
        "manifest": row.manifest_uri(bucket),
        "bytes": item.get("bytes"),
        "rows": item.get("rows"),
        "files": item.get("files"),
        "statusMessage": item.get("statusMessage") or None,
    }
    return {
        "version": VERSION,
        "metadata": {
            "runId": row.run_id,
            "correlationId": item.get("correlationId"),
            "account": item.get("accountId"),
            "region": item.get("region"),
        },
        "data": {name: value for name, value in data.items() if value is not None},
    }
