"""`s2v-detect estimate`: what a run would ask for, cost and take. Nothing is sent."""

import asyncio
import json
import os
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from datetime import datetime, timedelta
from functools import partial
from hashlib import blake2b, file_digest
from math import isfinite
from pathlib import Path
from stat import S_ISREG
from typing import Any

from rich.console import Console
from rich.table import Table

from s2v_detect import ImageSkipped, Ledger
from s2v_detect._service import PRICE_CNY
from s2v_detect.bulk import Files, Input, refuse_conflicts
from s2v_detect.cli._exits import Exit
from s2v_detect.cli._run import STANDARD, Plan, opened_input
from s2v_detect.cli._screening import Unusable
from s2v_detect.cli._terminal import duration, printable
from s2v_detect.images import identity_of, image_of, private_reason
from s2v_detect.tables import InputError, Row

_NAMES = {
    "rows": "rows",
    "faulty": "of them no image",
    "duplicates": "of them repeated",
    "known": "images known from the ledger",
    "asked": "images to be asked for",
}


_CENTURY_S = 100 * 365.25 * 86_400


def estimate_run(source: str, plan: Plan, *, rate: float, as_json: bool) -> Exit:
    """Print the estimate."""
    refuse_conflicts(plan.used_by(source, STANDARD))
    try:
        with closing(opened_input(source, plan)) as rows:
            by_identity = plan.identity_column is not None
            counts = asyncio.run(_counted(rows, plan.ledger, by_identity=by_identity))
    except InputError as error:
        raise Unusable(str(error)) from error
    except OSError as error:
        raise Unusable(
            f"{printable(source)} can't be read to its end: {error.strerror}. Nothing was sent."
        ) from error
    cost, seconds = counts["asked"] * PRICE_CNY, counts["asked"] / rate
    if as_json:
        whole = round(seconds, 1) if isfinite(seconds) else None  # JSON has no word for it
        print(json.dumps({**counts, "cost": str(cost), "seconds": whole}))  # noqa: T201  # data goes to stdout
        return Exit.DONE
    table = Table.grid(padding=(0, 3, 0, 0))
    for name, words in _NAMES.items():
        table.add_row(words, f"{counts[name]:,}")
    table.add_row("cost at most", f"CNY {cost}, before any free images")
    table.add_row("time", f"{_time(seconds)} at {rate:g} a second{_end(seconds)}")
    Console(highlight=False).print(table)
    return Exit.DONE


def _time(seconds: float) -> str:
    return duration(seconds) if seconds < _CENTURY_S else "more than a century"


def _end(seconds: float) -> str:
    if seconds >= _CENTURY_S:
        return ""
    done_at = datetime.now().astimezone() + timedelta(seconds=seconds)
    return f"; begun now, done {done_at:%d %b %H:%M}"


async def _counted(
    rows: Input | Files, ledger: Path | None, *, by_identity: bool
) -> dict[str, int]:
    counts: Counter[str] = Counter(dict.fromkeys(_NAMES, 0))
    seen = _Seen()
    books = Ledger(ledger) if ledger else None
    known = partial(books.known, by_identity=by_identity) if books else None
    try:
        async for batch in rows.batches():
            await asyncio.to_thread(_count, batch, counts, seen, known)
    finally:
        if books:
            books.close()
    return dict(counts)


def _count(
    batch: list[Row],
    counts: Counter[str],
    seen: "_Seen",
    known_in: Callable[[dict[str | Path, Any]], Mapping[str | Path, Any]] | None,
) -> None:
    counts["rows"] += len(batch)
    new: dict[str | Path, Any] = {}
    for row in batch:
        if row.fault or not (row.path or _is_sendable(row.image)):
            counts["faulty"] += 1
            continue
        try:
            is_seen = seen.row(row)
        except OSError:
            counts["faulty"] += 1
            continue
        if is_seen:
            counts["duplicates"] += 1
        else:
            new[row.key] = None
    known = len(known_in(new)) if known_in else 0
    counts["known"] += known
    counts["asked"] += len(new) - known


def _is_sendable(image: str) -> bool:
    """Whether an address may be one of an image, by what is written there."""
    try:
        return not private_reason(image_of(image))
    except ImageSkipped:
        return False


class _Seen:
    """What was there before: addresses, files by what they hold, and identities."""

    def __init__(self) -> None:
        self._marks: set[bytes] = set()  # 8 bytes an image, however long its address is
        self._first_of_size: dict[int, Path | None] = {}

    def row(self, row: Row) -> bool:
        """Whether a row's image was there before. Raises `OSError` as `file` does."""
        if row.path and row.identity is None:
            return self.file(row.path)
        name = identity_of(row.image) if row.identity is None else row.identity
        return self._is_seen(blake2b(name.encode(errors="replace"), digest_size=8).digest())

    def file(self, path: Path) -> bool:
        """Whether a file's content was there before. Only files of one size are read.

        Raises `OSError` for what is no file that can be read, or empty.
        """
        told = path.stat()
        size = told.st_size
        if not S_ISREG(told.st_mode) or not size or not os.access(path, os.R_OK):
            raise OSError("no file with anything in it")
        if size not in self._first_of_size:
            self._first_of_size[size] = path
            return False
        first, self._first_of_size[size] = self._first_of_size[size], None
        if first is not None:
            with suppress(OSError):  # it is gone meanwhile
                self._is_seen(_mark_of(first))
        return self._is_seen(_mark_of(path))

    def _is_seen(self, mark: bytes) -> bool:
        is_seen = mark in self._marks
        self._marks.add(mark)
        return is_seen


def _mark_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return file_digest(file, "sha256").digest()
