"""An emulator in another process, and addresses to ask it about."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

SERVE = """
import asyncio, json, sys
from s2v_detect.emulator import Emulator, Pass

async def main():
    async with Emulator(answer=Pass()) as emulator:
        print(json.dumps([emulator.base_url, emulator.api_key]), flush=True)
        await emulator.wait()

asyncio.run(main())
"""


@asynccontextmanager
async def emulator_process() -> AsyncIterator[tuple[str, str]]:
    """Give the base URL and the key of an emulator in another process."""
    process = subprocess.Popen(  # noqa: ASYNC220, S603  # before anything runs; our own script
        [sys.executable, "-c", SERVE], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        base_url, api_key = json.loads(process.stdout.readline())
        yield base_url, api_key
    finally:
        process.terminate()
        process.wait()


def urls(count: int) -> list[str]:
    """Return addresses that are all different."""
    return [f"https://images.example/{number}.jpg" for number in range(count)]
