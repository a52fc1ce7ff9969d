"""The settings of a function, read from its environment variables only."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Generic, TypeVar

from exports.datasets.detection import read_custom

T = TypeVar("T")


class SettingError(Exception):
    """A setting is missing or invalid; the message names its environment variable."""


class _Variable(Generic[T]):
    """An environment variable, read on each use; ``default`` is its text if it is not set or empty."""

    def __init__(self, name: str, read: Callable[[str], T], default: str | None = None) -> None:
        self._name = name
        self._read = read
        self._default = default

    def __get__(self, settings: "Settings", owner: type) -> T:
        text = settings.env.get(self._name, "").strip() or self._default
        if text is None:
            raise SettingError(f"the environment variable {self._name} is not set")
        try:
            return self._read(text)
        except ValueError as error:
            raise SettingError(f"the environment variable {self._name} {error}, not {text!r}") from None


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError("must be a number") from None
    if not 0 <= value < 1e15:
        raise ValueError("must be at least 0 and finite")
    return value


def _integer(text: str) -> int:
    return int(_number(text))


def _seconds(text: str) -> timedelta:
    return timedelta(seconds=_number(text))


def _minutes(text: str) -> timedelta:
    return timedelta(minutes=_number(text))


def _hours(text: str) -> timedelta:
    return timedelta(hours=_number(text))


def _days(text: str) -> timedelta | None:
    return timedelta(days=_number(text)) if text else None


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for name in text.split(",") if name)


@dataclass(frozen=True, slots=True)
class Settings:
    """Each attribute reads one environment variable on use, so a function needs only those that it uses."""

    env: Mapping[str, str] = field(repr=False)

    table = _Variable("TABLE_NAME", str)
    table_arn = _Variable("TABLE_ARN", str)
    bucket = _Variable("BUCKET_NAME", str)
    event_bus = _Variable("EVENT_BUS_NAME", str)
    stack = _Variable("STACK_NAME", str)
    account = _Variable("ACCOUNT_ID", str)
    """The account of the stack, which owns the bucket."""
    discovery_account = _Variable("DISCOVERY_ACCOUNT_ID", str)
    """The account that the exports belong to."""
    discovery_region = _Variable("DISCOVERY_REGION", str)
    """The account's Migration Hub home Region; the service answers in no other Region."""
    discovery_role = _Variable("DISCOVERY_ROLE_ARN", str, "")
    """ARN of the role to assume for calls of the service. Empty: the function uses its own role."""
    discovery_external_id = _Variable("DISCOVERY_EXTERNAL_ID", str, "")
    """The external ID that the role's trust policy may require; empty if it does not."""
    function_name = _Variable("AWS_LAMBDA_FUNCTION_NAME", str)
    """Set by Lambda."""
    tables_from = _Variable("TABLES_FROM", str, "")
    """The first month that the tables contain, ``yyyy-mm``; empty if the stack has no tables."""
    datasets = _Variable("DATASETS", read_custom, "[]")
    """The custom datasets of the stack, beside the known ones."""
    wait_floor = _Variable("WAIT_FLOOR_SECONDS", _seconds)
    wait_ceiling = _Variable("WAIT_CEILING_SECONDS", _seconds)
    not_found_grace = _Variable("NOT_FOUND_GRACE_SECONDS", _seconds)
    deadline = _Variable("DEADLINE_MINUTES", _minutes)
    sweep_deadline = _Variable("SWEEP_DEADLINE_MINUTES", _minutes)
    late_after = _Variable("LATE_AFTER_HOURS", _hours)
    """The age from which an export that is not settled is late."""
    sweep_max_age = _Variable("SWEEP_MAX_AGE_DAYS", _days, "")
    store_budget = _Variable("STORE_BUDGET_SECONDS", _seconds)
    download_hosts = _Variable("DOWNLOAD_HOSTS", _names, "")
    collecting_table = _Variable("COLLECTING_TABLE_NAME", str, "")
    """Empty if the stack starts no exports."""
    max_files = _Variable("MAX_FILES", _integer)
    max_file_bytes = _Variable("MAX_FILE_BYTES", _integer)
    max_total_bytes = _Variable("MAX_TOTAL_BYTES", _integer)
    max_ratio = _Variable("MAX_RATIO", _integer)
    ca_bundle = _Variable("AWS_CA_BUNDLE", str, "")
    """A file or folder of CA certificates to trust in addition to the system's; the AWS SDKs read it, too."""
