"""A run on an account with the Lambda quota of a new account: 10 concurrent invocations of all functions.

This takes some minutes and a local AWS of its own, so only ``make soak`` runs it.
"""

import time
from collections import Counter
from collections.abc import Iterator

import pytest

from local.stack.aws import LocalAws
from tests.local.print_live import PrintLive
from tests.local.service import Service
from tests.local.stack import Execution, Stack
from tests.local.waiting import until

pytestmark = pytest.mark.alone

QUOTA = 10
"""https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html: new accounts have reduced quotas."""
EXPORTS = 300
THROTTLED = "Lambda.TooManyRequestsException"


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    with LocalAws(tmp_path_factory.mktemp("quota") / "aws", lambda_quota=QUOTA, bound=True) as aws:
        yield aws


def errors(execution: Execution) -> Counter[str]:
    """The errors of all attempts of all tasks."""
    failed = (event["taskFailedEventDetails"] for event in execution.events if event["type"] == "TaskFailed")
    return Counter(details["error"] for details in failed)


def events_on_aws(execution: Execution) -> int:
    """The local history lacks TaskStarted of each attempt, and the events of the items of an inline Map."""
    types = Counter(event["type"] for event in execution.events)
    return len(execution.events) + types["TaskScheduled"] + 8 * types["TaskSucceeded"]


def test_fault_28_run_of_300_exports_on_a_quota_of_10_stores_every_export(aws: LocalAws, print_live: PrintLive) -> None:
    stack, service = Stack(aws), Service(aws, "unmarked")
    ids = service.has_many(EXPORTS, kind="agent")
    started = time.monotonic()

    arn = stack.start({"exportIds": ids})
    until(
        lambda: stack.steps.describe_execution(executionArn=arn)["status"] != "RUNNING",
        what="the end of the run",
        progress=service.gets,
    )

    run, (execution, *batches) = stack.ended(arn), stack.history(arn)
    attempts = sum((errors(each) for each in (execution, *batches)), Counter[str]())
    print_live(
        f"quota {QUOTA}: {run.status} {dict(run.counts)} after {time.monotonic() - started:.0f} s; "
        f"errors of attempts: {dict(attempts)}; largest history of a batch: "
        f"{max(len(each.events) for each in batches)} events, on AWS at most {max(map(events_on_aws, batches))}"
    )
    assert (run.status, run.counts) == ("SUCCEEDED", {"STORED": EXPORTS})
    assert [batch.described["status"] for batch in batches] == ["SUCCEEDED"] * 3
    assert all('"error"' not in batch.described["output"] for batch in batches), "no batch was given up"
    assert attempts[THROTTLED] > 0
    assert set(attempts) == {THROTTLED}
    assert max(map(events_on_aws, batches)) < 20_000
