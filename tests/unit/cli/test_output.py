"""The forms of the output."""

import csv
import io
import json
from typing import Any

import pytest

from discovery_exports.cli.output import Column, Form, Output, number
from tests.unit.cli.test_text import HOSTILE

ID = "export-" + "0" * 36
ROWS: list[dict[str, Any]] = [
    {"exportId": "export-1", "rows": 1200, "truncated": False},
    {"exportId": "export-2", "note": {"a": 1}},
]
MEMBERS = ("exportId", "rows", "truncated", "note")


def printed(form: Form, capsys: pytest.CaptureFixture[str]) -> str:
    Output(form).rows(ROWS, MEMBERS)
    return capsys.readouterr().out


def test_json_and_json_lines_have_the_members_that_have_a_value(capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(printed(Form.JSON, capsys)) == ROWS
    assert [json.loads(line) for line in printed(Form.JSONL, capsys).splitlines()] == ROWS


def test_csv_has_a_column_for_each_member(capsys: pytest.CaptureFixture[str]) -> None:
    lines = list(csv.reader(io.StringIO(printed(Form.CSV, capsys))))

    assert lines == [list(MEMBERS), ["export-1", "1200", "false", ""], ["export-2", "", "", '{"a": 1}']]


def test_a_table_has_a_header_and_no_trailing_spaces(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(Form.TABLE, capsys).splitlines()

    assert lines == [
        "exportId  rows   truncated  note",
        "export-1  1,200  false",
        'export-2                    {"a": 1}',
    ]


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("text", [each for each, _ in HOSTILE.values()], ids=HOSTILE)
def test_bad_input_41_no_form_prints_what_controls_a_terminal(
    form: Form, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Output(form).rows([{"name": text, "nested": [text]}], ["name", "nested"])

    assert all(line.isprintable() for line in capsys.readouterr().out.split("\n"))


def test_bad_input_26_csv_guards_formulas_in_values_and_in_names(capsys: pytest.CaptureFixture[str]) -> None:
    Output(Form.CSV).rows([{"=A1": "@SUM(A1)", "n": -5}], ["=A1", "n"])

    assert capsys.readouterr().out == "'=A1,n\n'@SUM(A1),-5\n"


def test_without_a_terminal_the_default_is_json() -> None:
    assert Output().form is Form.JSON


class TestOnATerminal:
    @pytest.fixture(autouse=True)
    def terminal(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys, self.environment = capsys, monkeypatch
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("TERM", "xterm-256color")

    def table(self, width: int) -> str:
        self.environment.setenv("COLUMNS", str(width))
        columns = [
            Column("id", "export", whole=True),
            Column("status", "status", whole=True, style=lambda text: "green"),
            Column("time", "time", whole=True, spare=1),
            Column("rows", "rows", number, right=True, spare=2),
            Column("why", "why"),
        ]
        row = {
            "id": "export-" + "0" * 36,
            "status": "FAILED",
            "time": "2026-11-29 08:30",
            "rows": 12,
            "why": "word " * 9,
        }
        Output(Form.TABLE).table([row], columns)
        return self.capsys.readouterr().out

    def test_columns_that_can_be_left_out_make_room(self) -> None:
        self.environment.setenv("NO_COLOR", "1")
        headers = {width: self.table(width).split() for width in (120, 84, 70, 40)}

        assert [each in headers[120] for each in ("time", "rows")] == [True, True]
        assert [each in headers[84] for each in ("time", "rows")] == [True, False]
        assert [each in headers[70] for each in ("time", "rows")] == [False, False]
        assert all(header.count("word") == 9 for header in headers.values())
        assert all(ID in header for header in headers.values())

    def test_colors_are_those_of_the_table_and_no_color_ends_them(self) -> None:
        assert "\x1b[32mFAILED" in self.table(120)

        self.environment.setenv("NO_COLOR", "1")

        assert "\x1b" not in self.table(120)
