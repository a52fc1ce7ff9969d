"""Text of others on a terminal and in spreadsheets."""

import re

from exports.text import printable as printable  # it is also imported from here

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
