"""Whether an output can take all rows of its input."""

import asyncio
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from s2v_detect.bulk import Source
from s2v_detect.cli._screening import Unusable
from s2v_detect.cli._terminal import STANDARD, printable
from s2v_detect.languages import _
from s2v_detect.tables import InputError, most_rows


def refuse_too_many(
    opened: Callable[[], Source], source: str, out: str, *, sample: int | None
) -> None:
    """Raise `Unusable` where the output's format has not as many rows as the input.

    How many a pipe has is known by nobody: such a run stops when the output is full.
    """
    most = None if out == STANDARD else most_rows(Path(out))
    if most is None or source == STANDARD or (sample and sample <= most):
        return
    try:
        with closing(opened()) as rows:
            is_too_long = asyncio.run(_has_more(rows, most))
    except InputError as error:
        raise Unusable(str(error)) from error
    if is_too_long:
        told = _(
            "{name} has more rows than an Excel sheet: {most:,}. Give a name that ends in .csv,"
            " .jsonl or .parquet after -o."
        )
        raise Unusable(told.format(name=printable(source), most=most))


async def _has_more(rows: Source, most: int) -> bool:
    await rows.count()
    if rows.total is None or rows.total <= most:  # an Excel file, or no regular one
        return False
    count = 0  # of rows: the total may count the lines within cells too
    with suppress(OSError):  # the run itself says so
        async for batch in rows.batches():
            count += len(batch)
            if count > most:
                return True
    return False
