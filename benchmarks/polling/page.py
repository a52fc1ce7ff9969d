"""What was found, as a table, a picture of price against delay, and the figures of docs/polling.md."""

import re
from collections.abc import Iterator, Mapping
from html import escape
from math import log10
from pathlib import Path
from typing import Any

from benchmarks.picture import OTHERS, OURS, STYLE
from benchmarks.polling.contest import EACH_60, Found
from benchmarks.polling.contest import OURS as PRODUCT

LARGE = "10,000 exports at once"
WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 760, 380, 70, 50, 20, 50
MARKS = re.compile(r"<!-- figures -->.*<!-- /figures -->", re.DOTALL)


def table(found: Found) -> str:
    parts = [f"### {case}\n\n{_of_case(ways)}" for case, ways in found.items()]
    return "\n\n".join([*parts, f"### Targets, {LARGE}\n\n{_targets(found[LARGE])}"])


def _of_case(ways: Mapping[str, Mapping[str, Any]]) -> str:
    lines = [
        "| who waits | transitions | $ of them | Lambda s | $ in all | describes | mean s late | p95 s late |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {name} | {way['transitions']:,} | {way['transitions_price']:.4f} | {way['lambda_ms'] / 1000:,.0f} | "
        f"{way['price']:.4f} | {way['describes']:,} | {way['mean_delay']} | {way['p95_delay']} |"
        for name, way in ways.items()
    ]
    return "\n".join(lines)


def _targets(ways: Mapping[str, Mapping[str, Any]]) -> str:
    ours, each = ways[PRODUCT], ways[EACH_60]
    rows = [
        (
            "price of transitions beside an execution each, 60 s",
            "≤ 1/12",
            each["transitions"] / ours["transitions"],
            12,
        ),
        ("calls of DescribeExportTasks beside the same", "≤ 1/50", each["describes"] / ours["describes"], 50),
    ]
    lines = ["| what | target | found | |", "| --- | ---: | ---: | ---: |"]
    lines += [f"| {what} | {told} | 1/{ratio:.0f} | {_met(ratio >= target)} |" for what, told, ratio, target in rows]
    for name, most in (("mean_delay", 45), ("p95_delay", 120)):
        told = name.replace("_delay", "") + " delay from finished to noticed"
        lines.append(f"| {told} | ≤ {most} s | {ours[name]} s | {_met(ours[name] <= most)} |")
    return "\n".join(lines)


def _met(met: bool) -> str:
    return "met" if met else "NOT MET"


def write_page(page: Path, found: Found) -> None:
    """Put the figures between the page's marks."""
    figures = f"<!-- figures -->\n{table(found)}\n<!-- /figures -->"
    page.write_text(MARKS.sub(lambda _: figures, page.read_text("utf-8")), "utf-8")


def picture(found: Found) -> str:
    """Price, on a logarithmic scale, against the mean delay, for the case of 10,000 exports."""
    ways = found[LARGE]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
            f'viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="Price of waiting against delay">',
            STYLE,
            '<rect width="100%" height="100%" fill="#ffffff"/>',
            f'<text class="title" x="16" y="26">{LARGE}: price of waiting, and how late it notices</text>',
            *_axes(),
            *(part for name, way in ways.items() for part in _dot(name, way)),
            "</svg>",
            "",
        ]
    )


def _x(seconds: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * min(seconds, 150) / 150


def _y(dollars: float) -> float:
    share = (log10(dollars) - log10(0.1)) / (log10(100) - log10(0.1))
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share


def _axes() -> Iterator[str]:
    for dollars in (0.1, 1, 10, 100):
        yield f'<text class="faint" x="{LEFT - 8}" y="{_y(dollars) + 4:.0f}" text-anchor="end">${dollars:g}</text>'
        yield f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{_y(dollars):.0f}" y2="{_y(dollars):.0f}" stroke="#e2e8f0"/>'
    for seconds in (0, 30, 60, 90, 120, 150):
        middle = 'text-anchor="middle"'
        yield f'<text class="faint" x="{_x(seconds):.0f}" y="{HEIGHT - BOTTOM + 20}" {middle}>{seconds} s</text>'
    yield f'<text class="faint" x="{WIDTH - RIGHT}" y="{HEIGHT - 8}" text-anchor="end">mean delay</text>'


def _dot(name: str, way: Mapping[str, Any]) -> Iterator[str]:
    x, y, ours = _x(way["mean_delay"]), _y(way["price"]), name == PRODUCT
    left = x > WIDTH / 2
    yield f'<circle cx="{x:.0f}" cy="{y:.0f}" r="{7 if ours else 5}" fill="{OURS if ours else OTHERS}"/>'
    yield (
        f'<text{" class=" + chr(34) + "ours" + chr(34) if ours else ""} x="{x + (-12 if left else 12):.0f}" '
        f'y="{y + 4:.0f}"{" text-anchor=" + chr(34) + "end" + chr(34) if left else ""}>{escape(name)}</text>'
    )
