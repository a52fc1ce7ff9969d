"""The settings of the command in the SQL files, which run by hand with settings of their own."""

import re
from datetime import UTC, datetime

import pytest

from discovery_exports.cli.failures import Misused
from discovery_exports.cli.handoff.choices import Meaning
from discovery_exports.cli.handoff.queries import BEGIN, END, FOLDER, Settings, read_as_of, statement

NAMES = ("exports", "servers", "connections", "server-tags")
ALIKE = ("usable", "summary", "owners", "found_addresses", "interfaces", "addresses")
"""Common table expressions that mean the same wherever they are."""


def ctes(sql: str) -> dict[str, str]:
    found = re.findall(r"^(\w+) AS \(\n(.*?)^\)", sql, re.DOTALL | re.MULTILINE)
    return dict(found)


@pytest.mark.parametrize("name", NAMES)
def test_the_settings_of_the_command_take_the_place_of_those_of_the_file(name: str) -> None:
    tags = {Meaning.WAVE: ["Wave", "o'clock"], Meaning.COPIED: ["owner"]}
    settings = Settings(("export-1", "export-2"), datetime(2026, 11, 28, tzinfo=UTC), tags)

    sql = statement(name, settings)

    assert "VALUES (TIMESTAMP '2026-11-28 00:00:00.000')" in sql
    assert "VALUES ('export-1'), ('export-2')" in sql
    assert "VALUES ('wave', 'Wave', 0), ('wave', 'o''clock', 1), ('copied', 'owner', 0)" in sql
    assert "'environment'), ('data center'" not in sql
    original = (FOLDER / f"{name}.sql").read_text("utf-8")
    assert sql.partition(BEGIN)[0] == original.partition(BEGIN)[0]
    assert sql.partition(END)[2] == original.partition(END)[2] != ""


def test_without_settings_all_exports_and_no_tags_are_used() -> None:
    sql = statement("servers", Settings())

    assert "VALUES (TIMESTAMP '9999-12-31 23:59:59.000')" in sql
    assert "chosen (id) AS (\n    VALUES ('')\n)" in sql
    assert "tag_keys (meaning, key, place) AS (\n    VALUES ('', '', 0)\n)" in sql


def test_a_quote_cannot_end_a_literal() -> None:
    sql = statement("servers", Settings(("x'); DROP TABLE exports; --",)))

    assert "VALUES ('x''); DROP TABLE exports; --')" in sql


@pytest.mark.parametrize("text", ["a\nb", "\x00", "\u202e"])
def test_characters_that_no_id_has_are_refused(text: str) -> None:
    with pytest.raises(Misused, match="no ID and no key"):
        statement("exports", Settings((text,)))


def test_more_ids_than_athena_takes_are_refused() -> None:
    with pytest.raises(Misused, match="262,144 bytes"):
        statement("exports", Settings(tuple(f"export-{number:040}" for number in range(6_000))))


def test_the_files_agree_on_what_an_export_and_an_address_is() -> None:
    found = {name: ctes((FOLDER / f"{name}.sql").read_text("utf-8")) for name in NAMES}

    for cte in ALIKE:
        texts = {each[cte] for each in found.values() if cte in each}
        assert len(texts) == 1, cte
    assert all("usable" in each for each in found.values())


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-28", datetime(2026, 11, 28, 23, 59, 59, 999_000, tzinfo=UTC)),
        ("2026-11-28T09:30Z", datetime(2026, 11, 28, 9, 30, tzinfo=UTC)),
        ("2026-11-28T09:30+02:00", datetime(2026, 11, 28, 7, 30, tzinfo=UTC)),
        ("2026-11-28 09:30", datetime(2026, 11, 28, 9, 30, tzinfo=UTC)),
    ],
)
def test_a_date_is_its_last_millisecond(text: str, moment: datetime) -> None:
    assert read_as_of(text) == moment


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "", "0001-01-01T00:00+14:00"])
def test_other_texts_are_no_date(text: str) -> None:
    with pytest.raises(Misused, match="is not a date"):
        read_as_of(text)


@pytest.mark.parametrize("name", ["servers", "connections", "server-tags"])
def test_exports_that_are_known_are_named_in_place_of_searched_for(name: str) -> None:
    sql = statement(name, Settings(), {"summary": "it's", "recommended": ""})

    assert "export_id = 'it''s'" in sql
    assert "SELECT exportid FROM summary" not in sql
    assert "SELECT exportid FROM recommended" not in sql


def scans(sql: str) -> int:
    """How often a table is read. Trino reads it once for each mention of a common table expression with it."""
    found = ctes(sql)
    main = sql.rpartition("\n)\n")[2]

    def of(text: str) -> int:
        names = re.findall(r"(?:FROM|JOIN) (\w+)", text)
        return sum(of(found[name]) if name in found else 1 for name in names)

    return of(main)


@pytest.mark.parametrize("name", NAMES)
def test_no_query_has_so_many_stages_that_athena_refuses_it(name: str) -> None:
    """By default, Trino refuses more than 150 stages (``query.max-stage-count``). A table takes about two."""
    assert 0 < scans(statement(name, Settings(), {"summary": "export-1", "recommended": "export-2"})) <= 50


def test_each_mention_of_a_common_table_expression_counts() -> None:
    sql = "WITH\na AS (\n    SELECT 1 FROM t\n),\nb AS (\n    SELECT 1 FROM a JOIN u\n)\nSELECT 1 FROM a JOIN b JOIN b"

    assert scans(sql) == 1 + 2 + 2
