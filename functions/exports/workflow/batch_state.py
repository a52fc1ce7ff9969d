"""The state of a batch between two polls, as the state machine passes it from task to task."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from exports.aws.error_codes import CODE
from exports.model import optional_time, optional_utc_text
from exports.runs import Item
from exports.workflow.poll_interval import MAX_POLLS, MAX_RETRIES


@dataclass(frozen=True, slots=True)
class Pending:
    """The pending exports of a batch between two polls. Each is in exactly one list.

    ``unlisted`` ids have not appeared in any response of this run; ``waiting`` ids have. ``ready`` exports are being
    stored, and ``results`` holds the result of each, in the same order.
    """

    unlisted: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    ready: tuple[Item, ...] = ()
    results: tuple[Mapping[str, Any], ...] = ()
    polls: int = 0
    stores: int = 0
    retries: int = 0
    """Retries of the batch's tasks so far. They add events to its history, as polls and stores do."""
    next_poll_at: datetime | None = None
    last_polled_at: datetime | None = None
    """Time of the last poll that the service answered. An export that ended since may have ended right after it."""
    last: bool = False
    """The poll at the deadline is done."""
    store_limit: int | None = None
    """Exports that the next round may store, after a round that stored nothing or that Lambda throttled."""
    attempts: Mapping[str, int] = field(default_factory=dict)
    """How often each pending export was assigned to storing; an absent one never."""

    @property
    def ids(self) -> tuple[str, ...]:
        return (*self.unlisted, *self.waiting, *(item.export_id for item in self.ready))

    @property
    def spent(self) -> bool:
        return self.last or self.polls >= MAX_POLLS or self.retries >= MAX_RETRIES

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> "Pending":
        """``retryCount`` has the retries of the current poll.

        A member may be missing: a batch that runs during an upgrade has the state of the earlier version.
        """
        pending = cls(
            unlisted=tuple(state.get("unlisted", ())),
            waiting=tuple(state.get("waiting", ())),
            ready=tuple(map(Item.from_json, state.get("ready", ()))),
        )
        return replace(
            pending,
            attempts=dict(zip(pending.ids, state.get("attempts", ()), strict=False)),
            results=tuple(map(_result, state.get("results", ()))),
            polls=state.get("polls", 0),
            stores=state.get("stores", 0),
            retries=state.get("retries", 0) + state.get("retryCount", 0),
            next_poll_at=optional_time(state.get("nextCheckAt")),
            last_polled_at=optional_time(state.get("lookedAt")),
            last=state.get("last", False),
            store_limit=state.get("storeLimit", 1 if state.get("stalled") else None),
        )

    def to_json(self) -> dict[str, Any]:
        if not self.ids:
            return {"pending": 0}
        return {
            "pending": len(self.ids),
            "unlisted": list(self.unlisted),
            "waiting": list(self.waiting),
            "ready": [item.to_json() for item in self.ready],
            "polls": self.polls,
            "stores": self.stores,
            "retries": self.retries,
            "nextCheckAt": optional_utc_text(self.next_poll_at),
            "lookedAt": optional_utc_text(self.last_polled_at),
            "last": self.last,
            "storeLimit": self.store_limit,
            "attempts": [self.attempts.get(export_id, 0) for export_id in self.ids],
        }


_MEMBERS = {"progress": str, "error": str, "cause": str, "retries": int}


def _result(given: Any) -> Mapping[str, Any]:
    """What storing an export gave. An odd result has no member, which affects no other export: this one is polled."""
    if not isinstance(given, Mapping):
        return {}
    return {name: given[name] for name, kind in _MEMBERS.items() if isinstance(given.get(name), kind)}


_MESSAGE = re.compile(rf'"errorMessage":\s*"({CODE})(?:"|$)')


def failure_code(failure: Mapping[str, Any]) -> str:
    """The error code of a failed state. The message of this project's errors is the code alone.

    ``cause`` is the start of Lambda's error response, ``{"errorMessage": "AccessDenied", …``. If the function was
    killed or timed out, the code is the error's name, such as ``Sandbox.Timedout``.
    """
    message = _MESSAGE.search(str(failure.get("cause", "")))
    return message[1] if message else str(failure.get("error", "Unknown"))
