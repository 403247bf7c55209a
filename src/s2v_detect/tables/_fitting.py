"""Rows of a table, with a fault of the whole list told before it would skip every row.

Rows without an address are held until the first row that has one: nothing of them would be sent,
so nothing is held up, in a pipe neither. Where none of them has one, but another column has, the
column is the wrong one. A list without any row is an error too: nobody runs one on purpose.
"""

from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Protocol

from s2v_detect.languages import _, ngettext
from s2v_detect.tables._dialect import GUESSED, shown
from s2v_detect.tables._row_faults import Miscut, Surplus
from s2v_detect.tables._rows import InputError, Row, is_address, named

_MOST_HELD = 1000
_MOST_PIECES = 64


class Table(Protocol):
    """Rows of a list, each read when it is asked for."""

    @property
    def columns(self) -> tuple[str, ...] | None:
        """The columns, once the first rows were read; None where there are none."""

    @property
    def column(self) -> str | None:
        """The column of the image, once the first rows were read; None where there are none."""

    @property
    def delimiter(self) -> str:
        """What separates the cells, once the first rows were read; empty where nothing does."""

    @property
    def guessed(self) -> str:
        """What the list was read as, where that was guessed; empty where nothing was."""

    @property
    def correction(self) -> str:
        """The options that say what else it is, where something was guessed."""

    @property
    def total(self) -> int | None:
        """How many rows there will be; None while that is not known."""

    def batches(self) -> AsyncGenerator[list[Row]]:
        """Yield the rows, some at a time. Raises `InputError`, and `OSError` for damage."""

    async def count(self) -> None:
        """Learn the `total` ahead of the reading, where that can be."""


async def fitting_batches(table: Table, *, takes_files: bool) -> AsyncGenerator[list[Row]]:
    """Yield the rows of a table. Raises `InputError` where none of its rows can be an image.

    With `takes_files` an image need be no address.
    """
    held: list[Row] | None = None if takes_files else []
    pieces = 0
    has_rows = False
    async with aclosing(table.batches()) as batches:
        async for rows in batches:
            has_rows = has_rows or bool(rows)
            if held is None:
                yield rows
                continue
            held += rows
            pieces += 1
            is_fitting = any(not row.fault and is_address(row.image) for row in rows)
            if is_fitting or len(held) >= _MOST_HELD or pieces >= _MOST_PIECES:
                if not is_fitting:
                    _refuse_misfit(table, held)
                yield held
                held = None
    if held:
        _refuse_misfit(table, held)
        yield held
    if not has_rows:
        raise InputError(_nothing_in(table))


def _nothing_in(table: Table) -> str:
    if table.columns:
        told = _("The input has no row under its header. {columns}")
        return told.format(columns=named(table.columns))
    return _("The input has no image: it is empty, or has nothing but blank lines and comments.")


def _refuse_misfit(table: Table, rows: Sequence[Row]) -> None:
    """Raise `InputError` where the addresses are elsewhere than they were looked for."""
    if table.columns is None:
        _refuse_misfit_lines(rows)
        return
    cut = next((row for row in rows if isinstance(row.fault, Miscut)), None)
    if cut and all(row.fault for row in rows):
        told = ngettext(
            "The first row can't be an image. In line {line}, {fault}. If the header is another"
            " line, give --header-row with its number.",
            "None of the first {count:,} rows can be an image. In line {line}, {fault}. If the"
            " header is another line, give --header-row with its number.",
            len(rows),
        )
        raise InputError(told.format(count=len(rows), line=cut.number, fault=cut.fault))
    others = Counter(
        name
        for row in rows
        if row.columns and not isinstance(row.fault, Surplus)
        for name, value in row.columns.items()
        if name != table.column and is_address(value)
    )
    if others:
        [(other, _count)] = others.most_common(1)
        told = ngettext(
            "The first row has no address in the column {column!r}, but {other!r} has one. Give"
            " --column {other!r}. {columns}",
            "None of the first {count:,} rows has an address in the column {column!r}, but"
            " {other!r} has addresses. Give --column {other!r}. {columns}",
            len(rows),
        )
        columns = named(table.columns)
        raise InputError(
            told.format(count=len(rows), column=table.column, other=other, columns=columns)
        )


def _refuse_misfit_lines(rows: Sequence[Row]) -> None:
    for delimiter in GUESSED:
        for row in rows:
            if not row.fault and any(map(is_address, row.image.split(delimiter)[1:])):
                told = _(
                    "No line up to line {line} is an address, but that line has one behind"
                    " {delimiter}. If the input is CSV, give --format csv."
                )
                raise InputError(told.format(line=row.number, delimiter=shown(delimiter)))
