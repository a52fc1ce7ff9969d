"""Checks of download URLs: rows 12 to 16 of bad input that need no server, and fault 12."""

import gzip
import json
import socket
import string
from pathlib import Path
from typing import Any

import botocore
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exports.download.url_policy import S3_SUFFIXES, Target, check_url, is_public, public_addresses
from exports.errors import Rejected, SourceError
from exports.model import Reason

S3 = "https://bucket.s3.us-west-2.amazonaws.com/key?X-Amz-Signature=canary"


def rejection(url: str, *hosts: str) -> str:
    """The detail of the rejection, which does not contain the URL."""
    with pytest.raises(Rejected) as caught:
        check_url(url, hosts)
    assert caught.value.reason == Reason.URL_REFUSED
    assert "canary" not in f"{caught.value!r} {caught.value.__context__!r}"
    return caught.value.detail


@pytest.mark.parametrize(
    "host",
    [
        "bucket.s3.amazonaws.com",
        "s3.amazonaws.com",
        "bucket.s3.us-west-2.amazonaws.com",
        "s3.us-gov-west-1.amazonaws.com",
        "bucket.s3-eu-west-1.amazonaws.com",
        "bucket.s3.dualstack.ap-southeast-2.amazonaws.com",
        "bucket.s3-fips.us-east-1.amazonaws.com",
        "bucket.s3-fips.dualstack.us-east-1.amazonaws.com",
        "bucket.s3-external-1.amazonaws.com",
        "bucket.s3-accelerate.amazonaws.com",
        "bucket.s3-accelerate.dualstack.amazonaws.com",
        "prod.with.dots.s3.eu-central-1.amazonaws.com",
        "bucket.s3.cn-north-1.amazonaws.com.cn",
        "bucket.s3.eusc-de-east-1.amazonaws.eu",
        "bucket.s3.us-iso-east-1.c2s.ic.gov",
        "BUCKET.S3.Amazonaws.COM",
    ],
)
def test_hosts_of_s3_are_allowed(host: str) -> None:
    target = check_url(f"https://{host}/key?x=y", [])

    assert target == Target(host.lower(), 443, "/key?x=y")


def test_suffixes_include_those_of_all_partitions_of_botocore() -> None:
    folder = Path(botocore.__file__).parent / "data"
    plain, compressed = folder / "partitions.json", folder / "partitions.json.gz"
    text = plain.read_bytes() if plain.exists() else gzip.decompress(compressed.read_bytes())

    known = {partition["outputs"]["dnsSuffix"] for partition in json.loads(text)["partitions"]}

    assert known <= set(S3_SUFFIXES)


@pytest.mark.parametrize("scheme", ["http", "ftp", "file", "data", "s3", "HTTP", "javascript", ""])
def test_bad_input_12_other_schemes_are_rejected(scheme: str) -> None:
    rejection(S3.replace("https", scheme))


@pytest.mark.parametrize(
    "url", ["data:text/csv,canary", "file:///etc/passwd", "//s3.amazonaws.com/canary", "", "https://"]
)
def test_bad_input_12_text_that_is_no_https_url_is_rejected(url: str) -> None:
    rejection(url)


@pytest.mark.parametrize(
    "host",
    [
        "evil.com",
        "s3.amazonaws.com.evil.com",
        "s3.amazonaws.com@evil.com",
        "user:canary@s3.amazonaws.com",
        "@s3.amazonaws.com",
        "evils3.amazonaws.com",
        "s3.amazonaws.com.",
        ".s3.amazonaws.com",
        "a..s3.amazonaws.com",
        "amazonaws.com",
        "ec2-1-2-3-4.us-west-2.compute.amazonaws.com",
        "x.execute-api.us-west-2.amazonaws.com",
        "bucket.s3-website-us-west-2.amazonaws.com",
        "bucket.s3-website.us-west-2.amazonaws.com",
        "bucket.s3.us-west-2.vpce.amazonaws.com",
        "s3.us-west-2.amazonaws.com.cn.evil.com",
        "bucket.s3.us-west-2amazonaws.com",
        "localhost",
        "169.254.169.254.nip.io",
        "s3.amazonaws.com%2eevil.com",
        "s3.amazonaws.com\\@evil.com",
        "s3.amazonaws.com\t.evil.com",
        "evil.com#s3.amazonaws.com",
        "evil.com?s3.amazonaws.com",
        "evil.com/s3.amazonaws.com",
        f"{'a' * 64}.s3.amazonaws.com",
        f"{'a.' * 127}s3.amazonaws.com",
        f"{'a' * 254}.s3.amazonaws.com",
    ],
)
def test_bad_input_13_other_hosts_are_rejected(host: str) -> None:
    rejection(f"https://{host}/canary")


def test_the_rejection_names_the_host_if_it_is_a_host_name() -> None:
    assert "leads to exports.example, which" in rejection("https://exports.example/canary")
    assert "no valid host" in rejection("https://exp%6frts.example/canary")


names = st.text(string.ascii_letters + string.digits + ".-@:/\\?#%[]_ é", max_size=40)


@given(names, names)
def test_bad_input_13_every_allowed_url_has_a_host_of_s3(before: str, after: str) -> None:
    try:
        target = check_url(f"https://{before}s3.amazonaws.com{after}", [])
    except Rejected:
        return

    assert target.host.endswith(S3_SUFFIXES)
    assert target.port == 443
    assert not target.allowlisted
    assert target.path.startswith("/")


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "2852039166",
        "0xa9fea9fe",
        "0xA9.0xFE.0xA9.0xFE",
        "0251.0376.0251.0376",
        "127.1",
        "8.8.8.8",
        "[::1]",
        "[::ffff:169.254.169.254]",
        "[fd00:ec2::254]",
        "[fe80::1%25eth0]",
        "169.254.169.254.",
        "[not-an-address]",
    ],
)
def test_bad_input_14_ip_addresses_are_rejected(host: str) -> None:
    rejection(f"https://{host}/canary")


@given(st.integers(0, 2**32 - 1), st.sampled_from(["{}", "0x{:x}", "0{:o}"]))
def test_bad_input_14_numbers_as_hosts_are_rejected(number: int, form: str) -> None:
    rejection(f"https://{form.format(number)}/canary")


def test_bad_input_16_sigv2_url_of_s3_is_allowed() -> None:
    target = check_url("https://bucket.s3.amazonaws.com/k?AWSAccessKeyId=A&Expires=1&Signature=canary", [])

    assert "canary" not in repr(target)


@pytest.mark.parametrize(
    "host", ["bücket.s3.amazonaws.com", "s3.amazonaws。com", "xn--s3.amazonaws.com", "\uff533.amazonaws.com"]
)
def test_bad_input_16_unicode_hosts_are_rejected(host: str) -> None:
    rejection(f"https://{host}/canary")


@pytest.mark.parametrize(
    "port", ["8443", "80", "0", "0443x", "99999", "9" * 5000, "canary", "-1", "+443", "4_43", "443:443"]
)
def test_bad_input_16_other_ports_of_s3_are_rejected(port: str) -> None:
    rejection(f"https://bucket.s3.amazonaws.com:{port}/canary")


def test_explicit_port_443_is_allowed() -> None:
    assert check_url("https://s3.amazonaws.com:443/key", []).port == 443


@pytest.mark.parametrize(
    "url", ["https://s3.amazonaws.com/a b", "https://s3.amazonaws.com/a\r\nHost: evil", S3 + "x" * 20_000]
)
def test_urls_with_unsafe_characters_or_too_long_are_rejected(url: str) -> None:
    rejection(url)


@pytest.mark.parametrize(
    ("entry", "url"),
    [
        ("files.example", "https://files.example/x"),
        ("files.example", "https://files.example:443/x"),
        ("files.example:8443", "https://files.example:8443/x"),
        ("files.example:*", "https://FILES.example:1/x"),
        (" Localhost:* ", "https://localhost:9000/x"),
        ("127.0.0.1:*", "https://127.0.0.1:9000/x"),
        ("[::1]:9000", "https://[::1]:9000/x"),
        ("[::1]", "https://[::1]/x"),
    ],
)
def test_allowlisted_hosts(entry: str, url: str) -> None:
    assert check_url(url, ["other.example", entry]).allowlisted


@pytest.mark.parametrize(
    ("entry", "url"),
    [
        ("files.example", "https://files.example:8443/x"),
        ("files.example:8443", "https://files.example/x"),
        ("files.example", "https://sub.files.example/x"),
        ("files.example:*", "https://files.example.evil.com/x"),
        ("files.example:*", "http://files.example/x"),
        ("files.example:*", "https://user@files.example/x"),
        ("files.example:*", "https://files.example:0/x"),
        ("files.example:*", "https://files.example:65536/x"),
        ("[::1]:9000", "https://0.[::1]:9000/x"),
        ("[::1]:9000", "https://[::1].evil.example:9000/x"),
        ("[::1]:9000", "https://[::1%25eth0]:9000/x"),
        ("*", "https://files.example/x"),
        ("", "https://files.example/x"),
        (":*", "https://files.example/x"),
    ],
)
def test_allowlist_entries_match_exactly(entry: str, url: str) -> None:
    rejection(url, entry)


@pytest.mark.parametrize(
    ("entry", "host"), [(f"{'a' * 64}.example:*", f"{'a' * 64}.example"), ("a..example", "a..example"), (":*", "")]
)
def test_bad_input_13_a_host_that_is_no_name_is_rejected_though_it_is_listed(entry: str, host: str) -> None:
    rejection(f"https://{host}/canary", entry)


@pytest.mark.parametrize("address", ["52.216.0.1", "2600:1fa0::1", "64:ff9b::52.216.0.1", "::ffff:52.216.0.1"])
def test_public_addresses(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.1",
        "172.31.0.1",
        "192.168.1.1",
        "127.0.0.1",
        "169.254.169.254",
        "169.254.170.2",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "240.0.0.1",
        "::",
        "::1",
        "fe80::1",
        "fec0::1",
        "fe80::1%eth0",
        "fd00:ec2::254",
        "ff02::1",
        "::ffff:169.254.169.254",
        "::ffff:10.0.0.1",
        "64:ff9b::169.254.169.254",
        "64:ff9b:1::10.0.0.1",
        "64:ff9b:1::52.216.0.1",
        "64:ff9b:2::52.216.0.1",
        "::52.216.0.1",
        "::ffff:0:52.216.0.1",
        "2002:a9fe:a9fe::",
        "2002:34d8:1::1",
        "2001:0:34d8:1::cb27:fffe",
        "2001:2::1",
        "2001:10::1",
        "2001:20::1",
        "2001:db8::1",
        "3fff::1",
        "3fff:fff:ffff::1",
        "4000::1",
        "5f00::1",
        "100::1",
        "100:0:0:1::1",
        "fc00::1",
        "192.0.0.8",
        "192.0.0.171",
        "192.0.2.1",
        "192.88.99.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
    ],
)
def test_fault_12_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(address)


def resolving(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    def answer(host: str, port: int, **_: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", answer)


def test_fault_12_one_private_address_among_public_ones_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, "52.216.0.1", "10.0.0.1")

    with pytest.raises(Rejected):
        public_addresses("bucket.s3.amazonaws.com", 443)


def test_public_addresses_are_returned_once(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, "52.216.0.1", "52.216.0.2", "52.216.0.1")

    assert public_addresses("bucket.s3.amazonaws.com", 443) == ["52.216.0.1", "52.216.0.2"]


def test_host_that_does_not_resolve_is_a_retryable_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)

    with pytest.raises(SourceError):
        public_addresses("bucket.s3.amazonaws.com", 443)
