"""Environment variables that the local AWS reads from the caller and sets for its users."""

import subprocess
from pathlib import Path

import pytest

from local.stack import ministack
from local.stack.environment import DISCOVERY, OWN_DOUBLE, CallerEnvironment, client_environment, env_file, inherited
from local.stack.errors import LocalAwsFailed


def test_env_file_survives_a_shell() -> None:
    values = {"PLAIN": "https://127.0.0.1:1", "ODD": 'it\'s $HOME; `date` "and" a space'}

    script = env_file(values) + 'printf "%s|%s" "$PLAIN" "$ODD"'
    printed = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True).stdout

    assert printed == "|".join(values.values())


def test_env_file_has_only_export_lines() -> None:
    lines = env_file(_client_environment()).splitlines()

    assert all(line.startswith("export ") and "=" in line for line in lines)


def test_users_get_endpoints_credentials_region_and_certificates() -> None:
    env = _client_environment()

    assert env["AWS_ENDPOINT_URL"] == "https://127.0.0.1:1"
    assert env[DISCOVERY] == "https://localhost:2"
    assert (env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"]) == ("test", "a secret")
    assert env["AWS_REGION"] == env["AWS_DEFAULT_REGION"] == "us-east-1"
    assert env["AWS_CA_BUNDLE"] == env["NODE_EXTRA_CA_CERTS"] == "/state/trusted.pem"


def test_no_proxy_of_the_caller_is_extended() -> None:
    env = _client_environment({"NO_PROXY": "intranet,localhost"})

    assert env["NO_PROXY"] == env["no_proxy"] == "intranet,localhost,127.0.0.1"


def test_service_of_the_caller_is_used() -> None:
    assert CallerEnvironment.of({DISCOVERY: "https://localhost:9"}).service == "https://localhost:9"


def test_own_double_of_a_sourced_env_file_is_ignored() -> None:
    assert CallerEnvironment.of(_client_environment() | {"AWS_CA_BUNDLE": "/missing.pem"}) == CallerEnvironment()


def test_service_that_replaces_the_one_of_the_env_file_is_used() -> None:
    environ = {DISCOVERY: "https://localhost:9", OWN_DOUBLE: "https://localhost:2"}

    assert CallerEnvironment.of(environ).service == "https://localhost:9"


def test_certificates_of_the_caller_are_used(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.touch()

    assert CallerEnvironment.of({"AWS_CA_BUNDLE": str(bundle)}).certificates == (bundle,)


def test_missing_certificates_are_named(tmp_path: Path) -> None:
    with pytest.raises(LocalAwsFailed, match=r"AWS_CA_BUNDLE names .*typo\.pem"):
        CallerEnvironment.of({"AWS_CA_BUNDLE": str(tmp_path / "typo.pem")})


def test_aws_proxy_and_python_variables_are_not_inherited() -> None:
    environ = {"PATH": "/bin", "AWS_PROFILE": "work", "HTTPS_PROXY": "http://proxy", "PYTHONPATH": "/x", "PORT": "1"}

    assert inherited(environ) == {"PATH": "/bin"}


def test_functions_get_the_service_and_the_certificates_but_no_access_key(tmp_path: Path) -> None:
    env = _ministack_environment(tmp_path)

    assert env[DISCOVERY] == "https://localhost:2"
    assert env["AWS_CA_BUNDLE"] == str(tmp_path / "trusted.pem")
    assert env["HOME"] == env["TMPDIR"] == str(tmp_path)
    assert not {"AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN"} & set(env)


def test_quota_of_lambda_is_set_only_if_a_test_asks_for_it(tmp_path: Path) -> None:
    assert "LAMBDA_ACCOUNT_CONCURRENCY" not in _ministack_environment(tmp_path)
    assert _ministack_environment(tmp_path, lambda_quota=10)["LAMBDA_ACCOUNT_CONCURRENCY"] == "10"


def test_ministack_enforces_iam_and_serves_tls_on_loopback() -> None:
    command = ministack.command(Path("python"), 1, Path("certificate.pem"), Path("key.pem"))

    assert (ministack.SETTINGS["AUTH"], ministack.SETTINGS["USE_SSL"]) == ("true", "1")
    assert command[command.index("--bind") + 1] == "127.0.0.1:1"
    assert {"--certfile", "--keyfile"} <= set(command)
    assert [str(ministack.APPLICATION)] == [part[:-4] for part in map(str, command) if part.endswith(".py:app")]
    modules = {each.name for each in ministack.APPLICATION.parent.glob("*.py")}
    assert modules == {ministack.APPLICATION.name, "aws_error_names.py"}


def test_free_ports_differ() -> None:
    assert len(set(ministack.free_ports(5))) == 5


def _ministack_environment(folder: Path, lambda_quota: int | None = None) -> dict[str, str]:
    return ministack.environment(
        {"HOME": "/home/me"},
        1,
        secret="a secret",
        discovery="https://localhost:2",
        certificate=folder / "certificate.pem",
        key=folder / "key.pem",
        bundle=folder / "trusted.pem",
        home=folder,
        lambda_quota=lambda_quota,
    )


def _client_environment(environ: dict[str, str] | None = None) -> dict[str, str]:
    return client_environment(
        "https://127.0.0.1:1",
        "https://localhost:2",
        secret="a secret",
        bundle=Path("/state/trusted.pem"),
        own_double=True,
        environ=environ or {},
    )
