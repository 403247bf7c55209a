"""One check by an interpreter that has the wheel and no extra, against an emulator in this one."""

import os
import subprocess
from pathlib import Path

from s2v_detect.emulator import Emulator, Pass

CHECK = """
import asyncio, importlib.metadata, importlib.util, s2v_detect

async def main():
    async with s2v_detect.DetectClient() as client:
        verdict = await client.check("https://images.example/face.jpg")
        assert verdict.check_pass and verdict.billed == "yes", verdict
        assert client.spend.billed == 1

for extra in ("aiohttp", "cyclopts", "rich", "skimage", "PIL"):
    assert importlib.util.find_spec(extra) is None, f"{extra} is installed: the test proves nothing"
plugin, = importlib.metadata.entry_points(group="pytest11", name="s2v_detect")
assert importlib.util.find_spec(plugin.module), f"the wheel has no {plugin.module}"
asyncio.run(main())
print("1 check from the wheel, version", s2v_detect.__version__)
"""


def check_one(python: Path) -> None:
    """Have the interpreter make one check. Raises where the check or the wheel is not right."""
    with Emulator.run_in_thread(answer=Pass()) as emulator:
        account = {
            "DASHSCOPE_API_KEY": emulator.api_key,
            "DASHSCOPE_BASE_URL": emulator.base_url,
        }
        subprocess.run(  # noqa: S603  # the interpreter that .ci/release.py made
            [python, "-c", CHECK], env=os.environ | account, cwd="/", check=True
        )
