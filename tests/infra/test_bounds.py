"""Histories and payloads stay far below the limits of an execution: 25,000 events and 256 KiB for each payload."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from exports.runs import BATCH_SIZE, Item
from exports.workflow.batch_state import Pending
from exports.workflow.poll_interval import MAX_POLLS, MAX_RETRIES, MAX_STORES
from tests.infra import history

PAYLOAD = 256 * 1024
IDS = [f"{number:03d}".rjust(200, "x") for number in range(100)]
BATCH = {"runId": "r" * 80, "number": 99_999}
NOW = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.fixture(scope="module")
def batch(definition: dict[str, Any]) -> dict[str, Any]:
    """The item processor that settles one batch in its own execution."""
    return dict(definition["States"]["Settle each batch"]["ItemProcessor"])


def test_a_batch_repeats_polling_or_storing(batch: dict[str, Any]) -> None:
    assert history.rounds(batch) == [
        ("Check exports", "Anything pending?", "Store each export"),
        ("Check exports", "Anything pending?", "Wait"),
    ]


def test_fault_36_history_of_a_batch_stays_below_20_000_events(batch: dict[str, Any]) -> None:
    """With the maximum of polls, stores (one in each round) and retries that the code allows.

    A poll ends the batch when its retries so far have reached the maximum. Before that, the first poll, the largest
    round of stores and another poll can use all the retries of their tasks without being counted.
    """
    states = batch["States"]
    storing, polling = (history.of_path(path, states) for path in history.rounds(batch))
    store = states["Store each export"]
    one_store = history.of_item(store)
    last = max(history.of_path(path, states) for path in history.paths(batch))
    poll_retries = history.most_retries(states["Check exports"])
    store_retries = history.most_retries(store["ItemProcessor"]["States"]["Store export"])
    retries = poll_retries + MAX_RETRIES + BATCH_SIZE * store_retries + poll_retries

    events = history.AROUND_A_RUN + MAX_POLLS * polling + MAX_STORES * (storing + one_store) + last

    assert events + retries * history.AN_ATTEMPT < 20_000


def test_retries_of_the_tasks_of_a_batch_are_counted(batch: dict[str, Any]) -> None:
    store = batch["States"]["Store each export"]["ItemProcessor"]["States"]["Store export"]

    for task in (batch["States"]["Check exports"], store):
        assert '"retryCount": $states.context.State.RetryCount' in task["Arguments"]["Payload"]
    assert [catch["Output"]["retries"] for catch in store["Catch"]] == [history.most_retries(store)]


def test_history_of_a_run_does_not_grow_with_its_batches(definition: dict[str, Any]) -> None:
    states = definition["States"]
    longest = max(history.of_path(path, states) for path in history.paths(definition))
    retries = sum(history.most_retries(state) for state in states.values())

    assert history.AROUND_A_RUN + longest + retries * history.AN_ATTEMPT < 200


@pytest.mark.parametrize(
    "pending",
    [Pending(unlisted=tuple(IDS), next_poll_at=NOW), Pending(waiting=tuple(IDS), next_poll_at=NOW)],
    ids=["unlisted", "waiting"],
)
def test_fault_35_state_of_a_waiting_batch_is_small(pending: Pending) -> None:
    assert size({"batch": BATCH, **pending.to_json()}) < 32 * 1024


def test_state_of_a_batch_that_is_ready_is_small() -> None:
    assert size(ready_batch()) < 32 * 1024


def test_fault_35_state_of_a_batch_whose_exports_all_fail_fits() -> None:
    """With causes that JSON has to escape."""
    state = ready_batch()
    failed = {"error": "Lambda.ClientExecutionTimeoutException", "cause": '"' * 100, "retries": 10}

    after = state | {"results": [failed] * len(state["ready"])}

    assert size(after) < PAYLOAD


def test_batches_of_a_run_of_5_000_ids_fit(definition: dict[str, Any]) -> None:
    """Even if no batch can be settled. The payload does not contain the input of the run."""
    arguments = definition["States"]["Report run"]["Arguments"]["Payload"]
    failed = {"batch": 50, "error": "Lambda.ClientExecutionTimeoutException", "cause": '"' * 200}

    assert "$states.context.Execution %" not in json.dumps(arguments)
    assert size({"execution": {"Name": "r" * 80}, "batches": [failed] * 50}) < PAYLOAD / 4


def test_results_of_1_000_batches_fit(definition: dict[str, Any]) -> None:
    """Settled ones, and up to 200 whose child execution failed: of its description, AWS may pass on any member."""
    output = definition["States"]["Settle each batch"]["Output"]
    pointer = json.dumps({"batch": BATCH})
    failed = {"Input": pointer, "Status": "FAILED", "Error": "E" * 256, "Cause": '"' * 64}

    assert all(f'"{name}": {name}' in output for name in ("batch", "pending", "Input", "Status", "Error"))
    assert '"Cause": $substring($string(Cause), 0, 64)' in output
    assert size([failed] * 200 + [{"batch": 99_999, "pending": 0}] * 800) < PAYLOAD


def test_pointers_to_the_batches_of_50_000_exports_fit() -> None:
    assert size([{"batch": BATCH}] * 500) < PAYLOAD / 2


def ready_batch() -> dict[str, Any]:
    """The state of a batch whose exports are all finished."""
    ready = [Item(export_id, MAX_POLLS, without_url=True) for export_id in IDS]
    pending = Pending(ready=tuple(ready), polls=MAX_POLLS, stores=MAX_STORES, retries=MAX_RETRIES, next_poll_at=NOW)
    return {"batch": BATCH, **pending.to_json()}


def size(state: Any) -> int:
    """Bytes as Step Functions counts them."""
    return len(json.dumps(state, ensure_ascii=False).encode())
