"""Which addresses are public: those that the service can reach, and that a look may connect to.

Pure. Names are not looked up here. What is private to this network (its machines, its cloud's
metadata) must not be fetched because a stranger typed it, in whatever spelling.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from ipaddress import (
    AddressValueError,
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
)
from unicodedata import normalize
from urllib.parse import unquote, urlsplit

import idna

IPAddress = IPv4Address | IPv6Address

# What `is_global` of Python 3.11 leaves open. IANA's special-purpose registries, RFC 6890.
_NOT_PUBLIC_4 = (
    IPv4Network("192.0.0.0/24"),  # protocol assignments; Oracle's metadata is in it
    IPv4Network("192.88.99.0/24"),  # the relays of 6to4
    IPv4Network("168.63.129.16/32"),  # Azure's own machine, with a public number
)
_PUBLIC_6 = IPv6Network("2000::/3")  # all that was ever given out
_NOT_PUBLIC_6 = (
    IPv6Network("2001::/23"),  # Teredo, benchmarks, ORCHID
    IPv6Network("2001:db8::/32"),  # documentation
    IPv6Network("2002::/16"),  # 6to4: any address of the old kind, inside
    IPv6Network("3fff::/20"),  # documentation
)
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052: how an IPv6-only network names the old addresses
_LOCAL_NAMES = ("localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback")
_LOCAL_ENDINGS = (".localhost", ".local", ".internal", ".home.arpa")
"""Names that mean another machine in every network, by their standards. RFC 6761, 6762, 8375."""

_LOCAL_NETWORKS = (
    IPv4Network("0.0.0.0/32"),  # connected to, it is this machine
    IPv4Network("127.0.0.0/8"),
    IPv4Network("10.0.0.0/8"),
    IPv4Network("172.16.0.0/12"),
    IPv4Network("192.168.0.0/16"),
    IPv4Network("169.254.0.0/16"),
    IPv6Network("::/127"),  # as 0.0.0.0, and loopback
    IPv6Network("fc00::/7"),
    IPv6Network("fe80::/10"),
)
"""What goes to them does not leave this network. A provider's (100.64.0.0/10) is not among them."""

_PUBLIC_AT_A_GLANCE = re.compile(
    r"https?://[a-z0-9-]+\.(?:[a-z0-9-]+\.)*(?!local|internal/|arpa/)[a-z][a-z0-9-]*/"
)
"""Its host ends in a public name, so that it is no number. Most do; told so, they cost a tenth."""
_MOST_HOSTS = 128
"""Kept in mind: a list has many addresses of few hosts."""
_BYTES = 4  # of an old address
_LONGEST_NUMBER = 40  # digits, without the zeros in front
_PADDING = re.compile(r"(?<![^.])0+(?=[0-9])")
INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u1806\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""Characters that nobody sees: Unicode's Default_Ignorable_Code_Point, and U+1806 of RFC 3454, B.1.
Hosts ignore them. `idna` knows most of them, each release others, and refuses some that Python's
own resolver ignores; so they are named here, and a test holds the three against each other."""


def is_public(address: IPAddress) -> bool:
    """Whether an address is one of the open internet.

    Example:
        >>> is_public(IPv4Address("8.8.8.8")), is_public(IPv6Address("::ffff:10.0.0.1"))
        (True, False)
    """
    if isinstance(address, IPv4Address):
        return (
            address.is_global
            and not address.is_multicast
            and not any(address in network for network in _NOT_PUBLIC_4)
        )
    if address.ipv4_mapped is not None:
        return is_public(address.ipv4_mapped)
    if address in _NAT64:
        return is_public(IPv4Address(int(address) & 0xFFFF_FFFF))
    return (
        address in _PUBLIC_6
        and address.scope_id is None
        and not any(address in network for network in _NOT_PUBLIC_6)
    )


def private_reason(url: str) -> str:
    """Return why the service can never reach a URL, or nothing. For what is written out alone.

    A host that is read in two ways is judged by the worse of them.

    Example:
        >>> private_reason("http://0x7f.1/face.jpg")
        'its host is 127.0.0.1, an address that is not public'
        >>> private_reason("https://example.com/face.jpg")
        ''
    """
    if _PUBLIC_AT_A_GLANCE.match(url):
        return ""
    if urlsplit(url).scheme == "oss":  # a bucket, not a host
        return ""
    return next(filter(None, map(_private_host, _readings(url))), "")


@lru_cache(_MOST_HOSTS)
def _private_host(host: str) -> str:
    """Return why a host is not public, or nothing."""
    if host in _LOCAL_NAMES or host.endswith(_LOCAL_ENDINGS):
        return f"its host is {host}, another machine for whoever looks"
    address = address_in(host)
    if address is None or is_public(address):
        return ""
    return f"its host is {address}, an address that is not public"


def _readings(url: str) -> Iterator[str]:
    """Yield the hosts that a URL may have, by who reads it.

    Browsers end a host at a backslash, and take a number with a zero in front for an octal one, as
    the resolvers of C do. Python's `urlsplit` and Java's resolver do neither.
    """
    for spelling in (url, url.replace("\\", "/")) if "\\" in url else (url,):
        try:
            host = host_of(spelling)
        except ValueError:  # brackets that the backslash cut
            continue
        yield host
        yield _PADDING.sub("", host)


def is_local(url: str) -> bool:
    """Whether a URL's host is one of this network by what is written there. No name is resolved.

    Such are this machine, private addresses in any spelling, single labels (`gateway`), and names
    with a local ending.

    Example:
        >>> is_local("http://10.0.0.1/api/v1"), is_local("http://gateway:8080/api/v1")
        (True, True)
        >>> is_local("http://dashscope.example/api/v1"), is_local("http://134744072/api/v1")
        (False, False)
    """
    host = host_of(url)
    address = address_in(host)
    if address is not None:
        if isinstance(address, IPv6Address):
            address = address.ipv4_mapped or IPv6Address(int(address))  # without its zone
        return any(address in network for network in _LOCAL_NETWORKS)
    if host in _LOCAL_NAMES or host.endswith(_LOCAL_ENDINGS):
        return True
    is_rooted = (urlsplit(url).hostname or "").endswith(".")  # a single label then is a domain
    return bool(host) and "." not in host and not is_rooted


def upload_refusal(url: str, base_url: str) -> str:
    """Return why an upload must not go to `url`, which `base_url` named; or nothing.

    The signature and a portrait go there. A service on the open internet has no store in this
    network, and whoever claims so is not the service.
    """
    scheme = urlsplit(url).scheme
    if is_local(url) or private_reason(url):
        return "" if is_local(base_url) else "it lies in this network, and the service does not"
    if scheme == "https" or (urlsplit(base_url).scheme == "http" and not is_local(base_url)):
        return ""
    return "it is no https address"


def host_of(url: str) -> str:
    """Return the host in the spelling that resolvers come to.

    Any alphabet's digits, any case, with characters that nobody sees, and dots at its end.
    """
    return _spelled(urlsplit(url).hostname or "")


@lru_cache(_MOST_HOSTS)
def _spelled(written: str) -> str:
    host = INVISIBLE.sub("", unquote(written))
    if not host.isascii():
        try:
            host = idna.uts46_remap(host, std3_rules=False)
        except idna.IDNAError:  # no browser takes it; Python's own resolver may
            host = normalize("NFKC", host)
    return host.lower().replace("\u3002", ".").rstrip(".")


def address_in(host: str) -> IPAddress | None:
    """Return the address that a host spells out, the odd spellings of `inet_aton` included."""
    try:
        return IPv6Address(host)
    except AddressValueError:
        return _old_address(host)


def _old_address(host: str) -> IPv4Address | None:
    *firsts, last = (_number(part) for part in host.split("."))
    left = _BYTES - len(firsts)  # how many of its bytes the last number fills
    if left < 1 or last is None or last >= 256**left:
        return None
    if any(first is None or first >= 256 for first in firsts):  # noqa: PLR2004  # a byte
        return None
    return IPv4Address(bytes(first or 0 for first in firsts) + last.to_bytes(left, "big"))


def _number(text: str) -> int | None:
    """Return a number as C reads it: hexadecimal after 0x, octal after 0."""
    if not text.isascii() or not text.isalnum():
        return None
    base = 16 if text.startswith("0x") else 8 if text.startswith("0") else 10
    digits = (text[2:] if base == 16 else text).lstrip("0") or "0"  # noqa: PLR2004  # hexadecimal
    try:
        return int(digits, base) if len(digits) <= _LONGEST_NUMBER else None
    except ValueError:
        return None
