"""Tables for people: a figure, a time and a word stay whole in a narrow terminal, names fold."""

import sys
from collections.abc import Iterable, Sequence
from enum import Enum, auto
from typing import NamedTuple

from rich.cells import cell_len
from rich.console import JustifyMethod
from rich.table import Table

from s2v_detect.cli._wrapping import WrappingConsole

_WIDE = 10_000  # columns: one row a line where no terminal sets the width


class Kind(Enum):
    """What the cells of a column are."""

    NAME = auto()
    WORD = auto()
    FIGURE = auto()


class Column(NamedTuple):
    """A column: its heading and what its cells are."""

    heading: str
    kind: Kind = Kind.NAME


def stdout_console() -> WrappingConsole:
    """Return the console of a table on stdout."""
    return WrappingConsole(width=None if sys.stdout.isatty() else _WIDE, highlight=False)


def table_of(columns: Sequence[Column], rows: Iterable[Sequence[str]], width: int) -> Table:
    """Return a table for so many columns of a terminal: names fold, and headings if they must."""
    rows = list(rows)
    cells = [max((_width(row[place]) for row in rows), default=0) for place in range(len(columns))]
    gap, widths = _laid_out(columns, cells, width)
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, gap, 0, 0))
    for column, fixed in zip(columns, widths, strict=True):
        justify: JustifyMethod = "right" if column.kind is Kind.FIGURE else "left"
        of_column = None if column.kind is Kind.NAME else fixed
        table.add_column(column.heading, overflow="fold", justify=justify, width=of_column)
    for row in rows:
        table.add_row(*row)
    return table


def _laid_out(columns: Sequence[Column], cells: Sequence[int], width: int) -> tuple[int, list[int]]:
    """Return the gap between columns and how wide each is: the widest that fit, else the least."""
    gap, widths = 0, list(cells)
    for gap, heading_of, name in ((3, _width, 12), (2, _folded, 5), (1, _narrowest, 1)):
        widths = [
            max(cell, heading_of(column.heading))
            for column, cell in zip(columns, cells, strict=True)
        ]
        least = [
            min(each, name) if column.kind is Kind.NAME else each
            for column, each in zip(columns, widths, strict=True)
        ]
        if sum(least) + gap * (len(columns) - 1) <= width:
            break
    return gap, widths


def _width(text: str) -> int:
    return max(map(cell_len, text.splitlines()), default=0)


def _folded(heading: str) -> int:
    """Return how wide a heading is that takes two lines."""
    half = (_width(heading) + 1) // 2
    words = (cell_len(word) for word in heading.split() if word.isascii())
    return max(half + half % 2, cell_len("元元"), *words)


def _narrowest(_heading: str) -> int:
    return cell_len("元")
