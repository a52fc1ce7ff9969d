"""Text of others, fit to be printed on a terminal."""


def printable(text: str) -> str:
    """``text`` with escapes for whatever a terminal would obey or hide: all but line breaks and visible characters."""
    return "".join(each if each.isprintable() or each == "\n" else ascii(each)[1:-1] for each in text)
