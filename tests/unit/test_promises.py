"""Every promise has a test, every test that names a promise finds it, and the page says so."""

from tests import promises


def test_every_row_has_a_test() -> None:
    shown = promises.tests()

    assert [
        (row.kind, row.number)
        for rows in promises.rows().values()
        for row in rows
        if not shown.get((row.kind, row.number))
    ] == []


def test_every_row_that_a_test_names_is_listed() -> None:
    listed = {(row.kind, row.number) for rows in promises.rows().values() for row in rows}

    assert promises.tests().keys() <= listed


def test_no_test_of_a_row_is_skipped() -> None:
    assert promises.skipped() == []


def test_the_page_is_as_the_list_and_the_tests_are() -> None:
    assert promises.PAGE.read_text("utf-8") == promises.page(), "run: python -m tests.promises"
