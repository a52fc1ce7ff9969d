"""Everything that the project writes down, wherever it does, as text to be searched."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from local.stack.aws import LocalAws
from tests.local.inbox import Inbox
from tests.local.stack import Stack
from tests.local.waiting import until

Place = tuple[str, str]
"""Where a text stands, and the text."""


class DeadLetters:
    """The stack's queues of what could not be delivered."""

    def __init__(self, aws: LocalAws, stack: Stack) -> None:
        self._sqs: Any = aws.client("sqs")
        self._queues = list(stack.resources("AWS::SQS::Queue").values())

    def all(self) -> Iterator[Place]:
        """As many letters of each as one look gives; they stay where they are."""
        yield from ((queue, json.dumps(letter)) for queue, letter in self._letters())

    def _letters(self) -> Iterator[tuple[str, Any]]:
        for queue in self._queues:
            asked = {"QueueUrl": queue, "MaxNumberOfMessages": 10, "VisibilityTimeout": 0}
            letters = self._sqs.receive_message(**asked, MessageAttributeNames=["All"]).get("Messages", ())
            yield from ((queue, letter) for letter in letters)

    @contextmanager
    def holding(self, text: str) -> Iterator[None]:
        """Each queue has a letter with this text for the block."""
        for queue in self._queues:
            self._sqs.send_message(QueueUrl=queue, MessageBody=text)
        try:
            yield
        finally:
            holding = {*self._queues}

            def deleted() -> bool:
                """A letter that somebody has just looked at is hidden for a while."""
                for queue, letter in list(self._letters()):
                    if letter["Body"] == text:
                        self._sqs.delete_message(QueueUrl=queue, ReceiptHandle=letter["ReceiptHandle"])
                        holding.discard(queue)
                return not holding

            until(deleted, what="the end of our letters")


class LogSinks:
    """Sinks by name. Data that others put into exports (``raw/``, ``data/``) is none, but its keys are."""

    def __init__(self, stack: Stack, events: Inbox, messages: Inbox, letters: DeadLetters) -> None:
        self._stack = stack
        self._sinks: dict[str, Callable[[], Iterator[Place]]] = {
            "histories": lambda: ((each.arn, each.text) for each in stack.all_histories()),
            "logs": stack.log_lines,
            "catalog": lambda: ((row["exportId"], json.dumps(row, default=str)) for row in stack.rows()),
            "keys": lambda: ((key, key) for key in stack.keys(prefix="")),
            "manifests": lambda: self._objects("manifests/"),
            "runs": lambda: self._objects("runs/"),
            "work": lambda: self._objects("work/"),
            "events": lambda: ((event["id"], json.dumps(event)) for event in events.all()),
            "messages": lambda: ((message["id"], json.dumps(message)) for message in messages.all()),
            "dead letters": letters.all,
        }

    @property
    def names(self) -> set[str]:
        return {*self._sinks}

    def read(self) -> dict[str, list[Place]]:
        """All of it as it is now."""
        return {name: list(sink()) for name, sink in self._sinks.items()}

    def _objects(self, prefix: str) -> Iterator[Place]:
        return ((key, self._stack.body(key).decode()) for key in self._stack.keys(prefix))


def found(written: dict[str, list[Place]], secret: str) -> dict[str, list[str]]:
    """By sink, the places where the secret stands, in whatever case."""
    places: defaultdict[str, list[str]] = defaultdict(list)
    for sink, texts in written.items():
        for place, text in texts:
            if secret.lower() in text.lower():
                places[sink].append(place)
    return dict(places)
