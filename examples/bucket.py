"""Screen the images of a bucket: a rerun pays for what is new or was changed.

python examples/bucket.py s3://portraits/2026/ screening.db
"""

import asyncio
import sys

from s2v_detect import DetectClient
from s2v_detect.integrations.buckets import BucketImages


async def main(url: str, ledger: str) -> None:
    """Print a line for each image, and the spend."""
    images = BucketImages(url)
    async with DetectClient(ledger=ledger) as client:
        async for outcome in client.aiter_check(images):
            print(outcome.kind, outcome.image)
        print(client.spend)
    if images.left_out:
        print("not called as images are:", dict(images.left_out))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
