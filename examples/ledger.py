"""Screen a list with a ledger and a budget: what was answered once is never paid for again.

    python examples/ledger.py urls.txt screening.db 12.50

Run it twice: the second run sends nothing. Kill it and run it again: the ledger knows what was
sent, and the budget counts all runs.
"""

import asyncio
import sys
from collections import Counter
from pathlib import Path

from s2v_detect import BudgetSpent, DetectClient, Ledger


async def main(urls: list[str], ledger: Ledger, max_cost: str) -> None:
    """Screen the list, and print where the answers came from."""
    sources: Counter[str] = Counter()
    async with DetectClient(ledger=ledger, max_cost=max_cost) as client:
        try:
            async for outcome in client.aiter_check(urls):
                name = outcome.verdict.source if outcome.kind == "checked" else outcome.kind
                sources[name] += 1
        except BudgetSpent as error:
            print(error)
    print(", ".join(f"{source}: {count}" for source, count in sorted(sources.items())))
    print(f"CNY {client.spend.cost} paid now, {client.spend.saved} saved")


if __name__ == "__main__":
    listed = Path(sys.argv[1]).read_text(encoding="utf-8").split()
    with Ledger(sys.argv[2], name="screening") as books:  # the budget belongs to the name
        asyncio.run(main(listed, books, sys.argv[3]))
        print(f"{len(books.known(listed))} of {len(listed)} images are answered in the ledger")
