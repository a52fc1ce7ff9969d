"""The picture of the status page in the documentation: ``PYTHONPATH=functions python -m tests.browser.screenshot``."""

from exports.page.status_page import render
from tests.browser.chromium import ROOT, site, visit
from tests.status_pages import page_of, usual

PICTURE = ROOT / "docs" / "status-page.png"


def main() -> None:
    with site({"page": render(page_of(usual()))}) as pages:
        visit({"url": f"{pages.url}/page", "width": 1120, "clip": 852, "screenshot": str(PICTURE)})
    print(PICTURE.relative_to(ROOT), PICTURE.stat().st_size)


if __name__ == "__main__":
    main()
