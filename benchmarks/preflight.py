"""What a look before paying costs: bytes of a header, and images a second from slow servers.

    python benchmarks/preflight.py [headers] [rate] [paced]

Each part prints its own table; without a name, all of them (some two minutes).
"""

import argparse
import asyncio
import io
import itertools
import random
import statistics
import sys
import time

from PIL import Image, UnidentifiedImageError

from s2v_detect import LocalLimiter, Preflight
from s2v_detect._headers import Header, Needs, read_header
from s2v_detect.emulator import Emulator, Pass

FILES = 2000
IMAGES = 500
PACED_IMAGES = 250
LATENCY_S = 0.2

KINDS = [
    ("JPEG", "RGB", {}),
    ("JPEG", "RGB", {"progressive": True}),
    ("JPEG", "CMYK", {}),
    ("JPEG", "L", {}),
    ("JPEG", "RGB", {"icc_profile": bytes(300_000)}),
    ("JPEG", "RGB", {"exif": b"Exif\0\0" + bytes(60_000)}),
    ("PNG", "RGB", {}),
    ("PNG", "RGBA", {}),
    ("PNG", "P", {}),
    ("PNG", "I;16", {}),
    ("BMP", "RGB", {}),
    ("BMP", "L", {}),
    ("WEBP", "RGB", {}),
    ("WEBP", "RGBA", {}),
    ("WEBP", "RGB", {"lossless": True}),
    ("GIF", "P", {}),
    ("TIFF", "RGB", {}),
    ("PDF", "RGB", {}),
]


def headers() -> None:
    """Print how many bytes tell a format and a size, and that they are Pillow's."""
    chance = random.Random(4)
    taken, past, differing = [], [], 0
    for number in range(FILES):
        form, mode, options = KINDS[number % len(KINDS)]
        file = io.BytesIO()
        size = (chance.randint(1, 900), chance.randint(1, 900))
        Image.new(mode, size).save(file, form, **options)
        content = file.getvalue()
        theirs = pillows(content)
        prefix, finding = b"", read_header(b"")
        while isinstance(finding, Needs):
            prefix = content[: finding.header_bytes]
            finding = read_header(prefix, is_whole=len(prefix) == len(content), after=finding)
        taken.append(len(prefix))
        if isinstance(finding, Header):
            differing += (finding.format, finding.width_px, finding.height_px) != theirs
            past.append(len(prefix) - where_it_stands(content))
        else:
            differing += theirs[0] in ("JPEG", "PNG", "BMP", "WEBP")
    print(f"  {FILES:,} files of {len(KINDS)} kinds, {differing} unlike Pillow's answer (goal 0)")
    print(f"  bytes read: median {statistics.median(taken):.0f} (512), worst {max(taken):,}")
    print(f"  past where the size stands: {max(past):,} at most (65,536)\n")


def pillows(content: bytes) -> tuple[str, int, int]:
    """Return the format and the size that Pillow sees in the whole file; it opens no PDF."""
    try:
        with Image.open(io.BytesIO(content)) as picture:
            return (picture.format or "", *picture.size)
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
    for part in parser.parse_args().parts or ["headers", "rate", "paced"]:
        print(part)
        if part == "headers":
            headers()
        else:
            asyncio.run({"rate": rate, "paced": paced}[part]())
    return 0


if __name__ == "__main__":
    sys.exit(main())
