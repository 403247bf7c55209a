"""The rows of a Parquet file, a piece at a time. It needs the extra `parquet`."""

import errno
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any

from s2v_detect._waiting import in_thread
from s2v_detect.tables._rows import InputError, Row, chosen_column, row_of

_BATCH = 1000


class ParquetTable:
    """Rows of a file, which is opened when the first of them is asked for."""

    def __init__(self, path: Path, column: str | None) -> None:
        self._path = path
        self._column = column
        self.column: str | None = None
        self.delimiter = ""
        self.guessed = ""
        self.columns: tuple[str, ...] | None = None
        self.total: int | None = None

    async def batches(self) -> AsyncGenerator[list[Row]]:
        file, columns = await in_thread(lambda: _parquet_file(str(self._path)))
        self.total, self.columns = file.metadata.num_rows, columns
        self.column = column = chosen_column(columns, self._column)
        batches = file.iter_batches(batch_size=_BATCH)
        number = 0
        while found := await in_thread(lambda: _parquet_rows(batches)):
            yield [row_of(number + n, row, column) for n, row in enumerate(found, 1)]
            number += len(found)

    async def count(self) -> None:
        """Nothing is learned ahead: the file says its total when it is opened."""


def _parquet_file(path: str) -> tuple[Any, tuple[str, ...]]:
    """Return an open file and its columns."""
    try:
        from pyarrow import ArrowException  # noqa: PLC0415  # an extra
        from pyarrow.parquet import ParquetFile  # noqa: PLC0415  # an extra
    except ModuleNotFoundError as error:
        raise InputError(
            'Parquet needs an extra. Install it: pip install "s2v-detect[cli,parquet]"'
        ) from error
    try:
        file = ParquetFile(path)
        return file, tuple(file.schema_arrow.names)
    except (ArrowException, OSError, ValueError) as error:
        if getattr(error, "errno", None):
            raise  # the disk's
        raise InputError(
            "The input is no Parquet file, or a damaged one. Give --format if its ending does not"
            " say what it is."
        ) from error


def _parquet_rows(batches: Iterator[Any]) -> list[dict[str, Any]]:
    """Return the next rows, none at the end. Raises `OSError` for what is damaged."""
    from pyarrow import ArrowException  # noqa: PLC0415  # an extra

    try:
        batch = next(batches, None)
        return [] if batch is None else batch.to_pylist()
    except (ArrowException, OSError, ValueError, OverflowError) as error:
        if getattr(error, "errno", None):
            raise  # the disk's
        raise OSError(errno.EIO, "its Parquet data is damaged") from error
