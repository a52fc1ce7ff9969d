"""`make bench-sweep`: one sweep of 10,000 exports on a local AWS of its own; a quarter of an hour on two cores.

Nine of ten are finished and empty, the others have data, fail, or are late. Fewer batches and stores go at once than on
AWS, since every concurrent call is a process of this machine.
"""

import argparse
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.local.storms import workers_of

from benchmarks.machine import machine
from benchmarks.measuring import peak_bytes
from benchmarks.page import keep, markdown
from benchmarks.polling.product import DEFINITION
from local.stack.aws import LocalAws
from tests.infra import history
from tests.local.service import Service
from tests.local.stack import Execution, Stack

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
MB = 1_000_000


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sweep", description=__doc__)
    parser.add_argument("--exports", type=int, default=10_000, help="how many (%(default)s)")
    count = parser.parse_args().exports
    with TemporaryDirectory() as folder, LocalAws(Path(folder) / "aws", context=CONTEXT, bound=True) as aws:
        found = swept(aws, count)
    print(table(found))
    if count == 10_000:
        keep("sweep", {"machine": machine(), **found}, "polling.md", table(found))


def swept(aws: LocalAws, count: int) -> dict[str, Any]:
    """Figures of a sweep of so many exports. Raises AssertionError when not all of them are settled by it."""
    stack, service = Stack(aws), Service(aws, "sweep")
    portions = 10 if count >= 1_000 else 1  # so that every function meets every kind from the beginning
    for share, script in KINDS * portions:
        service.has_many(round(count * share / portions), **script)
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


def _until_ended(aws: LocalAws, stack: Stack, arn: str, count: int) -> dict[str, list[float]]:
    """The most memory that a worker of each function was seen to hold, in MB: after each quarter of the time.

    A function that is not called by then has held nothing.
    """
    names = {construct: stack.function(construct) for construct in FUNCTIONS}
    peaks: dict[str, list[float]] = {construct: [0.0] for construct in FUNCTIONS}
    said = time.monotonic()
    while stack.steps.describe_execution(executionArn=arn)["status"] == "RUNNING":
        for construct, function in names.items():
            peaks[construct].append(max([peaks[construct][-1], *_peaks(aws, function)]))
        if time.monotonic() - said > PROGRESS_SECONDS:
            said = time.monotonic()
            print(f"  {len(stack.keys('manifests/')):,} of {count:,} stored", flush=True)
        time.sleep(1)
    return {name: [seen[(len(seen) - 1) * quarter // 4] for quarter in (1, 2, 3, 4)] for name, seen in peaks.items()}


def _peaks(aws: LocalAws, function: str) -> Iterator[float]:
    for worker in workers_of(aws, function):
        with suppress(OSError):  # it has ended
            yield round(peak_bytes(worker) / MB, 1)


def _of_histories(executions: Iterable[Execution]) -> dict[str, Any]:
    """Local histories of batches leave out states, so their transitions and events are computed from their tasks."""
    run, *batches = executions
    taken = [_looks_and_stores(batch) for batch in batches]
    looks, stores = map(sum, zip(*taken, strict=True))
    return {
        "batches": len(batches),
        "looks": looks,
        "stores": stores,
        # Each look is followed by a choice, all but the last by a wait or a round of storing; then it has succeeded.
        "transitions": sum(event["type"].endswith("StateEntered") for event in run.events) + 3 * looks + stores,
        "largest_payload_bytes": max(_payloads(event) for each in (run, *batches) for event in each.events),
        "most_events_seen": max(len(each.events) for each in (run, *batches)),
        "most_events_by_definition": max(_events(*each) for each in taken),
    }


def _looks_and_stores(batch: Execution) -> tuple[int, int]:
    answers = [event["taskSucceededEventDetails"]["output"] for event in batch.events if _is_answer(event)]
    stores = sum('"progress"' in answer for answer in answers)
    return len(answers) - stores, stores


def _events(looks: int, stores: int) -> int:
    """Of a batch on AWS, if each task had needed every try that it has."""
    batch = json.loads(DEFINITION.read_text("utf-8"))["States"]["Settle each batch"]["ItemProcessor"]
    longest = max(history.of_path(path, batch["States"]) for path in history.paths(batch))
    a_store = history.of_item(batch["States"]["Store each export"])
    return history.AROUND_A_RUN + looks * longest + stores * a_store


def _is_answer(event: Mapping[str, Any]) -> bool:
    return str(event["type"]) == "TaskSucceeded"


def _payloads(event: Mapping[str, Any]) -> int:
    """Bytes of the largest input or output that the event tells of."""
    told = [details for details in event.values() if isinstance(details, Mapping)]
    texts = [str(details[name]) for details in told for name in ("input", "output") if details.get(name)]
    return max((len(text.encode()) for text in texts), default=0)


def table(found: Mapping[str, Any]) -> str:
    counts = ", ".join(f"{number:,} {outcome}" for outcome, number in found["counts"].items())
    rows = {
        "exports": f"{found['exports']:,}: {counts}",
        "time": f"{found['seconds'] / 60:.1f} minutes",
        "batches, looks, stores": f"{found['batches']:,}, {found['looks']:,}, {found['stores']:,}",
        "state transitions": f"{found['transitions']:,}",
        "calls of DescribeExportTasks, storing included": f"{found['describes']:,}",
        "largest payload, of 256 KiB": f"{found['largest_payload_bytes'] / 1024:.1f} KiB",
        "most events of an execution, of 25,000: seen": f"{found['most_events_seen']:,}",
        "the same by the definition, with every try used up": f"{found['most_events_by_definition']:,}",
    } | {
        f"peak memory of {name} after each quarter of the time": f"{', '.join(f'{peak:.0f}' for peak in peaks)} MB"
        for name, peaks in found["peak_mb"].items()
    }
    return markdown(("what", "found"), *rows.items())


if __name__ == "__main__":
    main()
