"""Removes download URLs from logs and messages. A presigned URL is a bearer secret: its path and its query.

At DEBUG, botocore logs whole responses; urllib3 logs request lines, and exceptions quote URLs. Each text is redacted
when its log record is created, for every logger, handler and formatter. Credentials from STS are redacted, too.

A URL has known forms, which are replaced. Then the text is read without line breaks, invisible characters and
encodings: whatever follows a remaining sign of a URL is hidden.
"""

import html
import logging
import re
import traceback
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

MAX_MESSAGE_LENGTH = 500
REDACTED = "<hidden>"
MAX_LAYERS = 8
"""Encodings in one another that are removed to find a URL. A text with more is hidden as a whole."""

# The characters of a URL in all their forms: plain, percent-encoded (also repeatedly), JSON- or Python-escaped.
_COLON = r"(?::|%(?:25)*3a|\\+u003a|\\+x3a)"
_SLASH = r"(?:\\*/|%(?:25)*2f|\\+u002f|\\+x2f)"
_EQUALS = r"(?:=|%(?:25)*3d|\\+u003d|\\+x3d)"
_ANY = r"[^\s\"<>]"
# A URL can be wrapped: unless a short word follows it, everything after it is hidden, too.
_REST = rf"{_ANY}*+(?:\s++(?={_ANY}{{12}}|{_ANY}*?[-%&=/?0-9])[\s\S]*+)?"
_SIGNED = r"(?:x-amz-(?:algorithm|credential|date|expires|signedheaders|signature|security-token)|awsaccesskeyid)"

_SECRETS = re.compile(
    "|".join(
        (
            rf"(?:https?|ftps?){_COLON}{_SLASH}{{2}}{_REST}",
            rf"(?P<verb>\b(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS)) {_ANY}+(?= HTTP/\d)",
            rf"(?P<label>\burl(?:[:=]|\W{{1,3}})\s*['\"]?)/{_ANY}*",
            r"(?P<member>(?:configurationsDownloadUrl|statusMessage)\\*['\"]\s*:\s*b?\\*['\"])(?:[^'\"\\]|\\+[^'\"\\])*",
            rf"(?P<token>x-amz-security-token['\"]?\s*[:=]\s*b?['\"]?){_ANY}+",
            rf"(?<!{_ANY}){_ANY}*{_SIGNED}{_EQUALS}{_REST}",
            r"(?P<sts><(?:SecretAccessKey|SessionToken)>)[^<]*",
        )
    ),
    re.IGNORECASE,
)

_UNPRINTABLE = (
    r"\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    r"\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff\U000e0000-\U000e0fff"
)
"""Controls, line separators, bidirectional controls, surrogates, and what Unicode calls default ignorable."""
_UNPRINTABLE_RUN = re.compile(f"[{_UNPRINTABLE}]+")
_JUNK = re.compile(rf"=[ \t]*\r?\n|[\s{_UNPRINTABLE}]+")
"""What can break a word: soft line breaks of quoted-printable, white space, what is invisible."""
_ENCODED = re.compile(
    "|".join(
        (
            r"(?P<bytes>(?:%(?:25)*+[0-9A-Fa-f]{2})++|(?:(?<!\\)\\++[xX][0-9A-Fa-f]{2})++)",
            r"(?<!\\)\\++(?:U(?P<long>[0-9A-Fa-f]{8})|[uU](?P<code>[0-9A-Fa-f]{4})|[uU]\{(?P<braced>[0-9A-Fa-f]{1,6})\}"
            r"|0{2,4}(?P<padded>[0-9A-Fa-f]{2})|(?P<octal>[0-3][0-7]{2})|(?P<css>[0-9A-Fa-f]{2})|(?P<char>[/'\"nrtNRT]))",
            r"&(?:amp;)*+(?:(?:#[xX](?P<hex>[0-9A-Fa-f]{1,6})|#(?P<decimal>[0-9]{1,7}));?|(?P<entity>[A-Za-z]{2,31});)",
            r"(?P<wide>[^\x00-\x7f]++)",
        )
    )
)
"""What stands for another character. CSS has two hexadecimal digits or more after a backslash, other languages three
octal ones."""
_PUNCTUATION = re.compile("[^A-Za-z0-9]+")
_URL = re.compile(
    r"(?:https?|ftps?)://|(?:signature|awsaccesskeyid)\W{0,8}[=:]"
    "|aHR0cHM6Ly|h0dHBzOi8v|odHRwczovL|aHR0cDovL|h0dHA6Ly|odHRwOi8v|68747470(?:73)?3a2f2f",
    re.IGNORECASE,
)
"""In a text without white space. The second line is ``https://`` and ``http://`` in base64, from each of three bytes
on, and in hexadecimal."""
_NAME = re.compile(
    r"xamz(?:algorithm|credential|expires|securitytoken|signature|signedheaders)(?!b?hidden)|awsaccesskeyid(?=akia|asia)",
    re.IGNORECASE,
)
"""A parameter of a signed URL whose value is not hidden yet, in a text of letters and digits only."""
_BASE64 = "[A-Za-z0-9+/=]"
_OPAQUE = re.compile(rf"(?<!{_BASE64})(?=(?:[A-Za-z+/=]*[0-9]){{3}}){_BASE64}{{32,}}")
"""A signature without a name, or a URL in base64, in a text with its spaces."""
_PRINCIPAL = re.compile(
    r"arn:aws[a-z-]*:(?:iam|sts)::\d{12}:(?:assumed-role|role|user)(?:/[\w+=,.@-]{1,64}){1,3}", re.ASCII
)
"""Who a call was denied to. The names that CloudFormation gives to roles and functions can look like ``_OPAQUE``."""
_OPAQUE_IN_PIECES = re.compile(rf"(?<!{_BASE64})(?=(?:[A-Za-z+/=]*[0-9]){{12}}){_BASE64}{{150,}}")
"""The same in a text without spaces, in which sentences are long words, but with few digits."""


class Redacted(Exception):
    """Replaces, in a log record, an exception whose text contained a URL. Its own text is the redacted text."""


def redact(text: str) -> str:
    """Hide every URL, HTTP request target and signing parameter in ``text``, in any of the forms above."""
    return _hide_from_sign(_SECRETS.sub(_redact_match, text))


def _redact_match(found: re.Match[str]) -> str:
    if found["verb"]:
        return f"{found['verb']} {REDACTED}"
    return (found["label"] or found["token"] or found["member"] or found["sts"] or "") + REDACTED


def redact_message(text: str, limit: int = MAX_MESSAGE_LENGTH) -> str:
    """Text of another system, fit to be stored and printed: on one line, at most ``limit`` characters, no URL.

    From the first sign of a URL or key on, everything is hidden: a URL can be wrapped, and end anywhere.
    """
    cut = _UNPRINTABLE_RUN.sub("\n", text)[: 8 * limit]  # limits the work on a huge text
    shown = _hide_from_sign(cut, opaque=True).replace("\n", " ").strip()
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def _hide_from_sign(text: str, *, opaque: bool = False) -> str:
    """``text`` up to the word in which the first sign of a URL begins; with ``opaque``, also of a long key.

    The sign is searched in what the text means. The work is linear in the length of the text.
    """
    words = _decoded(text, space="")
    spaced = _decoded(text, space=" ") if opaque else words
    if words is None or spaced is None:
        return REDACTED
    signs = [words.first(_URL), words.replaced(_PUNCTUATION, lambda _: "").first(_NAME)]
    if opaque:
        signs += [spaced.replaced(_PRINCIPAL, lambda _: " ").first(_OPAQUE), words.first(_OPAQUE_IN_PIECES)]
    position = min((sign for sign in signs if sign is not None), default=None)
    if position is None:
        return text
    return text[: max(text.rfind(each, 0, position) for each in ' \t\r\n"<>') + 1] + REDACTED


Meaning = Callable[[re.Match[str]], str]


@dataclass(frozen=True, slots=True)
class _Reading:
    """A text after replacements: each step has the text before it, a pattern, and what replaced a match."""

    text: str
    steps: tuple[tuple[str, re.Pattern[str], Meaning], ...] = ()

    def replaced(self, pattern: re.Pattern[str], meaning: Meaning) -> "_Reading":
        return _Reading(pattern.sub(meaning, self.text), (*self.steps, (self.text, pattern, meaning)))

    def first(self, sign: re.Pattern[str]) -> int | None:
        """The position of the first match, in the text before all steps."""
        found = sign.search(self.text)
        if found is None:
            return None
        position = found.start()
        for before, pattern, meaning in reversed(self.steps):
            position = _origin(position, before, pattern, meaning)
        return position


def _origin(position: int, before: str, pattern: re.Pattern[str], meaning: Meaning) -> int:
    """Where the character at ``position`` was before the replacements."""
    removed = 0
    for found in pattern.finditer(before):
        start, length = found.start() - removed, len(meaning(found))
        if position < start + length:
            return min(position + removed, found.start())
        removed += len(found[0]) - length
    return position + removed


def _decoded(text: str, *, space: str) -> _Reading | None:
    """What ``text`` means: without encodings, and with ``space`` where there is a space. None if it never ends."""
    reading = _Reading(text)
    for _ in range(MAX_LAYERS):
        before = reading.text
        reading = reading.replaced(_JUNK, lambda junk: space if " " in junk[0] else "").replaced(_ENCODED, _character)
        if reading.text == before:
            return reading
    return None


def _character(found: re.Match[str]) -> str:
    """The characters that are encoded, without bytes that are not UTF-8."""
    match found.lastgroup:
        case "bytes":
            encoded = re.findall("[%xX][0-9A-Fa-f]*([0-9A-Fa-f]{2})", found[0])
            return bytes.fromhex("".join(encoded)).decode(errors="ignore")
        case "code" | "long" | "hex" | "braced" | "padded" | "css" | "decimal" | "octal":
            code = int(found[found.lastgroup], {"decimal": 10, "octal": 8}.get(found.lastgroup, 16))
            return chr(code) if code < 0x110000 else ""
        case "entity":
            return html.unescape(f"&{found['entity'].lower()};")
        case "wide":
            if not unicodedata.normalize("NFKD", found[0]).encode("ascii", "ignore"):
                return found[0]  # most texts: no letter in it stands for one of ASCII
            return "".join(map(_plain, found[0]))
        case _:
            return "\n" if found["char"] in "nrtNRT" else found["char"]


def _plain(character: str) -> str:
    """Such as ``h`` for a wide or bold one."""
    plain = unicodedata.normalize("NFKC", character)
    return plain if plain.isascii() else character


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
            return {
                redact_value(name): REDACTED if _names_secret(str(name)) else redact_value(each)
                for name, each in value.items()
            }
        case list():
            return [redact_value(each) for each in value]
        case tuple():
            return tuple(redact_value(each) for each in value)
        case _:
            text = str(value)
            redacted = redact(text)
            return value if redacted == text else redacted


@lru_cache(maxsize=1000)
def _names_secret(name: str) -> bool:
    """Whether a member with this name would be hidden in text."""
    text = f"'{name}': '"
    return redact(text) != text
