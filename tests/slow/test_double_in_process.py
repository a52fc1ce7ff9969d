"""The double in the process of a test, with its exports in memory, as the pytest plugin gives it."""

import io
import os
import re
import socket
import subprocess
import sys
import textwrap
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import requests
import urllib3
from botocore.exceptions import ClientError
from moto import mock_aws

from discovery_exports import testing
from discovery_exports.testing import (
    ENDPOINT,
    NO_CREDENTIALS,
    Agent,
    ApplicationDiscovery,
    Kind,
    Scenario,
    expired_link,
    failed,
    late,
    odd,
    refused,
    running,
    running_for_boto3,
    truncated,
)
from local.double import in_process

if TYPE_CHECKING:
    from mypy_boto3_discovery import ApplicationDiscoveryServiceClient

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "testing.md").read_text("utf-8")


@pytest.fixture
def discovery() -> Iterator[ApplicationDiscovery]:
    with running_for_boto3() as application_discovery:
        yield application_discovery


@pytest.fixture
def client(discovery: ApplicationDiscovery) -> "Iterator[ApplicationDiscoveryServiceClient]":
    client = boto3.client("discovery")
    yield client
    client.close()


def info_of(client: "ApplicationDiscoveryServiceClient", export_id: str) -> dict[str, Any]:
    (info,) = client.describe_export_tasks(exportIds=[export_id])["exportsInfo"]
    return dict(info)


def url_of(client: "ApplicationDiscoveryServiceClient", export_id: str) -> str:
    return str(info_of(client, export_id)["configurationsDownloadUrl"])


def status_of(url: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
    answer = urllib3.request(method, url, headers={name.replace("_", "-"): value for name, value in headers.items()})
    return answer.status, answer.data


# Downloads


def test_urllib_requests_and_urllib3_download_the_same_zip_without_settings(
    discovery: ApplicationDiscovery, client: "ApplicationDiscoveryServiceClient"
) -> None:
    export_id = client.start_export_task()["exportId"]
    url = url_of(client, export_id)

    bodies = [urllib.request.urlopen(url).read(), requests.get(url, timeout=10).content, status_of(url)[1]]

    assert bodies == [bodies[0]] * 3
    with zipfile.ZipFile(io.BytesIO(bodies[0])) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == discovery.files(export_id)
    assert discovery.downloads(export_id) == 3


def test_ranges_and_conditions_are_answered_as_s3_does(client: "ApplicationDiscoveryServiceClient") -> None:
    url = url_of(client, client.start_export_task()["exportId"])
    whole = urllib3.request("GET", url)
    size, etag = len(whole.data), whole.headers["ETag"]

    part = urllib3.request("GET", url, headers={"Range": "bytes=2-5", "If-Match": etag})

    assert (part.status, part.data, part.headers["Content-Range"]) == (206, whole.data[2:6], f"bytes 2-5/{size}")
    assert status_of(url, Range=f"bytes={size - 3}-") == status_of(url, Range="bytes=-3") == (206, whole.data[-3:])
    assert status_of(url, Range=f"bytes=0-{size + 9}") == (206, whole.data)
    assert status_of(url, Range=f"bytes={size}-")[0] == 416
    assert status_of(url, If_Match='"other"')[0] == 412


def test_a_changed_url_and_other_methods_are_refused(client: "ApplicationDiscoveryServiceClient") -> None:
    url = url_of(client, client.start_export_task()["exportId"])
    other = url_of(client, client.start_export_task()["exportId"])

    assert status_of(url[:-1] + ("0" if url[-1] != "0" else "1"))[0] == 403
    assert status_of(url.partition("?")[0])[0] == 403
    assert status_of(f"{other.partition('?')[0]}?{url.partition('?')[2]}")[0] == 403
    assert status_of(url.replace("X-Amz-Expires=3600", "X-Amz-Expires=9999"))[0] == 403
    assert status_of(url, "HEAD")[0] == 403


def test_a_url_expires_by_the_time_of_the_double(
    discovery: ApplicationDiscovery, client: "ApplicationDiscoveryServiceClient"
) -> None:
    export_id = client.start_export_task()["exportId"]
    url = url_of(client, export_id)

    discovery.advance(3500)
    before = status_of(url)[0]
    discovery.advance(101)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(url)

    assert (before, caught.value.code) == (200, 403)
    assert b"Request has expired" in caught.value.read()
    assert status_of(url_of(client, export_id))[0] == 200


def test_a_large_export_needs_no_time(
    discovery: ApplicationDiscovery, client: "ApplicationDiscoveryServiceClient"
) -> None:
    discovery.next_exports(Scenario(min_bytes=9 << 20))

    body = status_of(url_of(client, client.start_export_task()["exportId"]))[1]

    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        assert sum(member.file_size for member in archive.infolist()) > 9 << 20


# Scripts


def test_scripts_are_used_in_order_and_then_exports_succeed(
    discovery: ApplicationDiscovery, client: "ApplicationDiscoveryServiceClient"
) -> None:
    discovery.next_exports(failed("No data"), truncated(), odd({"exportStatus": "ARCHIVED"}, without=["isTruncated"]))

    infos = [info_of(client, client.start_export_task()["exportId"]) for _ in range(4)]

    assert [info["exportStatus"] for info in infos] == ["FAILED", "SUCCEEDED", "ARCHIVED", "SUCCEEDED"]
    assert infos[0]["statusMessage"] == "No data"
    assert [info.get("isTruncated") for info in infos] == [False, True, None, False]


def test_time_passes_as_far_as_a_test_says(
    discovery: ApplicationDiscovery, client: "ApplicationDiscoveryServiceClient"
) -> None:
    discovery.next_exports(late(after_seconds=1000, finished_after_seconds=2000))
    before = discovery.now
    export_id = client.start_export_task()["exportId"]

    unlisted = client.describe_export_tasks(exportIds=[export_id])["exportsInfo"]
    discovery.advance(1500)
    listed = info_of(client, export_id)["exportStatus"]
    discovery.advance(1500)

    assert (unlisted, listed, info_of(client, export_id)["exportStatus"]) == ([], "IN_PROGRESS", "SUCCEEDED")
    assert timedelta(seconds=3000) <= discovery.now - before < timedelta(seconds=3300)


def test_expired_credentials_of_the_signer(
    discovery: ApplicationDiscovery, client: "ApplicationDiscoveryServiceClient"
) -> None:
    discovery.next_exports(expired_link(downloads=2))
    export_id = client.start_export_task()["exportId"]

    assert [status_of(url_of(client, export_id))[0] for _ in range(3)] == [403, 403, 200]


def test_exactly_the_next_calls_are_throttled(
    discovery: ApplicationDiscovery, client: "ApplicationDiscoveryServiceClient", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", discovery.advance)
    discovery.throttle(calls=3)
    discovery.settings(page_size=50)

    client.describe_export_tasks()
    discovery.throttle(calls=9)
    with pytest.raises(ClientError, match="ThrottlingException"):
        client.describe_export_tasks()

    assert discovery.calls("DescribeExportTasks") == 4 + 5


def test_a_refused_start_creates_no_export(
    discovery: ApplicationDiscovery, client: "ApplicationDiscoveryServiceClient"
) -> None:
    discovery.next_exports(refused("OperationNotPermittedException", "Not today"))

    with pytest.raises(ClientError, match="Not today"):
        client.start_export_task()

    assert discovery.exports() == []


def test_exports_of_others_and_agents_of_a_test(
    discovery: ApplicationDiscovery, client: "ApplicationDiscoveryServiceClient"
) -> None:
    end = datetime(2026, 1, 10, tzinfo=UTC)
    agent, connector = discovery.set_agents(Agent(sample_seconds=3600), Agent(type="CONNECTOR"))
    added = discovery.add_export(
        failed("x"), kind=Kind.AGENT, agent_id=agent, requested_start=end.timestamp() - 7200, age_seconds=60
    )

    assert [export["agentId"] for export in client.describe_agents()["agentsInfo"]] == [agent, connector]
    assert discovery.agents() == [agent]
    assert info_of(client, added)["exportStatus"] == "FAILED"
    assert len(discovery.rows(agent, end - timedelta(hours=5), end)["systemPerformance.csv"]) == 6
    with pytest.raises(KeyError):
        discovery.rows(connector, end, end)
    with pytest.raises(KeyError):
        discovery.files("export-unknown")


def test_a_setting_with_a_wrong_name_or_value_is_an_error(discovery: ApplicationDiscovery) -> None:
    with pytest.raises(ValueError, match="speed"):
        discovery.settings(speed=1)
    with pytest.raises(ValueError, match="page_size"):
        discovery.settings(page_size=0)


# The environment


def test_the_environment_is_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*NO_CREDENTIALS, ENDPOINT, "NO_PROXY", "no_proxy", "AWS_REGION", "AWS_DEFAULT_REGION"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "real")
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.invalid:3128")
    monkeypatch.setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")
    before = dict(os.environ)

    with running_for_boto3() as discovery:
        during = dict(os.environ)
        client = boto3.client("discovery")
        export_id = client.start_export_task()["exportId"]
        assert status_of(url_of(client, export_id))[0] == 200
        assert urllib.request.urlopen(url_of(client, export_id)).status == 200
        client.close()

    assert during[ENDPOINT] == discovery.url
    assert during["AWS_ACCESS_KEY_ID"] == "testing"
    assert dict(os.environ) == before


def test_the_home_region_is_that_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with running_for_boto3() as discovery:
        home, other = boto3.client("discovery"), boto3.client("discovery", region_name="us-east-1")

        home.describe_export_tasks()
        with pytest.raises(ClientError, match="HomeRegionNotSetException"):
            other.describe_export_tasks()
        discovery.settings(home_region="eu-central-1,us-east-1")
        other.describe_export_tasks()
        home.close()
        other.close()


def test_two_doubles_do_not_share_anything() -> None:
    with running() as one, running() as other:
        one.add_export()

        assert len(one.exports()) == 1
        assert other.exports() == []
        assert one.url != other.url


def test_only_loopback_can_connect() -> None:
    with running() as discovery:
        port = int(discovery.url.split(":")[2].partition("/")[0])
        with socket.socket() as server:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.bind(("127.0.0.2", port))  # it would be in use if the double listened on all addresses


# Beside moto


def test_moto_and_the_double_serve_their_own_services(
    discovery: ApplicationDiscovery, client: "ApplicationDiscoveryServiceClient"
) -> None:
    """moto answers inside botocore, and passes on requests to hosts that are none of AWS."""
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket="landing")
        inside = boto3.client("discovery")
        export_id = inside.start_export_task()["exportId"]
        url = url_of(inside, export_id)
        for body in (urllib.request.urlopen(url).read(), requests.get(url, timeout=10).content, status_of(url)[1]):
            s3.put_object(Bucket="landing", Key="export.zip", Body=body)
            assert s3.get_object(Bucket="landing", Key="export.zip")["Body"].read() == body
        inside.close()
        s3.close()

    assert discovery.downloads(export_id) == 3
    assert info_of(client, export_id)["exportStatus"] == "SUCCEEDED"


def test_the_double_can_start_within_moto() -> None:
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        with running_for_boto3() as discovery:
            client = boto3.client("discovery")
            body = status_of(url_of(client, client.start_export_task()["exportId"]))[1]
            client.close()
            assert discovery.calls("StartExportTask") == 1
        s3.create_bucket(Bucket="landing")
        s3.put_object(Bucket="landing", Key="export.zip", Body=body)
        assert s3.head_object(Bucket="landing", Key="export.zip")["ContentLength"] == len(body)
        s3.close()


# The plugin


def run_pytest(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    plugin = ["-p", "discovery_exports.pytest_plugin", "-p", "no:cacheprovider", "-q"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *plugin, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_fixture_gives_each_test_a_double_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        textwrap.dedent("""
            import os, boto3

            def test_one(application_discovery):
                boto3.client("discovery").start_export_task()
                assert len(application_discovery.exports()) == 1

            def test_two(application_discovery):
                assert application_discovery.exports() == []
                assert os.environ["AWS_ENDPOINT_URL_APPLICATION_DISCOVERY_SERVICE"] == application_discovery.url

            def test_three():
                assert "AWS_ENDPOINT_URL_APPLICATION_DISCOVERY_SERVICE" not in os.environ
        """)
    )

    done = run_pytest(tmp_path)

    assert done.stdout.splitlines()[-1].startswith("3 passed"), done.stdout


def test_the_plugin_imports_nothing_but_pytest_until_it_is_used(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        textwrap.dedent("""
            import sys

            def test_it():
                assert "discovery_exports.pytest_plugin" in sys.modules
                packages = {name.partition(".")[0] for name in sys.modules}
                assert packages & {"boto3", "botocore", "pydantic", "local"} == set()
                assert {name for name in sys.modules if name.startswith("discovery_exports")} == {
                    "discovery_exports", "discovery_exports.pytest_plugin"
                }
        """)
    )

    done = run_pytest(tmp_path)

    assert done.stdout.splitlines()[-1].startswith("1 passed"), done.stdout


def test_the_tests_of_the_page_are_tests(tmp_path: Path) -> None:
    example, beside_moto = re.findall(r"```python\n(.+?)```", PAGE, re.DOTALL)
    (tmp_path / "test_it.py").write_text(beside_moto)

    done = run_pytest(tmp_path)

    assert example in (ROOT / "examples" / "testing" / "test_agent_data.py").read_text("utf-8")
    assert done.stdout.splitlines()[-1].startswith("1 passed"), done.stdout


def test_the_page_names_everything(discovery: ApplicationDiscovery) -> None:
    names = {*testing.__all__, *(name for name in vars(ApplicationDiscovery) if name[0] != "_")}

    assert {name for name in names if not re.search(rf"`{name}\b|\.{name}\b", PAGE)} == set()


def test_a_missing_package_of_the_extra_is_named(tmp_path: Path) -> None:
    (tmp_path / "botocore.py").write_text("raise ModuleNotFoundError('No module named botocore', name='botocore')")
    (tmp_path / "test_it.py").write_text("def test_it(application_discovery): pass")

    done = run_pytest(tmp_path)

    assert 'needs more packages: pip install "discovery-exports[testing]"' in done.stdout, done.stdout


def test_the_lists_of_names_are_equal() -> None:
    assert set(testing.__all__) == {*in_process.__all__, "running_for_boto3"}
