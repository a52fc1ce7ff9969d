"""A download link is a bearer secret: nothing of it is written down, whatever happens to the export."""

import re
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from local.stack.aws import LocalAws
from tests.local.inbox import Inbox
from tests.local.log_sinks import DeadLetters, LogSinks, Place, found
from tests.local.service import Service
from tests.local.stack import Stack
from tests.local.trouble import function_with
from tests.local.waiting import until

pytestmark = pytest.mark.alone
SIGNED = ["X-Amz-Signature", "X-Amz-Credential", "application-discovery-exports/"]
"""What every link holds beside the marker: the names of its signed parameters, and its bucket."""


@pytest.fixture(scope="module")
def letters(aws: LocalAws, stack: Stack) -> DeadLetters:
    return DeadLetters(aws, stack)


@pytest.fixture(scope="module")
def sinks(stack: Stack, events: Inbox, messages: Inbox, letters: DeadLetters) -> LogSinks:
    return LogSinks(stack, events, messages, letters)


@contextmanager
def talkative(aws: LocalAws, stack: Stack, folder: Path) -> Iterator[None]:
    """Every logger of every function, those of libraries included, says all that it can for the block."""
    (folder / "sitecustomize.py").write_text("import logging\nlogging.basicConfig(level=logging.DEBUG)\n", "utf-8")
    with ExitStack() as functions:
        for name in stack.resources("AWS::Lambda::Function").values():
            changes = {"PYTHONPATH": str(folder), "POWERTOOLS_LOG_LEVEL": "DEBUG"}
            functions.enter_context(function_with(aws, name, **changes))
        yield


@pytest.fixture(scope="module")
def written(
    aws: LocalAws,
    stack: Stack,
    service: Service,
    sinks: LogSinks,
    marker: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, list[Place]]:
    """What there is after runs that went well and runs that did not, with those of all other tests that run alone."""
    with talkative(aws, stack, tmp_path_factory.mktemp("talkative")):
        run_in_every_way(stack, service, marker)
        return sinks.read()


def run_in_every_way(stack: Stack, service: Service, marker: str) -> None:
    secret = f"https://localhost/{marker}/export.zip?X-Amz-Signature={marker}"
    good = [service.has(kind="agent"), service.has(container="nested"), service.has(is_truncated=True)]
    refused = [
        service.has(download_url=secret.replace("https:", "http:")),
        service.has(download_url=secret.replace("localhost", "exports.example")),
        service.has(download_url=secret.replace("localhost", f"{marker}@localhost")),
        service.has(download_url=f"no link at all but {marker}"),
        service.has_body(b"<html>Sorry</html>"),
    ]
    failed = service.has(outcome="FAILED", status_message=f"Could not put to {secret}")
    expired = service.has(refused_gets=3)
    with service.never_done({"download_url": secret.replace("localhost", "localhost:9")}) as closed:
        tried = stack.start({"exportIds": closed})
        run = stack.run(exportIds=[*good, *refused, failed, expired], correlationId="secret")
        until(lambda: '\\"waiting\\"' in stack.history(tried)[-1].text, what="a download that fails")
    stack.ended(tried)
    assert run.counts == {"STORED": 3, "TRUNCATED": 1, "REJECTED": 5, "FAILED": 1}


def test_the_marker_stands_in_every_link(service: Service, marker: str) -> None:
    link = service.download_url(service.has())

    assert link.count(marker) > 1
    assert all(part.lower() in link.lower() for part in SIGNED)


def test_the_search_finds_what_is_written_down(
    stack: Stack, service: Service, sinks: LogSinks, letters: DeadLetters
) -> None:
    """The secret can only be said to be nowhere if it would have been found: so something is planted everywhere."""
    planted = f"planted-{uuid.uuid4().hex}"
    service.now_plays(planted, in_progress_seconds=2, is_truncated=True)
    stack.s3.put_object(Bucket=stack.bucket, Key="work/export/notes.json", Body=planted.encode())

    run = stack.run(exportIds=[planted])
    refused = stack.run(**{planted: "a member that is told in the cause"})

    with letters.holding(planted):
        places = found(sinks.read(), planted.upper())
    assert places.keys() == sinks.names
    assert {each.arn for each in (*stack.history(run.arn), *stack.history(refused.arn))} == {*places["histories"]}


@pytest.mark.parametrize("part", ["the marker", *SIGNED])
def test_fault_37_nothing_of_a_link_is_written_down(written: dict[str, list[Place]], marker: str, part: str) -> None:
    assert found(written, marker if part == "the marker" else part) == {}


def test_libraries_said_all_they_could_but_links(written: dict[str, list[Place]]) -> None:
    """At DEBUG, botocore tells of whole answers and urllib3 of each request."""
    for said in ('"configurationsDownloadUrl": "<hidden>', 'GET <hidden> HTTP/1.1" 206', 'GET <hidden> HTTP/1.1" 403'):
        assert "logs" in found(written, said), said


def test_fault_37_no_signature_of_any_link_is_written_down(written: dict[str, list[Place]], service: Service) -> None:
    signatures = service.double.signatures()

    assert len(signatures) > 1
    for sink, texts in written.items():
        assert not {digest for _, text in texts for digest in re.findall(r"[0-9a-f]{64}", text)} & signatures, sink


def test_no_event_was_left_to_the_dead_letters(written: dict[str, list[Place]]) -> None:
    assert written["dead letters"] == []
