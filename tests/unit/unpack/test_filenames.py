"""Key parts from member names: safe, readable, unique, and the same for the same zip file."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exports.unpack.filenames import MAX_KEPT_LENGTH, MAX_PART_LENGTH, Filenames, manifest_name

SAFE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
HOSTILE = st.sampled_from(["a.csv", "A.csv", "x/a.csv", "../a.csv", "a\\a.csv", "é.csv", "", ".", "a" * 400, "file"])
NAMES = st.lists(HOSTILE | st.text(max_size=12) | st.text("aA./\\", max_size=5), max_size=12)


def parts(names: list[str]) -> list[str]:
    filenames = Filenames()
    return [filenames.give(name) for name in names]


@given(names=NAMES)
def test_bad_input_23_key_parts_are_safe_unique_and_stable(names: list[str]) -> None:
    given_parts = parts(names)

    assert all(SAFE.fullmatch(part) and len(part) <= MAX_PART_LENGTH for part in given_parts)
    assert len({part.lower() for part in given_parts}) == len(names)
    assert parts(names) == given_parts


@given(names=NAMES)
def test_bad_input_23_key_parts_used_as_names_stay_unique(names: list[str]) -> None:
    everything = parts(names + parts(names))

    assert len({part.lower() for part in everything}) == len(everything)


@pytest.mark.parametrize("name", ["123456789012_osInfo.csv", "a", "a-b.c_d", "n" * MAX_PART_LENGTH])
def test_a_safe_name_is_unchanged(name: str) -> None:
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


def test_a_key_part_depends_only_on_its_name_unless_it_collides() -> None:
    assert parts(["x/a.csv"])[0] == parts(["other", "y/b.csv", "x/a.csv"])[2]


def test_ten_thousand_equal_names_get_distinct_key_parts() -> None:
    assert len(set(parts(["a.csv"] * 10_000))) == 10_000


def test_a_very_long_name_is_shortened() -> None:
    assert manifest_name("n" * MAX_KEPT_LENGTH) == "n" * MAX_KEPT_LENGTH
    assert manifest_name("n" * 65_535) == "n" * MAX_KEPT_LENGTH + "… (65535 characters)"
