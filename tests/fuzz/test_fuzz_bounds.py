"""Searches for inputs that exceed the bounds of docs/reliability.md: states, events, messages."""

import json
from collections.abc import Sequence
from datetime import UTC
from typing import Any

from hypothesis import given, target
from hypothesis import strategies as st

from exports.outcomes.events import NOT_FOUND_EVENT, NotFound, detail
from exports.outcomes.outcome import Outcome
from exports.outcomes.rows import Row
from exports.runs import BATCH_SIZE, Item
from exports.workflow.batch_state import Pending
from exports.workflow.poll_interval import MAX_POLLS, MAX_RETRIES, MAX_STORES
from infra.notifications import MESSAGES
from tests.unit.builders import ATTRIBUTES
from tests.unit.workflow.test_reporting import report_of

KIB = 1024
STATE = 256 * KIB
POINTER = {"runId": "r" * 80, "number": 1000}
MOMENTS = st.datetimes(timezones=st.just(UTC)) | st.none()
CHARACTERS = st.characters(codec="utf-8") | st.sampled_from('"\\\x00\x1f\x7f\u2028\uffff\U0010ffff')


def size(document: Any) -> int:
    """Bytes in the longer of the two forms of JSON: with escapes for all characters but ASCII, or without."""
    return max(len(json.dumps(document, ensure_ascii=escaped).encode()) for escaped in (True, False))


@st.composite
def states(draw: st.DrawFn) -> dict[str, Any]:
    """The state of a batch, as it comes from Check exports, and with the results of storing."""
    length = draw(st.integers(1, 200))
    ids = [str(number).rjust(length, "x")[-200:] for number in range(draw(st.integers(1, BATCH_SIZE)))]
    first, second = sorted(draw(st.tuples(st.integers(0, len(ids)), st.integers(0, len(ids)))))
    polls = draw(st.integers(0, MAX_POLLS))
    pending = Pending(
        unlisted=tuple(ids[:first]),
        waiting=tuple(ids[first:second]),
        ready=tuple(Item(each, polls, without_url=draw(st.booleans())) for each in ids[second:]),
        polls=polls,
        stores=draw(st.integers(0, MAX_STORES)),
        retries=draw(st.integers(0, MAX_RETRIES)),
        next_poll_at=draw(MOMENTS),
        last_polled_at=draw(MOMENTS),
        last=draw(st.booleans()),
        store_limit=draw(st.none() | st.integers(1, MAX_STORES)),
    )
    return {"batch": POINTER, **pending.to_json()}


ERRORS = st.text("ABCxyz.", min_size=1, max_size=256)
"""Names of errors: at most 256 characters, https://docs.aws.amazon.com/step-functions/latest/dg/state-fail.html"""
RESULTS = st.sampled_from([{"progress": name} for name in ("settled", "unfinished", "waiting")]) | st.builds(
    lambda error, cause: {"error": error, "cause": cause[:64], "retries": 10}, ERRORS, st.text(CHARACTERS, max_size=64)
)


@given(states(), RESULTS)
def test_state_of_any_batch_fits(state: dict[str, Any], result: dict[str, Any]) -> None:
    after = {**state, "results": [result] * len(state["ready"])}

    target(size(after), label="bytes of a state with results")
    assert size(state) < 32 * KIB
    assert size(after) < STATE / 2
    assert Pending.from_json(after).ids == Pending.from_json(state).ids


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.binary(max_size=20)
    | st.just("x" * 400_000)
    # the longest texts that a writer of an item could choose
    | st.builds(lambda text: text * 1000, st.text(CHARACTERS, min_size=1)),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=5), each, max_size=3),
    max_leaves=3,
)


@given(st.sampled_from(Outcome), st.dictionaries(st.sampled_from(ATTRIBUTES), VALUES, max_size=10))
def test_event_of_any_item_fits(outcome: Outcome, attributes: dict[str, Any]) -> None:
    """EventBridge counts the detail and the names around it: 1 KiB is more than they have."""
    row = Row({"exportId": "x" * 200, **attributes})

    event = size(detail(row, outcome, bucket="b" * 63))

    target(event, label="bytes of an event")
    assert event + KIB < 48 * KIB


@given(st.lists(st.sampled_from(Outcome), max_size=300))
def test_messages_of_any_run_are_few(outcomes: Sequence[Outcome]) -> None:
    """At most one for each export that the service lists, and one for all others together."""
    made = report_of({"exportId": f"export-{number}", "outcome": each} for number, each in enumerate(outcomes))
    published = [outcome.event_type for outcome in outcomes]
    if made.not_found:
        found = NotFound("r", None, "a", "r", made.counts[Outcome.NOT_FOUND], made.not_found, made.uri)
        published.append(NOT_FOUND_EVENT)
        assert size(found.detail()) < 32 * KIB

    messages = [each for each in published if each in MESSAGES]

    listed = [each for each in outcomes if each is not Outcome.NOT_FOUND]
    assert len(messages) == sum(each is not Outcome.STORED for each in listed) + (Outcome.NOT_FOUND in outcomes)
