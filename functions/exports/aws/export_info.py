"""Reads an ExportInfo of a response, whatever it holds: one odd export must not affect the others in the response."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from exports.model import UNKNOWN_TIME, Export, Status
from exports.redaction import redact_message
from exports.runs import is_export_id

MAX_STATUS_LENGTH = 100
EPOCH = datetime.fromtimestamp(0, UTC)
MAX_BYTES = 16 << 20
"""A longer body is not read. A page of 100 exports has about 200 KB."""
MAX_VALUES = 500_000
"""A body with more commas and brackets than this is not read: small values need 30 times their size in memory."""
MAX_DEPTH = 8
"""Nesting that a JSON body keeps if it is too deep for the parser; a response has three levels."""
_FRACTIONS = ((10**12, 10**3), (10**15, 10**6), (10**18, 10**9))
"""Numbers of this size, up to ten times it, are times in milliseconds, microseconds and nanoseconds since 2001."""
_PIECE = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[\]{}]|[^"\[\]{}]+', re.DOTALL)


def read_json(body: bytes) -> Any:
    """The JSON document; None if the body is none, as an HTML page or an incomplete response, or exceeds a limit."""
    if len(body) > MAX_BYTES or sum(map(body.count, (b",", b"[", b"{"))) > MAX_VALUES:
        return None
    text = body.decode("utf-8", "replace")
    try:
        try:
            return _loads(text)
        except RecursionError:
            return _loads(_flatten(text))
    except ValueError:
        return None


def _loads(text: str) -> Any:
    # Python raises ValueError for an integer of more than 4,300 digits, and would reject the response because of it.
    return json.loads(text, parse_int=lambda digits: int(digits) if len(digits) < 100 else float(digits))


def _flatten(text: str) -> str:
    """The JSON text with null instead of everything that is nested deeper than ``MAX_DEPTH``."""
    kept, depth = [], 0
    for found in _PIECE.finditer(text):
        piece = found[0]
        if piece in "[{":
            depth += 1
            if depth == MAX_DEPTH + 1:
                kept.append("null")
        if depth <= MAX_DEPTH:
            kept.append(piece)
        if piece in "]}":
            depth -= 1
    return "".join(kept)


def read_export(info: object) -> tuple[Export | None, dict[str, Any]]:
    """The export, and its id with the names of members that are ``odd``: of another type, or without a known meaning.

    None if there is no usable id. Only the id is required; an odd member counts as missing. Text of the service is
    redacted and limited here, for every use of it.
    """
    members = _Members(info if isinstance(info, dict) else {})
    status = members.text("exportStatus", required=True)
    export_id = members.text("exportId")
    export = Export(
        id=export_id,
        status=status if status in set(Status) else _unknown_status(status),
        status_message=redact_message(members.text("statusMessage")),
        requested_at=members.time("exportRequestTime", required=True) or UNKNOWN_TIME,
        is_truncated=members.flag("isTruncated"),
        requested_start=members.time("requestedStartTime"),
        requested_end=members.time("requestedEndTime"),
        download_url=members.text("configurationsDownloadUrl") or None,
    )
    if not is_export_id(export_id):
        return None, {"id": redact_message(export_id), "odd": ["exportId"]}
    return export, {"id": export_id, "odd": members.odd} if members.odd else {}


def _unknown_status(text: str) -> str:
    """The text, redacted and limited. It is never a status that this project knows, such as one with a NUL removed."""
    status = redact_message(text, MAX_STATUS_LENGTH)
    return "" if status in set(Status) else status


class _Members:
    """The members of an ExportInfo. Those that cannot be read as what they should be are listed in ``odd``."""

    def __init__(self, info: dict[str, Any]) -> None:
        self._info = info
        self.odd: list[str] = []

    def text(self, name: str, *, required: bool = False) -> str:
        """Text, or a number as text; empty if there is none."""
        value = self._info.get(name)
        if isinstance(value, str) and (value or not required):
            return value
        if required or value is not None:
            self.odd.append(name)
        return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""

    def time(self, name: str, *, required: bool = False) -> datetime | None:
        """A time in UTC: a datetime of botocore, seconds since 1970, or text; None if there is none."""
        value = self._info.get(name)
        time, usual = _time(value)
        if not usual and (required or value is not None):
            self.odd.append(name)
        return time

    def flag(self, name: str) -> bool:
        value = self._info.get(name)
        if value is not None and not isinstance(value, bool):
            self.odd.append(name)
        return value in (True, "true", "True", "TRUE", "1")


def _time(value: Any) -> tuple[datetime | None, bool]:
    """The time, and whether it has the form of the service: a number of seconds. None if it cannot be read."""
    try:
        match value:
            case datetime():
                return _in_utc(value), True
            case bool() | None:
                return None, False
            case int() | float():
                for least, fraction in _FRACTIONS:
                    if least <= value < 10 * least:
                        return EPOCH + timedelta(seconds=value / fraction), False
                return EPOCH + timedelta(seconds=value), True
            case str() if re.fullmatch(r"-?[0-9]{1,20}(\.[0-9]{1,20})?", value):
                return _time(float(value))[0], False
            case str():
                return _in_utc(datetime.fromisoformat(value)), False
    except (ValueError, OverflowError):
        pass
    return None, False


def _in_utc(time: datetime) -> datetime:
    """A time without a time zone is treated as UTC."""
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
