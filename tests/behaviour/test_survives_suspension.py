"""A process that was stopped beyond its time-out takes the answers that came meanwhile."""

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from s2v_detect.emulator import Answer, Emulator, Pass, Silent, Trickle

TIMEOUT_S = 0.6
IMAGES = 5
PROGRAM = """
import asyncio, math, sys
from s2v_detect import DetectClient, LocalLimiter, RetryPolicy

async def main():
    base_url, key, timeout_s, images = sys.argv[1:]
    client = DetectClient(
        key, base_url=base_url, limiter=LocalLimiter(math.inf), timeout_s=float(timeout_s),
        on_unknown="keep", retry=RetryPolicy(max_attempts=1), max_in_flight=int(images),
    )
    urls = [f"https://images.example/{number}.jpg" for number in range(int(images))]
    STREAM

asyncio.run(main())
"""
STREAMING = """async with client:
        async for outcome in client.aiter_check(urls):
            print(outcome.kind, outcome.billed, flush=True)"""
CLOSING = """await client.aopen()
    checks = [asyncio.create_task(client.check(url)) for url in urls]
    await asyncio.sleep(0.1)
    await client.aclose()
    for ended in await asyncio.gather(*checks, return_exceptions=True):
        print("failed" if isinstance(ended, Exception) else "checked", ended.billed, flush=True)"""


@asynccontextmanager
async def stopped_once_sent(emulator: Emulator, use: str = STREAMING) -> AsyncIterator[Process]:
    """Start a process that checks images, and stop it once the emulator has its requests."""
    arguments = (emulator.base_url, emulator.api_key, str(TIMEOUT_S), str(IMAGES))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM.replace("STREAM", use), *arguments, stdout=PIPE
    )
    try:
        while emulator.requests < IMAGES:
            await asyncio.sleep(0.005)
        process.send_signal(signal.SIGSTOP)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def lines_of(process: Process) -> list[str]:
    """Return what it printed, to its end."""
    out, _ = await process.communicate()
    return out.decode().split("\n")[:-1]


@pytest.mark.parametrize("answer", [Pass(latency_s=0.3), Trickle(over_s=0.3)])
@pytest.mark.real_time
async def test_answers_that_came_during_a_stop_are_taken(
    emulator: Emulator, answer: Answer
) -> None:
    """All lie in their sockets when the process goes on, long after its time-out."""
    emulator.when("*", answer)
    async with stopped_once_sent(emulator) as process:
        while emulator.in_flight:
            await asyncio.sleep(0.005)
        await asyncio.sleep(2 * TIMEOUT_S)  # what passes is the time-out itself
        process.send_signal(signal.SIGCONT)
        assert await lines_of(process) == ["checked yes"] * IMAGES
    assert emulator.billed == IMAGES


@pytest.mark.real_time
async def test_answers_that_came_while_a_closing_process_was_stopped_are_taken(
    emulator: Emulator,
) -> None:
    """The client's own bound on its closing has passed as well, and throws away nothing."""
    emulator.when("*", Pass(latency_s=0.4))
    async with stopped_once_sent(emulator, CLOSING) as process:
        while emulator.in_flight:
            await asyncio.sleep(0.005)
        await asyncio.sleep(2 * TIMEOUT_S)  # as above
        process.send_signal(signal.SIGCONT)
        assert await lines_of(process) == ["checked yes"] * IMAGES


@pytest.mark.real_time
async def test_where_nothing_came_the_time_out_holds(emulator: Emulator) -> None:
    """A stop does not make a silent service wait for ever."""
    emulator.when("*", Silent())
    async with stopped_once_sent(emulator) as process:
        await asyncio.sleep(2 * TIMEOUT_S)  # as above
        process.send_signal(signal.SIGCONT)
        async with asyncio.timeout(10):
            assert await lines_of(process) == ["failed unknown"] * IMAGES
