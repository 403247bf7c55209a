"""Rows from a file or a pipe of any length: text, CSV, TSV, JSON lines, Excel or Parquet.

Lines may be gzip. One piece of the input is in memory at a time, of Excel the whole sheet. The
input is read only when the run asks for more, in a thread: a pipe that says nothing for an hour
holds up nobody.
"""

import os
import stat
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Self, Unpack

from s2v_detect import ImageSkipped
from s2v_detect.bulk.folder import FILES_AT_ONCE, file_row
from s2v_detect.bulk.paths import OwnFiles
from s2v_detect.languages import _
from s2v_detect.tables import (
    InputError,
    Row,
    Table,
    TableOptions,
    chosen_column,
    fitting_batches,
    identity_in,
    open_table,
)

_BATCH = 1000

OnGuess = Callable[[str, str], None]
"""Told what an input is read as, and which option says another."""


class Options(TableOptions, total=False):
    """What an input is to be read as."""

    identity_column: str | None


class Input:
    """An input that is open for reading, and what is known of its length."""

    def __init__(
        self,
        descriptor: int,
        path: Path | None = None,
        *,
        identity_column: str | None = None,
        files_beside: Path | None = None,
        own: OwnFiles | None = None,
        on_guess: OnGuess | None = None,
        **options: Unpack[TableOptions],
    ) -> None:
        """Raise `InputError` for options that can't be.

        `on_guess` is told what the input was read as, where that was guessed.
        """
        self._descriptor = descriptor
        self._is_ours = path is not None
        self._table = open_table(descriptor, path, **options)
        self._column = options.get("column")
        self._identity_column = identity_column
        self._files_beside = files_beside
        self._own = own or OwnFiles([])
        self._on_guess = on_guess

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        takes_files: bool = False,
        own: OwnFiles | None = None,
        on_guess: OnGuess | None = None,
        **options: Unpack[Options],
    ) -> Self:
        """Return the file's input. With `takes_files` its images may be paths, from beside it.

        A path to one of the run's `own` files is a faulty row, and so is one whose identity column
        names no image.

        Raises `OSError` where there is none that can be read, and `InputError` where the options
        don't fit it.
        """
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise IsADirectoryError(21, "it is a folder", str(path))
        beside = path.parent if takes_files else None
        try:
            return cls(descriptor, path, files_beside=beside, own=own, on_guess=on_guess, **options)
        except InputError:
            os.close(descriptor)
            raise

    def close(self) -> None:
        """Close a file that was opened here."""
        if self._is_ours:
            os.close(self._descriptor)

    @property
    def columns(self) -> tuple[str, ...] | None:
        """The columns, once the first rows were read; None for text."""
        return self._table.columns

    @property
    def column(self) -> str | None:
        """The column of the image, once the first rows were read; None for text."""
        return self._table.column

    @property
    def delimiter(self) -> str:
        """What separates its cells, once the first rows were read; empty where nothing does."""
        return self._table.delimiter

    @property
    def guessed(self) -> str:
        """What it was read as, where that was guessed; empty where nothing was."""
        return self._table.guessed

    @property
    def total(self) -> int | None:
        """How many rows there will be; None while that is not known.

        Lines still ahead that will be passed over are in it.
        """
        return self._table.total

    async def batches(self) -> AsyncGenerator[list[Row]]:
        """Yield the rows, at most 1,000 at a time.

        Raises `OSError` when no more can be read, and `InputError` where no row can be an image.
        """
        takes_files = self._files_beside is not None
        guessed = ""
        async for rows in fitting_batches(self._table, takes_files=takes_files):
            if not rows:  # before the first of them neither columns nor delimiter may be known
                continue
            self._refuse_column_of_text()
            if self._on_guess and self._table.guessed != guessed:
                guessed = self._table.guessed
                self._on_guess(guessed, self._table.correction)
            step = _BATCH if self._files_beside is None else FILES_AT_ONCE
            for start in range(0, len(rows), step):
                chosen = self._identified(rows[start : start + step])
                beside = self._files_beside
                yield chosen if beside is None else self._located(chosen, beside)

    def _refuse_column_of_text(self) -> None:
        """Raise `InputError` where a column is asked for of lines that have none but the first."""
        if self._column not in (None, "1") and self.columns is None:
            told = _(
                "The input has no column {column!r}: it is text, with an address a line. Leave"
                " --column out, or say what it is with --format."
            )
            raise InputError(told.format(column=self._column))

    def _identified(self, rows: list[Row]) -> list[Row]:
        """Return the rows with what their own column names the images by."""
        if self._identity_column is None or all(row.fault for row in rows):
            return rows
        column = chosen_column(self.columns or (), self._identity_column)
        return [row if row.fault else _identified(row, column, self._table) for row in rows]

    def _located(self, rows: list[Row], beside: Path) -> list[Row]:
        own = self._own.now()
        return [
            row
            if row.fault or not row.image or "://" in row.image
            else row._replace(fault="it is a file of the run itself")
            if (path := beside / row.image) in own
            else file_row(path, row)
            for row in rows
        ]

    async def count(self) -> None:
        """Learn the `total` ahead of the reading, where the input is a regular file."""
        await self._table.count()


def _identified(row: Row, column: str, table: Table) -> Row:
    """Return a row with its identity, or with why it has none."""
    value = (row.columns or {}).get(column)
    try:
        return row._replace(identity=identity_in(table, value, row.image))
    except ImageSkipped as skipped:
        return row._replace(fault=f"{skipped.reason} in the column {column!r}")
