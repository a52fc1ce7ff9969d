"""Puts the tables into the page that explains them, between two marks."""

from pathlib import Path

from benchmarks import tables
from benchmarks.results import Results
from benchmarks.targets import verdicts

BEGIN, END = "<!-- results -->", "<!-- /results -->"


def write_page(page: Path, results: Results) -> None:
    """Replace what is between the marks of ``page``; the rest is written by hand."""
    before, _, rest = page.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    found = tables.report(results, verdicts(results), tables.markdown, lambda title: f"### {title}")
    page.write_text(f"{before}{BEGIN}\n{_taken(results)}\n\n{found}{END}{after}")


def _taken(results: Results) -> str:
    """When, on what and with what."""
    machine = results.machine
    versions = ", ".join(f"{name} {version}" for name, version in results.versions.items())
    return (
        f"Taken on {machine['date']}: {machine['cores']} cores of {machine['processor']}, {machine['memory_gib']} GiB, "
        f"{machine['system']}. {tables.disturbance(results)}\n"
        f"Seed {results.seed}. Versions: {versions}."
    )
