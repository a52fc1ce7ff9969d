"""Draws the layout of the dashboard from its synthesized definition: ``python -m infra.layout``.

What a box shows is told by its title and its legend; the curves are CloudWatch's to draw.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from infra.permissions import flat
from infra.picture import ROOT, resource

PICTURE = ROOT / "docs" / "dashboard.svg"
COLUMN, ROW, GAP = 48, 38, 6
"""Pixels of a unit of the dashboard's grid, which has 24 columns, and between two boxes."""
LINE = 19
COLORS = ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f")
"""What CloudWatch gives to metrics that have no color of their own, in order."""
STYLE = """<style>
  text { font: 13px "Helvetica Neue", Arial, sans-serif; fill: #16191f }
  .heading { font-size: 19px; font-weight: bold }
  .title { font-size: 14px; font-weight: bold }
  .kind { fill: #687078; font-size: 12px }
  .box { fill: #ffffff; stroke: #d5dbdb }
  .chip { fill: #f2f3f3; stroke: #d5dbdb }
</style>"""

Widget = Mapping[str, Any]


def draw(dashboard: Mapping[str, Any]) -> str:
    """An SVG with a box for each widget, where and as large as the dashboard has it."""
    widgets = dashboard["widgets"]
    width = COLUMN * max(each["x"] + each["width"] for each in widgets) + GAP
    height = ROW * max(each["y"] + each["height"] for each in widgets) + GAP
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">',
            STYLE,
            f'<rect width="{width}" height="{height}" fill="#f2f3f3"/>',
            *(line for widget in widgets for line in _widget(widget)),
            "</svg>\n",
        ]
    )


def _widget(widget: Widget) -> Iterator[str]:
    left, top = COLUMN * widget["x"] + GAP, ROW * widget["y"] + GAP
    width, height = COLUMN * widget["width"] - GAP, ROW * widget["height"] - GAP
    if widget["type"] == "text":
        yield _text(left + 4, top + 22, widget["properties"]["markdown"].lstrip("# "), "heading")
        return
    yield f'<rect class="box" x="{left}" y="{top}" width="{width}" height="{height}" rx="3"/>'
    yield _text(left + 12, top + 24, widget["properties"]["title"], "title")
    legend = _alarms(widget) if widget["type"] == "alarm" else _metrics(widget)
    rows = (height - 50) // LINE
    columns = max(-(-len(legend) // rows), 2 if widget["type"] == "alarm" else 1)
    for place, (color, name) in enumerate(legend):
        x = left + 14 + (place % columns) * ((width - 20) // columns)
        y = top + 40 + (place // columns) * LINE
        yield f'<rect class="chip" x="{x}" y="{y}" width="11" height="11" fill="{color}" style="fill:{color}"/>'
        yield _text(x + 17, y + 10, name)
    yield _text(left + 12, top + height - 9, _kind(widget), "kind")


def _metrics(widget: Widget) -> list[tuple[str, str]]:
    """Colors and names, the lines that stand for a limit last."""
    options = [_options(metric) for metric in widget["properties"]["metrics"]]
    named = [(each.get("color", COLORS[place % len(COLORS)]), _name(each)) for place, each in enumerate(options)]
    limits: Sequence[Mapping[str, Any]] = widget["properties"].get("annotations", {}).get("horizontal", [])
    return named + [(limit["color"], f"{limit['label']}: {limit['value']:,} s") for limit in limits]


def _options(metric: Sequence[Any]) -> Mapping[str, Any]:
    """How a metric is shown; its name stands in for a label."""
    return {"name": metric[1], **(metric[-1] if isinstance(metric[-1], Mapping) else {})}


def _name(options: Mapping[str, Any]) -> str:
    label = str(options.get("label", options["name"]))
    return f"{label}, on the right" if options.get("yAxis") == "right" else label


def _alarms(widget: Widget) -> list[tuple[str, str]]:
    """Alarms by the ids of their constructs, which the names on AWS begin with."""
    return [("#2ca02c", _construct(arn)) for arn in widget["properties"]["alarms"]]


def _construct(arn: str) -> str:
    """``<ExportsWatchingRunsFailedF6A14792.Arn>`` as ``RunsFailed``."""
    return arn.removeprefix("<ExportsWatching").removesuffix(".Arn>")[:-8]


def _kind(widget: Widget) -> str:
    properties = widget["properties"]
    if widget["type"] == "alarm":
        return "green: OK, red: in alarm"
    first = properties["metrics"][0]
    statistics = dict.fromkeys(_options(metric).get("stat", "Average") for metric in properties["metrics"])
    view = {"singleValue": "number", "bar": "bars", "timeSeries": "areas" if properties.get("stacked") else "lines"}[
        properties["view"]
    ]
    return " · ".join([view, *statistics, *([first[0]] if first[0].startswith("AWS/") else [])])


def _text(x: int, y: int, text: str, style: str = "") -> str:
    return f'<text x="{x}" y="{y}"{f" class={chr(34)}{style}{chr(34)}" if style else ""}>{escape(text)}</text>'


def synthesized() -> dict[str, Any]:
    """The dashboard of a deployment with default settings."""
    return read(resource("AWS::CloudWatch::Dashboard")["DashboardBody"])


def read(body: Any) -> dict[str, Any]:
    """The definition in the body of a template's dashboard."""
    return dict(json.loads(flat(body)))


def main() -> None:
    PICTURE.write_text(draw(synthesized()), "utf-8")


if __name__ == "__main__":
    main()
