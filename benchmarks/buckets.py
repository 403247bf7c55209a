"""A bucket as the input of a run: when its first image is asked for, and whether memory grows.

    python benchmarks/buckets.py [--keys 1000000] [--objects 5000]

A lister of this script gives pages of 1,000 keys. At first, at the service's pace: from the first
page to the first request. Then all keys are listed, and a part of them is asked for through a
transport that answers at once: the resident set along both. Last a real S3 server with so many
objects, each of them listed, signed and fetched.
"""

import argparse
import asyncio
import gc
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from _lister import PAGE, listing
from s2v_detect import DetectClient, Event, LocalLimiter
from s2v_detect.emulator import Emulator, Pass
from s2v_detect.integrations.buckets import BucketImages

_LISTER = """
import sys
from _lister import listing
with listing(int(sys.argv[1])) as lister:
    print(lister.endpoint, flush=True)
    sys.stdin.read()
"""
_STORE = """
import sys
sys.path.insert(0, {root!r})
from tests.buckets import new_bucket, s3_server
with s3_server() as endpoint:
    bucket = new_bucket(endpoint)
    bucket.fill({{f"faces/{{n:07}}.jpg": b"%d" % n for n in range(int(sys.argv[1]))}})
    print(endpoint, bucket.name, flush=True)
    sys.stdin.read()
"""
_ANSWER = json.dumps(
    {"output": {"check_pass": True, "humanoid": True}, "usage": {"image_count": 1}}
).encode()
_BYTES_A_PAGE = os.sysconf("SC_PAGE_SIZE")


class InProcess(httpx.AsyncBaseTransport):
    """A transport that answers at once, and keeps how many were asked for by a signature."""

    signed = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Return a pass."""
        self.signed += b"X-Amz-Signature=" in await request.aread()
        return httpx.Response(200, content=_ANSWER)


class Fetching(InProcess):
    """A transport that fetches the object first, as the service would."""

    def __init__(self) -> None:
        self._http = httpx.AsyncClient()
        self.fetched: set[bytes] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Return a pass for what is there."""
        url = json.loads(await request.aread())["input"]["image_url"]
        answer = await self._http.get(url)
        assert answer.status_code == 200, answer
        self.fetched.add(answer.content)
        return await super().handle_async_request(request)

    async def aclose(self) -> None:
        """Close its connections."""
        await self._http.aclose()


@contextmanager
def process(script: str, count: int) -> Iterator[list[str]]:
    """Run a server in a process of its own, and give the words that it prints first."""
    here = Path(__file__).parent
    with subprocess.Popen(  # noqa: S603  # our own script
        [sys.executable, "-c", script, str(count)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(here)},
    ) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().split()
        finally:
            server.terminate()


def images_at(endpoint: str, bucket: str = "portraits") -> BucketImages:
    """Return the images of a bucket there."""
    secret = "of-nobody"  # noqa: S105  # the servers here ask for none
    return BucketImages(f"s3://{bucket}/", key="AKIA", secret=secret, endpoint_url=endpoint)


def client(http: httpx.AsyncClient, **options: Any) -> DetectClient:
    """Return a client whose rate is lifted."""
    url = "http://127.0.0.1:1/api/v1"  # of this machine, as the buckets are
    return DetectClient(
        "sk-x", base_url=url, limiter=LocalLimiter(math.inf), http_client=http, **options
    )


def resident_mb() -> float:
    """Return the resident set of this process."""
    statm = Path("/proc/self/statm").read_text(encoding="ascii")
    return int(statm.split()[1]) * _BYTES_A_PAGE / 1e6


async def first_request(keys: int) -> tuple[float, float]:
    """Return how long after a bucket's first page the first request left, and the CPU of it.

    At the service's pace. The CPU is that of the lister and the emulator too: they are here.
    """
    sent: list[tuple[float, float]] = []

    def watch(event: Event) -> None:
        if event.kind == "sent":
            sent.append((time.monotonic(), time.process_time()))

    with listing(keys) as lister:
        async with (
            Emulator(answer=Pass()) as emulator,
            emulator.client(on_event=watch) as client,
            client.aiter_check(images_at(lister.endpoint)) as stream,
        ):
            await anext(stream)
        return sent[0][0] - lister.pages_at[0], sent[0][1] - lister.cpu_at[0]


async def listed(keys: int, marks: list[int]) -> tuple[list[float], float]:
    """Return the resident set when so many keys were listed, and the keys a second of CPU."""
    resident, taken = [], 0
    with process(_LISTER, keys) as [endpoint]:
        began_s = time.process_time()
        async for image in images_at(endpoint):
            assert image.identity
            taken += 1
            if taken in marks:
                gc.collect()
                resident.append(resident_mb())
        assert taken == keys
    return resident, keys / (time.process_time() - began_s)


async def streamed(keys: int, marks: list[int]) -> tuple[list[float], float]:
    """Return the resident set when so many images were answered, and the images a second of CPU."""
    resident, taken = [], 0
    with process(_LISTER, keys) as [endpoint]:
        transport = InProcess()
        async with httpx.AsyncClient(transport=transport) as http, client(http) as checking:
            began_s = time.process_time()
            async for outcome in checking.aiter_check(images_at(endpoint)):
                assert outcome.kind == "checked"
                taken += 1
                if taken in marks:
                    gc.collect()
                    resident.append(resident_mb())
        assert taken == transport.signed == keys
    return resident, keys / (time.process_time() - began_s)


async def fetched(objects: int) -> tuple[int, float]:
    """Return how many objects of a real server were fetched, and how many a second."""
    script = _STORE.format(root=str(Path(__file__).parents[1]))
    with process(script, objects) as [endpoint, bucket]:
        transport = Fetching()
        async with (
            httpx.AsyncClient(transport=transport) as http,
            client(http, max_in_flight=20, timeout_s=120) as own,
        ):
            started = time.perf_counter()
            async for outcome in own.aiter_check(images_at(endpoint, bucket)):
                assert outcome.kind == "checked", outcome
            took_s = time.perf_counter() - started
    assert transport.fetched == {b"%d" % n for n in range(objects)}
    return len(transport.fetched), objects / took_s


def marks_of(count: int) -> list[int]:
    """Return where the resident set is read."""
    return sorted({PAGE, count // 10, count // 4, count // 2, count})


def main() -> int:
    """Print the tables."""
    assert __doc__
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--streamed", type=int, default=100_000)
    parser.add_argument("--objects", type=int, default=5000)
    given = parser.parse_args()
    for _ in range(3):
        took_s, cpu_s = asyncio.run(first_request(given.keys))
        print(f"  first page to first request: {took_s:.2f} s, {cpu_s:.2f} of CPU; goal 1 s")
    for what, count, measured in (
        ("listed", given.keys, listed),
        ("asked for at once", given.streamed, streamed),
    ):
        marks = marks_of(count)
        resident, rate = asyncio.run(measured(count, marks))
        print(f"  {count:,} keys {what}: {rate:.0f} in a second of CPU; resident set along them")
        for mark, mb in zip(marks, resident, strict=True):
            print(f"    {mark:>9,}  {mb:6.1f} MB", flush=True)
    count, rate = asyncio.run(fetched(given.objects))
    print(f"  a real server: {count:,} objects listed, signed and fetched, {rate:.0f} a second")
    return 0


if __name__ == "__main__":
    sys.exit(main())
