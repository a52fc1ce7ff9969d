"""The state of a batch between two polls, as the state machine passes it on."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from exports.model import utc_text
from exports.runs import Item
from exports.workflow.poll_interval import MAX_POLLS


@dataclass(frozen=True, slots=True)
class Pending:
    """What a batch's workflow carries from one check to the next: every pending export stands in exactly one list.

    No answer of the service in this run has held the ``unlisted``; the ``waiting`` were in one. The ``ready`` are being
    stored, and ``results`` is what that came to, in the same order.
    """

    unlisted: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    ready: tuple[Item, ...] = ()
    results: tuple[Mapping[str, Any], ...] = ()
    polls: int = 0
    stores: int = 0
    next_poll_at: datetime | None = None
    last_polled_at: datetime | None = None
    """When the service last answered: what is seen to have ended since may have ended right after it."""
    last: bool = False
    """The look at the deadline has been taken."""
    backing_off: bool = False
    """Nothing could be stored in the last round, so one export goes ahead of the others in the next."""

    @property
    def ids(self) -> tuple[str, ...]:
        return (*self.unlisted, *self.waiting, *(item.export_id for item in self.ready))

    @property
    def spent(self) -> bool:
        return self.last or self.polls >= MAX_POLLS

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> "Pending":
        return cls(
            unlisted=tuple(state["unlisted"]),
            waiting=tuple(state["waiting"]),
            ready=tuple(map(Item.from_json, state["ready"])),
            results=tuple(state.get("results") or ()),
            polls=state["polls"],
            stores=state["stores"],
            next_poll_at=datetime.fromisoformat(state["nextCheckAt"]),
            last_polled_at=datetime.fromisoformat(state["lookedAt"]) if state.get("lookedAt") else None,
            last=state["last"],
            backing_off=state["stalled"],
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
            "nextCheckAt": utc_text(self.next_poll_at) if self.next_poll_at else None,
            "lookedAt": utc_text(self.last_polled_at) if self.last_polled_at else None,
            "last": self.last,
            "stalled": self.backing_off,
        }


_MESSAGE = re.compile(r'"errorMessage":\s*"([A-Za-z0-9_.]{1,80})(?:"|$)')


def failure_code(failure: Mapping[str, Any]) -> str:
    """The error code behind a failed state: our errors carry nothing but it as their message.

    ``cause`` is the start of what Lambda answers, ``{"errorMessage": "AccessDenied", …``; where the function was killed
    or its time ran out, the error's own name tells, such as ``Sandbox.Timedout``.
    """
    told = _MESSAGE.search(str(failure.get("cause", "")))
    return told[1] if told else str(failure.get("error", "Unknown"))
