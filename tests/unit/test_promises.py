"""Every row of tests/promises.toml has a test, and docs/reliability.md is up to date."""

from tests import promises


def test_every_row_has_a_test() -> None:
    found = promises.tests()

    assert [
        (row.kind, row.number)
        for rows in promises.rows().values()
        for row in rows
        if not found.get((row.kind, row.number))
    ] == []


def test_every_row_of_a_test_name_is_listed() -> None:
    listed = {(row.kind, row.number) for rows in promises.rows().values() for row in rows}

    assert promises.tests().keys() <= listed


def test_every_bound_names_tests_that_exist_once() -> None:
    assert all(bound.tests for bound in promises.bounds())
    assert {name: found for name, found in promises.tests_of_bounds().items() if len(found) != 1} == {}


def test_every_bound_has_the_worst_value_measured() -> None:
    assert [bound.resource for bound in promises.bounds() if not all((bound.limit, bound.held_by, bound.worst))] == []


def test_no_test_of_a_row_is_skipped() -> None:
    assert promises.skipped() == []


def test_the_page_is_up_to_date() -> None:
    assert promises.PAGE.read_text("utf-8") == promises.page(), "run: python -m tests.promises"
