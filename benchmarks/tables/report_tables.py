"""The results of `make bench-tables` as Markdown tables, and as a picture."""

from collections.abc import Iterator

from benchmarks.bar_chart import Panel, bar_chart
from benchmarks.page import Row, markdown, measured_on
from benchmarks.tables.before import rate_before, table_bytes_before
from benchmarks.tables.competitors import CONVERSIONS, LINKS, PRODUCT, TABLES_OFF
from benchmarks.tables.results import Results
from benchmarks.tables.scenarios import AGENT, LARGE, MB, SMALL, SUMMARY, Contest
from benchmarks.tables.targets import target_results

BEFORE_NAMES = {PRODUCT: "the way before: gzipped JSON lines", TABLES_OFF: "the way before, tables off"}
RATES = "MB of CSV per CPU second"
SECONDS = "Seconds from link to queryable"


def report(results: Results, before: Results) -> str:
    """The date, the machine and the versions, the picture, and every table with its heading."""
    setup = measured_on(results.machine, results.others, results.versions)
    image = f"![{RATES}, and {SECONDS.lower()}](benchmarks/tables.svg)"
    tables = (f"### {title}\n\n{markdown(*rows)}" for title, rows in _tables(results, before))
    return "\n\n".join([setup, image, *tables])


def picture(results: Results, before: Results) -> str:
    rates = {name: results.rate(AGENT, name) / MB for name in CONVERSIONS}
    rates |= {name: rate_before(results, before, AGENT, ours) / MB for ours, name in BEFORE_NAMES.items()}
    seconds = {name: results.median(Contest.LINK, AGENT, name, "seconds") for name in LINKS}
    title = _title(results, AGENT)
    panels = (Panel(f"{RATES}, {title}", rates, PRODUCT), Panel(f"{SECONDS}, {title}", seconds, PRODUCT))
    return bar_chart(panels)


def _tables(results: Results, before: Results) -> Iterator[tuple[str, list[Row]]]:
    heads = ("competitor", "CPU s", RATES, "our speedup", "MB of tables", "peak MB")
    for export in (AGENT, SUMMARY):
        rows = [_conversion(results, export, name) for name in CONVERSIONS]
        rows += [_conversion_before(results, before, export, name) for name in BEFORE_NAMES]
        yield f"CPU: {_title(results, export)}", [heads, *rows]
    heads = ("competitor", "seconds", "our speedup", "CPU s", "MB of tables", "peak MB")
    yield f"Link to queryable: {_title(results, AGENT)}", [heads, *(_link(results, name) for name in LINKS)]
    peaks = {each: results.median(Contest.CONVERSION, each, PRODUCT, "peak_bytes") for each in (SMALL, LARGE)}
    rows = [(_title(results, each), f"{peak / MB:.1f}") for each, peak in peaks.items()]
    yield "Memory of unpacking with tables", [("export", "peak MB"), *rows]
    yield "Targets", [("measure", "target", "result", ""), *target_results(results, before)]


def _title(results: Results, export: str) -> str:
    size = results.sizes[export]
    return f"{export.replace('-', ' ')}, {size.zip_bytes / MB:.1f} MB zip, {size.csv_bytes / MB:.1f} MB of CSV"


def _conversion(results: Results, export: str, name: str) -> Row:
    if not (seconds := results.values(Contest.CONVERSION, export, name, "cpu_seconds")):
        return name, "failed", "", "", "", ""
    median = results.median(Contest.CONVERSION, export, name, "cpu_seconds")
    return (
        name,
        _spread(median, seconds),
        f"{results.rate(export, name) / MB:.1f}",
        "" if name in BEFORE_NAMES else f"{results.rate(export, PRODUCT) / results.rate(export, name):.2f} x",
        _table_megabytes(results, Contest.CONVERSION, export, name),
        _peak(results, Contest.CONVERSION, export, name),
    )


def _conversion_before(results: Results, before: Results, export: str, name: str) -> Row:
    rate = rate_before(results, before, export, name)
    return (
        BEFORE_NAMES[name],
        f"{results.sizes[export].csv_bytes / rate:.2f}",
        f"{rate / MB:.1f}",
        f"{results.rate(export, name) / rate:.2f} x",
        "" if name == TABLES_OFF else f"{table_bytes_before(results, before, export, name) / MB:.2f}",
        _peak(before, Contest.CONVERSION, export, name),
    )


def _link(results: Results, name: str) -> Row:
    if not (seconds := results.values(Contest.LINK, AGENT, name, "seconds")):
        return name, "failed", "", "", "", ""
    median = results.median(Contest.LINK, AGENT, name, "seconds")
    return (
        name,
        _spread(median, seconds),
        "" if name == PRODUCT else f"{median / results.median(Contest.LINK, AGENT, PRODUCT, 'seconds'):.2f} x",
        f"{results.median(Contest.LINK, AGENT, name, 'cpu_seconds'):.2f}",
        _table_megabytes(results, Contest.LINK, AGENT, name),
        _peak(results, Contest.LINK, AGENT, name),
    )


def _spread(median: float, values: list[float]) -> str:
    return f"{median:.2f} ({min(values):.2f}-{max(values):.2f})"


def _table_megabytes(results: Results, contest: Contest, export: str, name: str) -> str:
    return "" if name == TABLES_OFF else f"{results.median(contest, export, name, 'table_bytes') / MB:.2f}"


def _peak(results: Results, contest: Contest, export: str, name: str) -> str:
    return f"{results.median(contest, export, name, 'peak_bytes') / MB:.0f}"
