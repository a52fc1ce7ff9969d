"""The outcomes of an export: the only definition of them."""

from enum import StrEnum
from typing import Literal


class Outcome(StrEnum):
    """The outcome of an export in a run.

    This is the only definition of the outcomes. The catalog's conditions, the event types and the metrics are derived
    from it; tests compare the event schema, the dashboard, the topic's rule and the tables in the docs with it.
    """

    STORED = "STORED", "Export Stored", "data"
    TRUNCATED = "TRUNCATED", "Export Truncated", "data"
    FAILED = "FAILED", "Export Failed", "settled"
    REJECTED = "REJECTED", "Export Rejected", "settled"
    NOT_STORED = "NOT_STORED", "Export Not Stored", "open"
    NOT_FOUND = "NOT_FOUND", "Export Not Found", "open"
    TIMED_OUT = "TIMED_OUT", "Export Timed Out", "open"

    event_type: str
    """The ``detail-type`` of its event."""
    has_data: bool
    """Whether the export's data is in the bucket, complete and verified."""
    settled: bool
    """Whether the outcome is final; without stored data, until a run requests the export by id."""

    def __new__(cls, value: str, event_type: str, ends: Literal["data", "settled", "open"]) -> "Outcome":
        member = str.__new__(cls, value)
        member._value_ = value
        member.event_type = event_type
        member.has_data = ends == "data"
        member.settled = ends != "open"
        return member


WITH_DATA = tuple(outcome for outcome in Outcome if outcome.has_data)


SETTLED = tuple(outcome for outcome in Outcome if outcome.settled)
