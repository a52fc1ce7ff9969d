"""What bytes are, told from the bytes alone: names and content types that come with them may lie."""

GZIP = b"\x1f\x8b"
ZIP_STARTS = (b"PK\x03\x04", b"PK\x05\x06")
"""A zip begins with its first member, or with the end record when it is empty."""
_MARKUP = (b"<!doctype", b"<html", b"<head", b"<body", b"<?xml", b"<error")
_BOM = b"\xef\xbb\xbf"


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
