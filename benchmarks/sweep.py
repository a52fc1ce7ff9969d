"""`make bench-sweep`: one sweep of 10,000 exports on a local AWS of its own; a quarter of an hour on two cores.

Nine of ten are finished and empty; the others have data, fail, or finish late. Fewer batches and stores run at once
than on AWS, because every concurrent invocation is a process of this machine.
"""

import argparse
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.machine import machine
from benchmarks.measuring import peak_bytes
from benchmarks.page import markdown, save
from benchmarks.polling.product import DEFINITION
from local.stack.aws import LocalAws
from tests.infra import history
from tests.local.kills import workers_of
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
    parser.add_argument("--exports", type=int, default=10_000, help="number of exports (default: %(default)s)")
    count = parser.parse_args().exports
    with TemporaryDirectory() as folder, LocalAws(Path(folder) / "aws", context=CONTEXT, bound=True) as aws:
        found = swept(aws, count)
    print(table(found))
    if count == 10_000:
        save("sweep", {"machine": machine(), **found}, "polling.md", table(found))


def swept(aws: LocalAws, count: int) -> dict[str, Any]:
    """Run a sweep of ``count`` exports and return its figures. Raises AssertionError if it does not settle all."""
    stack, service = Stack(aws), Service(aws, "sweep")
    portions = 10 if count >= 1_000 else 1  # so that every function gets every kind from the start
    for share, scenario in KINDS * portions:
        service.has_many(round(count * share / portions), **scenario)
    started, calls = time.monotonic(), service.calls()
    arn = stack.start({"deadlineMinutes": 120})
    peaks = _until_ended(aws, stack, arn, count)
    seconds = time.monotonic() - started
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
    """The peak memory of the workers of each function, in MB, after each quarter of the time.

    It is 0 for a function that was not invoked by then.
    """
    names = {construct: stack.function(construct) for construct in FUNCTIONS}
    peaks: dict[str, list[float]] = {construct: [0.0] for construct in FUNCTIONS}
    printed = time.monotonic()
    while stack.steps.describe_execution(executionArn=arn)["status"] == "RUNNING":
        for construct, function in names.items():
            peaks[construct].append(max([peaks[construct][-1], *_peaks(aws, function)]))
        if time.monotonic() - printed > PROGRESS_SECONDS:
            printed = time.monotonic()
            print(f"  {len(stack.keys('manifests/')):,} of {count:,} stored", flush=True)
        time.sleep(1)
    return {name: [each[(len(each) - 1) * quarter // 4] for quarter in (1, 2, 3, 4)] for name, each in peaks.items()}


def _peaks(aws: LocalAws, function: str) -> Iterator[float]:
    for worker in workers_of(aws, function):
        with suppress(OSError):  # it has ended
            yield round(peak_bytes(worker) / MB, 1)


def _of_histories(executions: Iterable[Execution]) -> dict[str, Any]:
    """Histories of batches lack states on the local AWS, so transitions and events are computed from tasks."""
    run, *batches = executions
    counts = [_polls_and_stores(batch) for batch in batches]
    polls, stores = map(sum, zip(*counts, strict=True))
    return {
        "batches": len(batches),
        "looks": polls,
        "stores": stores,
        # Each poll is followed by a choice and by a wait or a round of stores, the last poll by the end of the batch.
        "transitions": sum(event["type"].endswith("StateEntered") for event in run.events) + 3 * polls + stores,
        "largest_payload_bytes": max(_payloads(event) for each in (run, *batches) for event in each.events),
        "most_events_seen": max(len(each.events) for each in (run, *batches)),
        "most_events_by_definition": max(_events(*each) for each in counts),
    }


def _polls_and_stores(batch: Execution) -> tuple[int, int]:
    results = [event["taskSucceededEventDetails"]["output"] for event in batch.events if _is_result(event)]
    stores = sum('"progress"' in result for result in results)
    return len(results) - stores, stores


def _events(polls: int, stores: int) -> int:
    """Events of a batch on AWS, if each task had used all its attempts."""
    batch = json.loads(DEFINITION.read_text("utf-8"))["States"]["Settle each batch"]["ItemProcessor"]
    longest = max(history.of_path(path, batch["States"]) for path in history.paths(batch))
    a_store = history.of_item(batch["States"]["Store each export"])
    return history.AROUND_A_RUN + polls * longest + stores * a_store


def _is_result(event: Mapping[str, Any]) -> bool:
    return str(event["type"]) == "TaskSucceeded"


def _payloads(event: Mapping[str, Any]) -> int:
    """Bytes of the largest input or output in the event."""
    members = [details for details in event.values() if isinstance(details, Mapping)]
    texts = [str(details[name]) for details in members for name in ("input", "output") if details.get(name)]
    return max((len(text.encode()) for text in texts), default=0)


def table(found: Mapping[str, Any]) -> str:
    counts = ", ".join(f"{number:,} {outcome}" for outcome, number in found["counts"].items())
    rows = {
        "exports": f"{found['exports']:,}: {counts}",
        "time": f"{found['seconds'] / 60:.1f} minutes",
        "batches, polls, stores": f"{found['batches']:,}, {found['looks']:,}, {found['stores']:,}",
        "state transitions": f"{found['transitions']:,}",
        "DescribeExportTasks calls, including those for storing": f"{found['describes']:,}",
        "largest payload (quota: 256 KiB)": f"{found['largest_payload_bytes'] / 1024:.1f} KiB",
        "maximum events of an execution (quota: 25,000), seen": f"{found['most_events_seen']:,}",
        "the same computed from the definition, with all attempts used": f"{found['most_events_by_definition']:,}",
    } | {
        f"peak memory of {name} after each quarter of the time": f"{', '.join(f'{peak:.0f}' for peak in peaks)} MB"
        for name, peaks in found["peak_mb"].items()
    }
    return markdown(("measure", "result"), *rows.items())


if __name__ == "__main__":
    main()
