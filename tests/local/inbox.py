"""Events and messages about exports, received in a queue."""

import json
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from local.stack.aws import LocalAws
from local.stack.environment import ACCOUNT, REGION
from tests.events import validate_event
from tests.local.waiting import until

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient

SOURCE = "discovery.exports"
LAST = "last-"
"""Start of the export id of an event that only shows that no other is in transit."""


class Inbox:
    """A queue for events or messages, which ``subscribe_to_…`` selects. Checks each against the schema."""

    def __init__(self, aws: LocalAws) -> None:
        self._sqs: SQSClient = aws.client("sqs")
        self._events: EventBridgeClient = aws.client("events")
        self._sns: SNSClient = aws.client("sns")
        self._name = f"inbox-{uuid.uuid4().hex[:12]}"
        self._queue = self._sqs.create_queue(QueueName=self._name)["QueueUrl"]
        self._allow_messages_from("events.amazonaws.com", "sns.amazonaws.com")
        self._bus = "default"
        self._catalog = "arn:aws:dynamodb:::table/none"
        self._received: list[dict[str, Any]] = []

    def subscribe_to_bus(self, bus: str = "default") -> "Inbox":
        """Receive every event of SOURCE on the bus."""
        self._bus = bus
        self._events.put_rule(Name=self._name, EventBusName=bus, EventPattern=json.dumps({"source": [SOURCE]}))
        self._events.put_targets(Rule=self._name, EventBusName=bus, Targets=[{"Id": "queue", "Arn": self._arn()}])
        return self

    def subscribe_to_topic(self, topic: str, catalog: str, bus: str = "default") -> "Inbox":
        """Receive every message of the topic, which gets the events on the bus that name the catalog."""
        self._bus, self._catalog = bus, catalog
        self._sns.subscribe(
            TopicArn=topic, Protocol="sqs", Endpoint=self._arn(), Attributes={"RawMessageDelivery": "true"}
        )
        return self

    def of(self, export_id: str) -> list[dict[str, Any]]:
        """Every event of the export so far, in the order of arrival."""
        return [event for event in self.all() if event["detail"]["data"].get("exportId") == export_id]

    def all(self) -> list[dict[str, Any]]:
        """Every event so far. The arrival of a last event by the same route shows that none is in transit."""
        last = f"{LAST}{uuid.uuid4().hex}"
        self.forge("Export Timed Out", {"exportId": last, "outcome": "TIMED_OUT"})
        until(lambda: self._has_arrived(last), what=f"an event in {self._name}")
        while self._receive():
            pass
        return [event for event in self._received if not _export_id(event).startswith(LAST)]

    def forge(self, detail_type: str, data: Mapping[str, Any], **other: Any) -> None:
        """Put an event in the form of the stack's on the bus, as anybody may who has ``events:PutEvents``."""
        metadata = {"runId": "forged", "correlationId": None, "account": ACCOUNT, "region": REGION}
        entry: Any = {
            "EventBusName": self._bus,
            "Source": SOURCE,
            "DetailType": detail_type,
            "Resources": [self._catalog],
            "Detail": json.dumps({"version": "1", "metadata": metadata, "data": data, **other}),
        }
        response = self._events.put_events(Entries=[entry])
        assert response["FailedEntryCount"] == 0

    def _has_arrived(self, export_id: str) -> bool:
        self._receive()
        return any(_export_id(event) == export_id for event in self._received)

    def _receive(self) -> bool:
        messages = self._sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10).get("Messages", ())
        for message in messages:
            event = json.loads(message["Body"])
            if event["detail"]["metadata"].get("runId") != "forged":
                validate_event(event)
            self._received.append(event)
            self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])
        return bool(messages)

    def _allow_messages_from(self, *services: str) -> None:
        statement = {"Effect": "Allow", "Principal": {"Service": list(services)}, "Action": "sqs:SendMessage"}
        policy = {"Version": "2012-10-17", "Statement": [{**statement, "Resource": self._arn()}]}
        self._sqs.set_queue_attributes(QueueUrl=self._queue, Attributes={"Policy": json.dumps(policy)})

    def _arn(self) -> str:
        attributes = self._sqs.get_queue_attributes(QueueUrl=self._queue, AttributeNames=["QueueArn"])
        return attributes["Attributes"]["QueueArn"]


def _export_id(event: Mapping[str, Any]) -> str:
    """Empty for an event of a run."""
    return str(event["detail"]["data"].get("exportId", ""))
