"""Line charts as SVG, without a library: shares from 0 to 1 over days."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 800, 420
LEFT, TOP, PLOT_WIDTH, PLOT_HEIGHT = 50, 20, 420, 350
COLORS = ("#1f6feb", "#cf222e", "#1a7f37", "#9a6700", "#8250df", "#0a7ea4", "#6e7781")
TEXT, GRID, BACKGROUND = "#1f2328", "#d0d7de", "#ffffff"


def line_chart(lines: Mapping[str, Sequence[float]], days: int) -> str:
    """A line for each name, with one share for each day from the first on, up to ``days``."""
    body = [*_axes(days)]
    for number, (name, shares) in enumerate(lines.items()):
        body += _line(name, shares[:days], days, number)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
            f' font-family="sans-serif" font-size="13" fill="{TEXT}">',
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="{BACKGROUND}"/>',
            *body,
            "</svg>\n",
        ]
    )


def _axes(days: int) -> Iterator[str]:
    for percent in range(0, 101, 25):
        y = round(TOP + PLOT_HEIGHT * (1 - percent / 100))
        yield f'<line x1="{LEFT}" x2="{LEFT + PLOT_WIDTH}" y1="{y}" y2="{y}" stroke="{GRID}"/>'
        yield f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{percent}%</text>'
    for day in range(0, days + 1, days // 6):
        x = round(LEFT + PLOT_WIDTH * day / days)
        yield f'<text x="{x}" y="{TOP + PLOT_HEIGHT + 18}" text-anchor="middle">{day}</text>'
    yield f'<text x="{LEFT + PLOT_WIDTH // 2}" y="{TOP + PLOT_HEIGHT + 38}" text-anchor="middle">days</text>'


def _line(name: str, shares: Sequence[float], days: int, number: int) -> Iterator[str]:
    color = COLORS[number % len(COLORS)]
    points = [(0, 0.0), *enumerate(shares, start=1)]
    places = " ".join(
        f"{round(LEFT + PLOT_WIDTH * day / days, 1)},{round(TOP + PLOT_HEIGHT * (1 - share), 1)}"
        for day, share in points
    )
    y = TOP + 14 + 24 * number
    yield f'<polyline points="{places}" fill="none" stroke="{color}" stroke-width="2"/>'
    yield f'<rect x="{LEFT + PLOT_WIDTH + 16}" y="{y - 10}" width="12" height="12" fill="{color}"/>'
    yield f'<text x="{LEFT + PLOT_WIDTH + 34}" y="{y}" font-size="12">{escape(name)}</text>'
