"""Turns file names of a zip file into key parts: safe, readable, unique, and the same for the same zip file."""

import hashlib
import re
from collections import Counter

MAX_PART_LENGTH = 150
"""Characters of a key part. With the longest dataset and export id, a key stays far below S3's 1,024 bytes."""
MAX_KEPT_LENGTH = 1_000
"""Characters of an original name in the manifest: names in a zip file may have 65,535 bytes."""


class Filenames:
    """The key parts of one export. The same names in the same order always get the same parts."""

    def __init__(self) -> None:
        self._used: set[str] = set()
        self._hash_counts: Counter[str] = Counter()

    def give(self, name: str) -> str:
        """A part for the file ``name``: at most 150 characters of ``[A-Za-z0-9._-]``, without a leading dot.

        A name of this form is its own part. Any other name (with a folder, a character to replace, or a part that is
        used already, ignoring case) keeps its readable end and gets a hash of the whole name.
        """
        part = _sanitized(name)
        if part != name:
            part = self._hashed(name)
        while part.lower() in self._used:
            part = self._hashed(name)
        self._used.add(part.lower())
        return part

    def _hashed(self, name: str) -> str:
        """A different part for each call: a zip file may contain a name twice, or a name that imitates a hashed one."""
        self._hash_counts[name] += 1
        return _with_hash(_sanitized(name), f"{self._hash_counts[name]}/{name}")


def manifest_name(name: str) -> str:
    """The original name for the manifest, cut if it is longer than 1,000 characters."""
    return name if len(name) <= MAX_KEPT_LENGTH else f"{name[:MAX_KEPT_LENGTH]}… ({len(name)} characters)"


def _sanitized(name: str) -> str:
    last = re.split(r"[/\\]", name)[-1]
    return _shortened(re.sub(r"[^A-Za-z0-9._-]+", "_", last).lstrip("."), MAX_PART_LENGTH) or "file"


def _with_hash(part: str, unique: str) -> str:
    digest = hashlib.sha256(unique.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    stem, extension = _split(part)
    return f"{_shortened(stem, MAX_PART_LENGTH - len(extension) - 13)}-{digest}{extension}"


def _shortened(part: str, length: int) -> str:
    """``part``, shortened before its extension."""
    stem, extension = _split(part)
    return part if len(part) <= length else stem[: length - len(extension)] + extension


def _split(part: str) -> tuple[str, str]:
    found = re.fullmatch(r"(.+)(\.[A-Za-z0-9]{1,8})", part)
    return (found[1], found[2]) if found else (part, "")
