"""Which dataset a file belongs to, and how its columns differ from those known.

What is known lies in ``datasets.json``: for each dataset the kind of export it comes from, the end of its files' names
(behind ``{account}_``, an agent's or a device's id), and every header known, oldest first. ``confidence`` says how:
``exact``, the text was seen in a public file; ``order``, count and order were seen, not the text; ``inferred``, made
from the fields that the service's user guide lists. So a difference is noted and never refused.
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
    """All files of one kind. ``file`` is how their names end, ``variants`` are the headers known.

    ``columns`` are name and type in SQL by header, of a dataset that a stack adds; its ``file`` matches a whole name.
    """

    name: str
    kind: Kind
    file: str = ""
    variants: tuple[tuple[str, ...], ...] = ()
    columns: Mapping[str, tuple[str, str]] = field(default_factory=dict, compare=False)

    @property
    def word(self) -> str:
        """The part of the file's name that tells the dataset, such as ``osInfo``."""
        return self.file.partition(".")[0].rstrip("*")

    @property
    def is_csv(self) -> bool:
        return bool(self.variants)


OTHER = Dataset("other", Kind.OTHER)
RESULTS = "agent_results"


@cache
def known_datasets() -> tuple[Dataset, ...]:
    known = json.loads(Path(__file__).with_name("datasets.json").read_bytes())
    return tuple(
        Dataset(name, Kind(facts["kind"]), facts["file"], tuple(map(tuple, facts["variants"])))
        for name, facts in known.items()
    )


def read_custom(text: str) -> tuple[Dataset, ...]:
    """Datasets from the JSON that the stack hands to the function."""
    custom = [
        (each, {header: (name, kind) for header, (name, kind) in each["columns"].items()}) for each in json.loads(text)
    ]
    return tuple(
        Dataset(each["name"], Kind.OTHER, each["pattern"], (tuple(columns),), columns) for each, columns in custom
    )


def dataset_of(name: str, header: Sequence[str], custom: Sequence[Dataset] = ()) -> Dataset:
    """The dataset of a file: told by the end of its name, otherwise by its header; ``OTHER`` when neither tells.

    One of those ``custom`` by the stack is told by its pattern, where no known dataset is by its name.

    Upper and lower case matter where they are all that parts two names: ``_NetworkInterface`` is of a summary,
    ``_networkInterface`` of an agent export.
    """
    base = re.split(r"[/\\]", name)[-1]
    stem, extension = _split(base)
    if extension in ("", ".csv"):
        return _by_name(stem) or _by_pattern(base, custom) or _by_header(base, header) or OTHER
    if extension == ".json" and _last_word(stem).lower() == "results":
        return next(dataset for dataset in known_datasets() if dataset.name == RESULTS)
    return _by_pattern(base, custom) or _by_header(base, header) or OTHER


def is_csv(name: str, dataset: Dataset) -> bool:
    """Whether the file is read as a CSV: by its dataset or, where that is not known, by its extension."""
    return dataset.is_csv or (dataset is OTHER and _split(name)[1] == ".csv")


def kind_of(datasets: Iterable[str]) -> Kind:
    """The kind of the export whose files are in ``datasets``; other when they tell none, or more than one."""
    names = frozenset(datasets)
    kinds = {dataset.kind for dataset in known_datasets() if dataset.name in names}
    return kinds.pop() if len(kinds) == 1 else Kind.OTHER


def schema_notes(dataset: Dataset, columns: Sequence[str]) -> dict[str, list[str]]:
    """How ``columns`` differ from the closest header known; empty when they do not, or when nothing is known.

    ``custom``: columns not known that follow all known ones, as the service adds them over the years; ``unknown``: those
    that stand elsewhere; ``missing``; ``reordered``: known ones that stand at each other's places.
    """
    if not columns or not dataset.variants:
        return {}
    known = _closest(dataset.variants, columns)
    present = [column for column in dict.fromkeys(columns) if column in known]
    expected = [column for column in known if column in columns]
    last = max((columns.index(column) for column in present), default=len(columns))
    strange = [(at, column) for at, column in enumerate(columns) if column not in known]
    notes = {
        "unknown": [column for at, column in strange if at < last],
        "added": [column for at, column in strange if at > last],
        "missing": [column for column in known if column not in columns],
        "reordered": [column for column, wanted in zip(present, expected, strict=True) if column != wanted],
    }
    return {what: names for what, names in notes.items() if names}


def _split(base: str) -> tuple[str, str]:
    """The name without its extension, and the extension in lower case; anything but a short one is none."""
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
    return _only(exact) or _only([dataset for dataset in datasets if dataset.word.lower() == word.lower()])


def _by_pattern(base: str, custom: Sequence[Dataset]) -> Dataset | None:
    return next((dataset for dataset in custom if fnmatchcase(base, dataset.file)), None)


def _by_header(base: str, header: Sequence[str]) -> Dataset | None:
    """The dataset of which the header has all columns; of several, those with most, then the one that is named."""
    columns = {column.strip().lower() for column in header}
    fits = {dataset: _fit(dataset, columns) for dataset in known_datasets()}
    most = max(fits.values())
    best = [dataset for dataset, fit in fits.items() if fit == most > 0]
    return _only(best) or _only([dataset for dataset in best if dataset.word.lower() in base.lower()])


def _fit(dataset: Dataset, columns: set[str]) -> int:
    """How many columns the largest variant has that is wholly among ``columns``."""
    whole = (len(variant) for variant in dataset.variants if columns.issuperset(map(str.lower, variant)))
    return max(whole, default=0)


def _only(datasets: Sequence[Dataset]) -> Dataset | None:
    return datasets[0] if len(datasets) == 1 else None


def _closest(variants: Sequence[tuple[str, ...]], columns: Sequence[str]) -> tuple[str, ...]:
    """The variant with the fewest columns that one side has and the other has not; the newest of several."""
    return min(reversed(variants), key=lambda variant: len(set(variant) ^ set(columns)))
