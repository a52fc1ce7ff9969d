"""The queries in docs/queries, which the stack also saves in its workgroup."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from discovery_exports.cli.failures import Misused
from discovery_exports.locations import QUERIES

_FILE = re.compile(r"(\d+)-(.+)\.sql")


@dataclass(frozen=True, slots=True)
class SavedQuery:
    number: int
    name: str
    """Such as ``dependencies``."""
    path: Path

    @property
    def sql(self) -> str:
        return self.path.read_text("utf-8")

    @property
    def question(self) -> str:
        """The first line of the file, a comment."""
        return self.sql.partition("\n")[0].lstrip("- ")


def saved_queries() -> list[SavedQuery]:
    """By number."""
    return sorted(_found(), key=lambda each: each.number)


def _found() -> Iterator[SavedQuery]:
    for path in QUERIES.glob("*.sql"):
        if match := _FILE.fullmatch(path.name):
            yield SavedQuery(int(match[1]), match[2], path)


def find(text: str) -> SavedQuery:
    """By number, name or file name, such as ``5``, ``dependencies`` or ``05-dependencies.sql``. Raises Misused."""
    queries = saved_queries()
    wanted = re.sub(r"[\s_]+", "-", text.strip().lower())
    for each in queries:
        if wanted in {each.name, each.path.stem, each.path.name} or re.fullmatch(f"0*{each.number}", wanted):
            return each
    close = get_close_matches(wanted, [each.name for each in queries], n=1)
    if not close and len(text.split()) > 1:
        raise Misused(
            f"There is no saved query {text!r}. SQL comes from standard input: echo '…' | discovery-exports query -"
        )
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise Misused(f"There is no saved query {text!r}.{hint} To list them: discovery-exports query")
