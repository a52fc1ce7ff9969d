"""What the local AWS takes from the caller's environment and gives to its users."""

import subprocess
from pathlib import Path

import pytest

from local.stack import ministack
from local.stack.environment import DISCOVERY, OWN_DOUBLE, CallerEnvironment, client_environment, env_file, inherited
from local.stack.errors import LocalAwsFailed


def test_env_file_survives_a_shell() -> None:
    values = {"PLAIN": "https://127.0.0.1:1", "ODD": 'it\'s $HOME; `date` "and" a space'}

    scenario = env_file(values) + 'printf "%s|%s" "$PLAIN" "$ODD"'
    printed = subprocess.run(["/bin/sh", "-c", scenario], capture_output=True, text=True, check=True).stdout

    assert printed == "|".join(values.values())


def test_env_file_has_nothing_but_exports() -> None:
    lines = env_file(_client_environment()).splitlines()

    assert all(line.startswith("export ") and "=" in line for line in lines)


def test_users_are_given_endpoint_credentials_region_and_certificates() -> None:
    env = _client_environment()

    assert env["AWS_ENDPOINT_URL"] == "https://127.0.0.1:1"
    assert env[DISCOVERY] == "https://localhost:2"
    assert env["AWS_ACCESS_KEY_ID"] == env["AWS_SECRET_ACCESS_KEY"] == "test"
    assert env["AWS_REGION"] == env["AWS_DEFAULT_REGION"] == "us-east-1"
    assert env["AWS_CA_BUNDLE"] == env["NODE_EXTRA_CA_CERTS"] == "/state/trusted.pem"


def test_the_callers_exceptions_from_the_proxy_are_kept() -> None:
    env = _client_environment({"NO_PROXY": "intranet,localhost"})

    assert env["NO_PROXY"] == env["no_proxy"] == "intranet,localhost,127.0.0.1"


def test_service_set_beforehand_is_taken() -> None:
    assert CallerEnvironment.of({DISCOVERY: "https://localhost:9"}).service == "https://localhost:9"


def test_our_own_double_in_a_sourced_shell_is_no_service_set_beforehand() -> None:
    assert CallerEnvironment.of(_client_environment() | {"AWS_CA_BUNDLE": "/long/gone.pem"}) == CallerEnvironment()


def test_service_set_after_sourcing_our_file_is_taken() -> None:
    environ = {DISCOVERY: "https://localhost:9", OWN_DOUBLE: "https://localhost:2"}

    assert CallerEnvironment.of(environ).service == "https://localhost:9"


def test_certificates_set_beforehand_are_taken(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.touch()

    assert CallerEnvironment.of({"AWS_CA_BUNDLE": str(bundle)}).certificates == (bundle,)


def test_missing_certificates_are_named(tmp_path: Path) -> None:
    with pytest.raises(LocalAwsFailed, match=r"AWS_CA_BUNDLE names .*typo\.pem"):
        CallerEnvironment.of({"AWS_CA_BUNDLE": str(tmp_path / "typo.pem")})


def test_nothing_of_the_callers_aws_proxy_or_python_is_inherited() -> None:
    environ = {"PATH": "/bin", "AWS_PROFILE": "work", "HTTPS_PROXY": "http://proxy", "PYTHONPATH": "/x", "PORT": "1"}

    assert inherited(environ) == {"PATH": "/bin"}


def test_lambdas_are_given_the_service_and_the_certificates_but_no_credentials(tmp_path: Path) -> None:
    env = ministack.environment(
        {"HOME": "/home/me"},
        1,
        discovery="https://localhost:2",
        certificate=tmp_path / "certificate.pem",
        key=tmp_path / "key.pem",
        bundle=tmp_path / "trusted.pem",
        home=tmp_path,
    )

    assert env[DISCOVERY] == "https://localhost:2"
    assert env["AWS_CA_BUNDLE"] == str(tmp_path / "trusted.pem")
    assert env["HOME"] == env["TMPDIR"] == str(tmp_path)
    assert not {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"} & set(env)


def test_ministack_enforces_iam_over_tls_on_loopback_only() -> None:
    command = ministack.command(Path("python"), 1, Path("certificate.pem"), Path("key.pem"))

    assert (ministack.SETTINGS["AUTH"], ministack.SETTINGS["USE_SSL"]) == ("true", "1")
    assert command[command.index("--bind") + 1] == "127.0.0.1:1"
    assert {"--certfile", "--keyfile"} <= set(command)


def test_free_ports_differ() -> None:
    assert len(set(ministack.free_ports(5))) == 5


def _client_environment(environ: dict[str, str] | None = None) -> dict[str, str]:
    return client_environment(
        "https://127.0.0.1:1",
        "https://localhost:2",
        bundle=Path("/state/trusted.pem"),
        own_double=True,
        environ=environ or {},
    )
