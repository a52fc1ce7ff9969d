"""The pictures of the status page in the documentation: ``PYTHONPATH=functions python -m tests.browser.screenshot``."""

from datetime import timedelta

from exports.model import utc_text
from exports.page.status_page import render
from tests.browser.chromium import ROOT, site, visit
from tests.status_pages import NOW, agents, page_of, usual

PICTURE = ROOT / "docs" / "status-page.png"
TICKED = {"agentId": "account: tick", "at": utc_text(NOW - timedelta(minutes=10))}
COVERAGE = ROOT / "docs" / "status-page-coverage.png"


def main() -> None:
    collecting = render(page_of(usual(60), collected=[*agents(7), TICKED]))
    with site({"page": render(page_of(usual())), "collecting": collecting}) as pages:
        visit(
            {"url": f"{pages.url}/page", "width": 1120, "clip": 852, "screenshot": str(PICTURE)},
            {"url": f"{pages.url}/collecting", "width": 1120, "clip": 800, "screenshot": str(COVERAGE)},
        )
    for picture in (PICTURE, COVERAGE):
        print(picture.relative_to(ROOT), picture.stat().st_size)


if __name__ == "__main__":
    main()
