"""Text of others on a terminal and in a spreadsheet."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery_exports.cli.text import cell, printable

HOSTILE = {
    "color": ("\x1b[31mred", r"\x1b[31mred"),
    "window title": ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
    "C1 control sequence introducer": ("\x9b31m", r"\x9b31m"),
    "carriage return": ("STORED\rFAILED", r"STORED\rFAILED"),
    "line break": ("a\nb", r"a\nb"),
    "line separator": ("a\u2028b", r"a\u2028b"),
    "backspace and delete": ("a\x08\x7f", r"a\x08\x7f"),
    "right-to-left override": ("\u202egpj.exe", r"\u202egpj.exe"),
    "isolate": ("\u2066a\u2069", r"\u2066a\u2069"),
    "zero width space": ("a\u200bb", r"a\u200bb"),
    "tag characters": ("a\U000e0041", r"a\U000e0041"),
    "half of a surrogate pair": ("\ud800", r"\ud800"),
}


@pytest.mark.parametrize(("text", "expected"), HOSTILE.values(), ids=HOSTILE)
def test_bad_input_41_what_controls_a_terminal_is_shown_as_its_escape(text: str, expected: str) -> None:
    assert printable(text) == expected


@pytest.mark.parametrize("text", ["server-1", "Größe", "サーバー", "a\u00a0b", "😀", ""])
def test_other_text_is_shown_as_it_is(text: str) -> None:
    assert printable(text) == text


@given(st.text())
def test_bad_input_41_no_text_has_a_character_that_is_not_shown(text: str) -> None:
    categories = {unicodedata.category(each) for each in printable(text)}

    assert not categories & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@pytest.mark.parametrize(
    "formula",
    ["=1+1", "+1+1", "-1+cmd|' /C calc'!A0", "@SUM(A1)", " =1", "'=1", '"=1', "\uff1d1", "-"],
)
def test_bad_input_26_a_cell_that_a_spreadsheet_would_run_gets_an_apostrophe(formula: str) -> None:
    assert cell(formula).startswith("'")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x;=HYPERLINK(1)", "x;'=HYPERLINK(1)"),
        ("x; @SUM(1)", "x;' @SUM(1)"),
        ("a|+1+1", "a|'+1+1"),
        ("x;=1;=2", "x;'=1;'=2"),
        ('["a;=1", "-x"]', '["a;\'=1", "-x"]'),
        ("x\n=1", r"x\n=1"),
        ("x\t=1", r"x\t=1"),
        ("\t=1", r"\t=1"),
        ("a;-5;b", "a;-5;b"),
        ("C:\\x, -Xmx1g", "C:\\x, -Xmx1g"),
    ],
)
def test_bad_input_26_what_a_spreadsheet_splits_into_cells_has_no_formula(text: str, expected: str) -> None:
    assert cell(text) == expected


@pytest.mark.parametrize("number", ["-5", "+0.5", "-1.5e-3", "-.5", "12", "1.0"])
def test_a_number_stays_a_number(number: str) -> None:
    assert cell(number) == number


@given(st.text())
def test_bad_input_26_no_cell_is_a_formula_or_controls_a_terminal(text: str) -> None:
    result = cell(text)

    for part in re.split("[;|]", result):
        assert not re.match(r"\s*[=@＝＋－＠]", part)  # noqa: RUF001
        assert not re.match(r"\s*[+-](?![\d.])", part)
    assert not [each for each in result if unicodedata.category(each) == "Cc"]
