"""Keeps download links out of whatever is written down: they are bearer secrets, path and query alike.

botocore at DEBUG logs whole answers, urllib3 logs request lines, exceptions quote URLs: every text is cleaned when its
log record is made, whichever logger, handler or formatter it passes on its way. So are credentials that STS hands out.
"""

import logging
import re
import traceback
from collections.abc import Mapping
from typing import Any

MAX_MESSAGE_LENGTH = 500
REDACTED = "<hidden>"

# The characters of a URL as they come: plain, percent-encoded (also more than once), JSON- or Python-escaped.
_COLON = r"(?::|%(?:25)*3a|\\+u003a|\\+x3a)"
_SLASH = r"(?:\\*/|%(?:25)*2f|\\+u002f|\\+x2f)"
_EQUALS = r"(?:=|%(?:25)*3d|\\+u003d|\\+x3d)"
_ANY = r"[^\s\"<>]"
_SIGNED = r"(?:x-amz-(?:algorithm|credential|date|expires|signedheaders|signature|security-token)|awsaccesskeyid)"

_SECRETS = re.compile(
    "|".join(
        (
            rf"(?:https?|ftps?){_COLON}{_SLASH}{{2}}{_ANY}*",
            rf"(?P<verb>\b(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS)) {_ANY}+(?= HTTP/\d)",
            rf"(?P<told>\burl(?:[:=]|\W{{1,3}})\s*['\"]?)/{_ANY}*",
            r"(?P<member>configurationsDownloadUrl\\*['\"]\s*:\s*b?\\*['\"])(?:[^'\"\\]|\\+[^'\"\\])*",
            rf"(?P<token>x-amz-security-token['\"]?\s*[:=]\s*b?['\"]?){_ANY}+",
            rf"(?<!{_ANY}){_ANY}*{_SIGNED}{_EQUALS}{_ANY}*",
            r"(?P<sts><(?:SecretAccessKey|SessionToken)>)[^<]*",
        )
    ),
    re.IGNORECASE,
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufeff]+")


class Redacted(Exception):
    """Stands in a log record for an exception whose text held a link; its own text is that text, cleaned."""


def redact(text: str) -> str:
    """``text`` with every URL, HTTP request line and signing parameter hidden, in whatever encoding they came."""
    return _SECRETS.sub(_hide, text)


def _hide(found: re.Match[str]) -> str:
    if found["verb"]:
        return f"{found['verb']} {REDACTED}"
    return (found["told"] or found["token"] or found["member"] or found["sts"] or "") + REDACTED


def redact_message(text: str, limit: int = MAX_MESSAGE_LENGTH) -> str:
    """A message of somebody else's as it may be kept and shown: scrubbed, on one line, at most ``limit`` characters."""
    # A first cut bounds the work on a huge text, and falls where a link that it cuts in two is still recognised.
    shown = redact(_CONTROL.sub(" ", text[: 8 * limit])).strip()
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def install_log_filter() -> None:
    """Clean every log record from now on, those of libraries included. Doing it again changes nothing."""
    inner = logging.getLogRecordFactory()
    if not getattr(inner, "redacts", False):
        logging.setLogRecordFactory(_RedactingFactory(inner))


class _RedactingFactory:
    """A log record factory around another one."""

    redacts = True

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __call__(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        record: logging.LogRecord = self._inner(*args, **kwargs)
        _redact_text(record)
        _redact_exception(record)
        return record


def _redact_text(record: logging.LogRecord) -> None:
    if not isinstance(record.msg, str):
        record.msg, record.args = redact_value(record.msg), redact_value(record.args)
        return
    try:
        text = record.getMessage()
    except Exception:  # the logging module reports a message that does not fit its arguments; it must not quote them
        record.msg, record.args = f"{redact(record.msg)} (with arguments that do not fit)", ()
        return
    shown = redact(text)
    if shown != text:
        record.msg, record.args = shown, ()
    if record.stack_info:
        record.stack_info = redact(record.stack_info)


def _redact_exception(record: logging.LogRecord) -> None:
    if not record.exc_info or record.exc_info[1] is None:
        return
    text = "".join(traceback.format_exception(*record.exc_info))
    shown = redact(text)
    if shown != text:
        stand_in = Redacted(f"{record.exc_info[0].__name__ if record.exc_info[0] else ''}\n{shown}")
        record.exc_info = (Redacted, stand_in, None)
        record.exc_text = shown


def redact_value(value: Any) -> Any:
    """``value`` with every link in it hidden, down through plain containers; what holds none stays what it is."""
    match value:
        case Mapping():
            return {redact_value(name): redact_value(each) for name, each in value.items()}
        case list():
            return [redact_value(each) for each in value]
        case tuple():
            return tuple(redact_value(each) for each in value)
        case _:
            text = str(value)
            shown = redact(text)
            return value if shown == text else shown
