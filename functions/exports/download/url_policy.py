"""Which download URLs may be opened: only https to S3 or to an allowlisted host, at a public address.

The URL comes from the service. The rules protect against tampering with the service or with an account's data: a URL
must not make a function with credentials call another host, the metadata service, or its own network.
"""

import ipaddress
import re
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from exports.errors import Rejected, SourceError
from exports.model import Reason

MAX_URL_LENGTH = 16 * 1024
MAX_HOST_LENGTH = 253
MAX_LABEL_LENGTH = 63
HTTPS_PORT = 443
MAX_PORT = 65535

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
_BUCKET = r"(?:[a-z0-9][a-z0-9.-]*\.)?"
_S3_HOST = re.compile(
    rf"{_BUCKET}s3(?:-fips)?(?:\.dualstack)?(?:[.-]{_REGION}|-external-1|-accelerate(?:\.dualstack)?)?"
    rf"\.(?:{'|'.join(map(re.escape, S3_SUFFIXES))})"
)
_PLAIN = re.compile(r"[!-\[\]-~]+")
"""Printable ASCII without space and backslash: what a URL consists of, without what parsers read differently."""
_URL = re.compile(
    r"https://(?P<host>[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{0,5}))?(?P<path>/[^?#]*)?(?P<query>\?[^#]*)?(?:#.*)?",
    re.IGNORECASE,
)

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""The prefix of VPCs without IPv4: https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-nat64-dns64.html"""
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_NOT_PUBLIC = tuple(
    map(
        ipaddress.ip_network,
        ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"),
    )
)
"""6to4, Teredo and other tunnels, and networks for documentation; the module ipaddress of some versions lacks them.

https://www.iana.org/assignments/iana-ipv4-special-registry https://www.iana.org/assignments/iana-ipv6-special-registry
"""


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
    if not url.lower().startswith("https://"):
        raise _refused("the download URL is not https")
    found = _URL.fullmatch(url)
    if found is None:
        raise _refused("the download URL has a user name, or no valid host or port")
    host, port = found["host"].strip("[]").lower(), int(found["port"] or HTTPS_PORT)
    path = (found["path"] or "/") + (found["query"] or "")
    if not 0 < port <= MAX_PORT or not _is_name(host):
        raise _refused("the download URL has no valid host or port")
    if _allowlisted(host, port, hosts):
        return Target(host, port, path, allowlisted=True)
    # An IP address, in any notation, does not match a host of S3.
    if port != HTTPS_PORT or not _S3_HOST.fullmatch(host):
        raise _refused(f"the download URL leads to {host}, which is neither S3 nor in downloadHosts")
    return Target(host, port, path)


def _is_name(host: str) -> bool:
    """Whether a resolver can look it up: the limits of DNS for a name and its labels."""
    return len(host) <= MAX_HOST_LENGTH and all(0 < len(label) <= MAX_LABEL_LENGTH for label in host.split("."))


def public_addresses(host: str, port: int) -> Sequence[str]:
    """The addresses of ``host`` as :func:`resolve` returns them, all public.

    Raises Rejected if any is not: private, link-local (the metadata service), loopback, or one of these inside an
    IPv6 address. The caller must connect to these addresses: a second DNS query may return others.
    """
    addresses = resolve(host, port)
    if not all(map(is_public, addresses)):
        raise _refused("the host of the download URL has an address that is not public")
    return addresses


def resolve(host: str, port: int) -> Sequence[str]:
    """The addresses of ``host``, of IPv6 and IPv4 in turn: there may be no route to one of the two."""
    try:
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        answers = []
    addresses = list(dict.fromkeys(str(answer[4][0]) for answer in answers))
    if not addresses:
        raise SourceError("the host of the download URL does not resolve")
    families: dict[bool, list[str]] = {}
    for address in addresses:
        families.setdefault(":" in address, []).append(address)
    return [each for pair in zip_longest(*families.values()) for each in pair if each]


def is_public(address: str) -> bool:
    """Whether ``address`` is globally reachable: the same host from everywhere on the internet."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        ip = ip.ipv4_mapped or (ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else ip)
    if isinstance(ip, ipaddress.IPv6Address) and ip not in _GLOBAL_UNICAST:
        return False
    special = ip.is_multicast or ip.is_reserved or any(ip in network for network in _NOT_PUBLIC)
    return ip.is_global and not special


def _allowlisted(host: str, port: int, hosts: Iterable[str]) -> bool:
    return any(_matches(host, port, entry.strip().lower()) for entry in hosts)


def _matches(host: str, port: int, entry: str) -> bool:
    name, colon, allowed_port = entry.rpartition(":")
    if not colon or allowed_port.endswith("]"):
        name, allowed_port = entry, str(HTTPS_PORT)
    return bool(host) and name.strip("[]") == host and allowed_port in ("*", str(port))


def _refused(detail: str) -> Rejected:
    return Rejected(Reason.URL_REFUSED, detail)
