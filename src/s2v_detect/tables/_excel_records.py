"""Excel files that are there: whether one is an output, and its records. It needs the extra."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from s2v_detect.tables._excel_parts import shown_first
from s2v_detect.tables._lines import (
    MORE,
    OUTCOME_KEYS,
    OutputError,
    Record,
    damaged_output,
    no_output,
)
from s2v_detect.tables._rows import InputError

try:
    from s2v_detect.tables._excel_reading import Sheet, readable_sheets
except InputError as error:
    raise OutputError(str(error)) from error


def is_output(path: Path) -> bool:
    """Whether a file has the columns of an output."""
    try:
        return set(_names_in(_rows_of(path))) >= set(OUTCOME_KEYS)
    except InputError:
        return False


def excel_records(path: Path) -> Iterator[Record]:
    """Yield the records of an output; its values are numbers, texts, yes or no, or None."""
    try:
        rows = _rows_of(path)
    except InputError as error:
        raise no_output(path) from error
    names = _names_in(rows)
    if not set(names) >= {"kind", "at"}:
        raise no_output(path)
    place = names.index(MORE) if MORE in names else len(names)
    for _row, cells in rows:
        record = dict(zip(names[:place], cells, strict=False))
        more = "".join(str(cell) for cell in cells[place:] if cell is not None)
        try:
            record |= json.loads(more) if more else {}
        except (ValueError, TypeError) as error:
            raise damaged_output(path) from error
        yield record


def _rows_of(path: Path) -> Iterator[tuple[int, list[Any]]]:
    with path.open("rb") as file:
        return Sheet(file, shown_first(readable_sheets(file))[0]).rows()


def _names_in(rows: Iterator[tuple[int, list[Any]]]) -> list[str]:
    _, cells = next(rows, (0, []))
    return ["" if cell is None else str(cell) for cell in cells]
