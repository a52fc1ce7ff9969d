"""Detects the dataset of a file, and how its columns differ from the known ones.

``datasets.json`` lists for each dataset the kind of export that it comes from, the end of its file names (after
``{account}_``, an agent's or a device's id), and every known header, oldest first. ``confidence`` is its source:
``exact``, a public file has the text; ``order``, a public file has count and order, not the text; ``inferred``, from
the fields in the service's user guide. So a difference is noted and never a reason to reject a file.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from exports.model import Kind


@dataclass(frozen=True, slots=True)
class Dataset:
    """All files of one kind. ``file`` is the end of their names, ``variants`` are the known headers.

    ``columns`` (name and type in SQL by header) is for custom datasets, whose ``file`` is a pattern for whole names.
    """

    name: str
    kind: Kind
    file: str = ""
    variants: tuple[tuple[str, ...], ...] = ()
    columns: Mapping[str, tuple[str, str]] = field(default_factory=dict, compare=False)

    @property
    def word(self) -> str:
        """The part of the file name that identifies the dataset, such as ``osInfo``."""
        return self.file.partition(".")[0].rstrip("*")

    @property
    def is_csv(self) -> bool:
        return bool(self.variants)


OTHER = Dataset("other", Kind.OTHER)
RESULTS = "agent_results"
APPLE_DOUBLE = (b"\x00\x05\x16\x07", b"\x00\x05\x16\x00")
"""The start of a file with the attributes and the resource fork of another file, as AppleDouble and AppleSingle:
https://datatracker.ietf.org/doc/html/rfc1740"""
ARCHIVER_FOLDERS = {"__macosx", ".appledouble", "resource.frk", "@eadir", ".trashes", ".fseventsd", ".spotlight-v100"}
"""Folders of macOS, netatalk, PC Exchange and Synology, whose files have the names of other files."""
ARCHIVER_FILES = {".ds_store", "thumbs.db", "ehthumbs.db", "desktop.ini", ".directory", "icon\r"}
ARCHIVER_PREFIXES = ("._", "~$", ".~lock.")
"""AppleDouble outside of its folder, and locks of Microsoft Office and LibreOffice."""


@cache
def known_datasets() -> tuple[Dataset, ...]:
    known = json.loads(Path(__file__).with_name("datasets.json").read_bytes())
    return tuple(
        Dataset(name, Kind(fields["kind"]), fields["file"], tuple(map(tuple, fields["variants"])))
        for name, fields in known.items()
    )


def read_custom(text: str) -> tuple[Dataset, ...]:
    """Custom datasets, from the JSON in the function's environment."""
    custom = [
        (each, {header: (name, kind) for header, (name, kind) in each["columns"].items()}) for each in json.loads(text)
    ]
    return tuple(
        Dataset(each["name"], Kind.OTHER, each["pattern"], (tuple(columns),), columns) for each, columns in custom
    )


def dataset_of(name: str, header: Sequence[str], custom: Sequence[Dataset] = ()) -> Dataset:
    """The dataset of a file, by the end of its name, else by its header; ``OTHER`` if neither matches.

    If no known dataset matches by name, a ``custom`` dataset of the stack may match by its pattern.

    Case matters only if two names differ in nothing else: ``_NetworkInterface`` is of a summary, ``_networkInterface``
    of an agent export.
    """
    base = re.split(r"[/\\]", name)[-1]
    stem, extension = _split(base)
    if extension in ("", ".csv"):
        return _by_name(stem) or _by_pattern(base, custom) or _by_header(base, header) or OTHER
    if extension == ".json" and _last_word(stem).lower() == "results":
        return next(dataset for dataset in known_datasets() if dataset.name == RESULTS)
    return _by_pattern(base, custom) or _by_header(base, header) or OTHER


def is_added_by_archiver(name: str, head: bytes = b"") -> bool:
    """Whether a program that made the zip file added the file, which is no part of the export: by name or content.

    Such a file can have the name of a dataset or of a zip file, and contents of neither.
    """
    *folders, base = re.split(r"[/\\]", name.lower())
    return (
        head.startswith(APPLE_DOUBLE)
        or base in ARCHIVER_FILES
        or base.startswith(ARCHIVER_PREFIXES)
        or not ARCHIVER_FOLDERS.isdisjoint(folders)
    )


def is_known_header(columns: Sequence[str], custom: Sequence[Dataset] = ()) -> bool:
    """Whether the cells hold all columns of a dataset that has more than one."""
    folded = {column.strip().lower() for column in columns}
    return any(_matched_columns(dataset, folded) > 1 for dataset in (*known_datasets(), *custom))


def is_csv(name: str, dataset: Dataset) -> bool:
    """Whether the file is read as a CSV: by its dataset or, if that is unknown, by its extension."""
    return dataset.is_csv or (dataset is OTHER and _split(name)[1] == ".csv")


def kind_of(datasets: Iterable[str]) -> Kind:
    """The kind of the export whose files are in ``datasets``; other if they have no kind, or more than one."""
    names = frozenset(datasets)
    kinds = {dataset.kind for dataset in known_datasets() if dataset.name in names}
    return kinds.pop() if len(kinds) == 1 else Kind.OTHER


def schema_notes(dataset: Dataset, columns: Sequence[str]) -> dict[str, list[str]]:
    """How ``columns`` differ from the closest known header; empty if they are equal or no header is known.

    ``added``: unknown columns after all known ones, as the service adds them over the years; ``unknown``: unknown
    columns elsewhere; ``missing``: known columns that are absent; ``reordered``: known columns in another order.
    """
    if not columns or not dataset.variants:
        return {}
    known = _closest(dataset.variants, columns)
    present = [column for column in dict.fromkeys(columns) if column in known]
    expected = [column for column in known if column in columns]
    last = max((columns.index(column) for column in present), default=len(columns))
    unknown = [(at, column) for at, column in enumerate(columns) if column not in known]
    notes = {
        "unknown": [column for at, column in unknown if at < last],
        "added": [column for at, column in unknown if at > last],
        "missing": [column for column in known if column not in columns],
        "reordered": [column for column, other in zip(present, expected, strict=True) if column != other],
    }
    return {note: names for note, names in notes.items() if names}


def _split(base: str) -> tuple[str, str]:
    """The name without its extension, and the extension in lower case: at most 8 letters or digits, else empty."""
    found = re.fullmatch(r"(.+)(\.[A-Za-z0-9]{1,8})", base, re.DOTALL)
    return (found[1], found[2].lower()) if found else (base, "")


def _last_word(stem: str) -> str:
    return re.split(r"[^A-Za-z0-9]", stem)[-1]


def _by_name(stem: str) -> Dataset | None:
    datasets = [dataset for dataset in known_datasets() if dataset.is_csv]
    for dataset in datasets:
        if dataset.file.endswith("*.csv") and re.search(rf"(?<![A-Za-z0-9]){dataset.word}", stem, re.IGNORECASE):
            return dataset
    word = _last_word(stem)
    exact = [dataset for dataset in datasets if dataset.word == word]
    return _single(exact) or _single([dataset for dataset in datasets if dataset.word.lower() == word.lower()])


def _by_pattern(base: str, custom: Sequence[Dataset]) -> Dataset | None:
    return next((dataset for dataset in custom if fnmatchcase(base, dataset.file)), None)


def _by_header(base: str, header: Sequence[str]) -> Dataset | None:
    """The dataset whose columns are all in the header. Of several: the one with most columns, then by name."""
    columns = {column.strip().lower() for column in header}
    sizes = {dataset: _matched_columns(dataset, columns) for dataset in known_datasets()}
    most = max(sizes.values())
    best = [dataset for dataset, size in sizes.items() if size == most > 0]
    return _single(best) or _single([dataset for dataset in best if dataset.word.lower() in base.lower()])


def _matched_columns(dataset: Dataset, columns: set[str]) -> int:
    """The number of columns of the largest variant whose columns are all in ``columns``."""
    sizes = (len(variant) for variant in dataset.variants if columns.issuperset(map(str.lower, variant)))
    return max(sizes, default=0)


def _single(datasets: Sequence[Dataset]) -> Dataset | None:
    return datasets[0] if len(datasets) == 1 else None


def _closest(variants: Sequence[tuple[str, ...]], columns: Sequence[str]) -> tuple[str, ...]:
    """The variant with the fewest columns that only one side has; the newest of several."""
    return min(reversed(variants), key=lambda variant: len(set(variant) ^ set(columns)))
