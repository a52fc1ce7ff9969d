"""Names from inside a zip made into key parts: safe, readable, unique, and the same for the same zip."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exports.unpack.filenames import LONGEST, MAX_KEPT_LENGTH, Filenames, kept_name

SAFE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
HOSTILE = st.sampled_from(["a.csv", "A.csv", "x/a.csv", "../a.csv", "a\\a.csv", "é.csv", "", ".", "a" * 400, "file"])
NAMES = st.lists(HOSTILE | st.text(max_size=12) | st.text("aA./\\", max_size=5), max_size=12)


def parts(names: list[str]) -> list[str]:
    filenames = Filenames()
    return [filenames.give(name) for name in names]


@given(names=NAMES)
def test_bad_input_23_parts_are_safe_unique_and_stable(names: list[str]) -> None:
    given_parts = parts(names)

    assert all(SAFE.fullmatch(part) and len(part) <= LONGEST for part in given_parts)
    assert len({part.lower() for part in given_parts}) == len(names)
    assert parts(names) == given_parts


@given(names=NAMES)
def test_bad_input_23_a_part_made_to_collide_is_given_once(names: list[str]) -> None:
    everything = parts(names + parts(names))

    assert len({part.lower() for part in everything}) == len(everything)


@pytest.mark.parametrize("name", ["123456789012_osInfo.csv", "a", "a-b.c_d", "n" * LONGEST])
def test_a_safe_name_stays_as_it_is(name: str) -> None:
    assert parts([name]) == [name]


@pytest.mark.parametrize(
    ("name", "readable"),
    [
        ("folder/123_osInfo.csv", r"123_osInfo-H\.csv"),
        ("..\\..\\a b.csv", r"a_b-H\.csv"),
        (".hidden", r"hidden-H"),
        ("né.CSV", r"n_-H\.CSV"),
        ("..", r"file-H"),
        ("", r"file-H"),
        ("n" * 400 + ".csv", r"n{133}-H\.csv"),
    ],
)
def test_a_changed_name_keeps_its_readable_end_and_gets_a_hash(name: str, readable: str) -> None:
    assert re.fullmatch(readable.replace("H", "[0-9a-f]{12}"), parts([name])[0])


def test_a_part_depends_on_the_name_alone_unless_it_collides() -> None:
    assert parts(["x/a.csv"])[0] == parts(["other", "y/b.csv", "x/a.csv"])[2]


def test_ten_thousand_equal_names_are_given_without_delay() -> None:
    assert len(set(parts(["a.csv"] * 10_000))) == 10_000


def test_an_absurdly_long_name_is_cut_where_it_is_kept() -> None:
    assert kept_name("n" * MAX_KEPT_LENGTH) == "n" * MAX_KEPT_LENGTH
    assert kept_name("n" * 65_535) == "n" * MAX_KEPT_LENGTH + "… (65535 characters)"
