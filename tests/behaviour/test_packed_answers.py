"""A packed answer is unpacked within bounds; one that was paid for is not lost for its packing."""

import asyncio
import gzip
import io
import json
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable
from functools import partial

import httpx
import pytest
from PIL import Image

from s2v_detect import (
    AccessDenied,
    DetectClient,
    LocalLimiter,
    NotSent,
    OutcomeUnknown,
    RetryPolicy,
)
from s2v_detect.emulator import Emulator, Raw
from s2v_detect.wire._unpacking import Damaged, Unpacker

IMAGE = "https://images.example/face.jpg"
ONCE = RetryPolicy(max_attempts=1)
BODY = json.dumps({"output": {"check_pass": True}, "usage": {"image_count": 1}}).encode()
MOST_BYTES = 8 * 2**20
"""Of memory for one answer of any kind, beside what the test holds."""


packed = partial(gzip.compress, mtime=0)
"""Without the time: the bytes name the test, and every worker must collect the same names."""


def bare(content: bytes) -> bytes:
    """Return deflate without a head, as some servers send it."""
    packing = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packing.compress(content) + packing.flush()


def bomb(megabytes: int) -> bytes:
    """Return gzip of so many megabytes of nothing, made without holding them."""
    packing = zlib.compressobj(9, wbits=31)
    zeros = bytes(2**20)
    return b"".join(packing.compress(zeros) for _ in range(megabytes)) + packing.flush()


PACKED = [
    ("gzip", packed(BODY)),
    ("x-gzip", packed(BODY)),
    ("GZIP", packed(BODY[:20]) + packed(BODY[20:])),
    ("deflate", zlib.compress(BODY)),
    ("deflate", bare(BODY)),
    ("identity", BODY),
    ("identity, gzip", packed(BODY)),
    ("gzip", packed(BODY)[:-8]),
]
UNREADABLE = [
    ("gzip, gzip", packed(packed(BODY))),
    ("gzip, gzip", packed(bomb(64))),
    ("gzip", bomb(64)),
    ("gzip", packed(b"") * 60_000),
    ("br", b"\x8b\x00\x80"),
    ("zstd", BODY),
    ("gzip", BODY),
    ("gzip", packed(BODY)[:-12] + bytes(12)),
    ("deflate, gzip", packed(zlib.compress(BODY))),
]


@pytest.mark.parametrize(("coding", "content"), PACKED)
async def test_one_layer_is_unpacked(emulator: Emulator, coding: str, content: bytes) -> None:
    """It was not asked for; it was paid for."""
    emulator.when("*", Raw(200, content, billed=True, headers={"Content-Encoding": coding}))
    async with emulator.client(retry=ONCE) as client:
        verdict = await client.check(IMAGE)
    assert (verdict.check_pass, verdict.billed) == (True, "yes")


@pytest.mark.parametrize(("coding", "content"), UNREADABLE)
async def test_what_cannot_be_unpacked_may_have_been_billed(
    emulator: Emulator, coding: str, content: bytes
) -> None:
    """Two layers, another coding, damage, a bomb: one answer takes no more memory for it."""
    emulator.when("*", Raw(200, content, billed=True, headers={"Content-Encoding": coding}))
    async with emulator.client(retry=ONCE) as client:
        tracemalloc.start()
        try:
            with pytest.raises(OutcomeUnknown, match=f"it came as {coding}"):
                await client.check(IMAGE)
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert most < MOST_BYTES
    assert client.spend.unknown == 1


async def test_a_refusal_is_one_however_it_is_packed(emulator: Emulator) -> None:
    """Its status says enough."""
    emulator.when("*", Raw(401, b"\x8b\x00", headers={"Content-Encoding": "br"}))
    async with emulator.client(retry=ONCE) as client:
        with pytest.raises(AccessDenied):
            await client.check(IMAGE)
    assert client.spend.unknown == 0


def made(coding: str, content: bytes) -> httpx.Response:
    """Return an answer that is read, and unpacked, before it is handed over."""
    return httpx.Response(200, content=content, headers={"Content-Encoding": coding})


def streamed(coding: str, content: bytes) -> httpx.Response:
    """Return an answer that nobody has read."""

    async def stream() -> AsyncIterator[bytes]:
        for byte in content:
            yield bytes([byte])

    return httpx.Response(200, content=stream(), headers={"Content-Encoding": coding})


class Reading(httpx.AsyncBaseTransport):
    """A user's transport that reads each answer itself, to log it, say."""

    async def handle_async_request(self, _: httpx.Request) -> httpx.Response:
        """Answer with what it has read."""
        response = streamed("gzip", packed(BODY))
        await response.aread()
        return response


@pytest.mark.parametrize(
    "transport",
    [
        httpx.MockTransport(lambda _: made("gzip", packed(BODY))),
        httpx.MockTransport(lambda _: made("deflate", zlib.compress(BODY))),
        httpx.MockTransport(lambda _: made("identity", BODY)),
        httpx.MockTransport(lambda _: streamed("gzip", packed(BODY))),
        httpx.MockTransport(lambda _: streamed("identity", BODY)),
        Reading(),
    ],
)
async def test_an_injected_transport_may_have_read_the_answer(
    transport: httpx.AsyncBaseTransport,
) -> None:
    """Its content is taken as it is; what nobody has read is read and unpacked by us."""
    async with (
        httpx.AsyncClient(transport=transport) as http,
        DetectClient("sk-x", limiter=LocalLimiter(1000), http_client=http, retry=ONCE) as client,
    ):
        verdict = await client.check(IMAGE)
    assert (verdict.check_pass, verdict.billed) == (True, "yes")


class Packing(httpx.AsyncHTTPTransport):
    """The network, where somebody packs what one kind of request is answered with."""

    def __init__(
        self, is_meant: Callable[[httpx.Request], bool], coding: str, pack: Callable[[bytes], bytes]
    ) -> None:
        super().__init__()
        self._is_meant = is_meant
        self._coding = coding
        self._pack = pack
        self.asked_for: set[str] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Pack the real answer."""
        self.asked_for.add(request.headers.get("accept-encoding", ""))
        response = await super().handle_async_request(request)
        if not self._is_meant(request):
            return response
        content = self._pack(await response.aread())
        await response.aclose()
        headers = {"Content-Encoding": self._coding}
        return httpx.Response(response.status_code, headers=headers, stream=_Bytes(content))


class _Bytes(httpx.AsyncByteStream):
    def __init__(self, content: bytes) -> None:
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._content


def picture() -> bytes:
    """Return an image."""
    file = io.BytesIO()
    Image.new("RGB", (420, 410)).save(file, "PNG")
    return file.getvalue()


def twice(content: bytes) -> bytes:
    """Return it in two layers."""
    return packed(packed(content))


def is_credential(request: httpx.Request) -> bool:
    """Whether it asks for a credential."""
    return request.method == "GET"


def is_upload(request: httpx.Request) -> bool:
    """Whether it goes to the store."""
    return request.url.path == "/store"


@pytest.mark.parametrize("is_meant", [is_credential, is_upload])
async def test_credentials_and_the_store_are_read_the_same_way(
    emulator: Emulator, is_meant: Callable[[httpx.Request], bool]
) -> None:
    """Asked for uncoded; one layer is unpacked, and two are no success of an upload."""
    for coding, pack in (("gzip", packed), ("gzip, gzip", twice)):
        transport = Packing(is_meant, coding, pack)
        async with (
            httpx.AsyncClient(transport=transport) as http,
            emulator.client(http_client=http, retry=ONCE) as client,
        ):
            if pack is twice:
                with pytest.raises(NotSent, match="not uploaded"):
                    await client.check(picture())
            else:
                assert (await client.check(picture())).check_pass
        assert transport.asked_for == {"identity"}


def test_no_piece_is_large_whatever_is_in_it() -> None:
    """The work between two pieces is bounded, and a chunk's unpacking can be left at any piece."""
    unpacker = Unpacker()
    sizes = [len(piece) for piece in unpacker.pieces(bomb(8))]
    assert max(sizes) <= 8192
    assert sum(sizes) == 8 * 2**20
    assert unpacker.has_ended
    with pytest.raises(Damaged):
        list(Unpacker().pieces(b"\x1f\x8b\x08" + bytes(7) + b"\xff" * 20))


async def test_others_are_heard_while_a_bomb_is_unpacked(emulator: Emulator) -> None:
    """The event loop has its turn at every piece."""
    emulator.when("*", Raw(200, bomb(64), billed=True, headers={"Content-Encoding": "gzip"}))
    steps = 0
    async with emulator.client(retry=ONCE) as client:
        check = asyncio.ensure_future(client.check(IMAGE))
        while not check.done():
            await asyncio.sleep(0)
            steps += 1
        assert isinstance(check.exception(), OutcomeUnknown)
    assert steps > 2**20 / 8192
