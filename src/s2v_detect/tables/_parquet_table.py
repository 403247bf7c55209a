"""The rows of a Parquet file, a piece at a time. It needs the extra `parquet`."""

import errno
from collections.abc import AsyncGenerator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from s2v_detect._waiting import in_thread
from s2v_detect.languages import _, needs_extra
from s2v_detect.tables._head import column_of
from s2v_detect.tables._names import distinct
from s2v_detect.tables._rows import InputError, Row, address_row, in_column, read_as, row_of

_BATCH = 1000


class ParquetTable:
    """Rows of a file, which is opened when the first of them is asked for."""

    delimiter = guessed = correction = ""

    def __init__(self, path: Path, column: str | None) -> None:
        self._path = path
        self._column = column
        self.column: str | None = None
        self.columns: tuple[str, ...] | None = None
        self.total: int | None = None

    async def batches(self) -> AsyncGenerator[list[Row]]:
        file = await in_thread(lambda: _parquet_file(str(self._path)))
        columns = distinct(file.schema_arrow.names)
        self.total, self.columns = file.metadata.num_rows, columns
        batches = file.iter_batches(batch_size=_BATCH)
        number = 0
        column = ""
        while (found := await in_thread(lambda: _rows_of(batches, columns))) is not None:
            column = column or self._chosen(columns, found)
            yield [_row(number + n, row, column) for n, row in enumerate(found, 1)]
            number += len(found)

        self._chosen(columns, [])

    def _chosen(self, columns: tuple[str, ...], rows: list[dict[str, Any]]) -> str:
        """Return the column that holds the image; the first rows tell it where no name does."""
        if self.column is None:
            cells = [list(map(_text_of, row.values())) for row in rows]
            self.column, is_chosen = column_of(columns, columns, cells, self._column)
            if is_chosen:
                self.guessed = read_as(_("a table"), in_column(self.column))
                self.correction = "--column"
        return self.column

    async def count(self) -> None:
        with suppress(InputError, OSError):  # the reading will say so
            self.total = (await in_thread(lambda: _parquet_file(str(self._path)))).metadata.num_rows


def _text_of(value: Any) -> Any:
    """Return a value, or the text that Parquet calls binary, as Spark writes it."""
    if isinstance(value, bytes):
        with suppress(UnicodeDecodeError):
            return value.decode()
    return value


def _row(number: int, columns: dict[str, Any], column: str) -> Row:
    value = columns[column]
    text = _text_of(value)
    if text is not value:
        return address_row(number, text, columns)
    return row_of(number, columns, column)


def _parquet_file(path: str) -> Any:
    """Return an open file."""
    try:
        from pyarrow import ArrowException  # noqa: PLC0415  # an extra
        from pyarrow.parquet import ParquetFile  # noqa: PLC0415  # an extra
    except ModuleNotFoundError as error:
        raise InputError(needs_extra("Parquet", "cli", "parquet")) from error
    try:
        return ParquetFile(path)
    except (ArrowException, OSError, ValueError) as error:
        if getattr(error, "errno", None):
            raise  # the disk's
        told = _(
            "The input is no {format} file, or a damaged one. If its name misleads, give --format."
        )
        raise InputError(told.format(format="Parquet")) from error


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
