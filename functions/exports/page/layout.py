"""The page around its sections, and what the sections are made of: tables, bars and figures. No scripts, no links."""

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import Literal

from exports.page.markup import Markup, element, join

STYLE = Path(__file__).with_name("page.css").read_text("utf-8")
STYLE_HASH = b64encode(sha256(STYLE.encode()).digest()).decode()
POLICY = f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; base-uri 'none'; form-action 'none'"
"""The browser loads nothing, runs nothing, and applies this style only, whatever the page contains."""

Tone = Literal["good", "bad", "open", "plain"]
BAR_WIDTH = 100
MIN_BAR_WIDTH = 2
"""Of a share that is not 0, so that it can be seen."""


@dataclass(frozen=True, slots=True)
class Column:
    title: str
    kind: Literal["text", "number", "id", "wide"] = "text"
    """``id`` is the header of its row. ``wide`` is the text that gets the remaining width."""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page with a heading. ``id`` is unique in the page."""

    id: str
    title: str
    body: Sequence[Markup]
    narrow: bool = False
    """Whether it takes half of the width, where there is room for two."""


def document(*, title: str, facts: Mapping[str, str], written_at: datetime, sections: Iterable[Section]) -> bytes:
    """The page in UTF-8. ``facts`` tell which stack it is of."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="referrer", content="no-referrer"),
        element("meta", name="robots", content="noindex"),
        element("title", f"{title}: {', '.join(facts.values())}"),
        Markup(f"<style>{STYLE}</style>"),
    )
    described = [
        element("div", element("dt", name), element("dd", value))
        for name, value in {**facts, **_time(written_at)}.items()
    ]
    header = element("header", element("h1", title), element("dl", *described, class_="facts"))
    body = element("body", header, Markup("\n"), element("main", *map(_section, sections)))
    return ("<!DOCTYPE html>\n" + element("html", head, Markup("\n"), body, lang="en") + "\n").encode()


def _time(moment: datetime) -> Mapping[str, Markup]:
    return {"Written": element("time", f"{minute(moment)} UTC", datetime=moment.isoformat(timespec="seconds"))}


def _section(section: Section) -> Markup:
    heading = element("h2", section.title, id=f"{section.id}-title")
    kind = "narrow" if section.narrow else None
    made = element("section", heading, *section.body, id=section.id, aria_labelledby=f"{section.id}-title", class_=kind)
    return join(made, Markup("\n"))


def minute(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M")


def paragraph(sentence: str) -> Markup:
    return element("p", sentence)


def figures(values: Iterable[tuple[str, str, Tone]]) -> Markup:
    """Names with their values, large, side by side."""
    return element(
        "dl",
        *(element("div", element("dt", name), element("dd", value), class_=tone) for name, value, tone in values),
        class_="figures",
    )


def tag(label: str, tone: Tone) -> Markup:
    return element("span", label, class_=f"tag {tone}")


def bar(share: float, tone: Tone) -> Markup:
    """A bar for ``share`` of the width, from 0 to 1, for those who see it; its number is in another cell."""
    width = round(share * BAR_WIDTH, 1)
    filled = element("rect", width=max(width, MIN_BAR_WIDTH) if share else 0, height=8)
    return element(
        "svg",
        element("rect", width=BAR_WIDTH, height=8, class_="track"),
        filled,
        class_=f"bar {tone}",
        viewBox=f"0 0 {BAR_WIDTH} 8",
        preserveAspectRatio="none",
        aria_hidden="true",
    )


def segments(kinds: Sequence[str]) -> Markup:
    """A bar of segments of equal width, from left to right: a shape of each kind, which is its class in the style."""
    paths: dict[str, str] = {}
    start = 0
    for kind, group in groupby(kinds):
        end = start + len(list(group))
        left, right = (round(each * BAR_WIDTH / len(kinds), 1) for each in (start, end))
        paths[kind] = f"{paths.get(kind, '')}M{left} 0H{right}V8H{left}z"
        start = end
    shapes = [element("path", d=path, class_=kind) for kind, path in paths.items()]
    return element(
        "svg",
        element("rect", width=BAR_WIDTH, height=8, class_="track"),
        *shapes,
        class_="bar",
        viewBox=f"0 0 {BAR_WIDTH} 8",
        preserveAspectRatio="none",
        aria_hidden="true",
    )


def table(caption: str, columns: Sequence[Column], rows: Iterable[Sequence[str]], *, name: str) -> Markup:
    """A table. On a narrow screen, each row becomes a block, so its cells repeat the names of their columns.

    Then browsers may no longer take it for a table, so the roles of its parts are given:
    https://adrianroselli.com/2018/02/tables-css-display-properties-and-aria.html
    """
    titles = [
        element("th", column.title, scope="col", role="columnheader", class_=_class(column)) for column in columns
    ]
    head = element("thead", element("tr", *titles, role="row"), role="rowgroup")
    body = element("tbody", *(_row(columns, row) for row in rows), role="rowgroup")
    return element("table", element("caption", caption), head, body, role="table", class_=name)


def _row(columns: Sequence[Column], row: Sequence[str]) -> Markup:
    cells = [
        element("th", value, scope="row", role="rowheader", class_="id")
        if column.kind == "id"
        else element("td", value, role="cell", class_=_class(column), data_name=column.title or None if value else None)
        for column, value in zip(columns, row, strict=True)
    ]
    return join(Markup("\n"), element("tr", *cells, role="row"))


def _class(column: Column) -> str | None:
    return None if column.kind == "text" else column.kind
