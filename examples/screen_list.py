"""Screen a list of portrait URLs and print what came of each.

    python examples/screen_list.py urls.txt

The key is read from DASHSCOPE_API_KEY. Without one, start `s2v-detect emulator` and set the two
variables that it prints.
"""

import asyncio
import sys
from pathlib import Path

from s2v_detect import Checked, DetectClient, Failed, Skipped


async def main(urls: list[str]) -> None:
    """Screen them at the account's full rate."""
    async with DetectClient() as client:
        async for outcome in client.aiter_check(urls):
            match outcome:
                case Checked(image=image, verdict=verdict) if verdict.check_pass:
                    print("passed  ", image)
                case Checked(image=image, verdict=verdict):
                    print("rejected", image, verdict.code or verdict.message)
                case Skipped(image=image, reason=reason):
                    print("skipped ", image, reason)
                case Failed(image=image, error=error):
                    print("failed  ", image, error)
        spend = client.spend
    print(f"CNY {spend.cost} paid, {spend.cost_at_most} at most")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]).read_text(encoding="utf-8").split()))
