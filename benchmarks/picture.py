"""What was found as an SVG: bars of seconds for each network, the product's in another colour."""

from collections.abc import Iterator
from html import escape

from benchmarks.peers import PRODUCT
from benchmarks.results import Results, Scenario
from benchmarks.scenarios import MEMORY

WIDTH, LABEL, BAR, ROW, GAP = 760, 230, 420, 24, 52
OURS, OTHERS = "#c2410c", "#94a3b8"
STYLE = (
    "<style>text{font:13px system-ui,sans-serif;fill:#1e293b}.title{font-weight:600}.faint{fill:#64748b}"
    ".ours{font-weight:600}</style>"
)


def picture(results: Results) -> str:
    """An SVG document that needs nothing else; white behind, so that it reads on a dark page too."""
    body: list[str] = []
    top = 0
    for scenario in results.scenarios:
        if scenario.name == MEMORY:
            continue
        body += _scenario(results, scenario, top)
        top += GAP + ROW * len(_bars(results, scenario)) + 10
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{top + 10}" '
            f'viewBox="0 0 {WIDTH} {top + 10}" role="img" aria-label="Seconds of a copy, for each network">',
            STYLE,
            '<rect width="100%" height="100%" fill="#ffffff"/>',
            *body,
            "</svg>",
            "",
        ]
    )


def _bars(results: Results, scenario: Scenario) -> list[tuple[str, float]]:
    """Who took how many seconds, the fastest first."""
    found = ((name, results.middle(scenario.name, name, "seconds")) for name in scenario.contestants)
    return sorted(((name, seconds) for name, seconds in found if seconds), key=lambda bar: bar[1])


def _scenario(results: Results, scenario: Scenario, top: int) -> Iterator[str]:
    yield f'<text class="title" x="16" y="{top + 26}">{escape(scenario.name)}</text>'
    yield f'<text class="faint" x="16" y="{top + 44}">{escape(scenario.title)}; seconds, less is better</text>'
    bars = _bars(results, scenario)
    longest = max((seconds for _, seconds in bars), default=1)
    for number, (name, seconds) in enumerate(bars):
        yield from _bar(name, seconds, BAR * seconds / longest, top + GAP + ROW * number)


def _bar(name: str, seconds: float, width: float, top: int) -> Iterator[str]:
    ours = name == PRODUCT
    kind = ' class="ours"' if ours else ""
    yield f'<text{kind} x="{LABEL}" y="{top + 16}" text-anchor="end">{escape(name)}</text>'
    yield (
        f'<rect x="{LABEL + 10}" y="{top + 4}" width="{width:.1f}" height="{ROW - 8}" rx="2" '
        f'fill="{OURS if ours else OTHERS}"/>'
    )
    yield f'<text{kind} x="{LABEL + 16 + width:.1f}" y="{top + 16}">{seconds:.2f}</text>'
