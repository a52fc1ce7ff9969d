"""Removes download URLs from logs and messages. A presigned URL is a bearer secret: its path and its query.

At DEBUG, botocore logs whole responses; urllib3 logs request lines, and exceptions quote URLs. Each text is redacted
when its log record is created, for every logger, handler and formatter. Credentials from STS are redacted, too.
"""

import logging
import re
import traceback
from collections.abc import Mapping
from typing import Any

MAX_MESSAGE_LENGTH = 500
REDACTED = "<hidden>"

# The characters of a URL in all their forms: plain, percent-encoded (also repeatedly), JSON- or Python-escaped.
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
            rf"(?P<label>\burl(?:[:=]|\W{{1,3}})\s*['\"]?)/{_ANY}*",
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
    """Replaces, in a log record, an exception whose text contained a URL. Its own text is the redacted text."""


def redact(text: str) -> str:
    """Hide every URL, HTTP request target and signing parameter in ``text``, in any of the forms above."""
    return _SECRETS.sub(_redact_match, text)


def _redact_match(found: re.Match[str]) -> str:
    if found["verb"]:
        return f"{found['verb']} {REDACTED}"
    return (found["label"] or found["token"] or found["member"] or found["sts"] or "") + REDACTED


def redact_message(text: str, limit: int = MAX_MESSAGE_LENGTH) -> str:
    """A message of another system, fit to be stored: redacted, on one line, at most ``limit`` characters."""
    # The first cut limits the work on a huge text. A URL that it cuts in two is still recognized.
    redacted = redact(_CONTROL.sub(" ", text[: 8 * limit])).strip()
    return redacted if len(redacted) <= limit else redacted[: limit - 1] + "…"


def install_log_filter() -> None:
    """Redact every log record from now on, including those of libraries. A second call has no effect."""
    inner = logging.getLogRecordFactory()
    if not getattr(inner, "redacts", False):
        logging.setLogRecordFactory(_RedactingFactory(inner))


class _RedactingFactory:
    """Wraps another log record factory and redacts its records."""

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
    except Exception:  # logging would report the mismatch of message and arguments, and quote them
        record.msg, record.args = f"{redact(record.msg)} (with arguments that do not fit)", ()
        return
    redacted = redact(text)
    if redacted != text:
        record.msg, record.args = redacted, ()
    if record.stack_info:
        record.stack_info = redact(record.stack_info)


def _redact_exception(record: logging.LogRecord) -> None:
    if not record.exc_info or record.exc_info[1] is None:
        return
    text = "".join(traceback.format_exception(*record.exc_info))
    redacted = redact(text)
    if redacted != text:
        replacement = Redacted(f"{record.exc_info[0].__name__ if record.exc_info[0] else ''}\n{redacted}")
        record.exc_info = (Redacted, replacement, None)
        record.exc_text = redacted


def redact_value(value: Any) -> Any:
    """Redact ``value``, recursively in plain containers. A value without a URL is returned unchanged."""
    match value:
        case Mapping():
            return {redact_value(name): redact_value(each) for name, each in value.items()}
        case list():
            return [redact_value(each) for each in value]
        case tuple():
            return tuple(redact_value(each) for each in value)
        case _:
            text = str(value)
            redacted = redact(text)
            return value if redacted == text else redacted
