"""Bar charts as SVG, without a library: horizontal bars with their names and figures."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, NAME_WIDTH, BAR_WIDTH = 800, 370, 350
ROW_HEIGHT, BAR_HEIGHT, TITLE_HEIGHT = 26, 16, 40
OURS, OTHER, TEXT, BACKGROUND = "#1f6feb", "#8b949e", "#1f2328", "#ffffff"


@dataclass(frozen=True, slots=True)
class Panel:
    """Bars of one unit, by name. The bars of names that start with ``ours`` have another color."""

    title: str
    bars: Mapping[str, float]
    ours: str


def bar_chart(panels: Sequence[Panel]) -> str:
    """The panels, one below the other. The longest bar of each has the full width."""
    lines: list[str] = []
    top = 0
    for panel in panels:
        lines += _panel(panel, top)
        top += TITLE_HEIGHT + ROW_HEIGHT * len(panel.bars)
    height = top + ROW_HEIGHT // 2
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
            f' font-family="sans-serif" font-size="13" fill="{TEXT}">',
            f'<rect width="{WIDTH}" height="{height}" fill="{BACKGROUND}"/>',
            *lines,
            "</svg>\n",
        ]
    )


def _panel(panel: Panel, top: int) -> Iterator[str]:
    yield f'<text x="12" y="{top + 26}" font-weight="bold">{escape(panel.title)}</text>'
    longest = max(panel.bars.values())
    for index, (name, figure) in enumerate(panel.bars.items()):
        y = top + TITLE_HEIGHT + ROW_HEIGHT * index
        width = round(BAR_WIDTH * figure / longest)
        color = OURS if name.startswith(panel.ours) else OTHER
        yield f'<text x="{NAME_WIDTH - 8}" y="{y + 13}" text-anchor="end">{escape(name)}</text>'
        yield f'<rect x="{NAME_WIDTH}" y="{y}" width="{width}" height="{BAR_HEIGHT}" fill="{color}"/>'
        yield f'<text x="{NAME_WIDTH + width + 6}" y="{y + 13}">{figure:.3g}</text>'
