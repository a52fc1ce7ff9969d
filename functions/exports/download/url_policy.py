"""Which download links may be opened: https to S3 or to a listed host, at a public address, and nothing else.

A link comes from the service, so this guards against a service, or an account's data, that was tampered with: a link
must not make a function with credentials call some other host, the metadata service, or the network around it.
"""

import ipaddress
import re
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from exports.errors import Rejected, SourceError
from exports.model import Reason

MAX_URL_LENGTH = 16 * 1024
HTTPS_PORT = 443

S3_SUFFIXES = (
    "amazonaws.com",
    "amazonaws.com.cn",
    "amazonaws.eu",
    "c2s.ic.gov",
    "sc2s.sgov.gov",
    "cloud.adc-e.uk",
    "csp.hci.ic.gov",
)
"""DNS suffixes of the AWS partitions, as botocore's ``partitions.json`` lists them."""

_REGION = r"[a-z]{2,4}(?:-[a-z]{1,12}){1,3}-\d{1,2}"
_BUCKET = r"(?:[a-z0-9][a-z0-9.-]{0,253}\.)?"
_S3_HOST = re.compile(
    rf"{_BUCKET}s3(?:-fips)?(?:\.dualstack)?(?:[.-]{_REGION}|-external-1|-accelerate(?:\.dualstack)?)?"
    rf"\.(?:{'|'.join(map(re.escape, S3_SUFFIXES))})"
)
_PLAIN = re.compile(r"[!-\[\]-~]+")
"""Printable ASCII without space and backslash: what a URL is made of, and nothing that two parsers read differently."""

_NAT64 = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Target:
    """Where a link leads, taken apart once, so that nothing reads the link a second time and otherwise.

    ``allowlisted``: its host is one of ``downloadHosts``, which may have any address.
    """

    host: str
    port: int
    path: str = field(repr=False)
    allowlisted: bool = False


def check_url(link: str, hosts: Iterable[str]) -> Target:
    """Where ``download_url`` leads. Raises Rejected (URL_REFUSED), without quoting it, when it may not be opened.

    ``hosts`` are further hosts beside S3's: ``host`` (port 443), ``host:port`` or ``host:*``.
    """
    if len(link) > MAX_URL_LENGTH or not _PLAIN.fullmatch(link):
        raise _refused("the link is no plain URL")
    parsed = _parse(link)
    if parsed is None:
        raise _refused("the link is no URL")
    split, host, port = parsed
    if split.scheme != "https":
        raise _refused("the link is not https")
    if "@" in split.netloc:
        raise _refused("the link names a user")
    path = (split.path or "/") + (f"?{split.query}" if split.query else "")
    if _allowlisted(host, port, hosts):
        return Target(host, port, path, allowlisted=True)
    # An address, however it is written, is no host of S3 either.
    if port != HTTPS_PORT or ".." in host or not _S3_HOST.fullmatch(host):
        raise _refused("the link does not lead to S3 nor to a host in downloadHosts")
    return Target(host, port, path)


def _parse(link: str) -> tuple[SplitResult, str, int] | None:
    try:
        split = urlsplit(link)
        return split, (split.hostname or "").lower(), split.port or HTTPS_PORT
    except ValueError:
        return None


def public_addresses(host: str, port: int) -> Sequence[str]:
    """The addresses of ``host``, each of them public.

    Raises Rejected when any is not: private, link-local (the metadata service), loopback, or one of these inside an
    IPv6 address. Whoever connects must use these very addresses: a second look at the DNS may be answered otherwise.
    """
    found = _resolve(host, port)
    if not found:
        raise SourceError("the host of the link does not resolve")
    if not all(map(is_public, found)):
        raise _refused("the host of the link has an address that is not public")
    return found


def _resolve(host: str, port: int) -> Sequence[str]:
    try:
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        return ()
    return list(dict.fromkeys(str(answer[4][0]) for answer in answers))


def is_public(address: str) -> bool:
    """Whether anybody on the internet would reach the same host at ``address``."""
    ip = ipaddress.ip_address(address)
    local = isinstance(ip, ipaddress.IPv6Address) and ip.is_site_local
    return not local and all(
        each.is_global and not each.is_multicast and not each.is_reserved for each in _addresses_in(ip)
    )


def _addresses_in(ip: Address) -> list[Address]:
    """The address itself, or the IPv4 ones that an IPv6 address stands for."""
    if isinstance(ip, ipaddress.IPv4Address):
        return [ip]
    if any(ip in network for network in _NAT64):
        return [ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)]
    inner = [ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())]
    return [each for each in inner if each is not None] or [ip]


def _allowlisted(host: str, port: int, hosts: Iterable[str]) -> bool:
    return any(_matches(host, port, entry.strip().lower()) for entry in hosts)


def _matches(host: str, port: int, entry: str) -> bool:
    name, colon, wanted = entry.rpartition(":")
    if not colon or wanted.endswith("]"):
        name, wanted = entry, str(HTTPS_PORT)
    return bool(host) and name.strip("[]") == host and wanted in ("*", str(port))


def _refused(detail: str) -> Rejected:
    return Rejected(Reason.URL_REFUSED, detail)
