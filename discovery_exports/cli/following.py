"""Follows runs and exports until they end, and shows their progress on standard error."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from math import inf
from typing import Any, TypeVar

from discovery_exports.cli.catalog import Catalog, Item, outcome_of
from discovery_exports.cli.commands import PROGRAM
from discovery_exports.cli.context import Context
from discovery_exports.cli.failures import failure_of, is_transient
from discovery_exports.cli.progress import Progress
from discovery_exports.cli.runs import Execution, Plan, Runs
from discovery_exports.cli.times import short_bytes, short_duration, short_time
from exports.model import Status, utc_text
from exports.outcomes.outcome import Outcome
from exports.outcomes.rows import Row

T = TypeVar("T")

MAX_UPLOADS = 10
"""Multipart uploads whose parts are counted in each poll."""
TOLERATED = timedelta(minutes=5)
"""How long polls may fail in a row: a wait for hours must survive a lost connection."""
FIRST_PAUSE_SECONDS, LAST_PAUSE_SECONDS = 1.0, 10.0
"""Between two polls: at the start, and from five minutes on."""


class Wait(StrEnum):
    """What an export without an outcome waits for."""

    LISTING = "not listed by the service yet"
    SERVICE = "in progress in the service"
    TURN = "ready to be stored"
    COPY = "being copied"
    UNPACK = "being unpacked"


@dataclass(slots=True)
class Tracker:
    """The state of some exports, poll by poll. An export that is final is not read again."""

    context: Context
    export_ids: Sequence[str]
    is_final: Callable[[Item], bool]
    own_run: str | None = None
    final: dict[str, Item] = field(default_factory=dict)
    waiting: dict[str, Wait] = field(default_factory=dict)
    bytes_now: int = 0
    oldest_request: str = ""
    started: tuple[datetime, int] | None = None

    def poll(self) -> None:
        """Read the items of all exports that are not final."""
        pending = [each for each in self.export_ids if each not in self.final]
        items = Catalog(self.context.dynamodb, self.context.table_name, self.context.sleep).items(pending)
        self.final |= {name: item for name, item in items.items() if self.is_final(item)}
        open_items = {name: items.get(name, {}) for name in pending if name not in self.final}
        self.waiting = {name: _wait(item, self.context.now()) for name, item in open_items.items()}
        self.oldest_request = min(
            (str(open_items[name].get("exportRequestTime", "")) for name in self._in(Wait.SERVICE)), default=""
        )
        self.bytes_now = self._stored_bytes() + self._bytes_in_flight(open_items)
        self.started = self.started or (self.context.now(), self.bytes_now)

    def _in(self, *waits: Wait) -> Iterable[str]:
        return (name for name, wait in self.waiting.items() if wait in waits)

    def _stored_bytes(self) -> int:
        """Of the exports that this run has stored, and not an earlier one."""
        own = (item for item in self.final.values() if self.own_run in {None, item.get("runId")})
        return sum(int(item.get("bytes", 0)) for item in own)

    def _bytes_in_flight(self, items: dict[str, Item]) -> int:
        raw = sum(int(items[name]["raw"]["bytes"]) for name in self._in(Wait.UNPACK))
        uploads = [items[name]["upload"] for name in self._in(Wait.COPY) if items[name].get("upload")]
        return raw + sum(map(self._uploaded, uploads[:MAX_UPLOADS]))

    def _uploaded(self, upload: Any) -> int:
        """Bytes of the parts that S3 has; 0 if the upload has ended, or the caller may not list its parts."""
        from botocore.exceptions import ClientError

        with suppress(ClientError):
            pages = self.context.s3.get_paginator("list_parts").paginate(
                Bucket=self.context.bucket_name, Key=upload["key"], UploadId=upload["upload_id"]
            )
            return sum(part["Size"] for page in pages for part in page.get("Parts", ()))
        return 0

    # --- what people read ---

    @property
    def outcomes(self) -> Counter[str]:
        return Counter(str(item["status"]) for item in self.final.values())

    @property
    def waits(self) -> Counter[Wait]:
        return Counter(self.waiting.values())

    def lines(self) -> list[str]:
        """The exports by outcome, the bytes, and what is waited for."""
        counts = ", ".join(f"{self.outcomes[each]:,} {each}" for each in Outcome if self.outcomes[each])
        lines = [f"{len(self.final):,} of {len(self.export_ids):,} exports done" + (f": {counts}" if counts else "")]
        if self.bytes_now:
            lines.append(f"{short_bytes(self.bytes_now)} copied{self._rate()}")
        if self.waiting:
            waits = (f"{self.waits[each]:,} {each}{self._age(each)}" for each in Wait if self.waits[each])
            lines.append(f"waiting for {', '.join(waits)}")
        return lines

    def _rate(self) -> str:
        since, before = self.started or (self.context.now(), self.bytes_now)
        seconds = (self.context.now() - since).total_seconds()
        if seconds < 1 or self.bytes_now <= before:
            return ""
        return f", {short_bytes((self.bytes_now - before) / seconds)}/s"

    def _age(self, wait: Wait) -> str:
        if wait is not Wait.SERVICE or not self.oldest_request:
            return ""
        age = self.context.now() - datetime.fromisoformat(self.oldest_request)
        return f" (requested {short_duration(age)} ago)"


def _wait(item: Item, now: datetime) -> Wait:
    if _is_claimed(item, now):
        return Wait.UNPACK if item.get("raw") else Wait.COPY
    if not item.get("exportStatus"):
        return Wait.LISTING
    return Wait.TURN if item["exportStatus"] in {Status.SUCCEEDED, Status.FAILED} else Wait.SERVICE


def _is_claimed(item: Item, now: datetime) -> bool:
    return str(item.get("claimedUntil", "")) >= utc_text(now)


def polled(context: Context, poll: Callable[[], T], clock: "Clock") -> T:
    """The result of ``poll``, which is tried again after a failure that may pass."""
    failing_since = None
    while True:
        try:
            return poll()
        except Exception as error:
            failing_since, first = failing_since or context.now(), failing_since is None
            if not is_transient(error) or context.now() - failing_since >= TOLERATED or clock.is_over:
                raise
            if first:
                context.say(f"{failure_of(error)} Trying again for {short_duration(TOLERATED)}.")
            context.sleep(min(LAST_PAUSE_SECONDS, clock.left))


class Clock:
    """Pauses between polls until a timeout."""

    def __init__(self, context: Context, timeout: timedelta | None) -> None:
        self._context = context
        self._started = context.now()
        self._ends = self._started + timeout if timeout is not None else None

    @property
    def passed(self) -> timedelta:
        return self._context.now() - self._started

    @property
    def left(self) -> float:
        """Seconds until the timeout; infinite without one."""
        return (self._ends - self._context.now()).total_seconds() if self._ends is not None else inf

    @property
    def is_over(self) -> bool:
        return self.left <= 0

    def pause(self) -> bool:
        """Wait until the next poll is due. False if the timeout has passed: do not poll again."""
        left = self.left
        if left <= 0:
            return False
        pause = min(LAST_PAUSE_SECONDS, max(FIRST_PAUSE_SECONDS, self.passed.total_seconds() / 30))
        self._context.sleep(min(pause, left))
        return True


def follow_run(context: Context, execution: Execution, clock: Clock) -> Execution:
    """Show the progress of the run until it ends, and return it as it is then, or at the timeout of ``clock``."""
    follower = _RunFollower(context, execution)
    goes_on = f"The run goes on: {PROGRAM} watch {execution.run_id}"
    try:
        with Progress(context) as progress:
            while True:
                execution = polled(context, follower.poll, clock)
                follower.show(progress, clock)
                if not execution.running or not clock.pause():
                    return execution
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"Interrupted. {goes_on}") from None
    except Exception as error:
        if failure := failure_of(error):
            raise type(failure)(f"{failure} {goes_on}") from error
        raise


def exports_done(context: Context, plan: Plan) -> str:
    """How many exports of a run that has ended have which outcome now, as its progress shows it."""
    tracker = Tracker(context, plan.export_ids, lambda item: outcome_of(item) is not None)
    tracker.poll()
    return tracker.lines()[0]


class _RunFollower:
    """The state of a run and of its exports, once the run has planned them."""

    def __init__(self, context: Context, execution: Execution) -> None:
        self._context = context
        self._runs = Runs(context)
        self._execution = execution
        self._plan: Plan | None = None
        self._tracker: Tracker | None = None

    def poll(self) -> Execution:
        """The execution is read before its exports, so that they are complete once it has ended."""
        self._execution = self._runs.find(self._execution.arn) or self._execution
        if self._plan is None:
            self._plan = self._runs.plan(self._execution.run_id)
        if self._plan and self._tracker is None:
            run_id = self._execution.run_id
            self._tracker = Tracker(self._context, self._plan.export_ids, self._is_final, own_run=run_id)
        if self._tracker:
            self._tracker.poll()
        return self._execution

    def _is_final(self, item: Item) -> bool:
        """An outcome that this run has recorded or would keep; once the run has ended, every outcome."""
        is_own = not self._execution.running or item.get("runId") == self._execution.run_id
        return (outcome_of(item) is not None and is_own) or Row(item).is_final_for(
            self._plan.requested_at if self._plan else None
        )

    def show(self, progress: Progress, clock: Clock) -> None:
        title, status = f"Run {self._execution.run_id}, {short_duration(clock.passed)}", self._execution.status
        tracker, plan = self._tracker, self._plan
        if tracker is None or plan is None:
            progress.show(title, [f"{status}: no exports yet"], 0, 0, key=status)
            return
        deadline = short_time(plan.deadline.isoformat())
        note = f"stops waiting at {deadline} UTC" if self._execution.running else status
        key = (status, tracker.outcomes, tracker.waits)
        progress.show(title, tracker.lines(), len(tracker.final), len(tracker.export_ids), key=key, note=note)


def follow_export(context: Context, export_id: str, clock: Clock) -> Item | None:
    """Show the progress of the export until it has an outcome, and return its item, also at the timeout."""

    def is_final(item: Item) -> bool:
        return outcome_of(item) is not None and not _is_claimed(item, context.now())

    tracker = Tracker(context, [export_id], is_final)
    with Progress(context) as progress:
        while True:
            polled(context, tracker.poll, clock)
            title = f"Export {export_id}, {short_duration(clock.passed)}"
            progress.show(title, tracker.lines(), len(tracker.final), 1, key=(tracker.outcomes, tracker.waits))
            if tracker.final or not clock.pause():
                return tracker.final.get(export_id)
