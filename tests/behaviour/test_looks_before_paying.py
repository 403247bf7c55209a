"""A look before paying: what can't pass costs nothing, and the look goes where it may alone."""

import asyncio
import gc
import gzip
import io
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpcore
import pytest
from PIL import Image

from s2v_detect import (
    ConfigurationError,
    DetectClient,
    Event,
    ImageSkipped,
    Ledger,
    LocalLimiter,
    Preflight,
)
from s2v_detect.emulator import Emulator
from s2v_detect.images import Looker
from s2v_detect.images._addresses import IPAddress
from s2v_detect.images._guard import Resolver

ANYWHERE = Preflight(allow_private=True)
Answering = Callable[[str, dict[str, str], asyncio.StreamWriter], Awaitable[None]]


def picture(form: str = "JPEG", size: tuple[int, int] = (500, 600), **options: object) -> bytes:
    """Return an image as Pillow writes it."""
    file = io.BytesIO()
    Image.new("RGB", size).save(file, form, **options)
    return file.getvalue()


class Origin:
    """A web server of strangers: raw, and as bad as a test wants it."""

    def __init__(self) -> None:
        self.connections = 0
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.pages: dict[str, bytes | Answering] = {}
        self.url = ""
        self.is_over = asyncio.Event()  # a page that says nothing waits for it

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode("latin-1").split("\r\n")
                path = lines[0].split(" ")[1]
                headers = {
                    name.lower(): value.strip()
                    for name, _, value in (line.partition(":") for line in lines[1:] if line)
                }
                self.requests.append((path, headers))
                page = self.pages.get(path)
                if callable(page):
                    await page(path, headers, writer)
                else:
                    await ranged(page, headers, writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # whoever asked has left
        finally:
            writer.close()


async def ranged(page: bytes | None, headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
    """Answer as a good server does: the part that was asked for, or 404."""
    if page is None:
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        return
    first, _, last = headers["range"].removeprefix("bytes=").partition("-")
    start, end = int(first), min(int(last) + 1, len(page))
    if start >= len(page):
        writer.write(
            b"HTTP/1.1 416 No\r\nContent-Length: 0\r\nContent-Range: bytes */%d\r\n\r\n" % len(page)
        )
        return
    head = f"Content-Range: bytes {start}-{end - 1}/{len(page)}\r\nContent-Length: {end - start}"
    writer.write(f"HTTP/1.1 206 Partial\r\n{head}\r\n\r\n".encode() + page[start:end])


def raw(answer: bytes) -> Answering:
    """Return an answer that is what it is, after which the line is cut."""

    async def send(path: str, headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()
        writer.close()

    return send


def whole(page: bytes, *headers: str) -> Answering:
    """Return the answer of a server that knows no ranges."""
    lines = "".join(f"{header}\r\n" for header in headers)
    return raw(f"HTTP/1.1 200 OK\r\nContent-Length: {len(page)}\r\n{lines}\r\n".encode() + page)


def chunked(page: bytes) -> Answering:
    """Return the answer of a server that does not know how long it will be."""
    pieces = (page[at : at + 5000] for at in range(0, len(page), 5000))
    body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body + b"0\r\n\r\n")


def hanging_up(page: bytes) -> Answering:
    """Return the answer of a server that knows ranges, and ends the line after each."""

    async def send(path: str, headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
        await ranged(page, headers, writer)
        await writer.drain()
        writer.close()

    return send


def redirect(target: str, status: int = 302) -> Answering:
    """Return the answer that sends on to another address."""
    return raw(f"HTTP/1.1 {status} On\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n".encode())


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    """A server on this machine."""
    there = Origin()
    server = await asyncio.start_server(there.serve, "127.0.0.1", 0)
    there.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield there
        there.is_over.set()  # since 3.12 a server waits at its end for what still answers


GOOD = picture()
BIG_HEAD = picture(icc_profile=bytes(300_000))
HOPELESS: list[tuple[bytes, str]] = [
    (picture("GIF"), "a GIF image"),
    (b'<svg xmlns="http://www.w3.org/2000/svg"/>' + bytes(900), "an SVG image"),
    (picture(size=(399, 500)), "399 x 500 pixels"),
    (picture("PNG", size=(400, 7001)), "400 x 7001 pixels"),
    (b"", "an empty file"),
    (GOOD[:100], "cut short after 100 bytes"),
    (picture(size=(100, 500), icc_profile=bytes(300_000)), "100 x 500 pixels"),
]


@pytest.mark.parametrize(("page", "reason"), HOPELESS, ids=[reason for _, reason in HOPELESS])
async def test_what_the_service_would_refuse_is_not_sent(
    emulator: Emulator, origin: Origin, page: bytes, reason: str
) -> None:
    """By its content, whatever its name; and it is in the books as saved."""
    origin.pages["/face.jpg"] = page
    async with emulator.client(preflight=ANYWHERE) as client:
        with pytest.raises(ImageSkipped, match=reason):
            await client.check(f"{origin.url}/face.jpg")
        assert (client.spend.skipped, client.spend.refused, client.spend.saved_calls) == (1, 1, 1)
        assert str(client.spend.saved) == "0.004"
    assert emulator.requests == 0


@pytest.mark.parametrize("page", [GOOD, BIG_HEAD, picture("WEBP"), picture("BMP"), picture("PNG")])
async def test_what_may_pass_is_sent(emulator: Emulator, origin: Origin, page: bytes) -> None:
    """After a look at no more of it than its header, in one connection."""
    origin.pages["/face.jpg"] = page
    async with emulator.client(preflight=ANYWHERE) as client:
        [outcome] = [o async for o in client.aiter_check([f"{origin.url}/face.jpg"])]
    assert (outcome.kind, outcome.doubt) == ("checked", "")
    assert emulator.billed == origin.connections == 1
    assert len(origin.requests) <= (1 if page is not BIG_HEAD else 12)
    ends = [int(headers["range"].rpartition("-")[2]) for _, headers in origin.requests]
    stands_at = BIG_HEAD.rindex(b"\xff\xc0") if page is BIG_HEAD else 0
    assert max(ends) < stands_at + 8192


def crumbs(page: bytes) -> Answering:
    """Return an answer of one byte at a time."""
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in page)
    return raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n")


DOUBTS: list[tuple[str, Answering, str]] = [
    ("403", raw(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"), "answered 403"),
    ("cut", raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n" + GOOD[:50]), "Protocol"),
    ("no http", raw(b"\x00\x01\x02 what\r\n\r\n"), "Protocol"),
    ("nothing", raw(b""), "could not be asked"),
    (
        "other part",
        raw(
            b"HTTP/1.1 206 P\r\nContent-Range: bytes 9-20/99\r\nContent-Length: 12\r\n\r\n"
            + bytes(12)
        ),
        "another part",
    ),
    ("brotli", whole(b"\x1b" * 99, "Content-Encoding: br"), "coding"),
    ("cut and unframed", raw(b"HTTP/1.0 200 OK\r\n\r\n" + GOOD[:100]), "ended it after 100"),
    ("empty and unframed", raw(b"HTTP/1.0 200 OK\r\n\r\n"), "ended it after 0"),
    (
        "no body",
        raw(b"HTTP/1.1 206 P\r\nContent-Range: bytes 0-511/9999\r\nContent-Length: 0\r\n\r\n"),
        "ended it after 0",
    ),
    (
        "nothing of nothing",
        raw(b"HTTP/1.1 403 No\r\nContent-Range: bytes */0\r\nContent-Length: 0\r\n\r\n"),
        "answered 403",
    ),
    ("cut gzip", whole(gzip.compress(GOOD)[:99], "Content-Encoding: gzip"), "ended it after"),
    ("crumbs", crumbs(b"\xff\xd8\xff\xe0\xff\xf0" + bytes(9999)), "crumbs"),
    ("endless head", raw(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 99_999), "could not be asked"),
    ("endless hints", raw(b"HTTP/1.1 103 Early\r\n\r\n" * 99_999), "without end"),
    ("bad gzip", whole(b"\x1f\x8b" + bytes(99), "Content-Encoding: gzip"), "damaged gzip"),
    ("file", redirect("file:///etc/passwd"), "no http or https"),
    ("ftp", redirect("ftp://example.com/1.jpg"), "no http or https"),
    ("password", redirect("http://a:b@example.com/1.jpg"), "password"),
    ("malformed", redirect("http://[::1/1.jpg"), "can't be read"),
    ("no port", redirect("http://a.example:x/1.jpg"), "port that is none"),
    ("circle", redirect("/face.jpg"), "more than 5 times"),
]


@pytest.mark.parametrize(
    ("answer", "why"), [case[1:] for case in DOUBTS], ids=[c[0] for c in DOUBTS]
)
async def test_what_only_we_could_not_see_is_sent_with_its_doubt(
    emulator: Emulator, origin: Origin, answer: Answering, why: str
) -> None:
    """The service fetches from another network."""
    origin.pages["/face.jpg"] = answer
    events: list[Event] = []
    async with emulator.client(preflight=ANYWHERE, on_event=events.append) as client:
        [outcome] = [o async for o in client.aiter_check([f"{origin.url}/face.jpg"])]
    assert outcome.kind == "checked"
    assert why in outcome.doubt
    assert [event.doubt for event in events if event.kind == "looked"] == [outcome.doubt]
    assert emulator.billed == 1
    assert origin.connections <= 6


async def test_a_missing_image_is_skipped_or_by_option_sent(
    emulator: Emulator, origin: Origin
) -> None:
    """404 and 410 are the origin's own word; a private bucket may say them to us alone."""
    origin.pages["/long-gone.jpg"] = raw(b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n")
    events: list[Event] = []
    async with emulator.client(preflight=ANYWHERE, on_event=events.append) as client:
        for name, status in (("gone", "404"), ("long-gone", "410")):
            with pytest.raises(ImageSkipped, match=status):
                await client.check(f"{origin.url}/{name}.jpg")
    assert [e.error for e in events if e.kind == "looked"] == ["ImageSkipped"] * 2
    sending = Preflight(skip_missing=False)
    async with emulator.client(preflight=sending) as client:
        assert (await client.check(f"{origin.url}/gone.jpg")).check_pass


@pytest.mark.parametrize(
    "answer",
    [
        whole(GOOD),
        whole(BIG_HEAD),
        whole(gzip.compress(GOOD), "Content-Encoding: gzip"),
        whole(gzip.compress(GOOD[:9]) + gzip.compress(GOOD[9:]), "Content-Encoding: gzip"),
        chunked(BIG_HEAD),
        hanging_up(BIG_HEAD),
        redirect("/moved.jpg"),
        *(redirect("/moved.jpg", status) for status in (301, 303, 307, 308)),
        redirect("/moved/图片.jpg"),
    ],
)
async def test_odd_servers_are_read_all_the_same(
    emulator: Emulator, origin: Origin, answer: Answering
) -> None:
    """Those that ignore the range, that send gzip unasked, that hang up, that have moved."""
    moved = picture("PNG")
    origin.pages |= {"/face.jpg": answer, "/moved.jpg": moved, quote("/moved/图片.jpg"): moved}
    events: list[Event] = []
    async with emulator.client(preflight=ANYWHERE, on_event=events.append) as client:
        await client.check(f"{origin.url}/face.jpg")
    assert [event.doubt for event in events if event.kind == "looked"] == [""]


@pytest.mark.real_time
async def test_a_server_that_never_ends_is_left(emulator: Emulator, origin: Origin) -> None:
    """A byte at a time, or without end: bounded in bytes and in time."""
    sent = 0

    async def trickle(path: str, headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + GOOD[:20])
        while True:
            writer.write(b"\xff")
            await writer.drain()
            await asyncio.sleep(0.01)

    async def flood(path: str, headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n\xff\xd8\xff\xe0\xff\xff")
        while True:
            writer.write(b"\xff\xe0\xff\xff" + bytes(65_533))
            sent += 65_537
            await writer.drain()

    packed = gzip.compress(b"\xff\xd8\xff" + bytes(200 << 20), 1)  # takes the loop's time too

    async def bomb(path: str, headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
        )
        writer.write(packed)

    origin.pages |= {"/trickle.jpg": trickle, "/flood.jpg": flood, "/bomb.jpg": bomb}
    urls = [origin.url + page for page in origin.pages]
    rules = Preflight(timeout_s=3, max_header_bytes=100_000)
    async with emulator.client(preflight=rules) as client:
        outcomes = {o.image.rpartition("/")[2]: o async for o in client.aiter_check(urls)}
    assert "took over 3 s" in outcomes["trickle.jpg"].doubt
    assert "100000 bytes do not tell" in outcomes["flood.jpg"].doubt
    assert "100000 bytes do not tell" in outcomes["bomb.jpg"].doubt
    assert sent < 16 << 20  # what sockets on the way hold


async def test_a_look_carries_nothing_of_ours(emulator: Emulator, origin: Origin) -> None:
    """No cookie, no referrer, no key, after a redirect and in a second request neither."""
    origin.pages["/a.jpg"] = raw(
        b"HTTP/1.1 302 Found\r\nSet-Cookie: a=b\r\nLocation: /b.jpg\r\nContent-Length: 0\r\n\r\n"
    )
    origin.pages["/b.jpg"] = BIG_HEAD
    async with emulator.client(preflight=ANYWHERE) as client:
        await client.check(f"{origin.url}/a.jpg")
    names = {name for _, headers in origin.requests for name in headers}
    assert names == {"host", "user-agent", "accept", "accept-encoding", "range"}
    assert not any(emulator.api_key in str(headers) for _, headers in origin.requests)


async def test_a_proxy_of_the_environment_is_not_used(
    emulator: Emulator, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would connect for us, and the guard would be out of it."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    origin.pages["/face.jpg"] = picture("GIF")
    async with emulator.client(preflight=ANYWHERE) as client:
        with pytest.raises(ImageSkipped):
            await client.check(f"{origin.url}/face.jpg")


class SplitResolver:
    """This machine's own resolver, but for one name that is a server outside."""

    async def __call__(self, host: str, port: int) -> list[IPAddress]:
        """Return what a host resolves to."""
        if host == "images.example":
            return [ip_address("8.8.8.8")]
        return await Resolver(8)(host, port)


def resolving(*answers: list[str]) -> Callable[[str, int], Awaitable[list[IPAddress]]]:
    """Return a resolver that gives these answers, one after another; the last stays."""
    waiting = list(answers)

    async def resolve(host: str, port: int) -> list[IPAddress]:
        answer = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        return [ip_address(address) for address in answer]

    return resolve


class ToOrigin(httpcore.AnyIOBackend):
    """The internet, in which every address is a server of this machine."""

    def __init__(self) -> None:
        self.connected: list[str] = []
        self.port: int | None = None

    async def connect_tcp(
        self, host: str, port: int, *more: Any, **options: Any
    ) -> httpcore.AsyncNetworkStream:
        """Connect to this machine, and note what it was to be."""
        self.connected.append(host)
        return await super().connect_tcp("127.0.0.1", self.port or port, *more, **options)


SPELLINGS = [
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0177.0.0.1",
    "017700000001",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "127.0.0.1.",
    "%31%32%37.0.0.1",
    "１２７.0.0.1",
    "0",
    "0.0.0.0",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:0:0:1]",
    "ip6-localhost",
    "a.localhost",
]


MORE_SPELLINGS = [
    *("127.0.0.2", "127.255.255.254", "127.0.1", "127.000.000.001", "0x7f.0x0.0x0.0x1", "0177.1"),
    *("0x7f.0.1", "0177.0.1", "0x7F000001", "00", "0x0", "0.0", "[::]", "[::127.0.0.1]"),
    *("[::ffff:0:127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]"),
    *("[fe80::1]", "[fc00::1]", "[0000::0001]", "[::ffff:7f00:0001]", "169.254.169.254"),
    *("0xa9fea9fe", "100.100.100.200", "10.0.0.1", "192.168.0.1", "172.16.0.1", "192.0.0.192"),
    *("168.63.129.16", "localhost.localdomain", "LocalHost", "localhost%2e", "%6cocalhost"),
    *("①②⑦.0.0.1", "127。0。0。1", "127.0.0.1%00", "2130706433.", "224.0.0.1", "255.255.255.255"),
]


@pytest.mark.parametrize("host", SPELLINGS)
async def test_no_spelling_of_this_machine_is_connected_to(origin: Origin, host: str) -> None:
    """With the resolver of the machine, and a server that listens; by a redirect neither."""
    port = origin.url.rpartition(":")[2]
    rules = Preflight(ports=(80, 443, int(port)))
    with pytest.raises(ImageSkipped, match=r"not public|localhost"):
        await Looker(rules).look(f"http://{host}:{port}/face.jpg", "bulk")
    assert origin.connections == 0


async def test_no_trick_connects_to_this_machine() -> None:
    """Every spelling, asked for and redirected to, on both kinds of address: 0 connections."""
    inside = Origin()
    old = await asyncio.start_server(inside.serve, "127.0.0.1", 0)
    port = old.sockets[0].getsockname()[1]
    new = await asyncio.start_server(inside.serve, "::1", port)
    outside = Origin()
    server = await asyncio.start_server(outside.serve, "127.0.0.1", 0)
    outer = server.sockets[0].getsockname()[1]
    tricks = [f"http://{host}:{port}/face.jpg" for host in [*SPELLINGS, *MORE_SPELLINGS]]
    tricks += [f"http://user:pass@{host}:{port}/face.jpg" for host in SPELLINGS]
    tricks += [f"https://{host}:{port}/face.jpg" for host in SPELLINGS]
    rules = Preflight(ports=(80, 443, port, outer), timeout_s=2)
    direct = Looker(rules)
    by_redirect = Looker(rules, resolve=SplitResolver(), network=ToOrigin())
    refused = 0
    for number, trick in enumerate(tricks):
        outside.pages[f"/{number}.jpg"] = redirect(quote(trick, safe=":/[]@%"))
        for looker, url in (
            (direct, trick),
            (by_redirect, f"http://images.example:{outer}/{number}.jpg"),
        ):
            try:
                refused += bool(await looker.look(url, "bulk"))
            except ImageSkipped:
                refused += 1
    assert refused == 2 * len(tricks) >= 120
    assert inside.connections == 0
    assert outside.connections == len(tricks)
    for each in (old, new, server):
        each.close()


@pytest.mark.parametrize(
    "private", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "100.100.100.200", "::1", "fd00::1"]
)
async def test_a_name_is_judged_by_what_it_resolves_to(origin: Origin, private: str) -> None:
    """Private, or both: not visited. It may be this network's own view, so it is sent in doubt."""
    port = int(origin.url.rpartition(":")[2])
    rules = Preflight(ports=(port,), timeout_s=2)
    url = f"http://images.example:{port}/face.jpg"
    for answer in ([private], ["8.8.8.8", private], [private, "8.8.8.8"]):
        looker = Looker(rules, resolve=resolving(answer))
        assert "resolves to" in await looker.look(url, "bulk")
    assert origin.connections == 0


async def test_a_name_that_changes_its_answer_gains_nothing(origin: Origin) -> None:
    """It is resolved once, where it is connected to; a redirect to it is resolved anew."""
    port = int(origin.url.rpartition(":")[2])
    network = ToOrigin()
    origin.pages |= {"/face.jpg": BIG_HEAD, "/moved.jpg": redirect("/face.jpg")}
    resolve = resolving(["8.8.8.8"], ["127.0.0.1"])
    looker = Looker(Preflight(ports=(port,)), resolve=resolve, network=network)
    assert await looker.look(f"http://images.example:{port}/face.jpg", "bulk") == ""
    assert network.connected == ["8.8.8.8"]
    again = Looker(
        Preflight(ports=(port,)), resolve=resolving(["8.8.8.8"], ["127.0.0.1"]), network=network
    )
    assert "127.0.0.1" in await again.look(f"http://images.example:{port}/moved.jpg", "bulk")
    assert network.connected == ["8.8.8.8", "8.8.8.8"]


async def test_a_redirect_is_judged_as_the_first_address_is(origin: Origin) -> None:
    """A public page that sends us into the network is left at the door; the service may see it."""
    port = int(origin.url.rpartition(":")[2])
    network = ToOrigin()
    origin.pages["/face.jpg"] = redirect(f"http://169.254.169.254:{port}/latest/meta-data")
    looker = Looker(Preflight(ports=(port,)), resolve=resolving(["8.8.8.8"]), network=network)
    doubt = await looker.look(f"http://images.example:{port}/face.jpg", "bulk")
    assert "it redirects us, and there its host is 169.254.169.254" in doubt
    assert network.connected == ["8.8.8.8"]
    assert origin.connections == 1


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("https://a:b@images.example/1.jpg", "password"),
        ("https://images.example:22/1.jpg", "port 22"),
        ("https://no-such-name.invalid/1.jpg", "can't be resolved"),
        ("https://" + "a" * 64 + ".example/1.jpg", "can't be resolved"),
        ("oss://bucket/1.jpg", ""),
    ],
)
async def test_what_is_not_visited_is_in_doubt(url: str, why: str) -> None:
    """With a password, on an odd port, unknown to the resolver; the store needs no look."""
    doubt = await Looker(Preflight()).look(url, "bulk")
    assert why in doubt
    assert bool(doubt) == bool(why)


@pytest.mark.parametrize("host", ["localhost", "10.0.0.1", "0x7f.1", "[::1]"])
async def test_what_the_service_can_never_reach_is_skipped_without_a_look(host: str) -> None:
    """By the address alone; before any key or connection is tried."""
    async with DetectClient("sk-1", base_url="https://service.invalid/api/v1") as client:
        with pytest.raises(ImageSkipped, match=r"not public|localhost"):
            await client.check(f"http://{host}/face.jpg")
        [outcome] = [o async for o in client.aiter_check([f"http://{host}/face.jpg"])]
        assert outcome.kind == "skipped"
        assert (client.spend.skipped, client.spend.unreachable) == (2, 2)
        assert client.spend.saved_calls == 2
        assert client.spend.saved == 0


async def test_one_look_serves_all_who_ask_at_one_time(emulator: Emulator, origin: Origin) -> None:
    """And each of them is told, and counted."""
    origin.pages["/face.jpg"] = picture("GIF")
    async with emulator.client(preflight=ANYWHERE) as client:
        urls = [f"{origin.url}/face.jpg"] * 3
        outcomes = [outcome async for outcome in client.aiter_check(urls)]
        assert [outcome.kind for outcome in outcomes] == ["skipped"] * 3
        origin.pages["/shut.jpg"] = raw(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")
        shut = [f"{origin.url}/shut.jpg"] * 3
        assert all(["403" in outcome.doubt async for outcome in client.aiter_check(shut)])
        assert (client.spend.skipped, client.spend.refused) == (3, 3)
    assert len(origin.requests) == 2


async def test_a_ledger_knows_what_was_refused(
    emulator: Emulator, origin: Origin, tmp_path: Path
) -> None:
    """With its reason; an answered image is not looked at again."""
    origin.pages |= {"/small.jpg": picture(size=(9, 9)), "/good.jpg": GOOD}
    urls = [f"{origin.url}/small.jpg", f"{origin.url}/good.jpg"]
    for _ in range(2):
        async with emulator.client(preflight=ANYWHERE, ledger=tmp_path / "a.db") as client:
            kinds = {o.image: o.kind async for o in client.aiter_check(urls)}
        assert [kinds[url] for url in urls] == ["skipped", "checked"]
    with Ledger(tmp_path / "a.db") as ledger:
        states = {entry.image: entry.state for entry in ledger.all_entries()}
    assert [states[url] for url in urls] == ["skipped", "answered"]
    assert [path for path, _ in origin.requests].count("/good.jpg") == 1


async def test_looks_run_ahead_of_the_line(emulator: Emulator, origin: Origin) -> None:
    """Slow servers do not slow the line: many are looked at while one is asked for."""

    async def slow(path: str, headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.5)
        await ranged(GOOD, headers, writer)

    names = [f"/{number}.jpg" for number in range(60)]
    origin.pages |= dict.fromkeys(names, slow)
    limiter = LocalLimiter(50)
    async with emulator.client(preflight=ANYWHERE, limiter=limiter) as client:
        started = time.monotonic()
        async for _ in client.aiter_check([origin.url + name for name in names]):
            pass
        took_s = time.monotonic() - started
    assert took_s < 60 * 0.5 / 4  # one after another they would take 30 s


async def test_a_visitors_look_does_not_wait_behind_a_streams(
    emulator: Emulator, origin: Origin
) -> None:
    """Neither for another image, nor for one that stands in the stream's own queue."""
    go_on = asyncio.Event()
    held: list[str] = []

    async def hold(path: str, headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
        held.append(path)
        await go_on.wait()
        await ranged(GOOD, headers, writer)

    origin.pages |= {f"/{number}.jpg": hold for number in range(10)} | {"/face.jpg": GOOD}
    rules = Preflight(max_at_once=3)
    async with emulator.client(preflight=rules) as client:
        stream = client.aiter_check([f"{origin.url}/{number}.jpg" for number in range(10)])
        reading = asyncio.ensure_future(anext(stream))
        while len(held) < 3:
            await asyncio.sleep(0)
        assert (await client.check(f"{origin.url}/face.jpg")).check_pass
        origin.pages["/9.jpg"] = GOOD
        assert (await client.check(f"{origin.url}/9.jpg")).check_pass
        assert held == ["/0.jpg", "/1.jpg", "/2.jpg"]
        go_on.set()
        assert (await reading).kind == "checked"
        await stream.aclose()


async def test_patience_with_the_line_is_none_with_a_look(
    emulator: Emulator, origin: Origin
) -> None:
    """`max_wait_s` is about the line of five a second."""

    async def slow(path: str, headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.3)
        await ranged(GOOD, headers, writer)

    origin.pages["/face.jpg"] = slow
    async with emulator.client(preflight=ANYWHERE) as client:
        assert (await client.check(f"{origin.url}/face.jpg", max_wait_s=0.05)).check_pass


@pytest.mark.parametrize(
    ("url", "host", "name"),
    [
        ("http://bücher.example/1.jpg", "bücher.example", "xn--bcher-kva.example"),
        ("http://faß.example/1.jpg", "faß.example", "xn--fa-hia.example"),
        ("http://IMAGES.example:80/1.jpg", "images.example", "images.example:80"),
        ("http://موقع.السعودية:80/1.jpg", "", "xn--4gbrim.xn--mgberp4a5d4ar:80"),
        ("http://[2400:3200::1]/1.jpg", "", "[2400:3200::1]"),
    ],
)
async def test_a_host_is_asked_for_by_its_own_name(
    origin: Origin, url: str, host: str, name: str
) -> None:
    """In any alphabet, by the standard that the service's own tools go by."""
    origin.pages["/1.jpg"] = GOOD
    network = ToOrigin()
    network.port = int(origin.url.rpartition(":")[2])
    looker = Looker(Preflight(), resolve=resolving(["8.8.8.8"]), network=network)
    assert await looker.look(url, "bulk") == ""
    assert origin.requests[-1][1]["host"] == name


PAGES = [
    b"<!doctype html><title>Sign in</title>" + bytes(900),
    b"<html><script>robot()</script></html>",
    b"\xef\xbb\xbf \r\n<HTML lang=en>" + bytes(900),
    b"<head><meta http-equiv=refresh></head>" + bytes(900),
    b"<script>document.cookie='seen=1'; location.reload()</script>",
    b"<!-- one moment --><noscript>JavaScript, please</noscript>" + bytes(900),
    b"<center><h1>Please wait</h1></center>" + bytes(900),
]


@pytest.mark.parametrize("page", PAGES)
async def test_a_page_in_place_of_an_image_is_no_proof(origin: Origin, page: bytes) -> None:
    """A log-in, or a check for robots, of the image's own host or of another: the service passes.

    It is a doubt. Another format after a redirect is proof.
    """
    origin.pages |= {
        "/checked.jpg": page,
        "/face.jpg": redirect("http://portal.example/login"),
        "/login": page,
        "/moved.jpg": redirect("http://cdn.example/small.gif"),
        "/small.gif": picture("GIF"),
    }
    network = ToOrigin()
    network.port = int(origin.url.rpartition(":")[2])
    looker = Looker(Preflight(), resolve=resolving(["8.8.8.8"]), network=network)
    assert "sent us a page" in await looker.look("http://a.example/checked.jpg", "bulk")
    assert "sent us a page" in await looker.look("http://a.example/face.jpg", "bulk")
    with pytest.raises(ImageSkipped, match="GIF"):
        await looker.look("http://a.example/moved.jpg", "bulk")


LOCATIONS = [
    (b"/\xc8\xcb.png", "/%C8%CB.png"),  # GB18030
    (b"/caf\xe9.png", "/caf%E9.png"),  # Latin-1
    (b"/\xe4\xba\xba.png", "/%E4%BA%BA.png"),
    (b"/\xe4\xba\xba/caf\xe9.png", "/%E4%BA%BA/caf%E9.png"),  # both
    (b"/\xff\xfe.png", "/%FF%FE.png"),
    (b"/\xc8%CB.png", "/%C8%CB.png"),
    (b"/x.png?name=\xc8\xcb", "/x.png?name=%C8%CB"),
    (b"\xe9.png", "/%E9.png"),
    (b"?\xe9", "/moved?%E9"),
    (b"/x.png#\xe9", "/x.png"),
    (b"http://cdn.example/\xc8\xcb.png", "/%C8%CB.png"),
]


@pytest.mark.parametrize(("location", "target"), LOCATIONS)
async def test_a_redirect_goes_on_in_its_own_bytes(
    origin: Origin, location: bytes, target: str
) -> None:
    """A server that names its files in another encoding knows them by that alone."""
    head = b"HTTP/1.1 302 On\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n" % location
    origin.pages |= {"/moved": raw(head), target: GOOD}
    network = ToOrigin()
    network.port = int(origin.url.rpartition(":")[2])
    looker = Looker(Preflight(), resolve=resolving(["8.8.8.8"]), network=network)
    assert await looker.look("http://a.example/moved", "bulk") == ""
    assert origin.requests[-1][0] == target


@pytest.mark.parametrize(
    "location", [b"http://\xc8\xcb.example/1.png", b"//\xe9/1.png", b"http://\xc8.localhost/x"]
)
async def test_a_redirect_to_a_host_that_is_no_text_is_a_doubt(
    origin: Origin, location: bytes
) -> None:
    """No resolver takes it; browsers may ask for another encoding first."""
    head = b"HTTP/1.1 302 On\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n" % location
    origin.pages["/moved"] = raw(head)
    network = ToOrigin()
    network.port = int(origin.url.rpartition(":")[2])
    looker = Looker(Preflight(), resolve=resolving(["8.8.8.8"]), network=network)
    assert "can't be read" in await looker.look("http://a.example/moved", "bulk")


@pytest.mark.parametrize(
    ("second", "why"),
    [
        (b"", "something else each time"),
        (b"<html>Sorry</html>", "something else each time"),
        (GOOD[:300] + bytes(900), "something else each time"),
        (None, "answered 416"),
    ],
)
async def test_a_server_that_changes_its_mind_proves_nothing(
    emulator: Emulator, origin: Origin, second: bytes | None, why: str
) -> None:
    """The first part was of an image; what comes then is something else, or nothing."""

    async def send(path: str, headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
        if headers["range"] == "bytes=0-511":
            await ranged(BIG_HEAD, headers, writer)
        elif second is None:
            await ranged(b"", headers, writer)
        else:
            await whole(second)(path, headers, writer)

    origin.pages["/face.jpg"] = send
    async with emulator.client(preflight=ANYWHERE) as client:
        [outcome] = [o async for o in client.aiter_check([f"{origin.url}/face.jpg"])]
    assert outcome.kind == "checked"
    assert why in outcome.doubt


async def test_the_usual_port_must_be_allowed_too(origin: Origin) -> None:
    """Also where the address does not write it."""
    network = ToOrigin()
    looker = Looker(Preflight(ports=(8443,)), resolve=resolving(["8.8.8.8"]), network=network)
    assert "port 80 is not visited" in await looker.look("http://a.example/1.jpg", "bulk")
    assert network.connected == []


@pytest.fixture
def _nothing_is_collected() -> Iterator[None]:
    """What would be closed by chance, when garbage is collected, stays open."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_nothing_is_collected")
async def test_a_look_that_is_cut_off_leaves_no_socket_behind() -> None:
    """Also in the middle of a TLS handshake with a server that says nothing."""
    left = asyncio.Semaphore(0)

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()  # to the end of the line
        writer.close()
        left.release()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    looker = Looker(Preflight(timeout_s=0.2, allow_private=True))
    async with server:
        url = f"https://127.0.0.1:{port}/face.jpg"
        doubts = await asyncio.gather(*(looker.look(url, "bulk") for _ in range(20)))
        assert all("took over 0.2 s" in doubt for doubt in doubts)
        async with asyncio.timeout(10):
            for _ in range(20):
                await left.acquire()


async def test_leaving_during_a_look_costs_nothing(emulator: Emulator, origin: Origin) -> None:
    """Nothing is sent, and the line to the origin is closed."""
    asked = asyncio.Event()

    async def silent(path: str, headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
        asked.set()
        await origin.is_over.wait()

    origin.pages["/face.jpg"] = silent
    async with emulator.client(preflight=ANYWHERE) as client:
        waiting = asyncio.ensure_future(client.check(f"{origin.url}/face.jpg"))
        await asked.wait()
        waiting.cancel()
        await asyncio.wait([waiting])
    assert waiting.cancelled()
    assert emulator.requests == 0


def test_rules_that_mean_nothing_are_refused() -> None:
    """Said where they are made."""
    for wrong in (
        {"timeout_s": 0},
        {"max_header_bytes": 0},
        {"max_at_once": 0},
        {"ports": (0,)},
        {"ports": (80, 65_536)},
    ):
        with pytest.raises(ConfigurationError, match="must be"):
            Preflight(**wrong)
    things: list[Any] = [True, {}, "on"]
    for thing in things:
        with pytest.raises(ConfigurationError, match="preflight is"):
            DetectClient("sk-1", preflight=thing)
