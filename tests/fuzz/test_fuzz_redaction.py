"""No signature of a download URL survives redaction, however the text that holds it is encoded, wrapped or split."""

import base64
import html
import json
import re
import textwrap
import unicodedata
from collections.abc import Callable, Sequence
from urllib.parse import parse_qs, quote, unquote

from hypothesis import given
from hypothesis import strategies as st

from exports.redaction import MAX_MESSAGE_LENGTH, redact, redact_message

WINDOW = 12
"""As many characters of a signature in a row must not survive."""

secrets = st.text("0123456789abcdef", min_size=64, max_size=64)
"""A signature of AWS Signature Version 4."""


def urls(secret: str) -> Sequence[str]:
    host = "https://bucket.s3.us-west-2.amazonaws.com/1234/export.zip"
    query = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=300"
    return (
        f"{host}?{query}&X-Amz-Signature={secret}",
        f"{host}?X-Amz-Signature={secret}&{query}",
        f"{host}?{query}&X-Amz-Security-Token={secret}{secret}&X-Amz-Signature={secret}",
        f"{host}?AWSAccessKeyId=AKIA0123&Expires=1795445878&Signature={secret}",
        f"/1234/export.zip?{query}&X-Amz-Signature={secret}",
        f"{host}/{secret}",
    )


def as_dict(text: str) -> str:
    """The query of a URL as Python prints it after parsing; the text itself if it has none."""
    members = parse_qs(text.partition("?")[2])
    return repr({"url": text.partition("?")[0], **members} if members else text)


def mime(text: str) -> str:
    return base64.encodebytes(text.encode()).decode()


def quoted_printable(text: str) -> str:
    escaped = text.replace("=", "=3D")
    return "=\n".join(escaped[at : at + 75] for at in range(0, len(escaped), 75))


ENCODINGS: Sequence[Callable[[str], str]] = (
    quote,
    lambda text: quote(text, safe=""),
    lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
    json.dumps,
    lambda text: json.dumps({"statusMessage": text, "isTruncated": False}),
    lambda text: json.dumps(text).replace("/", "\\/").replace("&", "\\u0026").replace("=", "\\u003d"),
    lambda text: "".join(f"\\u{ord(each):04x}" if ord(each) < 0x10000 else each for each in text),
    lambda text: "".join(f"\\x{byte:02x}" for byte in text.encode()),
    repr,
    lambda text: repr(text.encode()),
    html.escape,
    lambda text: "".join(f"&#{ord(each)};" for each in text),
    lambda text: "".join(f"&#x{ord(each):X};" for each in text),
    lambda text: "".join(f"&#{ord(each)}" for each in text),
    lambda text: "".join(f"\\{byte:03o}" for byte in text.encode()),
    lambda text: "".join(f"\\u{{{ord(each):x}}}" for each in text),
    lambda text: "".join(f"\\{byte:02x} " for byte in text.encode()),
    lambda text: text.replace(":", "&colon;").replace("/", "&sol;").replace("=", "&equals;"),
    lambda text: "".join(chr(ord(each) + 0xFEE0) if "!" <= each <= "~" else each for each in text),
    str.upper,
    as_dict,
)
BREAKS = ("\n", "\r\n", "\n    ", "\t", "\u200b", "\u00ad", "\u2028", "\x85", "\ufeff", "\x00", " ", "\u202e", "\u00a0")


def broken(text: str, every: int, separator: str) -> str:
    return separator.join(text[at : at + every] for at in range(0, len(text), every))


@st.composite
def hiding_texts(draw: st.DrawFn, *, breaks: int, min_piece: int) -> tuple[str, str]:
    """A secret, and a text that holds it in a URL. It is broken at most ``breaks`` times, into pieces ``min_piece``."""
    secret = draw(secrets)
    text = draw(st.sampled_from(urls(secret)))
    steps = draw(st.permutations(["encode"] * draw(st.integers(0, 3)) + ["break"] * draw(st.integers(0, breaks))))
    for step in steps:
        text = draw(st.sampled_from(ENCODINGS))(text) if step == "encode" else draw(breaking(text, min_piece))
    before = draw(st.sampled_from(("", "Could not write to ", "failed\n", "see '", '{"message": "')))
    after = draw(st.sampled_from(("", " (AccessDenied)", "\n and more")))
    return secret, before + text + after


def breaking(text: str, min_piece: int) -> st.SearchStrategy[str]:
    """The text in lines or other pieces."""
    return st.one_of(
        st.just(quoted_printable(text)),
        st.integers(max(min_piece, 20), 80).map(lambda width: textwrap.fill(text, width)),
        st.builds(broken, st.just(text), st.integers(min_piece, 80), st.sampled_from(BREAKS)),
    )


def survivors(secret: str, shown: str) -> list[str]:
    """The parts of the secret, as long as WINDOW, that a reader can put together from what is shown."""
    readings = {shown}
    for decode in (html.unescape, unquote, _unescaped, _decoded) * 3:
        readings |= {decode(reading) for reading in readings}
    letters = {re.sub(r"[^0-9a-f]", "", _ascii(reading).lower()) for reading in readings}
    windows = {secret[at : at + WINDOW] for at in range(len(secret) - WINDOW + 1)}
    return [window for window in windows if any(window in each for each in letters)]


def printable(text: str) -> bool:
    """Whether a terminal shows the text as it is: on one line, from left to right, without controls."""
    categories = {unicodedata.category(each) for each in text}
    directions = {unicodedata.bidirectional(each) for each in text}
    return not categories & {"Cc", "Cs", "Zl", "Zp"} and not directions & {
        *["LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"]
    }


def _unescaped(text: str) -> str:
    found = re.sub(r"\\+([0-3][0-7]{2})", lambda octal: chr(int(octal[1], 8)), text)
    pattern = r"\\+(?:u([0-9a-f]{4})|u\{([0-9a-f]+)\}|x?([0-9a-f]{2}) ?)"
    return re.sub(pattern, lambda code: chr(int(code[1] or code[2] or code[3], 16)), found)


def _decoded(text: str) -> str:
    """The text with what base64 hides in it."""
    found = re.findall(r"[A-Za-z0-9+/]{16,}", re.sub(r"\s", "", text))
    return text + "".join(
        base64.b64decode(each + "=" * (-len(each) % 4)).decode("latin-1") for each in found if len(each) % 4 != 1
    )


def _ascii(text: str) -> str:
    return "".join(chr(ord(each) - 0xFEE0) if "\uff01" <= each <= "\uff5e" else each for each in text)


@given(hiding_texts(breaks=3, min_piece=1))
def test_bad_input_33_no_signature_survives_in_a_message(example: tuple[str, str]) -> None:
    secret, text = example

    shown = redact_message(text)

    assert survivors(secret, shown) == []
    assert len(shown) <= MAX_MESSAGE_LENGTH
    assert printable(shown)


@given(hiding_texts(breaks=1, min_piece=WINDOW + 4))
def test_fault_37_no_signature_survives_in_a_log(example: tuple[str, str]) -> None:
    secret, text = example

    assert survivors(secret, redact(text)) == []


@given(secrets, st.integers(0, 5), st.integers(32, 76), st.sampled_from(("", "Could not write: ")))
def test_bad_input_33_no_signature_survives_in_base64(secret: str, which: int, width: int, before: str) -> None:
    encoded = base64.b64encode(urls(secret)[which].encode()).decode()

    shown = redact_message(before + broken(encoded, width, "\n"))

    assert survivors(secret, shown) == []


@given(st.text())
def test_bad_input_33_any_text_becomes_a_message(text: str) -> None:
    shown = redact_message(text)

    assert printable(shown)
    assert len(shown) <= MAX_MESSAGE_LENGTH
    assert redact_message(shown) == shown


@given(st.text(st.sampled_from("htps:/%25 &#x;amp\\u00=3aX-Amz-Signature\n\u200b"), max_size=300))
def test_bad_input_33_odd_pieces_of_urls_become_a_message(text: str) -> None:
    assert printable(redact_message(text))
    assert isinstance(redact(text), str)
