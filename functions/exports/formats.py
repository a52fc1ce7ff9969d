"""What bytes are, told from the bytes alone: names and content types that come with them may lie."""

import struct

GZIP = b"\x1f\x8b"
ZIP_STARTS = (b"PK\x03\x04", b"PK\x05\x06")
"""A zip begins with its first member, or with the end record when it is empty."""
_MARKUP = (b"<!doctype", b"<html", b"<head", b"<body", b"<?xml", b"<error")
_BOM = b"\xef\xbb\xbf"

_END = struct.Struct("<4s4H2LH")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR_64 = struct.Struct("<4sLQL")
_LONGEST_TAIL = _END_64.size + _LOCATOR_64.size + _END.size + 0xFFFF


def extension(head: bytes) -> str:
    """``zip``, ``csv.gz`` or, for anything else, ``csv``."""
    if is_zip(head):
        return "zip"
    return "csv.gz" if head.startswith(GZIP) else "csv"


def is_zip(head: bytes) -> bool:
    return head.startswith(ZIP_STARTS)


def is_error_page(head: bytes) -> bool:
    """Whether the bytes begin as HTML or XML: the answer of some server in between, not an export."""
    return head.removeprefix(_BOM).lstrip()[:16].lower().startswith(_MARKUP)


class ZipEnd:
    """Watches a stream go by and says whether it ended as a zip ends: the only sign of wholeness without a length."""

    def __init__(self) -> None:
        self._tail = b""
        self._seen = 0

    def update(self, chunk: bytes) -> None:
        self._tail = (self._tail + chunk[-_LONGEST_TAIL:])[-_LONGEST_TAIL:]
        self._seen += len(chunk)

    def whole(self) -> bool:
        """Whether the last bytes are an end record that speaks of a zip of exactly the size that went by.

        https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT 4.3.14 to 4.3.16
        """
        at = self._tail.rfind(b"PK\x05\x06")
        while at >= 0:
            if self._ends_at(at):
                return True
            at = self._tail.rfind(b"PK\x05\x06", 0, at)
        return False

    def _ends_at(self, at: int) -> bool:
        if at + _END.size > len(self._tail):
            return False
        *_, length, offset, comment = _END.unpack_from(self._tail, at)
        if at + _END.size + comment != len(self._tail):
            return False
        start = self._seen - len(self._tail)
        return bool(offset + length == start + at) or self._ends_at_64(at, start)

    def _ends_at_64(self, at: int, start: int) -> bool:
        locator = at - _LOCATOR_64.size
        record = locator - _END_64.size
        if record < 0 or self._tail[locator : locator + 4] != b"PK\x06\x07":
            return False
        signature, *_, length, offset = _END_64.unpack_from(self._tail, record)
        where = _LOCATOR_64.unpack_from(self._tail, locator)[2]
        return bool(signature == b"PK\x06\x06" and where == start + record and offset + length == where)
