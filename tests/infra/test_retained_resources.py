"""The message that ``make destroy`` prints before it deletes the stack."""

import sys

import pytest

from tools import retained_resources


def test_without_a_region_the_error_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setattr(sys, "argv", ["retained_resources", "-c", "stackId=Ours"])

    with pytest.raises(SystemExit, match=r"^The retained resources of stack Ours cannot be listed: .*region"):
        retained_resources.main()
