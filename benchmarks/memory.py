"""Whether memory grows with the input of `aiter_check`: a regression over 200,000 images.

    python benchmarks/memory.py [--images 200000]

The transport is in the process and answers at once. The resident set and Python's own blocks are
read every 1,000 images; the first 10,000 are left out, and the slope has its 95 % interval.
"""

import argparse
import asyncio
import gc
import json
import math
import sys
from array import array
from collections.abc import Iterator
from pathlib import Path

import httpx

from s2v_detect import DetectClient, LocalLimiter

EVERY = 1_000
LEFT_OUT = 10_000
PAGE = 4096
ANSWER = json.dumps(
    {"output": {"check_pass": True, "humanoid": True}, "usage": {"image_count": 1}}
).encode()


class InProcess(httpx.AsyncBaseTransport):
    """A transport that answers at once."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Return a pass."""
        assert request.method == "POST"
        return httpx.Response(200, content=ANSWER)


def resident_bytes() -> int:
    """Return the resident set of this process."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * PAGE


def images(count: int) -> Iterator[str]:
    """Yield addresses, one at a time."""
    return (f"https://images.example/{number}.jpg" for number in range(count))


async def sampled(count: int) -> "tuple[array[int], array[int], array[int]]":
    """Return positions, resident bytes and allocated blocks along one stream."""
    # Arrays: the samples of a list would be the only objects that grow in number.
    at, resident, blocks = array("q"), array("q"), array("q")
    async with (
        httpx.AsyncClient(transport=InProcess()) as http,
        DetectClient("sk-x", limiter=LocalLimiter(math.inf), http_client=http) as client,
    ):
        taken = 0
        async for outcome in client.aiter_check(images(count)):
            assert outcome.kind == "checked"
            taken += 1
            if taken % EVERY == 0 and taken > LEFT_OUT:
                gc.collect()
                at.append(taken)
                resident.append(resident_bytes())
                blocks.append(sys.getallocatedblocks())
        assert client.spend.billed == count
    return at, resident, blocks


def slope(x: "array[int]", y: "array[int]") -> tuple[float, float]:
    """Return the slope of a straight line through the points, and half its 95 % interval."""
    n = len(x)
    mean_x, mean_y = sum(x) / n, sum(y) / n
    spread = sum((each - mean_x) ** 2 for each in x)
    rise = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / spread
    rest = sum((b - mean_y - rise * (a - mean_x)) ** 2 for a, b in zip(x, y, strict=True))
    return rise, 1.96 * math.sqrt(rest / (n - 2) / spread)


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description="Memory against the length of the input.")
    parser.add_argument("--images", type=int, default=200_000)
    count = parser.parse_args().images
    at, resident, blocks = asyncio.run(sampled(count))
    print(
        f"{count:,} images, {len(at)} samples, resident set at the end {resident[-1] / 1e6:.0f} MB"
    )
    print(f"{'':16}{'an image':>14}{'95 % interval':>18}   goal: none that can be told from zero")
    for name, unit, values in (("resident set", "bytes", resident), ("blocks", "blocks", blocks)):
        rise, half = slope(at, values)
        verdict = "none" if abs(rise) <= half else f"{'grows' if rise > 0 else 'falls'}"
        print(f"{name:16}{rise:>8.4f} {unit:6}{'± ' + format(half, '.4f'):>17}   {verdict}")


if __name__ == "__main__":
    main()
