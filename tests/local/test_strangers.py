"""Another user of the computer, who can connect to the local AWS but cannot read its files, gets nothing from it."""

import hashlib
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
import urllib3
from botocore import UNSIGNED
from botocore.auth import HmacV1Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

from local.double.downloads import ACCOUNT as OTHER_ACCOUNT
from local.stack.aws import LocalAws
from local.stack.environment import ACCOUNT, REGION
from tests.listening import LOOPBACK, listening, started_by
from tests.local.service import Service
from tests.local.stack import Stack

REFUSED = 403


class Stranger:
    """Knows all names and how the emulator works, but no secret."""

    def __init__(self, aws: LocalAws) -> None:
        self.endpoint = aws.instance.endpoint
        self.http = urllib3.PoolManager(cert_reqs="CERT_NONE", retries=False)
        self.http.connection_pool_kw["assert_hostname"] = False

    def send(self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b"") -> int:
        return self.http.request(method, f"{self.endpoint}{path}", headers=headers, body=body).status

    def signed(self, key: str, secret: str, token: str | None = None, *, auth: Callable[..., Any] | None = None) -> int:
        """The status of the request to list all functions, with these credentials."""
        request = AWSRequest("GET", f"{self.endpoint}/2015-03-31/functions/")
        signer = auth or (lambda credentials: SigV4Auth(credentials, "lambda", REGION))
        signer(Credentials(key, secret, token)).add_auth(request)
        return self.send("GET", "/2015-03-31/functions/", dict(request.headers.items()))


@pytest.fixture
def stranger(aws: LocalAws) -> Iterator[Stranger]:
    urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    found = Stranger(aws)
    yield found
    found.http.clear()


def test_attack_1_the_owner_is_not_refused(aws: LocalAws, stranger: Stranger) -> None:
    """The requests of these tests are refused for their signatures only."""
    assert stranger.signed("test", aws.instance.secret) == 200
    assert stranger.signed(ACCOUNT, aws.instance.secret) == 200


@pytest.mark.parametrize("key", ["test", ACCOUNT, OTHER_ACCOUNT, "", "ASIAUNKNOWN"])
@pytest.mark.parametrize("secret", ["test", "", "wrong"])
def test_attack_1_public_credentials_are_refused(stranger: Stranger, key: str, secret: str) -> None:
    assert stranger.signed(key, secret) == REFUSED


def test_attack_1_other_kinds_of_signatures_are_refused(stranger: Stranger) -> None:
    assert stranger.signed("test", "test", auth=HmacV1Auth) == REFUSED


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/2015-03-31/functions/"),
        ("OPTIONS", "/"),
        ("GET", "/_ministack/health"),
        ("GET", "/health"),
        ("GET", "/_ministack/ready/"),
        ("GET", "/_ministack/ready/../health"),
        ("GET", "/%5fministack/health"),
        ("GET", "//_ministack/health"),
        ("POST", "/_ministack/reset"),
        ("POST", "/_ministack/config"),
        ("POST", "/_ministack/rds/iam-auth"),
        ("GET", "/_ministack/sqs/messages"),
        ("GET", "/_ministack/lambda-code/DiscoveryExports"),
        ("PUT", "/_ministack/cfn-response/0"),
    ],
)
def test_attack_1_requests_without_a_signature_are_refused(stranger: Stranger, method: str, path: str) -> None:
    assert stranger.send(method, path) == REFUSED
    assert stranger.send(method, path, {"Authorization": "AWS4-HMAC-SHA256 Credential=test/x"}) == REFUSED


def test_attack_1_an_unsigned_sdk_is_refused(stranger: Stranger) -> None:
    anonymous = boto3.Session("test", "test", region_name=REGION).client(
        "s3", endpoint_url=stranger.endpoint, verify=False, config=Config(signature_version=UNSIGNED, proxies={})
    )

    with pytest.raises((ClientError, ResponseParserError)):
        anonymous.list_buckets()


@pytest.mark.parametrize(
    ("service", "operation", "code"),
    [
        ("cloudformation", "describe_stacks", "SignatureDoesNotMatch"),
        ("s3", "list_buckets", "SignatureDoesNotMatch"),
        ("dynamodb", "list_tables", "InvalidSignatureException"),
        ("lambda", "list_functions", "SignatureDoesNotMatch"),
    ],
)
def test_an_sdk_with_another_secret_reads_what_to_do(
    stranger: Stranger, service: str, operation: str, code: str
) -> None:
    session = boto3.Session("test", "wrong", region_name=REGION)
    client: Any = session.client(  # type: ignore[call-overload]
        service, endpoint_url=stranger.endpoint, verify=False, config=Config(proxies={})
    )

    with pytest.raises(ClientError) as refused:
        getattr(client, operation)()

    error = refused.value.response["Error"]
    assert error["Code"] == code
    assert ". .local/env" in error["Message"]


def test_attack_1_credentials_of_functions_cannot_be_computed_from_names(
    aws: LocalAws, stack: Stack, stranger: Stranger
) -> None:
    """As MiniStack computes them (``ministack.core.lambda_runtime.execution_credentials``)."""
    for name in stack.resources("AWS::Lambda::Function").values():
        function = aws.client("lambda").get_function_configuration(FunctionName=name)
        digest = sha256(f"{function['FunctionArn']}:{function['Role']}")
        key, secret, token = f"ASIA{digest[:16].upper()}", sha256(f"secret:{digest}"), sha256(f"token:{digest}")

        assert stranger.signed(key, secret, token) == REFUSED


def test_attack_1_a_signature_is_valid_for_its_request_only(aws: LocalAws, stranger: Stranger) -> None:
    request = AWSRequest("POST", f"{stranger.endpoint}/", data=b"Action=GetCallerIdentity&Version=2011-06-15")
    request.headers["Content-Type"] = "application/x-www-form-urlencoded"
    SigV4Auth(Credentials("test", aws.instance.secret), "sts", REGION).add_auth(request)
    headers = dict(request.headers.items())

    assert stranger.send("POST", "/", headers, b"Action=GetCallerIdentity&Version=2011-06-15") == 200
    assert stranger.send("POST", "/", headers, b"Action=GetSessionToken&Version=2011-06-15") == REFUSED
    assert stranger.send("POST", "/_ministack/reset", headers, b"") == REFUSED
    assert stranger.send("GET", "/", headers) == REFUSED


def test_attack_1_a_presigned_url_is_valid_for_its_object_only(
    stack: Stack, service: Service, stranger: Stranger
) -> None:
    export_id = service.has(kind="agent")
    stack.run(exportIds=[export_id])
    url = urlsplit(
        stack.s3.generate_presigned_url(
            "get_object", Params={"Bucket": stack.bucket, "Key": f"manifests/{export_id}.json"}
        )
    )

    assert stranger.send("GET", f"{url.path}?{url.query}") == 200
    assert stranger.send("GET", f"/{stack.bucket}/runs/?{url.query}") == REFUSED
    assert stranger.send("PUT", f"{url.path}?{url.query}") == REFUSED


@pytest.mark.parametrize("token", ["", "/", "/0123456789abcdef0123456789abcdef", "/%00", "/\N{SNOWMAN}"])
def test_attack_1_the_double_refuses_calls_without_its_token(aws: LocalAws, stranger: Stranger, token: str) -> None:
    url = urlsplit(aws.instance.discovery)
    origin = f"https://{url.netloc}{token}"
    target = {"X-Amz-Target": "AWSPoseidonService_V2015_11_01.DescribeExportTasks"}

    assert stranger.http.request("POST", f"{origin}/", headers=target, body=b"{}").status == REFUSED
    assert stranger.http.request("PATCH", f"{origin}/_double/settings", body=b"{}").status == REFUSED
    assert stranger.http.request("POST", f"{origin}/_double/reset").status == REFUSED
    assert stranger.http.request("GET", f"{origin}/_double/signatures").status == 404


def test_attack_1_other_users_cannot_read_the_secrets(aws: LocalAws) -> None:
    secrets = {aws.instance.secret, aws.instance.discovery.rpartition("/")[2]}
    folder = aws.state.folder
    readable = [path for path in folder.rglob("*") if path.is_file() and is_open(path, below=folder)]

    assert aws.state.env not in readable
    assert all(len(secret) >= 32 for secret in secrets)
    assert not [path for path in readable for secret in secrets if secret in path.read_text("utf-8", "replace")]


@pytest.mark.skipif(not Path("/proc").exists(), reason="needs /proc of Linux")
def test_no_process_shows_the_secrets_in_its_arguments(aws: LocalAws) -> None:
    secrets = {aws.instance.secret, aws.instance.discovery.rpartition("/")[2]}
    processes = [pid for process in aws.instance.processes for pid in (process.pid, *started_by(process.pid))]
    arguments = [Path(f"/proc/{pid}/cmdline").read_text() for pid in processes]

    assert len(arguments) >= 2
    assert not [each for each in arguments for secret in secrets if secret in each]


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs /proc of Linux")
def test_only_two_ports_of_loopback_are_open(aws: LocalAws) -> None:
    ports = {aws.instance.port, urlsplit(aws.instance.discovery).port}
    addresses = listening(pid for process in aws.instance.processes for pid in (process.pid, *started_by(process.pid)))

    assert all(re.match(LOOPBACK, each) for each in addresses)
    assert {int(each.rpartition(":")[2], 16) for each in addresses} == ports


def is_open(path: Path, *, below: Path) -> bool:
    """Whether other users may open the file: its mode and those of its folders decide."""
    folders = [each for each in path.parents if each.is_relative_to(below)]
    return bool(path.stat().st_mode & stat.S_IROTH) and all(each.stat().st_mode & stat.S_IXOTH for each in folders)


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
