"""Watch every step of every check: `on_event` is called with a frozen `Event`.

    python examples/watch.py urls.txt

An exception of the watcher is logged, and never reaches a check.
"""

import asyncio
import sys
from collections import Counter
from pathlib import Path

from s2v_detect import DetectClient, Event


async def main(urls: list[str]) -> None:
    """Screen the list; print retries and outages as they come, and the counts of all steps."""
    steps: Counter[str] = Counter()

    def watch(event: Event) -> None:
        steps[event.kind] += 1
        if event.kind in ("retrying", "outage", "restored"):
            print(event.kind, event.image, event.error or "", f"{event.wait_s:.1f} s")

    async with DetectClient(on_event=watch) as client:
        async for _ in client.aiter_check(urls):
            pass
    print(", ".join(f"{kind}: {count}" for kind, count in sorted(steps.items())))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]).read_text(encoding="utf-8").split()))
