"""Histories and payloads stay far below the limits of an execution: 25,000 events and 256 KiB for each payload."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from exports.runs import BATCH_SIZE, Item
from exports.workflow.batch_state import Pending
from exports.workflow.planning import MAX_BATCHES
from exports.workflow.poll_interval import MAX_POLLS, MAX_RETRIES, MAX_STORES
from infra.settings.settings import Settings
from tests.infra import history
from tests.infra.synthesis import of_stack

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


def test_pointers_to_1_000_batches_fit() -> None:
    assert size([{"batch": {"runId": "r" * 80, "number": MAX_BATCHES}}] * MAX_BATCHES) < PAYLOAD / 2


def test_results_of_1_000_batches_that_all_failed_fit(definition: dict[str, Any]) -> None:
    """As their Catch gives them, with the longest name that Lambda has for an error, and a cause that JSON escapes."""
    (catch,) = definition["States"]["Settle each batch"]["ItemProcessor"]["States"]["Check exports"]["Catch"]
    caught = catch["Output"]
    failed = {"batch": MAX_BATCHES, "error": "Lambda.SubnetIPAddressLimitReachedException", "cause": '"' * 64}

    assert caught.keys() == failed.keys()
    assert '$substring($states.errorOutput.Cause & "", 0, 64)' in caught["cause"]
    assert size([failed] * MAX_BATCHES) < PAYLOAD


def test_attack_08_one_run_leaves_half_of_the_usual_concurrency_to_others(definition: dict[str, Any]) -> None:
    """1,000 concurrent executions: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""
    batches = definition["States"]["Settle each batch"]
    stores = batches["ItemProcessor"]["States"]["Store each export"]

    assert batches["MaxConcurrency"] * stores["MaxConcurrency"] <= 1000 / 2


@pytest.mark.parametrize(("batch_concurrency", "store_concurrency"), [(1, 1), (7, 3), (1000, 40)])
def test_attack_08_concurrency_of_a_run_is_that_of_the_settings(batch_concurrency: int, store_concurrency: int) -> None:
    stack = of_stack(Settings(batch_concurrency=batch_concurrency, store_concurrency=store_concurrency))
    batches = stack.definition()["States"]["Settle each batch"]
    stores = batches["ItemProcessor"]["States"]["Store each export"]

    assert (batches["MaxConcurrency"], stores["MaxConcurrency"]) == (batch_concurrency, store_concurrency)


def ready_batch() -> dict[str, Any]:
    """The state of a batch whose exports are all finished."""
    ready = [Item(export_id, MAX_POLLS, without_url=True) for export_id in IDS]
    pending = Pending(
        ready=tuple(ready),
        polls=MAX_POLLS,
        stores=MAX_STORES,
        retries=MAX_RETRIES,
        next_poll_at=NOW,
        attempts=dict.fromkeys(IDS, MAX_STORES),
    )
    return {"batch": BATCH, **pending.to_json()}


def size(state: Any) -> int:
    """Bytes as Step Functions counts them."""
    return len(json.dumps(state, ensure_ascii=False).encode())
