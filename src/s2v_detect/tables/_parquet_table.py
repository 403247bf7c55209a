"""The rows of a Parquet file, a piece at a time. It needs the extra `parquet`."""

import errno
from collections.abc import AsyncGenerator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from s2v_detect._version import missing
from s2v_detect._waiting import in_thread
from s2v_detect.tables._names import distinct
from s2v_detect.tables._rows import InputError, Row, address_row, chosen_column, row_of

_BATCH = 1000


class ParquetTable:
    """Rows of a file, which is opened when the first of them is asked for."""

    delimiter = guessed = ""

    def __init__(self, path: Path, column: str | None) -> None:
        self._path = path
        self._column = column
        self.column: str | None = None
        self.columns: tuple[str, ...] | None = None
        self.total: int | None = None

    async def batches(self) -> AsyncGenerator[list[Row]]:
        file = await in_thread(lambda: _parquet_file(str(self._path)))
        self.total, self.columns = file.metadata.num_rows, distinct(file.schema_arrow.names)
        self.column = column = chosen_column(self.columns, self._column)
        columns = self.columns
        batches = file.iter_batches(batch_size=_BATCH)
        number = 0
        while (found := await in_thread(lambda: _rows_of(batches, columns))) is not None:
            yield [_row(number + n, row, column) for n, row in enumerate(found, 1)]
            number += len(found)

    async def count(self) -> None:
        with suppress(InputError, OSError):  # the reading will say so
            self.total = (await in_thread(lambda: _parquet_file(str(self._path)))).metadata.num_rows


def _row(number: int, columns: dict[str, Any], column: str) -> Row:
    """Return a row; its address may be text that Parquet calls binary, as Spark writes it."""
    value = columns[column]
    if isinstance(value, bytes):
        with suppress(UnicodeDecodeError):
            return address_row(number, value.decode(), columns)
    return row_of(number, columns, column)


def _parquet_file(path: str) -> Any:
    """Return an open file."""
    try:
        from pyarrow import ArrowException  # noqa: PLC0415  # an extra
        from pyarrow.parquet import ParquetFile  # noqa: PLC0415  # an extra
    except ModuleNotFoundError as error:
        raise InputError(missing("Parquet", "cli", "parquet")) from error
    try:
        return ParquetFile(path)
    except (ArrowException, OSError, ValueError) as error:
        if getattr(error, "errno", None):
            raise  # the disk's
        raise InputError(
            "The input is no Parquet file, or a damaged one. Give --format if its ending does not"
            " say what it is."
        ) from error


def _rows_of(batches: Iterator[Any], names: tuple[str, ...]) -> list[dict[str, Any]] | None:
    """Return the next rows, None at the end. Raises `OSError` for what is damaged."""
    from s2v_detect.tables._parquet_values import DAMAGED, values_of  # noqa: PLC0415  # an extra

    try:
        batch = next(batches, None)
        if batch is None:
            return None
        values = [values_of(column) for column in batch.columns]
    except DAMAGED as error:
        if getattr(error, "errno", None):
            raise  # the disk's
        raise OSError(errno.EIO, "its Parquet data is damaged") from error
    return [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]
