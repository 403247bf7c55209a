"""What a look before paying costs: bytes of a header, and images a second from slow servers.

    python benchmarks/preflight.py [headers] [hostile] [rate] [paced]

Each part prints its own table; without a name, all of them (some two minutes).
"""

import argparse
import asyncio
import contextlib
import gzip
import io
import itertools
import multiprocessing
import random
import re
import statistics
import sys
import time
from collections.abc import Iterator
from typing import Any, Self

from PIL import Image, UnidentifiedImageError

from s2v_detect import ImageSkipped, LocalLimiter, Preflight
from s2v_detect.emulator import Emulator, Pass
from s2v_detect.images import Looker
from s2v_detect.images._header import Header, Needs, read_header, refusal

FILES = 2000
IMAGES = 500
PACED_IMAGES = 250
LATENCY_S = 0.2
AT_ONCE = 64

_EXIF = Image.Exif()
_EXIF[0x0112] = 6  # turned by a quarter: the size is the stored one

KINDS: list[tuple[str, str, dict[str, Any]]] = [
    ("JPEG", "RGB", {}),
    ("JPEG", "RGB", {"progressive": True}),
    ("JPEG", "CMYK", {}),
    ("JPEG", "L", {}),
    ("JPEG", "RGB", {"exif": _EXIF}),
    ("JPEG", "RGB", {"icc_profile": bytes(300_000)}),
    ("JPEG", "RGB", {"exif": b"Exif\0\0" + bytes(60_000)}),
    ("MPO", "RGB", {"save_all": True}),
    ("PNG", "RGB", {}),
    ("PNG", "RGBA", {}),
    ("PNG", "P", {}),
    ("PNG", "I;16", {}),
    ("PNG", "RGB", {"save_all": True}),
    ("BMP", "RGB", {}),
    ("BMP", "L", {}),
    ("WEBP", "RGB", {}),
    ("WEBP", "RGBA", {}),
    ("WEBP", "RGB", {"lossless": True}),
    ("WEBP", "RGB", {"save_all": True}),
    ("GIF", "P", {}),
    ("TIFF", "RGB", {}),
    ("PDF", "RGB", {}),
]


def written(number: int, chance: random.Random) -> bytes:
    """Return an image of one of the kinds, in a size by chance."""
    form, mode, options = KINDS[number % len(KINDS)]
    size = (chance.randint(1, 900), chance.randint(1, 900))
    if options.get("save_all"):
        options = {**options, "append_images": [Image.new(mode, size, 200)]}
    file = io.BytesIO()
    Image.new(mode, size).save(file, form, **options)
    content = file.getvalue()
    if form == "BMP" and number % 2:  # from the top down: a height below zero
        content = content[:22] + (-size[1]).to_bytes(4, "little", signed=True) + content[26:]
    return content


async def headers() -> None:
    """Print how many bytes tell a format and a size, and that they are Pillow's."""
    chance = random.Random(4)
    taken, past, differing = [], [], 0
    async with Origin() as origin:
        looker = Looker(Preflight(allow_private=True))
        for number in range(FILES):
            origin.page = written(number, chance)
            theirs = pillows(origin.page)
            origin.sent_bytes = 0
            ours = await seen(looker, origin.url)
            taken.append(origin.sent_bytes)
            finding = read_header(origin.page)
            if isinstance(finding, Header):
                whole = (finding.format, finding.width_px, finding.height_px)
                differing += whole != theirs or refusal(finding) != ours
                past.append(origin.sent_bytes - where_it_stands(origin.page))
            else:
                differing += theirs[0] in ("JPEG", "PNG", "BMP", "WEBP") or "it is" not in ours
    print(f"  {FILES:,} files of {len(KINDS)} kinds on a server that knows ranges,")
    print(f"  {differing} unlike Pillow's answer (goal 0)")
    print(f"  bytes fetched: median {statistics.median(taken):.0f} (512), worst {max(taken):,}")
    print(f"  past where the size stands: {max(past):,} at most (65,536)\n")


async def seen(looker: Looker, url: str) -> str:
    """Return why an image would be refused, as the look has it; in doubt is none of the answers."""
    try:
        doubt = await looker.look(url, "bulk")
    except ImageSkipped as skipped:
        return skipped.reason
    assert not doubt, doubt
    return ""


class Origin:
    """A server on this machine that gives the parts of one page which it is asked for."""

    def __init__(self) -> None:
        self.page = b""
        self.sent_bytes = 0
        self.url = ""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=512)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/image"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                wanted = re.search(rb"bytes=(\d+)-(\d+)", head)
                assert wanted
                first, last = wanted.groups()
                part = self.page[int(first) : int(last) + 1]
                self.sent_bytes += len(part)
                told = f"bytes {int(first)}-{int(first) + len(part) - 1}/{len(self.page)}"
                writer.write(
                    f"HTTP/1.1 206 P\r\nContent-Range: {told}\r\n"
                    f"Content-Length: {len(part)}\r\n\r\n".encode()
                    + part
                )
                await writer.drain()
        writer.close()


HOSTILE = {
    "a flood of gzip": (
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n",
        gzip.compress(b"\xff\xd8" + b"\xff" * (1 << 20)),
    ),
    "gzip of escapes": (
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n",
        gzip.compress(b"\xff\xd8\xff\xe0\0\2" + b"\xff\0" * (1 << 19)),
    ),
    "segments of nothing": (
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"\xff\xd8" + b"\xff\xe1\0\2" * (1 << 18),
    ),
    "crumbs": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"2\r\n\xff\xd8\r\n" + b"1\r\n\xff\r\n" * (1 << 18),
    ),
    "hints without end": (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * (1 << 16)),
}


async def hostile() -> None:
    """Print for how long servers that mean harm keep the event loop from anything else."""
    print(f"  {AT_ONCE} looks at one time at servers that send        took s  longest standstill s")
    for name, (head, body) in HOSTILE.items():
        with served_by_a_process(head + body) as port:
            standing = asyncio.create_task(longest_standstill())
            looker = Looker(Preflight(allow_private=True))
            began = time.perf_counter()
            url = f"http://127.0.0.1:{port}/"
            await asyncio.gather(*(looker.look(f"{url}{n}", "bulk") for n in range(AT_ONCE)))
            took_s = time.perf_counter() - began
            standing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await standing
        print(f"  {name:48} {took_s:10.2f} {LONGEST[0]:10.3f}")
    print()


LONGEST = [0.0]


async def longest_standstill() -> None:
    """Keep the longest time that this task had to wait for its next step."""
    LONGEST[0] = 0.0
    last = time.perf_counter()
    while True:
        await asyncio.sleep(0.001)
        now = time.perf_counter()
        LONGEST[0], last = max(LONGEST[0], now - last - 0.001), now


@contextlib.contextmanager
def served_by_a_process(answer: bytes) -> Iterator[int]:
    """Answer every connection like this, from another process; yield its port."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs, answer))
    process.start()
    try:
        yield ours.recv()
    finally:
        process.terminate()
        process.join()


def _serve(told: Any, answer: bytes) -> None:
    async def send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
        writer.close()

    async def serve() -> None:
        server = await asyncio.start_server(send, "127.0.0.1", 0, backlog=512)
        told.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())


def pillows(content: bytes) -> tuple[str, int, int]:
    """Return the format and the size that Pillow sees in the whole file; it opens no PDF."""
    try:
        with Image.open(io.BytesIO(content)) as picture:
            form = "JPEG" if picture.format == "MPO" else picture.format or ""
            return (form, *picture.size)
    except UnidentifiedImageError:
        return ("", 0, 0)


def where_it_stands(content: bytes) -> int:
    """Return the length of the shortest prefix that tells the size."""
    low, high = 0, len(content)
    while low < high:
        middle = (low + high) // 2
        if isinstance(read_header(content[:middle]), Needs):
            low = middle + 1
        else:
            high = middle
    return low


async def served(images: int, limiter: LocalLimiter) -> tuple[float, Emulator, int]:
    """Return the seconds that a stream takes whose images lie on a slow server."""
    file = io.BytesIO()
    Image.new("RGB", (500, 600)).save(file, "JPEG")
    page = file.getvalue()
    looked = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal looked
        await reader.readuntil(b"\r\n\r\n")
        looked += 1
        await asyncio.sleep(LATENCY_S)
        part = page[:512]
        head = f"Content-Range: bytes 0-{len(part) - 1}/{len(page)}\r\nContent-Length: {len(part)}"
        writer.write(f"HTTP/1.1 206 P\r\n{head}\r\n\r\n".encode() + part)
        await writer.drain()
        writer.close()

    async with Emulator(answer=Pass(), latency_s=0.1, counting="none") as emulator:
        server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=512)
        async with server:
            port = server.sockets[0].getsockname()[1]
            urls = [f"http://127.0.0.1:{port}/{number}.jpg" for number in range(images)]
            async with emulator.client(preflight=Preflight(), limiter=limiter) as client:
                started = time.perf_counter()
                async for outcome in client.aiter_check(urls):
                    assert outcome.kind == "checked"
                    assert not outcome.doubt
                return time.perf_counter() - started, emulator, looked


async def rate() -> None:
    """Print how many images a second are looked at and asked for, with no limit."""
    took_s, _, looked = await served(IMAGES, LocalLimiter(float("inf")))
    print(f"  {looked} looks at servers that take {LATENCY_S * 1000:.0f} ms, limit lifted:")
    print(f"  {IMAGES / took_s:.0f} images a second (goal 100)\n")


async def paced() -> None:
    """Print whether looking keeps the line of 5 a second waiting."""
    _, emulator, _ = await served(PACED_IMAGES, LocalLimiter())
    arrivals = [arrival.at_s for arrival in emulator.report.arrivals]
    share = 100 * (len(arrivals) - 1) / (arrivals[-1] - arrivals[0]) / 5
    gaps = [late - early for early, late in itertools.pairwise(arrivals)]
    print(f"  at 5 a second: {share:.1f} % of the rate used, longest gap {max(gaps):.2f} s\n")


def main() -> int:
    """Print the parts."""
    assert __doc__
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART")
    parts = {"headers": headers, "hostile": hostile, "rate": rate, "paced": paced}
    for part in parser.parse_args().parts or list(parts):
        print(part)
        asyncio.run(parts[part]())
    return 0


if __name__ == "__main__":
    sys.exit(main())
