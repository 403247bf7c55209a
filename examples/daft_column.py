"""Daft: a class whose method checks the portraits of a column, on one client.

    python examples/daft_column.py examples/portraits.txt

`max_concurrency` is a count and no rate: the client's line keeps the pace. Daft's checkpoints do
not know of a call in the middle; the ledger does, so a query that is run again pays for nothing
twice.
Daft needs pyarrow below 26, so it may want an environment of its own.
"""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import daft
from daft import DataType

from s2v_detect import DetectClient, DetectError

VERDICT = DataType.struct(
    {"check_pass": DataType.bool(), "code": DataType.string(), "error": DataType.string()}
)


@daft.cls(max_concurrency=300)
class Checks:
    """One client for the life of an instance, opened in the event loop that Daft calls it in."""

    def __init__(self, ledger: str) -> None:
        self._ledger = ledger
        self._opening: asyncio.Future[DetectClient] | None = None

    @daft.method(return_dtype=VERDICT)
    async def verdict(self, url: str) -> dict[str, Any]:
        """Return our columns of one portrait. Raises only what every other portrait would meet."""
        if self._opening is None:
            self._opening = asyncio.ensure_future(DetectClient(ledger=self._ledger).aopen())
        client = await asyncio.shield(self._opening)
        try:
            told = await client.check(url, lane="bulk")
        except DetectError as error:
            if error.stops_run:
                raise
            return {"check_pass": None, "code": None, "error": type(error).__name__}
        return {"check_pass": told.check_pass, "code": told.code, "error": None}


def checked(portraits: daft.DataFrame) -> daft.DataFrame:
    """Return the frame with a column of verdicts."""
    checks = Checks(os.environ.get("LEDGER", "screening.db"))
    return portraits.with_column("verdict", checks.verdict(portraits["url"]))


if __name__ == "__main__":
    listed = Path(sys.argv[1]).read_text(encoding="utf-8").split()
    for row in checked(daft.from_pydict({"url": listed})).to_pylist():
        print(row["url"], row["verdict"]["check_pass"], row["verdict"]["error"])
