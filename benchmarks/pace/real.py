"""Our client at five a second over real sockets, against emulators in processes of their own."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import httpx

from s2v_detect import DetectClient, LocalLimiter

COUNTINGS = ("sliding", "fixed", "bucket", "spaced")
RATE = 5.0
GOAL_UTILISATION = 95.0
GOAL_REFUSED = 0

SERVE = """
import asyncio, json, sys
from s2v_detect.emulator import Emulator, Pass

async def main():
    options = {"answer": Pass(), "latency_s": (0.4, 0.8), "counting": sys.argv[1]}
    async with Emulator(**options) as emulator:
        print(json.dumps([emulator.origin, emulator.base_url, emulator.api_key]), flush=True)
        await emulator.wait()

asyncio.run(main())
"""


class Address(NamedTuple):
    """Where an emulator is, and its key."""

    origin: str
    base_url: str
    api_key: str


@asynccontextmanager
async def emulator_process(counting: str) -> AsyncIterator[Address]:
    """Give the address of an emulator in another process that counts so."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVE, counting, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        yield Address(*json.loads(await process.stdout.readline()))
    finally:
        process.terminate()
        await process.wait()


async def measured(counting: str, for_s: float) -> tuple[float, int]:
    """Return the utilisation in percent over n - 1 gaps, and the 429s."""
    checks = round(for_s * RATE)
    urls = [f"https://images.example/{number}.jpg" for number in range(checks)]
    async with emulator_process(counting) as address:
        async with DetectClient(
            address.api_key, base_url=address.base_url, limiter=LocalLimiter(RATE)
        ) as client:
            async for outcome in client.aiter_check(urls):
                assert outcome.kind == "checked"
        async with httpx.AsyncClient() as http:
            answer = await http.get(f"{address.origin}/emulator?arrivals={2 * checks}")
    report = answer.json()
    admitted_at = [each["at_s"] for each in report["arrivals"] if each["status"] == 200]
    assert len(admitted_at) == checks
    took_s = max(admitted_at) - min(admitted_at)
    return 100 * (checks - 1) / took_s / RATE, report["throttled"]


async def real(for_s: float) -> bool:
    """Measure all ways of counting at one time, print them, and return whether the goals are met.

    Each has a client, a line and an emulator of its own.
    """
    every = await asyncio.gather(*(measured(counting, for_s) for counting in COUNTINGS))
    print(f"{for_s:g} s each, real sockets; goal: at least {GOAL_UTILISATION:g} %, no 429")
    all_met = True
    for counting, (utilisation, refused) in zip(COUNTINGS, every, strict=True):
        met = utilisation >= GOAL_UTILISATION and refused <= GOAL_REFUSED
        all_met = all_met and met
        print(f"{counting:10}{utilisation:6.1f} % / {refused} {'met' if met else 'MISSED'}")
    return all_met
