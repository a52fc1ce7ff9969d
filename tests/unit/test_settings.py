"""Settings from environment variables."""

from datetime import timedelta

import pytest

from exports.settings import SettingError, Settings


@pytest.mark.parametrize("value", [None, "", "  "])
def test_bad_input_30_a_missing_setting_is_named(value: str | None) -> None:
    env = {} if value is None else {"TABLE_NAME": value}

    with pytest.raises(SettingError, match="TABLE_NAME is not set"):
        _ = Settings(env).table


@pytest.mark.parametrize("value", ["soon", "-1", "nan", "inf"])
def test_bad_input_30_a_setting_that_is_no_number_is_named(value: str) -> None:
    with pytest.raises(SettingError, match="WAIT_FLOOR_SECONDS"):
        _ = Settings({"WAIT_FLOOR_SECONDS": value}).wait_floor


def test_settings_are_read_in_their_units() -> None:
    settings = Settings({"DEADLINE_MINUTES": "720", "STORE_BUDGET_SECONDS": "0.5", "DOWNLOAD_HOSTS": "a:1,b:*"})

    assert settings.deadline == timedelta(hours=12)
    assert settings.store_budget == timedelta(milliseconds=500)
    assert settings.download_hosts == ("a:1", "b:*")
    assert settings.sweep_max_age is None


def test_repr_hides_the_settings() -> None:
    assert "arn" not in repr(Settings({"TABLE_NAME": "arn:aws"}))
