"""Check files and bytes of this machine. They are uploaded to the vendor's temporary store.

    python examples/files.py examples/photographs

A path is a `pathlib.Path`: a `str` is never taken for a path. The same bytes under two names are
one upload and one bill.
"""

import asyncio
import sys
from pathlib import Path

from s2v_detect import DetectClient, ImageSkipped


async def main(paths: list[Path]) -> None:
    """Check all files in a stream, and then the bytes of the first one."""
    async with DetectClient() as client:
        async for outcome in client.aiter_check(paths):
            if outcome.kind == "checked":
                print("passed  " if outcome.verdict.check_pass else "rejected", outcome.image.name)
            elif outcome.kind == "skipped":
                print("skipped ", outcome.image.name, outcome.reason)
            else:
                print("failed  ", outcome.image.name, outcome.error)
        content = await asyncio.to_thread(paths[0].read_bytes)  # as a visitor's upload comes
        try:
            verdict = await client.check(content)
        except ImageSkipped as error:
            print("bytes: skipped,", error.reason)
        else:
            print("bytes:", "passed" if verdict.check_pass else "rejected")


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    asyncio.run(main(sorted(path for path in folder.iterdir() if path.suffix != ".md")))
