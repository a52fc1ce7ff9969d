"""Hostile download URLs, built from pieces: whatever is accepted, an independent parser reads in the same way."""

import re
import string
from collections.abc import Callable, Iterable
from urllib.parse import quote

from hypothesis import example, given
from hypothesis import strategies as st
from urllib3.util import parse_url

from exports.download.url_policy import Target, check_url
from exports.errors import Rejected
from exports.model import Reason

LISTED = ("files.example", "other.example:8443", "localhost:*", "127.0.0.1:*", "[::1]:9000", f"{'a' * 64}.example")
CANARY = "canaryinthesignature"

schemes = st.sampled_from(
    ("https", "https", "https", "http", "HTTPS", "hTtPs", "ftp", "file", "", "https:https", "https\t", " https")
)
slashes = st.sampled_from(("://", "://", "://", ":/", ":///", ":", ":\\\\", "://\\", "//", ":%2f%2f"))
users = st.sampled_from(("", "", "", "user@", "user:pw@", "@", ":@", "s3.amazonaws.com@", "a@b@", "%40", "\\@", "[@"))
labels = st.one_of(
    st.text(string.ascii_lowercase + string.digits + "-_", min_size=1, max_size=8),
    st.integers(60, 70).map(lambda length: "b" * length),
    st.sampled_from(
        ("", "xn--bcher-kva", "s3", "amazonaws", "BUCKET", "bücket", "%73", "*", "a b", "\u3002", "\u0131")
    ),
)
suffixes = st.sampled_from(
    (
        "s3.amazonaws.com",
        "s3.us-west-2.amazonaws.com",
        "s3-fips.dualstack.us-gov-west-1.amazonaws.com",
        "S3.EU-WEST-1.AMAZONAWS.COM",
        "s3.cn-north-1.amazonaws.com.cn",
        "s3.amazonaws.com.",
        "s3.amazonaws.com.evil.example",
        "evils3.amazonaws.com",
        "files.example",
        "other.example",
        "localhost",
        "127.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "2130706433",
        "169.254.169.254",
        "evil.example",
        "",
    )
)
near_valid = st.builds(
    "https://{}{}{}{}".format,
    st.sampled_from(
        ("", "bucket.", "b.u.c.k.e.t.", f"{'b' * 63}.", f"{'b' * 64}.", "-.", "xn--a.", "BUCKET.", "x@", "a..")
    ),
    suffixes,
    st.sampled_from(("", ":", ":443", ":0443", ":8443", ":9000", ":65535", ":65536")),
    st.sampled_from(
        ("", "/key", f"/{CANARY}?X-Amz-Signature={CANARY}", "?x", "#x", "//evil.example/", "/[?[#[", "@evil")
    ),
)
hosts = st.builds(lambda front, suffix: ".".join((*front, suffix)), st.lists(labels, max_size=3), suffixes)
ports = st.one_of(
    st.sampled_from(("", "", "", ":", ":443", ":0", ":8443", ":9000", ":0443", ":-1", ":+443", ":4_43", ":443@", ":٣")),
    st.integers(0, 10**6).map(lambda port: f":{port}"),
    st.sampled_from((":" + "9" * 5000, ":" + "0" * 5000 + "443")),
)
tails = st.builds(
    "".join,
    st.lists(
        st.one_of(
            st.sampled_from(
                ("/", "//", "/..", "?", "#", "@", "\\", "%00", "%zz", "\r\nHost: evil", "\x00", "[", "]", " ")
            ),
            st.text(max_size=5),
            st.just(f"/{CANARY}?X-Amz-Signature={CANARY}"),
        ),
        max_size=4,
    ),
)
links = st.one_of(
    near_valid,
    st.builds(lambda *pieces: "".join(pieces), schemes, slashes, users, hosts, ports, tails),
    st.builds(lambda host, port, tail: f"https://{host}{port}{tail}", hosts, ports, tails),
    st.text(),
)
changes = st.sampled_from(
    (str, str, str, str.upper, quote, lambda link: link.replace("/", "\\"), lambda link: link * 3)
)


def checked(url: str, hosts: Iterable[str]) -> tuple[Target | None, Rejected]:
    """The target, or its rejection. No other exception is allowed."""
    rejection = Rejected(Reason.URL_REFUSED, "")
    try:
        return check_url(url, hosts), rejection
    except Rejected as rejected:
        rejection = rejected
    assert rejection.reason is Reason.URL_REFUSED
    return None, rejection


def listed(host: str, port: int) -> bool:
    return (host, port) in {("files.example", 443), ("other.example", 8443), ("::1", 9000)} or host in {
        "localhost",
        "127.0.0.1",
    }


@given(links, changes)
@example(f"https://{'a' * 64}.s3.amazonaws.com/key", str)
@example(f"https://{'a' * 64}.example/key", str)
@example("https://s3.amazonaws.com:0/key", str)
@example("https://[::1]:9000/key", str)
def test_bad_input_12_13_14_16_40_accepted_urls_lead_to_a_host_of_the_list(
    link: str, change: Callable[[str], str]
) -> None:
    url = change(link)
    target, rejected = checked(url, LISTED)
    if target is None:
        assert CANARY not in f"{rejected!r} {vars(rejected)} {rejected.__context__!r} {rejected.__cause__!r}".lower()
        return

    independent = parse_url(url)
    host, port = (independent.host or "").strip("[]").lower(), independent.port or 443
    assert (independent.scheme, independent.auth) == ("https", None)
    assert (target.host, target.port) == (host, port)
    assert target.allowlisted == listed(host, port)
    assert target.allowlisted or (port == 443 and of_s3(host))
    assert all(0 < len(label) < 64 for label in host.split("."))
    assert re.fullmatch("/[!-~]*", target.path)
    assert CANARY not in repr(target).lower()


def of_s3(host: str) -> bool:
    """Whether the labels of the host end with those of S3."""
    name, found, partition = host.partition(".amazonaws.com")
    labels = name.split(".")
    return bool(found) and partition in {"", ".cn"} and any(re.match("s3(-|$)", label) for label in labels[-3:])


@given(st.text(string.printable, max_size=30), st.text(string.printable, max_size=20))
def test_bad_input_13_no_text_around_a_host_of_s3_leads_elsewhere(before: str, after: str) -> None:
    target, _ = checked(f"https://{before}s3.amazonaws.com{after}", ())
    if target is None:
        return

    assert target.host.endswith((".s3.amazonaws.com", "s3.amazonaws.com", "s3.amazonaws.com.cn"))
    assert target == Target(target.host, 443, target.path)
