"""`make bench-sweep`: one sweep of 10,000 exports on a local AWS of its own; a quarter of an hour on two cores.

Nine of ten are finished and empty, the others have data, fail, or are late. Fewer batches and stores go at once than on
AWS, since every concurrent call is a process of this machine.
"""

import argparse
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.machine import machine
from local.aws import LocalAws
from tests.local.service import Service
from tests.local.stack import Execution, Stack
from tests.local.storms import workers_of

KEPT = Path("docs") / "benchmarks" / "sweep.json"
CONTEXT = {"batchConcurrency": "2", "storeConcurrency": "4"}
KINDS: tuple[tuple[float, dict[str, object]], ...] = (
    (0.90, {"kind": "summary", "container": "none"}),
    (0.05, {"kind": "agent"}),
    (0.03, {"outcome": "FAILED"}),
    (0.02, {"kind": "agent", "in_progress_seconds": 60}),
)
EXPECTED = {"STORED": 0.97, "FAILED": 0.03}
FUNCTIONS = ("PlanRun", "CheckExports", "StoreExport", "ReportRun")
PROGRESS_SECONDS = 10.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sweep", description=__doc__)
    parser.add_argument("--exports", type=int, default=10_000, help="how many (%(default)s)")
    count = parser.parse_args().exports
    with TemporaryDirectory() as folder, LocalAws(Path(folder) / "aws", context=CONTEXT, bound=True) as aws:
        found = swept(aws, count)
    print(json.dumps(found, indent=1))
    if count == 10_000:
        KEPT.write_text(json.dumps({"machine": machine(), **found}, indent=1) + "\n")
        print(f"Kept in {KEPT}")


def swept(aws: LocalAws, count: int) -> dict[str, Any]:
    """Figures of a sweep of so many exports. Raises AssertionError when not all of them are settled by it."""
    stack, service = Stack(aws), Service(aws)
    for share, script in KINDS:
        service.has_many(round(count * share), **script)
    began, calls = time.monotonic(), service.calls()
    arn = stack.start({"deadlineMinutes": 120})
    peaks = _until_ended(aws, stack, arn, count)
    seconds = time.monotonic() - began
    run = stack.ended(arn)
    assert dict(run.counts) == {outcome: round(count * share) for outcome, share in EXPECTED.items()}, run.counts
    return {
        "exports": count,
        "counts": dict(run.counts),
        "seconds": round(seconds),
        "describes": service.calls() - calls,
        "peak_mb": peaks,
        **_of_histories(stack.history(arn)),
    }


def _until_ended(aws: LocalAws, stack: Stack, arn: str, count: int) -> dict[str, float]:
    """The most memory that a worker of each function was seen to hold, in MB."""
    names = {construct: stack.function(construct) for construct in FUNCTIONS}
    peaks = dict.fromkeys(FUNCTIONS, 0.0)
    said = time.monotonic()
    while stack.steps.describe_execution(executionArn=arn)["status"] == "RUNNING":
        for construct, function in names.items():
            peaks[construct] = max([peaks[construct], *_peaks(aws, function)])
        if time.monotonic() - said > PROGRESS_SECONDS:
            said = time.monotonic()
            print(f"  {len(stack.keys('manifests/')):,} of {count:,} stored", flush=True)
        time.sleep(1)
    return peaks


def _peaks(aws: LocalAws, function: str) -> Iterator[float]:
    for worker in workers_of(aws, function):
        try:
            status = Path(f"/proc/{worker}/status").read_text()
        except OSError:
            continue
        yield next(
            (round(int(line.split()[1]) / 1000, 1) for line in status.splitlines() if line.startswith("VmHWM")), 0
        )


def _of_histories(executions: Iterable[Execution]) -> dict[str, Any]:
    """Local histories of batches leave out states, so their transitions are computed from their tasks."""
    run, *batches = executions
    transitions = sum(event["type"].endswith("StateEntered") for event in run.events)
    looks = stores = 0
    for batch in batches:
        answers = [event["taskSucceededEventDetails"]["output"] for event in batch.events if _is_answer(event)]
        stored = sum('"progress"' in answer for answer in answers)
        looks, stores = looks + len(answers) - stored, stores + stored
        # Each look is followed by a choice, all but the last by a wait or a round of storing; then it has succeeded.
        transitions += 3 * (len(answers) - stored) + stored
    return {
        "batches": len(batches),
        "looks": looks,
        "stores": stores,
        "transitions": transitions,
        "largest_payload_bytes": max(_payloads(event) for each in (run, *batches) for event in each.events),
        "most_events_of_an_execution": max(len(each.events) for each in (run, *batches)),
    }


def _is_answer(event: Mapping[str, Any]) -> bool:
    return event["type"] == "TaskSucceeded"


def _payloads(event: Mapping[str, Any]) -> int:
    """Bytes of the largest input or output that the event tells of."""
    told = [details for details in event.values() if isinstance(details, Mapping)]
    texts = [str(details[name]) for details in told for name in ("input", "output") if details.get(name)]
    return max((len(text.encode()) for text in texts), default=0)


if __name__ == "__main__":
    main()
