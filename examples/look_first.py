"""Look at each image's first bytes before paying for its check.

    python examples/look_first.py urls.txt

What the service would surely refuse is skipped and costs nothing. What this machine alone could
not see is sent, and `outcome.doubt` says why.
"""

import asyncio
import sys
from pathlib import Path

from s2v_detect import DetectClient, Preflight


async def main(urls: list[str], rules: Preflight) -> None:
    """Screen the list, and print what was skipped and what that saved."""
    async with DetectClient(preflight=rules) as client:
        async for outcome in client.aiter_check(urls):
            if outcome.kind == "skipped":
                print("skipped", outcome.image, outcome.reason)
            elif outcome.doubt:
                print("sent unseen", outcome.image, outcome.doubt)
        spend = client.spend
    print(f"{spend.refused} would have been rejected, {spend.unreachable} could not be fetched")
    print(f"CNY {spend.cost} paid, {spend.saved} saved")


if __name__ == "__main__":
    listed = Path(sys.argv[1]).read_text(encoding="utf-8").split()
    asyncio.run(main(listed, Preflight()))
