"""The Chromium of this machine, and pages on loopback for it."""

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-browser" / "bin" / "python"
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
NAMES = ("chromium", "google-chrome")
INSTALL = "apt-get update && apt-get install -y --no-install-recommends chromium"
VISIT_SECONDS = 300


def visit(*visits: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What Chromium saw at each visit: see ``visit.py``. Fails in one line if a program is missing."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if not found:
        pytest.fail(f"Chromium is missing. This installs it: {INSTALL}", pytrace=False)
    for tool in (PYTHON, AXE):
        if not tool.exists():
            pytest.fail(f"{tool.relative_to(ROOT)} is missing: `make test` installs it", pytrace=False)
    done = subprocess.run(
        [PYTHON, Path(__file__).with_name("visit.py")],
        input=json.dumps({"chromium": found, "axe": str(AXE), "visits": visits}),
        capture_output=True, text=True, timeout=VISIT_SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    result: list[dict[str, Any]] = json.loads(done.stdout)
    return result


@dataclass(slots=True)
class Site:
    """Pages on loopback, with the headers that S3 sends. ``requests`` has the paths that were asked for."""

    pages: Mapping[str, bytes]
    url: str = ""
    requests: list[str] = field(default_factory=list)


@contextmanager
def site(pages: Mapping[str, bytes]) -> Iterator[Site]:
    made = Site(pages)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.requests.append(self.path)
            page = made.pages.get(self.path.lstrip("/"))
            self.send_response(404 if page is None else 200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(page or b"")

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
