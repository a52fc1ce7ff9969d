"""A cell that Arrow converts and the same cell that Python converts have the same value, or none."""

import csv
import io
from collections.abc import Sequence
from contextlib import nullcontext

import pytest
from arro3.compute import cast
from arro3.io import read_parquet
from hypothesis import given
from hypothesis import strategies as st

from exports.datasets.table_schemas import Origin
from exports.formats.parquet_writer import TYPES
from exports.unpack.tables import Target, read_table

DIGITS = st.text("0123456789", max_size=3)
NUMBERS = st.builds(
    "{}{}{}{}{}".format,
    st.sampled_from(["", "", "-", "+", "0x", "_"]),
    st.integers(0, 2**65).map(str) | DIGITS | st.just("0" * 500) | st.just("9" * 400),
    st.sampled_from(["", ".", ",", "e", "E+", "e-", ".5e"]),
    DIGITS | st.sampled_from(["1" * 500, "0" * 500]),
    st.sampled_from(["", "", "d", "f", "\N{ARABIC-INDIC DIGIT ONE}"]),
)
TIMES = st.builds(
    "{}{}{}{}{}{}{}{}{}{}{}".format,
    st.sampled_from(["0000", "0001", "1582", "2020", "9999", "10000", "-0001", "+2020"]),
    st.sampled_from(["-", "-", "-", "", "/"]),
    st.sampled_from(["01", "02", "12", "13", "00", "7"]),
    st.sampled_from(["-", "-", "-", "", "/"]),
    st.sampled_from(["01", "14", "29", "30", "31", "32", "00"]),
    st.sampled_from([" ", "T", "t", "", "  "]),
    st.sampled_from(["00:00", "20:46", "23:59", "24:00", "2046", "8:46", ""]),
    st.sampled_from([":38", ":59", ":60", ":61", "38", ""]),
    st.sampled_from(["", ".", ".5", ",5", ".123456", ".1234567890", "." + "9" * 30]),
    st.sampled_from(["", "", " "]),
    st.sampled_from(["", "Z", "z", "UTC", "+02:00", "-0130", "+02", "+02:99", "+23:59", "-24:00", "+99:99", "-00:00"]),
)
WORDS = st.sampled_from(["NaN", "-nan", "inf", "-Infinity", "null", "true", "1d", "1_000"]) | st.text(max_size=8)


def values_of(kind: str, cells: Sequence[str]) -> list[object]:
    """The value of each cell in a column of the type, a time in microseconds since 1970; None if it has none."""
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([[cell] for cell in ("value", *cells)])
    body = text.getvalue().encode("utf-8", "replace")
    file = io.BytesIO()
    target = Target({"value": ("value", kind)}, Origin("export-1", "2026-11-23"), lambda: nullcontext(file))
    read_table(iter((body,)), lambda: iter((body,)), target)
    (batch,) = read_parquet(file.getvalue())
    column = batch.column("value")
    return list(cast(column, TYPES["bigint"]).to_pylist() if kind == "timestamp" else column.to_pylist())


@pytest.mark.parametrize(("kind", "cells"), [("bigint", NUMBERS), ("double", NUMBERS), ("timestamp", TIMES)])
@given(st.data())
def test_a_space_in_front_of_a_cell_changes_no_value(
    kind: str, cells: st.SearchStrategy[str], data: st.DataObject
) -> None:
    """Arrow converts no cell with a space in front, so Python does."""
    drawn = data.draw(st.lists(cells | WORDS, min_size=1, max_size=4))

    assert values_of(kind, drawn) == values_of(kind, [f" {cell}" for cell in drawn])
