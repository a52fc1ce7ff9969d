"""The commands for those who work on the project."""

import pytest

from tools import credentials
from tools.uv import uv_variables

LISTED = """\
:env:.cert='/etc/ssl/ca.pem'
:env:.default-timeout='180'
global.cert='/etc/ssl/other.pem'
global.extra-index-url='https://one.example/index\\nhttps://two.example/index'
global.find-links='/wheels /more-wheels'
global.index-url='https://pypi.example/index'
install.index-url='https://mirror.example/index'
"""


def test_uv_is_told_what_pip_is_configured_with() -> None:
    assert uv_variables(LISTED, {}) == {
        "SSL_CERT_FILE": "/etc/ssl/ca.pem",
        "UV_INDEX": "https://one.example/index https://two.example/index",
        "UV_FIND_LINKS": "/wheels,/more-wheels",
        "UV_DEFAULT_INDEX": "https://mirror.example/index",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
    }


def test_what_uv_was_told_itself_is_left_alone() -> None:
    told = uv_variables(LISTED, {"UV_DEFAULT_INDEX": "https://own.example/index", "SSL_CERT_FILE": "/own.pem"})

    assert told.keys() == {"UV_INDEX", "UV_FIND_LINKS", "UV_INDEX_STRATEGY"}


def test_uv_is_told_no_index_where_pip_has_none_configured() -> None:
    assert uv_variables("", {}) == {"UV_INDEX_STRATEGY": "unsafe-best-match"}


def test_a_deployment_without_credentials_ends_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr("sys.argv", ["credentials", "-c", "stackId=Mine", "--all"])

    with pytest.raises(SystemExit, match=r"\ANothing was done, .*: Unable to locate credentials\Z"):
        credentials.main()


def test_a_deployment_with_a_profile_that_is_not_there_ends_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["credentials", "--profile", "nosuch"])

    with pytest.raises(SystemExit, match=r"\ANothing was done, .*: The config profile \(nosuch\) could not be found\Z"):
        credentials.main()
