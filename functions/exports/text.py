"""How texts, durations and sizes are shown to people."""

import unicodedata
from datetime import timedelta


def printable(text: str, keep: str = "") -> str:
    r"""``text`` with every character that is not shown as itself replaced by its escape, such as ``\x1b``.

    These are the control characters (C0, C1), line and paragraph separators, halves of surrogate pairs, unassigned and
    private characters, and all format characters, among them those that change the direction of text: a name from an
    export must not move the cursor, change colors or the title of the window, or look like another name. ``keep`` lists
    characters that stay.
    """
    if text.isprintable():
        return text
    return "".join(each if each in keep or _is_shown(each) else _escape(each) for each in text)


def _is_shown(character: str) -> bool:
    return character.isprintable() or unicodedata.category(character) == "Zs"


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def short_duration(duration: timedelta) -> str:
    """The two largest units, such as ``2 d 3 h``, ``5 min 20 s`` or ``8 s``."""
    seconds = max(0, int(duration.total_seconds()))
    parts = [(seconds // 86400, "d"), (seconds // 3600 % 24, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s")]
    first = next((index for index, (count, _) in enumerate(parts) if count), len(parts) - 1)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2] if count or unit == parts[first][1])


def short_bytes(count: float) -> str:
    """Such as ``512 B``, ``1.5 kB`` or ``2.0 GB``: powers of 1000."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
