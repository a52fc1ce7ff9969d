"""Every SQL statement, read as Trino reads it, on which Athena's engine is built."""

import base64
import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from discovery_exports.cli.handoff.choices import Meaning
from discovery_exports.cli.handoff.queries import Known, Settings, statement
from tests.infra import synthesis
from tests.infra.template import Template
from tests.judges.servers import PYTHON, ROOT, need

DOCS = ROOT / "docs"


def problems(statements: Sequence[str]) -> list[list[str]]:
    """What Trino would not understand of each statement."""
    need(PYTHON)
    script = Path(__file__).with_name("parse_sql.py")
    parser = subprocess.run([PYTHON, script], input=json.dumps(statements), capture_output=True, text=True, check=True)
    found: list[list[str]] = json.loads(parser.stdout)
    return found


def in_pages() -> dict[str, str]:
    """Statements of the documentation by name: files, and blocks in pages."""
    files = {path.name: path.read_text("utf-8") for path in sorted((DOCS / "queries").rglob("*.sql"))}
    blocks = {
        f"{page.name}, block {number}": block
        for page in sorted(DOCS.rglob("*.md"))
        for number, block in enumerate(re.findall(r"```sql\n(.*?)```", page.read_text("utf-8"), re.DOTALL), start=1)
    }
    return {**files, **blocks}


def in_template(template: Template) -> dict[str, str]:
    """Statements that are deployed: named queries, and views as Athena keeps them in Glue."""
    queries = {
        name: each["Properties"]["QueryString"] for name, each in template.of_type("AWS::Athena::NamedQuery").items()
    }
    tables = {name: each["Properties"]["TableInput"] for name, each in template.of_type("AWS::Glue::Table").items()}
    views = {name: sql_of(table) for name, table in tables.items() if table["TableType"] == "VIRTUAL_VIEW"}
    assert queries
    assert views
    return {**queries, **views}


def sql_of(view: Mapping[str, str]) -> str:
    kept = view["ViewOriginalText"].removeprefix("/* Presto View: ").removesuffix(" */")
    return str(json.loads(base64.b64decode(kept))["originalSql"])


def of_hand_offs() -> dict[str, str]:
    """The statements of the command, with settings and known exports."""
    settings = Settings(("export-1", "it's"), tags={Meaning.WAVE: ["Wave", "o'clock"], Meaning.COPIED: ["owner"]})
    known = {"summary": Known("export-1", "2026-11"), "recommended": Known("", "2026-11")}
    names = ("exports", "servers", "connections", "server-tags")
    return {f"handoff {name}": statement(name, settings, known) for name in names}


def test_trino_understands_every_statement() -> None:
    statements = {**in_pages(), **in_template(synthesis.with_everything()), **of_hand_offs()}

    found = problems(list(statements.values()))

    assert {name: each for name, each in zip(statements, found, strict=True) if each} == {}
    assert len([name for name in statements if name.endswith(".sql")]) == 12 + len(
        list((DOCS / "queries" / "handoff").iterdir())
    )


def test_what_only_other_engines_understand_is_found() -> None:
    statements = [
        "SELECT a::integer FROM t",
        "SELECT * EXCLUDE (a) FROM t",
        "SELECT strptime(a, '%d') FROM t",
        "SELECT max_by(a) FROM t",
        "SELECT a FROM t; SELECT b FROM t",
    ]

    assert [] not in problems(statements)
