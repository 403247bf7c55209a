"""A host is what resolvers and browsers come to: held against theirs, not against our own rules."""

import socket
from encodings.idna import nameprep
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import quote, urlsplit

import ada_url
import idna
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from s2v_detect.images._addresses import host_of, is_public, private_reason

PRIVATE_TO_CHROMIUM = [
    "lo\xadcalhost",
    "local\u200bhost",
    "localhost\u2060",
    "\ufefflocalhost",
    "localhost\ufe0e",
    "local\u034fhost",
    "lo\u180bcalhost",
    "localhost\U000e0100",
    "127.0.0.1\ufe0f",
    "127.0.0.1\u200b",
    "10.0.0\u2060.1",
    "169.254.169.254\ufeff",
    "1\u200b27.0.0.1",
    "127\u2064.0.0.1",
    "127\u2061.0.0.1",
    "127.0.0.1.\xad",
    "\uff11\uff12\uff17.\uff10.\uff10.\uff11",
    "127\u30020\u30020\u30021",
    "127\uff0e0\uff0e0\uff0e1",
    "127\uff610\uff610\uff611",
    "\u2460\u2461\u2466.0.0.1",
    "\U0001d7ed\U0001d7ee\U0001d7f3.0.0.1",
    "\u24db\u24de\u24d2\u24d0\u24db\u24d7\u24de\u24e2\u24e3",
    "\uff4c\uff4f\uff43\uff41\uff4c\uff48\uff4f\uff53\uff54",
    "loCalho\u017ft",
    "LOCALHOST",
    "Localhost.",
    "localhost..",
    "127.0.0.1.",
    "lo%C2%ADcalhost",
    "localhost%E2%80%8B",
    "127.0.0.1%EF%BB%BF",
    "%EF%BC%91%EF%BC%92%EF%BC%97.0.0.1",
    "%6c%6fcalhost",
    "127%2e0%2e0%2e1",
    "127.0.0.1%2E",
    "127%E3%80%820.0.1",
    "%31%32%37.1",
    "127.000.000.001",
    "0177.000.000.001",
    "00000000000000000000000000000000000000000000000000177.0.0.1",
    "0x000000000000000000000000000000000000000000000000007f.1",
    "012.0.0.1",
    "0x7f.1",
    "0X7F.0x0.0x0.0x1",
    "0x7f000001",
    "2130706433",
    "017700000001",
    "127.1",
    "127.0.1",
    "10.1",
    "192.168.257",
    "169.16689662",
    "0",
    "00.0",
    "0x",
    "127.0.0.0x",
    "0xa9fea9fe",
    "127.0.0.1:80",
    "user@127.0.0.1",
    "u:p@localhost",
    "a@b@127.0.0.1",
    "127.0.0.1\\@a.example",
    "localhost\\.a.example",
    "10.1\\x@a.example",
    "127.0.0.1\\",
    "lo\xadcalhost\\@a.example",
    "127.0.0.1\\:80@a.example",
    "127.0.0.1#@a.example",
    "127.0.0.1?@a.example",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[64:ff9b::7f00:1]",
    "user@lo\xadcalhost",
    "[::1]\\@a.example",
]
"""`new URL("http://…/x.jpg").hostname` of Chromium 156 is this machine or this network."""

PRIVATE_TO_OTHERS = [
    "local\u200dhost",  # Chromium refuses these; Python's resolver takes them
    "local\u200chost",
    "127\u1806.0.0.1",
    "localhost..",
    "127.0.0.1..",
    "127.0.0.1\u202e",  # as copied from a spreadsheet in Arabic or Hebrew
    "0127.0.0.1",  # Java reads decimal numbers
    "010.0.0.1",
    "127.0.0.08",
    "192.168.000.008",
    "a.example\\@127.0.0.1",  # Chromium goes to a.example, and Python to 127.0.0.1
]
PUBLIC = [
    "ex\xadample.com",
    "m\xfcnchen.example",
    "xn--mnchen-3ya.example",
    "a_b.example",
    "8.8.8.8",
    "008.008.008.008",
    "\uff10\uff18.8.8.8",
    "8.8.8.8\ufe0f",
    "a.example\\@b.example",
    "256.0.0.1",
    "4294967296",
    "1.2.3.4.5",
    "%2531",
]
INVISIBLE = "\xad\u034f\u180b\u200b\u200c\u200d\u2060\u2064\ufe00\ufe0f\ufeff\U000e0100"
NAMES = ["localhost", "127.0.0.1", "10.0.0.1", "169.254.169.254", "192.168.0.1", "8.8.8.8", "[::1]"]


@pytest.mark.parametrize("host", [*PRIVATE_TO_CHROMIUM, *PRIVATE_TO_OTHERS], ids=ascii)
def test_what_somebody_takes_to_this_network_is_not_public(host: str) -> None:
    """As Chromium reads a host, and those that read it in another way."""
    assert private_reason(f"http://{host}/x.jpg")


@pytest.mark.parametrize("host", PUBLIC, ids=ascii)
def test_what_nobody_takes_to_this_network_is_left_alone(host: str) -> None:
    """What is odd is not private for that."""
    assert private_reason(f"http://{host}/x.jpg") == ""


def test_every_character_is_read_as_libraries_read_it() -> None:
    """Of all those that `idna` (UTS 46) or Python's resolver (RFC 3490) ignore, or take for ASCII.

    `ß` alone is another with each of them.
    """
    wrong = []
    for number in (*range(0x80, 0xD800), *range(0xE000, 0x20000), *range(0xE0000, 0xE1000)):
        character = chr(number)
        theirs = {_by_uts46(character), _by_nameprep(character)}
        for each in theirs - {None, "ss"}:
            if each is not None and each.isascii():
                ours = host_of(f"http://a{quote(character)}b/")
                wrong += [(hex(number), each, ours)] * (ours != f"a{each}b")
    assert not wrong


@st.composite
def disguised(draw: st.DrawFn) -> str:
    """A host in one of its many spellings, with what may stand before and behind it."""
    old = st.ip_addresses(v=4).map(str)
    new = st.sampled_from(["[::{}]", "[::ffff:{}]", "[64:ff9b::{}]", "[0::0:0:FFFF:{}]"])
    new = st.builds(str.format, new, old) | st.ip_addresses(v=6).map("[{}]".format)
    host = draw(st.sampled_from(NAMES) | old | new)
    if host[0].isdigit() and draw(st.booleans()):
        host = _in_other_numbers(draw, host)
    host = "".join(draw(_spellings(character)) for character in host)
    host += draw(st.sampled_from(["", "", ".", "\u3002", "..", ":80", ":"]))
    before = draw(st.sampled_from(["", "", "user@", "a:b@", "a.example\\@", "a@b@"]))
    behind = draw(st.sampled_from(["", "", "\\", "\\@a.example", "\\.a.example", "?@a.example"]))
    return f"{before}{host}{behind}"


def _in_other_numbers(draw: st.DrawFn, host: str) -> str:
    """The same address with hexadecimal, octal and padded numbers, and with fewer of them."""
    parts = [int(part) for part in host.split(".")]
    count = draw(st.integers(1, 4))
    last = int.from_bytes(bytes(parts[count - 1 :]), "big")
    forms = st.sampled_from(["{}", "{:#x}", "{:#X}", "0{:o}", "0x{:024x}", "{:060o}"])
    return ".".join(draw(forms).format(number) for number in (*parts[: count - 1], last))


def _spellings(character: str) -> st.SearchStrategy[str]:
    """A character as it stands, and what many readers take for the same."""
    wide = chr(ord(character) + 0xFEE0) if character.isalnum() else character
    return st.sampled_from(
        [
            *[character] * 20,
            character.upper(),
            wide,
            *[f"{character}{each}" for each in INVISIBLE],
            *[f"%{ord(character):02x}"] * (character not in "[]"),
            f"%C2%AD{character}",
        ]
    )


@given(disguised())
@example("127.0.0.1\u200d")
@example("0x0000000000000000000000000000000000000000000000007f.1")
def test_whatever_a_reader_takes_to_a_private_address_is_seen_through(host: str) -> None:
    """By a browser's parser (Ada, of the WHATWG's standard), and by Python's own resolver."""
    url = f"http://{host}/x.jpg"
    found = {address for address in (_by_whatwg(url), _by_resolver(url)) if address}
    assume(found)
    if any(address == "localhost" or not is_public(ip_address(address)) for address in found):
        assert private_reason(url)


def _by_whatwg(url: str) -> str | None:
    try:
        return _address(ada_url.URL(url).hostname.strip("[]").rstrip("."))
    except ValueError:
        return None


def _by_resolver(url: str) -> str | None:
    """What `socket` makes of the host of `urlsplit`; it asks nobody, for it takes numbers alone."""
    host = host_in(url)
    if _by_python(host).rstrip(".").lower() == "localhost":
        return "localhost"
    try:
        [found, *_] = socket.getaddrinfo(host, 80, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError, ValueError):
        return None
    return str(found[4][0])


def host_in(url: str) -> str:
    """The host as `urlsplit` cuts it out, nothing decoded."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _address(host: str) -> str | None:
    if host == "localhost":
        return host
    for kind in (IPv4Address, IPv6Address):
        try:
            return str(kind(host))
        except ValueError:
            continue
    return None


def _by_uts46(text: str) -> str | None:
    try:
        return idna.uts46_remap(text, std3_rules=False)
    except idna.IDNAError:
        return None


def _by_nameprep(text: str) -> str | None:
    try:
        return nameprep(text)
    except UnicodeError:
        return None


def _by_python(host: str) -> str:
    try:
        return host.encode("idna").decode()
    except UnicodeError:
        return ""
