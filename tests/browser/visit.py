"""Visits pages in a headless Chromium. Runs in the environment ``.venv-browser``, which has nothing else.

Standard input is ``{"chromium": path, "axe": path, "visits": [visit, …]}``, standard output the list of what was seen.
A visit has the ``url``, and optionally ``width``, ``scheme``, ``media``, ``check`` (run axe), ``screenshot`` (a file)
and ``clip`` (height of the screenshot).
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright

HEIGHT = 900
LOOK = """() => ({
  text: document.body.innerText,
  title: document.title,
  elements: [...new Set([...document.querySelectorAll("*")].map(each => each.localName))],
  overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  background: getComputedStyle(document.body).backgroundColor,
  ran: Boolean(window.ran),
})"""


def main() -> None:
    order = json.load(sys.stdin)
    with sync_playwright() as playwright:
        # Chromium has no sandbox for root, as which tests run in a container.
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=order["chromium"], args=arguments)
        axe = Path(order["axe"]).read_text("utf-8")
        print(json.dumps([seen(browser, visit, axe) for visit in order["visits"]]))
        browser.close()


def seen(browser: Browser, visit: dict[str, Any], axe: str) -> dict[str, Any]:
    page = browser.new_page(
        viewport={"width": visit.get("width", 1280), "height": HEIGHT}, color_scheme=visit.get("scheme", "light")
    )
    found: dict[str, Any] = {"requests": [], "console": [], "errors": [], "dialogs": 0}

    def dismiss(dialog: Any) -> None:
        found["dialogs"] += 1
        dialog.dismiss()

    page.on("request", lambda request: found["requests"].append(request.url))
    page.on("console", lambda message: found["console"].append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: found["errors"].append(str(error)))
    page.on("dialog", dismiss)
    page.emulate_media(media=visit.get("media", "screen"))
    page.goto(visit["url"], wait_until="networkidle")
    found |= page.evaluate(LOOK)
    if path := visit.get("screenshot"):
        clip = {"x": 0, "y": 0, "width": visit.get("width", 1280), "height": visit.get("clip", HEIGHT)}
        page.screenshot(path=path, clip=clip, full_page=True)
    if visit.get("check"):
        page.evaluate(axe)  # by the protocol of the debugger, which the policy of the page does not concern
        result = page.evaluate("axe.run()")
        found["violations"] = [
            f"{each['impact']}: {each['id']}: {each['nodes'][0]['html'][:200]}" for each in result["violations"]
        ]
        found["passes"] = len(result["passes"])
    page.close()
    return found


if __name__ == "__main__":
    main()
