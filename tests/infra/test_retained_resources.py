"""What ``make destroy`` says before it destroys."""

import sys

import pytest

from tools import retained_resources


def test_without_a_region_it_says_so_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setattr(sys, "argv", ["kept", "-c", "stackId=Ours"])

    with pytest.raises(SystemExit, match=r"^What the stack Ours keeps cannot be looked up: .*region"):
        retained_resources.main()
