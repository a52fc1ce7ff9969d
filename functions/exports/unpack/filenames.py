"""Names from inside a zip made into key parts: safe, readable, unique, and the same whenever the zip is the same."""

import hashlib
import re
from collections import Counter

LONGEST = 150
"""Characters of a key part; with the longest dataset and export id a key stays far below S3's 1,024 bytes."""
MAX_KEPT_LENGTH = 1_000
"""Characters of an original name that the manifest keeps: a zip may hold names of 65,535 bytes."""


class Filenames:
    """The key parts given so far in one export. The same names in the same order always get the same parts."""

    def __init__(self) -> None:
        self._given: set[str] = set()
        self._asked: Counter[str] = Counter()

    def give(self, name: str) -> str:
        """A part for the file ``name``, of ``[A-Za-z0-9._-]``, 150 characters at most, with no dot in front.

        A name that is all that already is its own part. Anything else (a folder, a character to replace, a part that is
        given already, upper and lower case being the same) keeps its readable end, with a hash of the whole name.
        """
        part = _cleaned(name)
        if part != name:
            part = self._hashed(name)
        while part.lower() in self._given:
            part = self._hashed(name)
        self._given.add(part.lower())
        return part

    def _hashed(self, name: str) -> str:
        """Another part each time: a zip may hold one name twice, or a name that was made to look like a hashed one."""
        self._asked[name] += 1
        return _with_hash(_cleaned(name), f"{self._asked[name]}/{name}")


def kept_name(name: str) -> str:
    """The original name as the manifest has it: whole, unless it is absurdly long."""
    return name if len(name) <= MAX_KEPT_LENGTH else f"{name[:MAX_KEPT_LENGTH]}… ({len(name)} characters)"


def _cleaned(name: str) -> str:
    last = re.split(r"[/\\]", name)[-1]
    return _cut(re.sub(r"[^A-Za-z0-9._-]+", "_", last).lstrip("."), LONGEST) or "file"


def _with_hash(part: str, unique: str) -> str:
    digest = hashlib.sha256(unique.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    stem, extension = _split(part)
    return f"{_cut(stem, LONGEST - len(extension) - 13)}-{digest}{extension}"


def _cut(part: str, length: int) -> str:
    """``part`` shortened in front of its extension."""
    stem, extension = _split(part)
    return part if len(part) <= length else stem[: length - len(extension)] + extension


def _split(part: str) -> tuple[str, str]:
    found = re.fullmatch(r"(.+)(\.[A-Za-z0-9]{1,8})", part)
    return (found[1], found[2]) if found else (part, "")
