"""A download URL is a bearer secret: no part of it is written, whatever the outcome of the export."""

import re
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from local.stack.aws import LocalAws
from tests.local.inbox import Inbox
from tests.local.kills import function_with
from tests.local.log_sinks import DeadLetters, Entry, LogSinks, found
from tests.local.service import Service
from tests.local.stack import Stack
from tests.local.waiting import until

pytestmark = pytest.mark.alone
SIGNED = ["X-Amz-Signature", "X-Amz-Credential", "application-discovery-exports/"]
"""Parts of every download URL besides the marker: names of its signed parameters, and its bucket."""


@pytest.fixture(scope="module")
def dead_letters(aws: LocalAws, stack: Stack) -> DeadLetters:
    return DeadLetters(aws, stack)


@pytest.fixture(scope="module")
def sinks(stack: Stack, events: Inbox, messages: Inbox, dead_letters: DeadLetters) -> LogSinks:
    return LogSinks(stack, events, messages, dead_letters)


@contextmanager
def verbose_logging(aws: LocalAws, stack: Stack, folder: Path) -> Iterator[None]:
    """Log at DEBUG in every function, including the loggers of libraries, during the block."""
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
) -> dict[str, list[Entry]]:
    """The contents of all sinks after successful and failed runs, and after all other tests that run alone."""
    with verbose_logging(aws, stack, tmp_path_factory.mktemp("verbose")):
        run_all_outcomes(stack, service, marker)
        return sinks.read()


def run_all_outcomes(stack: Stack, service: Service, marker: str) -> None:
    secret = f"https://localhost/{marker}/export.zip?X-Amz-Signature={marker}"
    good = [service.has(kind="agent"), service.has(container="nested"), service.has(is_truncated=True)]
    rejected = [
        service.has(download_url=secret.replace("https:", "http:")),
        service.has(download_url=secret.replace("localhost", "exports.example")),
        service.has(download_url=secret.replace("localhost", f"{marker}@localhost")),
        service.has(download_url=f"not a URL but {marker}"),
        service.has_body(b"<html>Sorry</html>"),
    ]
    failed = service.has(outcome="FAILED", status_message=f"Could not put to {secret}")
    expired = service.has(refused_gets=3)
    with service.with_unfinished({"download_url": secret.replace("localhost", "localhost:9")}) as unreachable:
        waiting = stack.start({"exportIds": unreachable})
        run = stack.run(exportIds=[*good, *rejected, failed, expired], correlationId="secret")
        until(lambda: '\\"waiting\\"' in stack.history(waiting)[-1].text, what="a download that fails")
    stack.ended(waiting)
    assert run.counts == {"STORED": 3, "TRUNCATED": 1, "REJECTED": 5, "FAILED": 1}


def test_the_marker_is_in_every_download_url(service: Service, marker: str) -> None:
    url = service.download_url(service.has())

    assert url.count(marker) > 1
    assert all(part.lower() in url.lower() for part in SIGNED)


def test_the_search_finds_a_text_in_every_sink(
    stack: Stack, service: Service, sinks: LogSinks, dead_letters: DeadLetters
) -> None:
    """The search can only show that the secret is in no sink if it finds a text that is in every sink."""
    planted = f"planted-{uuid.uuid4().hex}"
    service.set_scenario(planted, in_progress_seconds=2, is_truncated=True)
    stack.s3.put_object(Bucket=stack.bucket, Key="work/export/progress.json", Body=planted.encode())

    run = stack.run(exportIds=[planted])
    rejected = stack.run(**{planted: "a member that the cause names"})

    with dead_letters.with_message(planted):
        locations = found(sinks.read(), planted.upper())
    assert locations.keys() == sinks.names
    assert {each.arn for each in (*stack.history(run.arn), *stack.history(rejected.arn))} == {*locations["histories"]}


@pytest.mark.parametrize("part", ["the marker", *SIGNED])
def test_fault_37_no_part_of_a_download_url_is_written(written: dict[str, list[Entry]], marker: str, part: str) -> None:
    assert found(written, marker if part == "the marker" else part) == {}


def test_libraries_log_at_debug_without_download_urls(written: dict[str, list[Entry]]) -> None:
    """At DEBUG, urllib3 logs each request. botocore would log complete responses, but gets none with exports in it."""
    for line in ('GET <hidden> HTTP/1.1" 206', 'GET <hidden> HTTP/1.1" 403'):
        assert "logs" in found(written, line), line


def test_fault_37_no_signature_of_a_download_url_is_written(written: dict[str, list[Entry]], service: Service) -> None:
    signatures = service.double.signatures()

    assert len(signatures) > 1
    for sink, texts in written.items():
        assert not {digest for _, text in texts for digest in re.findall(r"[0-9a-f]{64}", text)} & signatures, sink


def test_the_dead_letter_queues_are_empty(written: dict[str, list[Entry]]) -> None:
    assert written["dead letters"] == []
