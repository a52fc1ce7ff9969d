"""How cells that Arrow cannot convert to the type of their column are written so that it can.

Arrow converts the common forms: ``-12``, ``007``, ``0.5``, ``1e3``, ``2020-07-14 20:46:38`` with fractions, ``T``,
``Z`` and offsets. The functions here read other forms that Java, ISO 8601, spreadsheets and the documents of the
service write. They return the text in a form that Arrow converts, or None if it is not of the type.
"""

import re
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation

NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
BIGINT_DIGITS = 19
BIGINT = range(-(2**63), 2**63)
ISO_TIME = re.compile(
    r"(?P<year>[0-9]{4})(?P<dash>-?)(?P<month>[0-9]{2})(?P=dash)(?P<day>[0-9]{2})[Tt ]?(?:"
    r"(?P<hour>[0-9]{2})(?P<colon>:?)(?P<minute>[0-9]{2})(?:(?P=colon)(?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]+))?)?"
    r" ?(?P<zone>[Zz]|UTC|GMT|[-+][0-9]{2}(?::?[0-9]{2})?)?(?:\[[A-Za-z0-9_+/-]{1,50}\])?)?"
)
"""ISO 8601, extended or basic, as Java writes it, too: seconds can be missing, a Region in brackets can follow."""
US_TIME = re.compile(
    r"(?P<month>[0-9]{1,2})/(?P<day>[0-9]{1,2})/(?P<year>[0-9]{4}),? "
    r"(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2}))?(?: ?(?P<half>[AaPp])[Mm])?"
)
"""``07/14/2020 08:46:38 PM``, in examples of the service's documents."""
JAVA_DATE = re.compile(
    r"[A-Z][a-z]{2} (?P<name>[A-Z][a-z]{2}) (?P<day>[0-9]{2}) "
    r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2}) (?:UTC|GMT|Z) (?P<year>[0-9]{4})"
)
"""``Tue Jul 14 20:46:38 UTC 2020``: https://docs.oracle.com/javase/8/docs/api/java/util/Date.html#toString--"""
BOUNDS = {
    "bigint": (BIGINT.start, BIGINT.stop - 1),
    "double": (-sys.float_info.max, sys.float_info.max),
    "timestamp": (-62_135_510_400 * 10**6, 253_402_300_800 * 10**6 - 1),
}
"""The values of Arrow that the functions here would return, too; all others are read again. Times are microseconds
since 1970, from 0001-01-02 to the end of 9999: Arrow has the years 0 and 10000. On the first day of year 1, year 0 of
another time zone can end."""
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def bigint_text(cell: str) -> str | None:
    """A whole number of 64 bits, also if it is written as ``2.0`` or ``2E0``."""
    if not NUMBER.fullmatch(cell.strip()):
        return None
    try:
        number = Decimal(cell.strip())
    except InvalidOperation:  # an exponent of more than 18 digits
        return None
    if number and not 0 <= number.adjusted() < BIGINT_DIGITS:
        return None
    whole = int(number) if number else 0
    return str(whole) if whole == number and whole in BIGINT else None


def double_text(cell: str) -> str | None:
    """A finite number."""
    text = cell.strip()
    return text if NUMBER.fullmatch(text) and abs(float(text)) != float("inf") else None


def timestamp_text(cell: str) -> str | None:
    """A time in UTC, in the years 1 to 9999. Of a fraction, microseconds are kept. Second 60 is the one after 59."""
    text = cell.strip()
    for pattern in (ISO_TIME, US_TIME, JAVA_DATE):
        if found := pattern.fullmatch(text):
            try:
                return _utc(found.groupdict())
            except (ValueError, OverflowError):
                return None
    return None


def _utc(parts: Mapping[str, str | None]) -> str:
    """Raises ValueError if there is no such time, OverflowError if it is not in the years 1 to 9999."""
    hour, minute, second = (int(parts.get(name) or 0) for name in ("hour", "minute", "second"))
    if half := parts.get("half"):
        if not 1 <= hour <= 12:
            raise ValueError("no hour of a half day")
        hour = hour % 12 + (12 if half in "Pp" else 0)
    name = parts.get("name")
    month = MONTHS.index(name) + 1 if name else int(parts["month"] or 0)
    day = datetime(int(parts["year"] or 0), month, int(parts["day"] or 0), tzinfo=_zone(parts.get("zone")))
    microsecond = int((parts.get("fraction") or "").ljust(6, "0")[:6])
    leap = timedelta(seconds=1 if second == 60 else 0)
    moment = day.replace(hour=hour, minute=minute, second=second - leap.seconds, microsecond=microsecond)
    return (moment.astimezone(UTC) + leap).replace(tzinfo=None).isoformat(sep=" ")


def _zone(text: str | None) -> timezone:
    if not text or text[0] not in "+-":
        return UTC
    digits = text[1:].replace(":", "").ljust(4, "0")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(offset if text[0] == "+" else -offset)


CONVERTIBLE: Mapping[str, Callable[[str], str | None]] = {
    "bigint": bigint_text,
    "double": double_text,
    "timestamp": timestamp_text,
}
"""By type of the column. Every text is a ``string``."""
