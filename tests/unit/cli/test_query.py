"""``query``: saved queries and SQL from standard input, rows of any number, and failures of Athena."""

import io
import json
import re
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from discovery_exports.cli.app import app
from discovery_exports.cli.athena import ADVICE
from discovery_exports.cli.saved_queries import saved_queries
from discovery_exports.locations import QUERIES
from tests.unit.cli.stack import Answer, FakeStack, client_error, run

COLUMNS = [("host", "varchar"), ("port", "integer"), ("share", "double"), ("complete", "boolean")]


class FakeAthena:
    """One query, with its states in turn and the pages of its result."""

    def __init__(self) -> None:
        self.started: list[dict[str, Any]] = []
        self.stopped: list[str] = []
        self.states: list[Any] = ["QUEUED", "RUNNING", "SUCCEEDED"]
        self.reason: dict[str, Any] = {}
        self.columns = COLUMNS
        self.pages: list[list[list[str | None]]] = [[["a", "443", "0.5", "true"], ["=b", None, None, "false"]]]
        self.has_header = True
        self.pages_read = 0
        self.start_error: Exception | None = None
        self.interrupted_starts = 0

    def start_query_execution(self, **request: Any) -> Any:
        if self.start_error:
            raise self.start_error
        self.started.append(request)
        if len(self.started) <= self.interrupted_starts:
            raise KeyboardInterrupt
        return {"QueryExecutionId": "q-1"}

    def stop_query_execution(self, *, QueryExecutionId: str) -> None:  # noqa: N803
        self.stopped.append(QueryExecutionId)

    def get_query_execution(self, *, QueryExecutionId: str) -> Any:  # noqa: N803
        assert QueryExecutionId == "q-1"
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        if isinstance(state, BaseException):
            raise state
        status = {"State": state, **(self.reason if state in {"FAILED", "CANCELLED"} else {})}
        return {
            "QueryExecution": {"QueryExecutionId": "q-1", "Status": status, "Statistics": {"DataScannedInBytes": 1_500}}
        }

    def get_paginator(self, operation: str) -> "FakeAthena":
        assert operation == "get_query_results"
        return self

    def paginate(self, *, QueryExecutionId: str) -> Iterator[Any]:  # noqa: N803
        metadata = {"ColumnInfo": [{"Name": name, "Label": name, "Type": kind} for name, kind in self.columns]}
        for number, page in enumerate(self.pages):
            self.pages_read += 1
            header: list[list[str | None]] = (
                [[name for name, _ in self.columns]] if number == 0 and self.has_header else []
            )
            lines: list[list[str | None]] = [*header, *page]
            rows = [{"Data": [{} if cell is None else {"VarCharValue": cell} for cell in row]} for row in lines]
            yield {"ResultSet": {"Rows": rows, "ResultSetMetadata": metadata}}


@pytest.fixture
def athena(stack: FakeStack) -> FakeAthena:
    stack.cloudformation.outputs |= {"WorkGroupName": "group", "DatabaseName": "database"}
    fake = FakeAthena()
    stack.others["athena"] = fake
    return fake


def query(sql: str, *options: str) -> Answer:
    """``query -`` with this standard input."""
    result = CliRunner().invoke(app, ["query", "-", *options], input=sql, prog_name="discovery-exports")
    return Answer(result.exit_code, result.stdout, result.stderr)


class TestSavedQueries:
    def test_all_files_are_listed(self, stack: FakeStack) -> None:
        listed = run("query").json

        assert [f"{row['number']:02}-{row['name']}.sql" for row in listed] == sorted(
            p.name for p in QUERIES.glob("*.sql")
        )
        assert all(row["question"] and not row["question"].startswith("-") for row in listed)

    @pytest.mark.parametrize(
        "name", ["5", "05", "dependencies", "Dependencies", "05-dependencies", "05-dependencies.sql"]
    )
    def test_a_query_is_found_by_number_name_or_file(self, athena: FakeAthena, name: str) -> None:
        assert run("query", name).code == 0
        assert athena.started[0]["QueryString"] == (QUERIES / "05-dependencies.sql").read_text()
        assert athena.started[0]["WorkGroup"] == "group"
        assert athena.started[0]["QueryExecutionContext"] == {"Database": "database"}

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("dependncies", "Did you mean 'dependencies'?"),
            ("0", "There is no saved query '0'."),
            ("../secrets", "To list them: discovery-exports query"),
            ("\x1b[31m", r"There is no saved query '\x1b[31m'."),
            ("", "There is no saved query ''."),
            ("SELECT 1", "SQL comes from standard input: echo '…' | discovery-exports query -"),
        ],
    )
    def test_an_unknown_query_is_wrong_use(self, athena: FakeAthena, name: str, message: str) -> None:
        answer = run("query", name)

        assert (answer.code, answer.out, message in answer.err) == (2, "", True), answer.err
        assert not athena.started

    def test_every_name_is_unique(self) -> None:
        assert len({each.name for each in saved_queries()}) == len(saved_queries()) == 12


class TestRows:
    def test_values_have_their_types_in_json(self, athena: FakeAthena) -> None:
        answer = query("SELECT 1")

        assert answer.json == [
            {"host": "a", "port": 443, "share": 0.5, "complete": True},
            {"host": "=b", "complete": False},
        ]
        assert re.search(r"Query q-1, \d s: QUEUED, 1.5 kB scanned\n", answer.err)
        assert "2 rows, 1.5 kB scanned" in answer.err

    def test_one_row_is_counted_in_the_singular(self, athena: FakeAthena) -> None:
        athena.pages = [[["a", "443", "0.5", "true"]]]

        assert "1 row, 1.5 kB scanned" in query("SELECT 1").err

    def test_csv_guards_formulas_and_not_numbers(self, athena: FakeAthena) -> None:
        athena.pages = [[["=1+1", "-5", "-0.5", None]]]

        assert query("SELECT 1", "-o", "csv").out == "host,port,share,complete\n'=1+1,-5,-0.5,\n"

    def test_a_table_has_numbers_without_separators(self, athena: FakeAthena) -> None:
        athena.pages = [[["a\x1b", "33060", "0.5", "true"]]]

        assert query("SELECT 1", "-o", "table").out.splitlines() == [
            "host   port   share  complete",
            r"a\x1b  33060  0.5    true",
        ]

    @pytest.mark.parametrize(
        ("kind", "text", "value"),
        [
            ("double", "NaN", "NaN"),
            ("double", "Infinity", "Infinity"),
            ("bigint", "9007199254740993", 9007199254740993),
            ("bigint", "odd", "odd"),
            ("boolean", "odd", "odd"),
            ("decimal", "1.10", "1.10"),
            ("timestamp", "2026-01-15 00:00:00.000", "2026-01-15 00:00:00.000"),
            ("array", "[1, 2]", "[1, 2]"),
        ],
    )
    def test_a_value_that_json_would_change_is_a_text(
        self, athena: FakeAthena, kind: str, text: str, value: object
    ) -> None:
        athena.columns, athena.pages = [("x", kind)], [[[text]]]

        assert query("SELECT 1").json == [{"x": value}]

    def test_columns_of_one_name_are_all_printed(self, athena: FakeAthena) -> None:
        athena.columns, athena.pages = [("x", "integer")] * 3, [[["1", "2", "3"]]]

        assert query("SELECT 1").json == [{"x": 1, "x_2": 2, "x_3": 3}]

    def test_a_result_without_a_header_keeps_its_first_row(self, athena: FakeAthena) -> None:
        athena.columns, athena.pages, athena.has_header = [("tab_name", "string")], [[["agent_os_info"]]], False

        assert query("SHOW TABLES").json == [{"tab_name": "agent_os_info"}]

    def test_a_row_that_equals_the_header_is_kept(self, athena: FakeAthena) -> None:
        athena.columns, athena.pages = [("x", "varchar")], [[["x"]], [["x"]]]

        assert query("SELECT 'x' AS x").json == [{"x": "x"}, {"x": "x"}]

    @pytest.mark.parametrize("form", ["json", "jsonl", "csv"])
    def test_rows_are_printed_page_by_page(
        self, athena: FakeAthena, form: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """When the first row is printed, only the first of all pages was read."""
        athena.columns, athena.pages = [("x", "integer")], [[[str(number)] for number in range(10)]] * 50
        read_at_output: list[int] = []
        printed = print

        def noted(*values: Any, **options: Any) -> None:
            read_at_output.append(athena.pages_read)
            printed(*values, **options)

        monkeypatch.setattr("builtins.print", noted)
        answer = query("SELECT 1", "-o", form)

        assert answer.out.count("9") == 50
        if form != "csv":
            assert len(read_at_output) > 500
            assert read_at_output[3] == 1

    def test_a_table_has_the_first_1000_rows_and_no_page_is_read_for_more(self, athena: FakeAthena) -> None:
        """The names of the columns are a row of the first page, so the last row is in the second."""
        numbers = iter(range(1, 20_000))
        athena.columns = [("x", "integer")]
        athena.pages = [[[str(next(numbers))] for _ in range(count)] for count in [999, *[1_000] * 19]]

        answer = query("SELECT 1", "-o", "table")

        assert answer.out.splitlines() == ["x", *map(str, range(1, 1_001))]
        assert re.search(
            r"\nThe first 1,000 rows, 1.5 kB scanned, \d s. There are more: -o csv prints all.\n$", answer.err
        )
        assert athena.pages_read == 2

    @pytest.mark.parametrize(("form", "rows"), [("table", 1_000), ("csv", 1_001), ("json", 1_001), ("jsonl", 1_001)])
    def test_no_row_is_left_out_of_1000_in_a_table_and_of_more_in_any_other_form(
        self, athena: FakeAthena, form: str, rows: int
    ) -> None:
        athena.columns, athena.pages = [("x", "integer")], [[["7"]] * rows]

        answer = query("SELECT 1", "-o", form)

        assert answer.out.count("7") == rows
        assert f"\n{rows:,} rows, 1.5 kB scanned" in answer.err
        assert "more" not in answer.err

    def test_no_rows(self, athena: FakeAthena) -> None:
        athena.pages = [[]]

        assert query("SELECT 1").out == "[]\n"
        assert query("SELECT 1", "-o", "csv").out == "host,port,share,complete\n"


class TestStandardInput:
    @pytest.mark.parametrize("sql", ["SELECT 1", "  SELECT 1 ;\n", "SELECT 1;;", "SELECT 1; -- a; b\n/* c; */"])
    def test_a_semicolon_at_the_end_is_left_out(self, athena: FakeAthena, sql: str) -> None:
        query(sql)

        assert athena.started[0]["QueryString"] == "SELECT 1"

    @pytest.mark.parametrize(
        "sql",
        [
            "/* a */ SELECT 1 -- b",
            "SELECT '--'",
            "-- a\nSELECT 1",
            "/* a */ select/* b */1",
            "(SELECT 1) UNION (SELECT 2)",
            "with x AS (SELECT 1) SELECT * FROM x",
            "VALUES 1, 2",
            "TABLE exports",
            "SHOW CREATE TABLE exports",
            "DESCRIBE exports",
            "desc exports",
            "EXPLAIN SELECT 1",
            "EXPLAIN (FORMAT JSON) SELECT 1",
            "explain analyze verbose (FORMAT TEXT) /* a */ WITH x AS (SELECT 1) SELECT * FROM x",
            "EXPLAIN (SELECT 1)",
            "SELECT 'a;b', 'c''; d' AS \"e;f\" /* ; ' */ -- ; \"\n, 4-3/2",
            "SHOW COLUMNS IN `a;b`",
        ],
    )
    def test_sql_that_reads_is_run_as_it_is(self, athena: FakeAthena, sql: str) -> None:
        assert query(sql).code == 0

        assert athena.started[0]["QueryString"] == sql

    @pytest.mark.parametrize(
        ("sql", "word"),
        [
            ("DROP TABLE exports", "DROP"),
            ("/* SELECT */ -- SELECT\n insert INTO x SELECT 1", "INSERT"),
            ("--\rDROP TABLE exports /*\nSELECT 1*/", "DROP"),
            ("; DELETE FROM exports", "DELETE"),
            ("CREATE TABLE x AS SELECT 1", "CREATE"),
            ("UNLOAD (SELECT 1) TO 's3://bucket/x/' WITH (format = 'PARQUET')", "UNLOAD"),
            ("EXECUTE drop_it", "EXECUTE"),
            ("MSCK REPAIR TABLE exports", "MSCK"),
            ("EXPLAIN ANALYZE INSERT INTO x SELECT 1", "INSERT"),
            ("EXPLAIN /* a */ ANALYZE (FORMAT JSON) (DROP TABLE x)", "DROP"),
            ("EXPLAIN ANALYZE EXPLAIN ANALYZE INSERT INTO x SELECT 1", "EXPLAIN"),
            ("EXPLAIN EXPLAIN SELECT 1", "EXPLAIN"),
            ("ANALYZE TABLE x", "ANALYZE"),
            ("'SELECT 1'", "'"),
        ],
    )
    def test_sql_that_could_change_something_is_refused_before_any_call(
        self, athena: FakeAthena, stack: FakeStack, sql: str, word: str
    ) -> None:
        answer = query(sql)

        assert (answer.code, athena.started, stack.cloudformation.names) == (2, [], [])
        assert answer.err == (
            f"discovery-exports: {word} … is not run: this command only reads, with SELECT, WITH, VALUES, TABLE, SHOW, "
            "DESCRIBE, DESC or EXPLAIN. Use the Athena console, or aws athena start-query-execution.\n"
        )

    @pytest.mark.parametrize(
        "sql",
        [
            "SELECT 1; COPY (SELECT 42) TO '/tmp/x.csv'",
            "SELECT ';' AS \"'\"; DROP TABLE x -- '",
            "SELECT 1 -- '\n; DROP TABLE x --'",
            "SELECT 1 /* ' */; DROP TABLE x /* ' */",
            "SELECT 1;; /* a */ SELECT 2;",
            "SELECT 1;-",
        ],
    )
    def test_a_second_statement_is_refused_before_any_call(
        self, athena: FakeAthena, stack: FakeStack, sql: str
    ) -> None:
        answer = query(sql)

        assert (answer.code, athena.started, stack.cloudformation.names) == (2, [], [])
        assert answer.err == (
            "discovery-exports: Standard input has more than one statement. Write only one: there is text after a "
            "semicolon.\n"
        )

    @pytest.mark.parametrize("part", ["'", "/*", "-", "/", "--\n", ";", "'a' ", "`"])
    def test_long_sql_is_read_once(self, athena: FakeAthena, part: str) -> None:
        """A part that were tried at each place to the end would take minutes."""
        query("SELECT 1 " + part * (250_000 // len(part)))

        assert len(athena.started) == 1

    def test_a_byte_order_mark_is_no_part_of_the_sql(self, athena: FakeAthena) -> None:
        assert query("\ufeffSELECT 1").code == 0

        assert athena.started[0]["QueryString"] == "SELECT 1"

    def test_bytes_that_are_no_text_are_wrong_use_in_any_locale(
        self, athena: FakeAthena, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        stdin = io.TextIOWrapper(io.BytesIO(b"\xff\xfeSELECT 1"), "utf-8", errors="surrogateescape")
        monkeypatch.setattr(sys, "stdin", stdin)

        with pytest.raises(SystemExit) as ended:
            app(["query", "-"], prog_name="discovery-exports")

        assert (ended.value.code, athena.started) == (2, [])
        assert "Standard input is not text in UTF-8." in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("sql", "message"),
        [
            ("", "Standard input has no SQL."),
            (" \n;", "Standard input has no SQL."),
            ("-- nothing", "Standard input has no SQL."),
            ("/* a;\n * b */ ;\n-- c; SELECT 1\n;", "Standard input has no SQL."),
            ("x" * 262_145, "more than 262,144 bytes"),
            ("ü" * 131_073, "more than 262,144 bytes"),
        ],
    )
    def test_what_is_no_query_is_wrong_use(self, athena: FakeAthena, sql: str, message: str) -> None:
        answer = query(sql)

        assert (answer.code, message in answer.err, athena.started) == (2, True, [])


class TestFailures:
    @pytest.mark.parametrize(
        ("state", "reason", "message"),
        [
            ("CANCELLED", "Query cancelled! : Bytes scanned limit was exceeded", "or raise queryScanLimitBytes"),
            ("FAILED", "TABLE_NOT_FOUND: line 1:15: Table 'x' does not exist", "Check the names: docs/queries.md"),
            ("FAILED", "Insufficient Lake Formation permission(s) on x", "Ask for grants in Lake Formation"),
            ("FAILED", "Access denied when writing to location", "examples/reader.policy.json"),
            ("FAILED", "Query exhausted resources at this scale factor", "Select fewer columns, months or rows."),
            (
                "FAILED",
                "something\nelse \x1b[31m https://x/?X-Amz-Signature=secret",
                r"FAILED: something else \x1b[31m",
            ),
            ("FAILED", None, "The query ended as FAILED: no reason."),
        ],
    )
    def test_a_failed_query_is_one_line_that_says_what_to_do(
        self, athena: FakeAthena, state: str, reason: str | None, message: str
    ) -> None:
        athena.states, athena.reason = [state], {"StateChangeReason": reason}

        answer = query("SELECT 1")

        assert (answer.code, answer.out) == (254, "")
        line = answer.err.splitlines()[-1]
        assert line.startswith(f"discovery-exports: The query ended as {state}: ")
        assert message in line
        assert "secret" not in answer.err

    def test_each_advice_has_words_in_lower_case(self) -> None:
        assert all(word == word.lower() for words, _ in ADVICE for word in words)

    def test_sql_that_athena_refuses_at_once(self, athena: FakeAthena) -> None:
        athena.start_error = client_error(
            "InvalidRequestException", "line 1:1: mismatched input", "StartQueryExecution"
        )

        answer = query("SELECT FROM")

        assert (answer.code, "AWS refused StartQueryExecution: InvalidRequestException" in answer.err) == (254, True)

    def test_an_interrupt_cancels_the_query(self, athena: FakeAthena) -> None:
        athena.states = ["RUNNING", KeyboardInterrupt()]

        answer = query("SELECT 1")

        assert (answer.code, athena.stopped) == (130, ["q-1"])
        assert "Interrupted. The query was cancelled." in answer.err

    def test_an_interrupt_during_the_start_cancels_the_query(self, athena: FakeAthena) -> None:
        athena.interrupted_starts = 1

        answer = query("SELECT 1")

        assert (answer.code, athena.stopped) == (130, ["q-1"])
        assert "Interrupted. The query was cancelled." in answer.err
        assert athena.started[0] == athena.started[1], "the same token starts no second query"
        assert len(athena.started[0]["ClientRequestToken"]) >= 32

    def test_an_interrupt_during_the_start_says_if_the_query_is_unknown(
        self, athena: FakeAthena, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        answers = iter([KeyboardInterrupt(), client_error("InternalServerException")])

        def fails(**_: object) -> None:
            raise next(answers)

        monkeypatch.setattr(athena, "start_query_execution", fails)

        answer = query("SELECT 1")

        assert (answer.code, "may have been started, and could not be cancelled" in answer.err) == (130, True)
        assert not athena.stopped

    def test_an_interrupt_says_if_the_query_could_not_be_cancelled(
        self, athena: FakeAthena, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refused(**_: object) -> None:
            raise client_error("AccessDeniedException")

        athena.states = [KeyboardInterrupt()]
        monkeypatch.setattr(athena, "stop_query_execution", refused)

        answer = query("SELECT 1")

        assert (answer.code, "q-1 could not be cancelled, and goes on" in answer.err) == (130, True)

    def test_throttling_is_waited_for(self, athena: FakeAthena) -> None:
        athena.states = ["RUNNING", client_error("ThrottlingException", "slow"), "SUCCEEDED"]

        assert query("SELECT 1").code == 0

    def test_a_stack_without_tables_is_named(self, stack: FakeStack) -> None:
        answer = query("SELECT 1")

        assert (answer.code, "has no output WorkGroupName" in answer.err) == (253, True)


def test_a_list_is_printed_as_json_prints_it(athena: FakeAthena) -> None:
    """Row by row, with the characters of ``json.dumps``."""
    athena.columns, athena.pages = [("x", "varchar")], [[['"\n\x1b'], [None], ["ü"]]]

    out = query("SELECT 1").out

    assert out == json.dumps([{"x": '"\n\x1b'}, {}, {"x": "ü"}], indent=2) + "\n"
