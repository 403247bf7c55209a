"""Two processes of one account, which nobody told anything: over real sockets."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from s2v_detect.emulator import Emulator, Pass

CODE = """
import asyncio, sys
from s2v_detect import DetectClient

async def main():
    urls = [f"https://images.example/{sys.argv[1]}-{number}.jpg" for number in range(12)]
    async with DetectClient() as client:
        print([outcome.kind async for outcome in client.aiter_check(urls)])

asyncio.run(main())
"""


@pytest.mark.real_time
def test_two_processes_keep_the_account_s_rate_together(tmp_path: Path) -> None:
    """A sliding second of five at the service: not one 429, and both are served in turn."""
    with Emulator.run_in_thread(answer=Pass(), counting="sliding") as emulator:
        environ = {
            **os.environ,
            "S2V_DETECT_LINE": "machine",
            "S2V_DETECT_STATE_DIR": str(tmp_path),
            "DASHSCOPE_API_KEY": emulator.api_key,
            "DASHSCOPE_BASE_URL": emulator.base_url,
        }
        both = [
            subprocess.Popen(  # noqa: S603  # our own lines
                [sys.executable, "-c", CODE, name], env=environ, stdout=subprocess.PIPE, text=True
            )
            for name in "ab"
        ]
        told = [process.communicate()[0] for process in both]
        assert told == [f"{['checked'] * 12}\n"] * 2
        assert emulator.statuses == {200: 24}
        asked = [json.loads(arrival.body)["input"]["image_url"] for arrival in emulator.arrivals]
    shared = [url.split("/")[-1][0] for url in asked][4:20]
    assert 4 <= shared.count("a") <= 16
