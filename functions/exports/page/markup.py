"""Builds HTML. All text is escaped, unless this module made it."""

from html import escape

from exports.text import printable

MAX_TEXT_BYTES = 300
"""Of a text in HTML and UTF-8, so that no text of others makes the page large. An ID has at most 200."""
_VOID = {"meta"}


class Markup(str):
    """HTML that is safe to be sent: made by :func:`element`, or a constant."""

    __slots__ = ()


def text(value: str, limit: int = MAX_TEXT_BYTES) -> Markup:
    """The text as HTML, with escapes in the place of what is not shown as itself, cut to ``limit`` bytes."""
    shown = escape(printable(value))
    if len(shown.encode()) <= limit:
        return Markup(shown)
    pieces, size = [], len("…".encode())
    for character in printable(value):
        piece = escape(character)
        size += len(piece.encode())
        if size > limit:
            break
        pieces.append(piece)
    return Markup("".join(pieces) + "…")


def join(*parts: str) -> Markup:
    return Markup("".join(part if isinstance(part, Markup) else text(part) for part in parts))


def element(tag: str, *children: str, **attributes: str | float | None) -> Markup:
    """An HTML element. A trailing ``_`` of the name of an attribute is left out, each other one is a hyphen.

    An attribute that is None is left out.
    """
    given = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items() if value is not None}
    start = "".join(f' {name}="{escape(str(value))}"' for name, value in given.items())
    if tag in _VOID:
        return Markup(f"<{tag}{start}>")
    return Markup(f"<{tag}{start}>{join(*children)}</{tag}>")
