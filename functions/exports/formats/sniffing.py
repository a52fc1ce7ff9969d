"""Detects a file's format from its bytes alone: its name and content type may be wrong."""

GZIP = b"\x1f\x8b"
ZIP_STARTS = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08", b"PK00PK\x03\x04")
"""A zip file starts with its first member or, if it is empty, with the end record. The other two have the marker of a
file that was to be split in front. Whether any other bytes precede a zip file shows only at its end:
:func:`exports.formats.zip_reader.ends_as_zip`."""
_MARKUP = (b"<!doctype", b"<html", b"<head", b"<body", b"<?xml", b"<error")
_BOM = b"\xef\xbb\xbf"


def extension(head: bytes) -> str:
    """``zip``, ``csv.gz`` or, for any other bytes, ``csv``."""
    if is_zip(head):
        return "zip"
    return "csv.gz" if head.startswith(GZIP) else "csv"


def is_zip(head: bytes) -> bool:
    return head.startswith(ZIP_STARTS)


def is_error_page(head: bytes) -> bool:
    """Whether the bytes start as HTML or XML: a response of a proxy or server, not an export."""
    return head.removeprefix(_BOM).lstrip()[:16].lower().startswith(_MARKUP)
