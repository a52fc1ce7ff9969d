"""The local AWS for its users, without starting it."""

import json
from pathlib import Path

import pytest

from local.stack.aws import LocalAws
from local.stack.errors import LocalAwsFailed
from local.stack.state import Instance


@pytest.fixture
def aws(tmp_path: Path) -> LocalAws:
    return LocalAws(tmp_path)


@pytest.fixture
def recorded(aws: LocalAws) -> LocalAws:
    aws.state.work.mkdir()
    aws.state.bundle.touch()
    aws.state.save(Instance(port=1, secret="a secret", discovery="https://localhost:2", own_double=True))
    return aws


def test_the_error_without_a_local_aws_names_make_local(aws: LocalAws) -> None:
    with pytest.raises(LocalAwsFailed, match="make local"):
        _ = aws.env


def test_down_without_a_local_aws_is_no_error(tmp_path: Path) -> None:
    assert LocalAws(tmp_path / "never").down() is False


def test_down_deletes_all_state(recorded: LocalAws) -> None:
    assert recorded.down() is True
    assert not recorded.state.folder.exists()


def test_a_local_aws_whose_servers_ended_is_not_running(recorded: LocalAws) -> None:
    assert not recorded.running


def test_outputs_are_read_by_name(recorded: LocalAws) -> None:
    recorded.state.outputs.write_text(json.dumps({"DiscoveryExports": {"BucketName": "bucket"}}))

    assert recorded.outputs == {"BucketName": "bucket"}


def test_clients_ignore_the_environment(recorded: LocalAws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "other-profile")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://elsewhere")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")

    s3, discovery = recorded.client("s3"), recorded.client("discovery")

    assert (s3.meta.endpoint_url, s3.meta.region_name) == ("https://127.0.0.1:1", "us-east-1")
    assert discovery.meta.endpoint_url == "https://localhost:2"
