"""Text of others on a terminal and in spreadsheets."""

import re
import unicodedata


def printable(text: str, keep: str = "") -> str:
    r"""``text`` with every character that is not shown as itself replaced by its escape, such as ``\x1b``.

    These are the control characters (C0, C1), line and paragraph separators, halves of surrogate pairs, unassigned and
    private characters, and all format characters, among them those that change the direction of text: a name from an
    export must not move the cursor, change colors or the title of the window, or look like another name. ``keep`` lists
    characters that stay.
    """
    if text.isprintable():
        return text
    return "".join(each if each in keep or _is_shown(each) else _escape(each) for each in text)


def _is_shown(character: str) -> bool:
    return character.isprintable() or unicodedata.category(character) == "Zs"


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


_NUMBER = r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?"
# Spreadsheets also take the full-width forms.
_FORMULA = re.compile(rf"(^|[;|])(?!{_NUMBER}([;|]|$))(?=[\s'\"]*[=+\-@＝＋－＠])")  # noqa: RUF001


def cell(value: str) -> str:
    """``value`` as a cell of a CSV file that people open in a spreadsheet.

    A spreadsheet runs a cell that begins with one of ``=+-@``, also after spaces, as a formula. It gets an apostrophe
    before it, unless it is a number. In some countries, spreadsheets begin a cell after each ``;``, also in quotes.
    Tabs and line breaks are escaped for this reason; a comma is in quotes.
    https://owasp.org/www-community/attacks/CSV_Injection
    """
    text = printable(value)
    return _FORMULA.sub(r"\1'", text) if _may_be_formula(text) else text


def is_formula(value: str) -> bool:
    """Whether :func:`cell` puts an apostrophe into ``value``."""
    return _may_be_formula(value) and bool(_FORMULA.search(printable(value)))


def _may_be_formula(value: str) -> bool:
    """False for nearly all texts, in a fraction of the time that the pattern takes."""
    return value[:1] in _BEGINNINGS or ";" in value or "|" in value


_BEGINNINGS = frozenset("=+-@＝＋－＠ '\"\t\r\n\x0b\x0c")  # noqa: RUF001
