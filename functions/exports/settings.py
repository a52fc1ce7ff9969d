"""The settings of a function, read from its environment and nowhere else."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from exports.datasets import Dataset, read_added


class SettingError(Exception):
    """A setting is missing or is not what it should be; the message names it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Each property reads one environment variable, so that a function needs only those that it uses."""

    env: Mapping[str, str] = field(repr=False)

    @property
    def table(self) -> str:
        return self._text("TABLE_NAME")

    @property
    def bucket(self) -> str:
        return self._text("BUCKET_NAME")

    @property
    def account(self) -> str:
        """The account of the stack, which owns the bucket."""
        return self._text("ACCOUNT_ID")

    @property
    def discovery_account(self) -> str:
        """The account that the exports belong to."""
        return self._text("DISCOVERY_ACCOUNT_ID")

    @property
    def discovery_role(self) -> str:
        """ARN of the role to take for calls of the service; empty where the function's own does."""
        return self.env.get("DISCOVERY_ROLE_ARN", "")

    @property
    def discovery_external_id(self) -> str:
        """What the role's trust policy may ask for; empty when it does not."""
        return self.env.get("DISCOVERY_EXTERNAL_ID", "")

    @property
    def function_name(self) -> str:
        """As Lambda tells it."""
        return self._text("AWS_LAMBDA_FUNCTION_NAME")

    @property
    def event_bus(self) -> str:
        return self._text("EVENT_BUS_NAME")

    @property
    def table_arn(self) -> str:
        return self._text("TABLE_ARN")

    @property
    def database(self) -> str:
        """The Glue database of the tables; empty when none are kept."""
        return self.env.get("DATABASE_NAME", "")

    @property
    def datasets(self) -> tuple[Dataset, ...]:
        """Those that the stack adds to the known ones."""
        return read_added(self.env.get("DATASETS") or "[]")

    @property
    def discovery_region(self) -> str:
        """The account's Migration Hub home region: the service answers nowhere else."""
        return self._text("DISCOVERY_REGION")

    @property
    def wait_floor(self) -> timedelta:
        return timedelta(seconds=self._number("WAIT_FLOOR_SECONDS"))

    @property
    def wait_ceiling(self) -> timedelta:
        return timedelta(seconds=self._number("WAIT_CEILING_SECONDS"))

    @property
    def not_found_grace(self) -> timedelta:
        return timedelta(seconds=self._number("NOT_FOUND_GRACE_SECONDS"))

    @property
    def deadline(self) -> timedelta:
        return timedelta(minutes=self._number("DEADLINE_MINUTES"))

    @property
    def sweep_deadline(self) -> timedelta:
        return timedelta(minutes=self._number("SWEEP_DEADLINE_MINUTES"))

    @property
    def sweep_max_age(self) -> timedelta | None:
        return timedelta(days=self._number("SWEEP_MAX_AGE_DAYS")) if self.env.get("SWEEP_MAX_AGE_DAYS") else None

    @property
    def store_budget(self) -> timedelta:
        return timedelta(seconds=self._number("STORE_BUDGET_SECONDS"))

    @property
    def download_hosts(self) -> tuple[str, ...]:
        return tuple(host for host in self.env.get("DOWNLOAD_HOSTS", "").split(",") if host)

    @property
    def ca_bundle(self) -> str:
        """A file or folder of certificates that are trusted beside the system's; the AWS SDKs read it, too."""
        return self.env.get("AWS_CA_BUNDLE", "")

    def number(self, name: str) -> int:
        """A whole number above zero, such as a limit of unpacking."""
        return int(self._number(name))

    def _text(self, name: str) -> str:
        value = self.env.get(name, "").strip()
        if not value:
            raise SettingError(f"the environment variable {name} is not set")
        return value

    def _number(self, name: str) -> float:
        text = self._text(name)
        try:
            value = float(text)
        except ValueError:
            raise SettingError(f"the environment variable {name} must be a number, not {text!r}") from None
        if not 0 <= value < 1e15:
            raise SettingError(f"the environment variable {name} must be at least 0 and finite, not {text!r}")
        return value
