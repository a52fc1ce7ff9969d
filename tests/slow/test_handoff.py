"""Memory of a hand-off does not grow with the number of connections."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from discovery_exports.cli.context import Context, Options
from discovery_exports.cli.handoff import making
from discovery_exports.cli.handoff.choices import GraphFormat, Variant
from discovery_exports.cli.handoff.making import HandOff
from discovery_exports.cli.handoff.queries import Settings
from discovery_exports.cli.handoff.target import Target
from discovery_exports.cli.output import Form
from tests.unit.builders import peak_memory
from tests.unit.cli.handoff.results import CONNECTION_COLUMNS, EXPORT_COLUMNS, FIRST_WORDS, SERVER_COLUMNS, pair, server

SERVERS = 100


class StreamingAthena:
    """Writes results of any number of rows, which are never in memory."""

    pairs = 0

    def __init__(self, context: Context) -> None: ...

    def download(self, sql: str, file: IO[bytes], title: str) -> None:
        (name,) = (name for name, words in FIRST_WORDS.items() if sql.startswith(words))
        for line in getattr(self, f"_{name}")():
            file.write(f"{line}\n".encode())

    @staticmethod
    def _exports() -> Iterator[str]:
        yield ",".join(EXPORT_COLUMNS)
        yield "summary,export-1,2026-01-14 00:00:00,2026-01-14 00:00:00,false,"

    @staticmethod
    def _servers() -> Iterator[str]:
        yield ",".join(SERVER_COLUMNS)
        for number in range(SERVERS):
            row = server(f"d-{number}", address="10.0.0.1")
            yield ",".join(str(row.get(name, "")) for name in SERVER_COLUMNS)

    @classmethod
    def _connections(cls) -> Iterator[str]:
        yield ",".join(CONNECTION_COLUMNS)
        for number in range(cls.pairs):
            source = number % SERVERS
            ends = f"d-{source}", f"d-{(source + 1) % SERVERS}"
            row = pair(*ends, target_port=number % 60_000, source_process="x" * 300)
            yield ",".join(str(row.get(name, "")) for name in CONNECTION_COLUMNS)


@contextmanager
def quiet(monkeypatch: pytest.MonkeyPatch, pairs: int) -> Iterator[Context]:
    monkeypatch.setattr(making, "Athena", StreamingAthena)
    monkeypatch.setattr(StreamingAthena, "pairs", pairs)
    yield Context(Options(output=Form.CSV))


@pytest.mark.parametrize("form", ["transform", "graph"])
def test_memory_of_a_hand_off_does_not_grow_with_the_connections(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def peak(pairs: int) -> int:
        with quiet(monkeypatch, pairs) as context:
            ending = ".zip" if form == "transform" else ".csv"
            target = Target(context, str(tmp_path / f"{form}-{pairs}{ending}"), (ending,), overwrite=False)
            hand_off = HandOff(context, Settings(), target, dry_run=False)
            if form == "transform":
                return peak_memory(lambda: hand_off.transform(Variant.MPA))
            return peak_memory(lambda: hand_off.graph(GraphFormat.CSV))

    peak(10)  # imports
    fills_all_buffers = 5_000

    assert peak(2 * fills_all_buffers) - peak(fills_all_buffers) < 100_000
