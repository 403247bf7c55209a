"""One check by an interpreter that has the wheel and no extra, against an emulator in this one.

python .ci/check_wheel.py PATH_OF_THE_CLEAN_PYTHON
"""

import os
import subprocess
import sys

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


def main() -> int:
    """Return the clean interpreter's exit code."""
    with Emulator.run_in_thread(answer=Pass()) as emulator:
        account = {
            "DASHSCOPE_API_KEY": emulator.api_key,
            "DASHSCOPE_BASE_URL": emulator.base_url,
        }
        done = subprocess.run(  # noqa: S603  # the interpreter that .ci/run made
            [sys.argv[1], "-c", CHECK], env=os.environ | account, cwd="/", check=False
        )
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
