"""The commands in tools/ for contributors."""

import re
from pathlib import Path

import pytest

from local import demo
from tools import credentials
from tools.uv import uv_variables

PIP_CONFIG = """\
:env:.cert='/etc/ssl/ca.pem'
:env:.default-timeout='180'
global.cert='/etc/ssl/other.pem'
global.extra-index-url='https://one.example/index\\nhttps://two.example/index'
global.find-links='/wheels /more-wheels'
global.index-url='https://pypi.example/index'
install.index-url='https://mirror.example/index'
"""


def test_uv_gets_the_configuration_of_pip() -> None:
    assert uv_variables(PIP_CONFIG, {}) == {
        "SSL_CERT_FILE": "/etc/ssl/ca.pem",
        "UV_INDEX": "https://one.example/index https://two.example/index",
        "UV_FIND_LINKS": "/wheels,/more-wheels",
        "UV_DEFAULT_INDEX": "https://mirror.example/index",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
    }


def test_variables_that_are_set_for_uv_are_not_replaced() -> None:
    variables = uv_variables(PIP_CONFIG, {"UV_DEFAULT_INDEX": "https://own.example/index", "SSL_CERT_FILE": "/own.pem"})

    assert variables.keys() == {"UV_INDEX", "UV_FIND_LINKS", "UV_INDEX_STRATEGY"}


def test_uv_gets_no_index_without_one_for_pip() -> None:
    assert uv_variables("", {}) == {"UV_INDEX_STRATEGY": "unsafe-best-match"}


def test_a_deployment_without_credentials_fails_with_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr("sys.argv", ["credentials", "-c", "stackId=Mine", "--all"])

    with pytest.raises(SystemExit, match=r"\ANothing was done, .*: Unable to locate credentials\Z"):
        credentials.main()


def test_a_deployment_with_a_missing_profile_fails_with_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["credentials", "--profile", "nosuch"])

    with pytest.raises(SystemExit, match=r"\ANothing was done, .*: The config profile \(nosuch\) could not be found\Z"):
        credentials.main()


def test_bad_input_41_the_demo_prints_only_escaped_text(capsys: pytest.CaptureFixture[str]) -> None:
    source = Path(demo.__file__).read_text("utf-8")

    demo.show("a\x9b31mred\u202e\nb", end="")

    assert capsys.readouterr().out == "a\\x9b31mred\\u202e\nb"
    assert re.findall(r"print\(.*|sys\.std\w+\.write.*", source) == ['print(printable(text, keep="\\n"), **options)']
