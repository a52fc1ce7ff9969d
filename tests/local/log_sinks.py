"""Everything that the project writes, in all its sinks, as text for a search."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from local.stack.aws import LocalAws
from tests.local.inbox import Inbox
from tests.local.stack import Stack
from tests.local.waiting import until

Entry = tuple[str, str]
"""A location, and the text there."""


class DeadLetters:
    """The dead-letter queues of the stack."""

    def __init__(self, aws: LocalAws, stack: Stack) -> None:
        self._sqs: Any = aws.client("sqs")
        self._queues = list(stack.resources("AWS::SQS::Queue").values())

    def all(self) -> Iterator[Entry]:
        """The messages of one receive call for each queue; they stay in the queue."""
        yield from ((queue, json.dumps(message)) for queue, message in self._messages())

    def _messages(self) -> Iterator[tuple[str, Any]]:
        for queue in self._queues:
            request = {"QueueUrl": queue, "MaxNumberOfMessages": 10, "VisibilityTimeout": 0}
            messages = self._sqs.receive_message(**request, MessageAttributeNames=["All"]).get("Messages", ())
            yield from ((queue, message) for message in messages)

    @contextmanager
    def with_message(self, text: str) -> Iterator[None]:
        """Each queue has a message with this text during the block."""
        for queue in self._queues:
            self._sqs.send_message(QueueUrl=queue, MessageBody=text)
        try:
            yield
        finally:
            remaining = {*self._queues}

            def deleted() -> bool:
                """A message that was just received is hidden for a while."""
                for queue, message in list(self._messages()):
                    if message["Body"] == text:
                        self._sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
                        remaining.discard(queue)
                return not remaining

            until(deleted, what="the deletion of the messages")


class LogSinks:
    """Sinks by name. The contents of exports (``raw/``, ``data/``) are not part of them, but the keys are."""

    def __init__(self, stack: Stack, events: Inbox, messages: Inbox, dead_letters: DeadLetters) -> None:
        self._stack = stack
        self._sinks: dict[str, Callable[[], Iterator[Entry]]] = {
            "histories": lambda: ((each.arn, each.text) for each in stack.all_histories()),
            "logs": stack.log_lines,
            "catalog": lambda: ((row["exportId"], json.dumps(row, default=str)) for row in stack.rows()),
            "keys": lambda: ((key, key) for key in stack.keys(prefix="")),
            "manifests": lambda: self._objects("manifests/"),
            "runs": lambda: self._objects("runs/"),
            "work": lambda: self._objects("work/"),
            "events": lambda: ((event["id"], json.dumps(event)) for event in events.all()),
            "messages": lambda: ((message["id"], json.dumps(message)) for message in messages.all()),
            "dead letters": dead_letters.all,
        }

    @property
    def names(self) -> set[str]:
        return {*self._sinks}

    def read(self) -> dict[str, list[Entry]]:
        """The current contents of all sinks."""
        return {name: list(sink()) for name, sink in self._sinks.items()}

    def _objects(self, prefix: str) -> Iterator[Entry]:
        return ((key, self._stack.body(key).decode()) for key in self._stack.keys(prefix))


def found(written: dict[str, list[Entry]], secret: str) -> dict[str, list[str]]:
    """By sink, the locations of the secret in upper or lower case."""
    locations: defaultdict[str, list[str]] = defaultdict(list)
    for sink, texts in written.items():
        for location, text in texts:
            if secret.lower() in text.lower():
                locations[sink].append(location)
    return dict(locations)
