"""Words that options and queries have in common. The help needs them, so this module imports next to nothing."""

from enum import StrEnum


class Variant(StrEnum):
    """The forms of the zip file for AWS Transform."""

    MPA = "mpa"
    DISCOVERY_TOOL = "discovery-tool"


class GraphFormat(StrEnum):
    CSV = "csv"
    DOT = "dot"
    MERMAID = "mermaid"


class Meaning(StrEnum):
    """What a tag can mean. ``servers.sql`` and ``server-tags.sql`` compare with these words."""

    ENVIRONMENT = "environment"
    DATA_CENTER = "data center"
    WAVE = "wave"
    APPLICATION = "application"
    COPIED = "copied"
