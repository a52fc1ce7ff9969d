"""Links of the pages lead to files and headings that exist."""

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(path for folder in ("", "docs", "docs/decisions", "examples") for path in (ROOT / folder).glob("*.md"))
_LINK = re.compile(r"\]\((?!https?:|\.\./\.\./security)([^)\s#]*)(?:#([^)\s]*))?\)")


@cache
def headings(page: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    found = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for name, anchor in _LINK.findall(page.read_text("utf-8")):
        target = page.parent / name if name else page
        assert target.exists(), name
        assert not anchor or target.suffix != ".md" or anchor in headings(target), f"{name}#{anchor}"
