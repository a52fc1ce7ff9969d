"""A file behind a presigned link, as S3 gives it: GET only, nothing asked for that was not signed, ranges, If-Match."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from benchmarks.loopback.content import Content
from benchmarks.loopback.exchanges import PACED, Exchange
from benchmarks.loopback.pacing import Line, Pace
from benchmarks.loopback.plans import File, Plan, Style

SIDE = "source"
ETAG = '"5eed0000000000000000000000000000-1"'
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
_SIGNATURE = "X-Amz-Signature"


class Source:
    """Answers ``/source/<name>`` with the file that the plan has under that name."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self._plan = Plan(Line(Pace(0)), {})

    def line(self) -> Line:
        return self._plan.line

    def plan(self, told: Mapping[str, Any]) -> None:
        self._plan = Plan.of(told, SIDE)

    def tell(self) -> dict[str, Any]:
        """Of each file, the bytes that were sent."""
        return {name: {"sent": file.moved} for name, file in self._plan.files.items()}

    def answer(self, exchange: Exchange) -> None:
        request = exchange.request
        file = self._plan.files.get(request.path.removeprefix("/source/"))
        unsigned = any(name.startswith("x-amz-") for name in request.headers)
        if request.method != "GET" or unsigned or _SIGNATURE not in request.query:
            exchange.answer(403)
        elif file is None:
            exchange.answer(404)
        elif request.headers.get("if-match", ETAG) != ETAG:
            exchange.answer(412)
        elif file.style is Style.RANGES and "range" in request.headers:
            self._part(exchange, file)
        else:
            self._whole(exchange, file)

    def _part(self, exchange: Exchange, file: File) -> None:
        found = _RANGE.fullmatch(exchange.request.headers["range"])
        if not found or int(found[1]) >= file.size:
            exchange.answer(416, Content_Range=f"bytes */{file.size}")
            return
        first, end = int(found[1]), min(int(found[2] or file.size) + 1, file.size)
        exchange.head(
            206, {"Content-Length": end - first, "Content-Range": f"bytes {first}-{end - 1}/{file.size}", "ETag": ETAG}
        )
        self._send(exchange, file, first, end)

    def _whole(self, exchange: Exchange, file: File) -> None:
        if file.style is not Style.CHUNKED:
            exchange.head(200, {"Content-Length": file.size, "ETag": ETAG})
            self._send(exchange, file, 0, file.size)
            return
        exchange.head(200, {"Transfer-Encoding": "chunked"})
        self._send(exchange, file, 0, file.size, chunked=True)
        exchange.send([memoryview(b"0\r\n\r\n")])

    def _send(self, exchange: Exchange, file: File, first: int, end: int, *, chunked: bool = False) -> None:
        cut = file.cuts.take(first, end)
        pieces: Iterable[memoryview] = self._content.pieces(first, cut.at if cut else end, PACED)
        for piece in pieces:
            exchange.send(_chunk(piece) if chunked else [piece])
            file.move(len(piece))
        if cut:
            exchange.cut(cut)


def _chunk(piece: memoryview) -> list[memoryview]:
    return [memoryview(b"%x\r\n" % len(piece)), piece, memoryview(b"\r\n")]
