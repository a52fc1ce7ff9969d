"""Makes the files of a hand-off: runs the queries, writes each row as it is read, checks the files, delivers them."""

import csv
import hashlib
import json
import shutil
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TypeVar

from discovery_exports.cli.athena import Athena
from discovery_exports.cli.context import Context
from discovery_exports.cli.failures import Failure
from discovery_exports.cli.handoff import forms, graph, validation
from discovery_exports.cli.handoff.choices import GraphFormat, Variant
from discovery_exports.cli.handoff.forms import Table
from discovery_exports.cli.handoff.queries import Settings, statement
from discovery_exports.cli.handoff.report import Report, UsedExports
from discovery_exports.cli.handoff.rows import Cells, LeftOut, Pair, Server, rows_of
from discovery_exports.cli.handoff.target import Target
from discovery_exports.cli.handoff.validation import Checked, Invalid
from discovery_exports.cli.output import Column, number
from discovery_exports.cli.progress import Progress
from discovery_exports.cli.text import cell as guarded

T = TypeVar("T")
MEMBERS = ("what", "count", "reason")
COLUMNS = (Column("what", "what", whole=True), Column("count", "count", number, right=True), Column("reason", "reason"))
FIRST_DATE = (1980, 1, 1, 0, 0, 0)
"""Of the files in a zip: the same data gives the same bytes. The format knows no earlier one."""
ROWS_BETWEEN_LINES = 100_000


class HandOff:
    """One hand-off, from the newest exports, or those that the settings name."""

    def __init__(self, context: Context, settings: Settings, target: Target, *, dry_run: bool) -> None:
        if not dry_run:
            target.check()
        self._context = context
        self._settings = settings
        self._target = target
        self._dry_run = dry_run
        self._athena = Athena(context)

    def transform(self, variant: Variant) -> None:
        servers, connections = forms.TRANSFORM[variant]
        with self._workspace() as folder:
            report = self._begun("transform", variant)
            with self._rows("servers", "Servers") as rows:
                self._write(folder, servers, self._seen_servers(report, rows), report)
            with self._rows("connections", "Connections") as rows:
                self._write(folder, connections, self._pairs(report, rows), report)
            file = folder / "transform.zip"
            _zip(file, [folder / servers.name, folder / connections.name])
            _remark_formulas(report, "They are as they were exported: do not open the files in a spreadsheet")
            self._finish(report, file, lambda: validation.check_transform(file, variant))
        self._print(report)

    def mgn(self, account: str, region: str, tag_keys: Sequence[str]) -> None:
        with self._workspace() as folder:
            report = self._begun("mgn")
            tags: dict[tuple[str, str], str] = {}
            if tag_keys:
                with self._rows("server-tags", "Tags") as rows:
                    tags = {(row["id"], row["key"]): row["value"] for row in rows}
            table = forms.mgn(account, region, tag_keys, lambda server, key: tags.get((server, key), ""))
            with self._rows("servers", "Servers") as rows:
                self._write(folder, table, _importable(report, self._seen_servers(report, rows)), report)
            file = folder / table.name
            _remark_formulas(report, "They are as they were exported: do not open the file in a spreadsheet")
            self._finish(report, file, lambda: validation.check_mgn(file, tag_keys))
        self._print(report)

    def graph(self, form: GraphFormat) -> None:
        with self._workspace() as folder:
            report = self._begun("graph", form)
            applications: dict[str, str] = {}
            with self._rows("servers", "Servers") as rows:
                for server in self._seen_servers(report, rows):
                    applications[server.id] = server.application
            with self._rows("connections", "Connections") as rows:
                pairs = self._pairs(report, rows)
                if form is GraphFormat.CSV:
                    self._finish_table(report, folder, pairs, applications)
                else:
                    self._finish_picture(report, folder, pairs, applications, form)
        self._print(report)

    # --- steps ---

    def _begun(self, form: str, variant: str = "") -> Report:
        with rows_of(self._athena, statement("exports", self._settings), "Exports") as rows:
            self._exports = UsedExports.of(rows, self._settings)
        return Report(form, self._exports, variant, Path(self._target.name).name)

    def _workspace(self) -> AbstractContextManager[Path]:
        """The folder for the files. Made before any query, so that a place that cannot be written is found first."""
        return self._target.workspace(dry_run=self._dry_run)

    @contextmanager
    def _rows(self, name: str, title: str) -> Iterator[Iterator[Cells]]:
        with rows_of(self._athena, statement(name, self._settings, self._exports.known), title) as rows:
            yield rows

    @staticmethod
    def _seen_servers(report: Report, rows: Iterable[Cells]) -> Iterator[Server]:
        for row in rows:
            server = Server.of(row)
            report.see_server(server)
            yield server

    @staticmethod
    def _pairs(report: Report, rows: Iterable[Cells]) -> Iterator[Pair]:
        """The pairs alone. The rows with a reason are only counted."""
        for row in rows:
            if row["left_out"]:
                report.see_left_out(LeftOut.of(row))
            else:
                pair = Pair.of(row)
                report.see_pair(pair)
                yield pair

    def _write(self, folder: Path, table: Table[T], rows: Iterable[T], report: Report) -> None:
        """Write the rows as CSV: UTF-8, lines that end as RFC 4180 says, quotes where necessary."""
        with (folder / table.name).open("w", encoding="utf-8", newline="") as file, Progress(self._context) as progress:
            writer = csv.writer(file, lineterminator="\r\n")
            writer.writerow(table.titles)
            for count, row in enumerate(rows, start=1):
                cells, out_of_range = table.cells(row)
                report.see_row(table, cells, out_of_range)
                writer.writerow([guarded(each) for each in cells] if table.is_guarded else cells)
                if count % ROWS_BETWEEN_LINES == 0:
                    progress.show(f"Writing {report.file_of(table.name)}", [f"{count:,} rows"], 0, 0, key=count)

    def _finish_table(
        self, report: Report, folder: Path, pairs: Iterable[Pair], applications: Mapping[str, str]
    ) -> None:
        self._write(folder, forms.GRAPH, pairs, report)
        file = folder / forms.GRAPH.name
        _remark_formulas(report, "An apostrophe is before each")
        ids = {guarded(each) for each in applications}
        self._finish(report, file, lambda: validation.check_graph(file, ids))

    def _finish_picture(
        self,
        report: Report,
        folder: Path,
        pairs: Iterable[Pair],
        applications: Mapping[str, str],
        form: GraphFormat,
    ) -> None:
        draw, check = {
            GraphFormat.DOT: (graph.dot, validation.check_dot),
            GraphFormat.MERMAID: (graph.mermaid, validation.check_mermaid),
        }[form]
        drawn = graph.picture(pairs, applications, graph.MAX_ARROWS[form])
        file = folder / f"graph.{form}"
        file.write_text("".join(f"{line}\n" for line in draw(drawn)), "utf-8", newline="\n")
        report.rows[file.name] = len(drawn.arrows)
        alone = report.servers - len(drawn.names)
        report.remarks.append(
            f"The picture has {len(drawn.names):,} servers and {len(drawn.arrows):,} arrows. "
            f"{alone:,} servers without connections are not in it."
        )
        self._finish(report, file, lambda: check(file))

    def _finish(self, report: Report, file: Path, check: Callable[[], Checked]) -> None:
        """Check the file, and deliver it with its report. A dry run does not deliver it."""
        _verify(check, report.rows)
        report.files.append({"name": report.file, "bytes": file.stat().st_size, "sha256": _sha256(file)})
        if not self._dry_run:
            written = file.with_name("report.json")
            written.write_text(json.dumps(report.document(self._context.now()), indent=2) + "\n", "ascii")
            self._target.deliver(file, written)

    def _print(self, report: Report) -> None:
        """The counts, and then what was written, even if nobody reads the counts."""
        try:
            self._context.output.rows(report.counts(), MEMBERS, COLUMNS)
        finally:
            self._say(report)

    def _say(self, report: Report) -> None:
        for line in report.lines(self._context.now()):
            self._context.say(line)
        if self._dry_run:
            self._context.say("Nothing was written: --dry-run.")
        else:
            self._context.say(f"Written: {self._target.name}")
            self._context.say(f"Report:  {self._target.report_name}")


def _importable(report: Report, servers: Iterable[Server]) -> Iterator[Server]:
    """The servers that Application Migration Service can import: those with an address or a name."""
    for server in servers:
        if not server.address and not server.dns_name:
            report.servers_left_out["neither an IPv4 address of its own nor a host name that DNS allows"] += 1
            continue
        yield server


def _remark_formulas(report: Report, what: str) -> None:
    if count := report.formulas.total():
        report.remarks.append(f"Cells that begin like a formula of a spreadsheet: {count:,}. {what}.")


def _zip(path: Path, files: Sequence[Path]) -> None:
    """Pack the files in this order, without folders, and nothing that depends on the time or the computer."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            info = zipfile.ZipInfo(file.name, FIRST_DATE)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = 3
            info.external_attr = 0o644 << 16
            info.file_size = file.stat().st_size
            with file.open("rb") as source, archive.open(info, "w") as member:
                shutil.copyfileobj(source, member, 1 << 20)


def _verify(check: Callable[[], Checked], written: Mapping[str, int]) -> None:
    try:
        checked = check()
    except (Invalid, zipfile.BadZipFile) as error:
        raise Failure(
            f"The files do not have the form that they should have, and were not written: {error}. "
            "This is a defect: report it."
        ) from None
    if differing := [name for name, rows in checked.rows.items() if rows != written.get(name, 0)]:
        raise Failure(f"{', '.join(differing)}: not all rows can be read back, so nothing was written. Report it.")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
