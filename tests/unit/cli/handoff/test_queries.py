"""The settings of the command in the SQL files, which run by hand with settings of their own."""

import re
from datetime import UTC, datetime

import pytest

from discovery_exports.cli.failures import Misused
from discovery_exports.cli.handoff.choices import Meaning
from discovery_exports.cli.handoff.queries import BEGIN, END, FOLDER, Known, Settings, read_as_of, statement

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
NAMES = ("exports", "servers", "connections", "server-tags")
ALIKE = ("usable", "summary", "found_addresses", "interfaces")
"""Common table expressions that mean the same wherever they are."""


def ctes(sql: str) -> dict[str, str]:
    found = re.findall(r"^(\w+) AS \(\n(.*?)^\)", sql, re.DOTALL | re.MULTILINE)
    return dict(found)


@pytest.mark.parametrize("name", NAMES)
def test_the_settings_of_the_command_take_the_place_of_those_of_the_file(name: str) -> None:
    tags = {Meaning.WAVE: ["Wave", "o'clock"], Meaning.COPIED: ["owner"]}
    settings = Settings(("export-1", "export-2"), datetime(2026, 11, 28, tzinfo=UTC), tags)

    sql = statement(name, settings)

    assert (
        "exportrequesttime <= TIMESTAMP '2026-11-28 00:00:00.000'\n      AND exportid IN ('export-1', 'export-2')\n"
        in sql
    )
    assert "VALUES ('wave', 'Wave', 0), ('wave', 'o''clock', 1), ('copied', 'owner', 0)" in sql
    assert "'environment'), ('data center'" not in sql
    original = (FOLDER / f"{name}.sql").read_text("utf-8")
    assert sql.partition(BEGIN)[0] == original.partition(BEGIN)[0]
    assert sql.partition(END)[2] == original.partition(END)[2] != ""


def test_without_settings_all_exports_and_no_tags_are_used() -> None:
    sql = statement("servers", Settings())

    assert "WHERE exportrequesttime <= TIMESTAMP '9999-12-31 23:59:59.000'\n)" in sql
    assert "tag_keys (meaning, key, place) AS (\n    VALUES ('', '', 0)\n)" in sql


def test_a_quote_cannot_end_a_literal() -> None:
    sql = statement("servers", Settings(("x'); DROP TABLE exports; --",)))

    assert "AND exportid IN ('x''); DROP TABLE exports; --')" in sql


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
    assert read_as_of(text, NOW) == moment


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "", "0001-01-01T00:00+14:00"])
def test_other_texts_are_no_date(text: str) -> None:
    with pytest.raises(Misused, match="is not a date"):
        read_as_of(text, NOW)


@pytest.mark.parametrize("text", ["2026-11-29", "2026-11-28T12:01Z", "20300101", "9999-12-31"])
def test_a_day_or_time_in_the_future_is_refused(text: str) -> None:
    with pytest.raises(Misused, match=f"--as-of {text} is in the future: it is 2026-11-28 12:00 UTC now."):
        read_as_of(text, NOW)


@pytest.mark.parametrize("name", ["servers", "connections", "server-tags"])
def test_exports_that_are_known_are_named_in_place_of_searched_for(name: str) -> None:
    sql = statement(name, Settings(), {"summary": Known("it's", "2026-11"), "recommended": Known("", "2026-11")})

    assert "export_id = 'it''s' AND requested_month = '2026-11'" in sql
    assert "SELECT exportid FROM summary" not in sql
    assert "SELECT exportid FROM recommended" not in sql


EXCHANGES = {"JOIN": 2, "IN (SELECT": 2}
EXCHANGES |= dict.fromkeys(("= (SELECT", "GROUP BY", "DISTINCT", "OVER", "LIMIT", "UNION ALL"), 1)


def stages(sql: str) -> int:
    """An estimate of the stages in Trino, which repeats a common table expression for each mention of it.

    A stage ends where rows go to other nodes: at both sides of a join, an aggregation, a window, and so on.
    """
    found = ctes(sql)
    last_and_order = 2

    def exchanges(text: str) -> int:
        mentioned = [name for name in re.findall(r"(?:FROM|JOIN) (\w+)", text) if name in found]
        own = sum(text.count(word) * count for word, count in EXCHANGES.items())
        return own + sum(exchanges(found[name]) for name in mentioned)

    return exchanges(sql.rpartition("\n)\n")[2]) + last_and_order


@pytest.mark.parametrize("name", NAMES)
def test_no_query_has_so_many_stages_that_athena_refuses_it(name: str) -> None:
    """Trino refuses more than 150 by default, and earlier releases more than 100 (``query.max-stage-count``)."""
    assert 1 < stages((FOLDER / f"{name}.sql").read_text("utf-8")) < 100


def test_each_mention_of_a_common_table_expression_counts() -> None:
    a, b = "a AS (\n    SELECT 1 FROM t GROUP BY x\n)", "b AS (\n    SELECT 1 FROM a JOIN u\n)"
    of_a = 1
    of_b = of_a + 2

    assert stages(f"WITH\n{a},\n{b}\nSELECT 1 FROM a JOIN b JOIN b") == of_a + 2 * (of_b + 2) + 2
