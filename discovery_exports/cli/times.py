"""Times and durations: how people write them, and how tables show them. All are in UTC."""

import re
from datetime import UTC, datetime, timedelta

from discovery_exports.cli.failures import Misused
from exports.text import short_bytes as short_bytes  # both are also imported from here
from exports.text import short_duration as short_duration

_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
MAX_DURATION = timedelta(days=3650)
_DURATION = re.compile(r"(\d{1,9})([smhdw])")


def read_duration(text: str) -> timedelta:
    """``90s``, ``10m``, ``2h``, ``7d`` or ``1w``, at most :data:`MAX_DURATION`. Raises Misused."""
    found = _DURATION.fullmatch(text.strip())
    if found and (seconds := int(found[1]) * _SECONDS[found[2]]) <= MAX_DURATION.total_seconds():
        return timedelta(seconds=seconds)
    raise Misused(
        f"{text!r} is not a duration. Write a number and a unit, for example 90s, 10m, 2h or 7d, "
        f"at most {MAX_DURATION.days}d."
    )


def read_since(text: str, now: datetime) -> datetime:
    """A duration before ``now``, ``today``, ``yesterday`` (from 00:00 UTC), or a date or time. Raises Misused."""
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    match text.strip().lower():
        case "today":
            return midnight
        case "yesterday":
            return midnight - timedelta(days=1)
    try:
        if _DURATION.fullmatch(text.strip()):
            return now - read_duration(text)
        moment = datetime.fromisoformat(text.strip())
        moment = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Misused(
            f"{text!r} is not a time. Write a duration such as 24h or 7d, today, yesterday, or a time such as "
            "2026-11-28 or 2026-11-28T09:30Z."
        ) from None
    if moment > now:
        raise Misused(f"{text!r} is in the future: it is {now.astimezone(UTC):%Y-%m-%d %H:%M} UTC now.")
    return moment


def short_time(text: object) -> str:
    """An ISO time of the catalog to the minute, such as ``2026-11-28 09:30``; another text as it is."""
    if not text:
        return ""
    try:
        return datetime.fromisoformat(str(text)).astimezone(UTC).strftime("%Y-%m-%d %H:%M")
    except ValueError:
        return str(text)
