"""Which download URLs may be opened: only https to S3 or to an allowlisted host, at a public address.

The URL comes from the service. The rules protect against tampering with the service or with an account's data: a URL
must not make a function with credentials call another host, the metadata service, or its own network.
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
_HOST_NAME = re.compile(r"[a-z0-9.-]{1,253}")
_PLAIN = re.compile(r"[!-\[\]-~]+")
"""Printable ASCII without space and backslash: what a URL consists of, without what parsers read differently."""

_NAT64 = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Target:
    """The parsed URL. It is parsed only once, so that no second parser can read it differently.

    ``allowlisted``: its host is one of ``downloadHosts``, which may have any address.
    """

    host: str
    port: int
    path: str = field(repr=False)
    allowlisted: bool = False


def check_url(url: str, hosts: Iterable[str]) -> Target:
    """Check and parse ``url``. Raises Rejected (URL_REFUSED), without quoting it, if it may not be opened.

    ``hosts`` are allowed in addition to S3: ``host`` (port 443), ``host:port`` or ``host:*``.
    """
    if len(url) > MAX_URL_LENGTH or not _PLAIN.fullmatch(url):
        raise _refused("the download URL is too long or has characters that are not allowed")
    parsed = _parse(url)
    if parsed is None:
        raise _refused("the download URL cannot be parsed")
    split, host, port = parsed
    if split.scheme != "https":
        raise _refused("the download URL is not https")
    if "@" in split.netloc:
        raise _refused("the download URL contains a user name")
    path = (split.path or "/") + (f"?{split.query}" if split.query else "")
    if _allowlisted(host, port, hosts):
        return Target(host, port, path, allowlisted=True)
    # An IP address, in any notation, does not match a host of S3.
    if port != HTTPS_PORT or ".." in host or not _S3_HOST.fullmatch(host):
        name = host if _HOST_NAME.fullmatch(host) else "a host"
        raise _refused(f"the download URL leads to {name}, which is neither S3 nor in downloadHosts")
    return Target(host, port, path)


def _parse(url: str) -> tuple[SplitResult, str, int] | None:
    try:
        split = urlsplit(url)
        return split, (split.hostname or "").lower(), split.port or HTTPS_PORT
    except ValueError:
        return None


def public_addresses(host: str, port: int) -> Sequence[str]:
    """The addresses of ``host``, all public.

    Raises Rejected if any is not: private, link-local (the metadata service), loopback, or one of these inside an
    IPv6 address. The caller must connect to these addresses: a second DNS query may return others.
    """
    addresses = _resolve(host, port)
    if not addresses:
        raise SourceError("the host of the download URL does not resolve")
    if not all(map(is_public, addresses)):
        raise _refused("the host of the download URL has an address that is not public")
    return addresses


def _resolve(host: str, port: int) -> Sequence[str]:
    try:
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        return ()
    return list(dict.fromkeys(str(answer[4][0]) for answer in answers))


def is_public(address: str) -> bool:
    """Whether ``address`` is globally reachable: the same host from everywhere on the internet."""
    ip = ipaddress.ip_address(address)
    local = isinstance(ip, ipaddress.IPv6Address) and ip.is_site_local
    return not local and all(
        each.is_global and not each.is_multicast and not each.is_reserved for each in _addresses_in(ip)
    )


def _addresses_in(ip: Address) -> list[Address]:
    """The address itself, or the IPv4 addresses that an IPv6 address contains."""
    if isinstance(ip, ipaddress.IPv4Address):
        return [ip]
    if any(ip in network for network in _NAT64):
        return [ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)]
    inner = [ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())]
    return [each for each in inner if each is not None] or [ip]


def _allowlisted(host: str, port: int, hosts: Iterable[str]) -> bool:
    return any(_matches(host, port, entry.strip().lower()) for entry in hosts)


def _matches(host: str, port: int, entry: str) -> bool:
    name, colon, allowed_port = entry.rpartition(":")
    if not colon or allowed_port.endswith("]"):
        name, allowed_port = entry, str(HTTPS_PORT)
    return bool(host) and name.strip("[]") == host and allowed_port in ("*", str(port))


def _refused(detail: str) -> Rejected:
    return Rejected(Reason.URL_REFUSED, detail)
