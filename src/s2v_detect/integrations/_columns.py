"""Outcomes as columns beside a table's own, in exact types: money is decimal, a time is a time.

Each engine has its own tables, and Arrow's types are what they share. Which columns there are is
said in the one table of columns; here is what their values are in memory.
"""

from array import array
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from s2v_detect import LedgerEntry, Outcome
from s2v_detect._columns import ADDED_COLUMNS, Column

if TYPE_CHECKING:
    import pyarrow as pa

MONEY = (12, 4)
"""Digits in all, and behind the point: exact for every price, and the same in every engine."""

Cells = tuple[Any, ...]
"""One row of `ADDED_COLUMNS`."""

_FREE = Decimal(0)


def names(prefix: str) -> list[str]:
    """Return the names of the columns, in their order.

    Example:
        >>> names("s2v_")[:3]
        ['s2v_kind', 's2v_check_pass', 's2v_humanoid']
    """
    return [f"{prefix}{column.name}" for column in ADDED_COLUMNS]


def exact_type(column: Column) -> type:
    """Return the type of a column's values here."""
    return column.exact or column.type


def cells_of(outcome: Outcome) -> Cells:
    """Return the row of an outcome. An amount is a `Decimal`, and `at` a `datetime` in UTC."""
    told = outcome.model_dump() | {
        "cost": outcome.cost,
        "cost_at_most": outcome.cost_at_most,
        "at": outcome.at,
    }
    return _in_order(told)


def skipped_cells(reason: str, at: datetime) -> Cells:
    """Return the row of one that was never sent."""
    told = {"kind": "skipped", "message": reason, "error": "ImageSkipped", "at": at}
    return _in_order(told | _FOR_NOTHING)


_FOR_NOTHING: dict[str, Any] = {
    "billed": "no",
    "cost": _FREE,
    "cost_at_most": _FREE,
    "attempts": 0,
    "elapsed_s": 0.0,
}
_EMPTY = [(column.name, column.empty) for column in ADDED_COLUMNS]


def _in_order(told: dict[str, Any]) -> Cells:
    get = told.get
    return tuple([get(name, empty) for name, empty in _EMPTY])


Places = slice | Sequence[int]
"""Which rows: those one after another, or any."""


class Added:
    """One column: its values, each once, and which of them each row has.

    Most columns have few values, and a library takes a Python object for ten times the price of a
    number. A row that is told nothing has the first value, which is none.
    """

    def __init__(self, rows: int) -> None:
        self._numbers: dict[Any, int] = {None: 0}
        self.numbers = array("q", bytes(8 * rows))
        """Of each row's value, in `distinct`."""

    @property
    def distinct(self) -> list[Any]:
        """The values, each once."""
        return list(self._numbers)

    @property
    def values(self) -> list[Any]:
        """The value of each row."""
        return list(map(self.distinct.__getitem__, self.numbers))

    def put(self, place: int, value: Any) -> None:
        """Have one row's value."""
        self.numbers[place] = self._number(value)

    def fill(self, places: Places, rows: int, value: Any) -> None:
        """Have one value for so many rows."""
        self._write(places, array("q", [self._number(value)]) * rows)

    def put_all(self, places: Places, kept: list[Any], value: Callable[[Any], Any] | None) -> None:
        """Have the values of these rows, as they are kept, or what those come to here."""
        numbers = {
            each: self._number(each if value is None or each is None else value(each))
            for each in dict.fromkeys(kept)
        }
        self._write(places, array("q", map(numbers.__getitem__, kept)))

    def _number(self, value: Any) -> int:
        return self._numbers.setdefault(value, len(self._numbers))

    def _write(self, places: Places, numbers: "array[int]") -> None:
        if isinstance(places, slice):
            self.numbers[places] = numbers
            return
        for place, number in zip(places, numbers, strict=True):
            self.numbers[place] = number


class AddedColumns:
    """The columns of so many rows, each row by its place; one that is told nothing holds nulls."""

    def __init__(self, rows: int) -> None:
        self._by_name = {column.name: Added(rows) for column in ADDED_COLUMNS}

    def put(self, place: int, cells: Cells) -> None:
        """Have a row's cells."""
        for column, cell in zip(self._by_name.values(), cells, strict=True):
            column.put(place, cell)

    def put_known(self, places: Sequence[int], known: Sequence[LedgerEntry], at: datetime) -> None:
        """Have rows, in their order, whose answers a ledger has: they cost nothing now."""
        if not places:
            return
        is_whole = places[-1] - places[0] == len(places) - 1
        where = slice(places[0], places[-1] + 1) if is_whole else places
        for name, value in {**_KNOWN, "at": at}.items():
            self._by_name[name].fill(where, len(places), value)
        for name, value_of in _OF_ENTRY.items():
            self._by_name[name].put_all(where, list(map(attrgetter(name), known)), value_of)

    @property
    def columns(self) -> list[Added]:
        """Each of them, in the order of a table's columns."""
        return list(self._by_name.values())


_KNOWN = _FOR_NOTHING | {"kind": "checked", "source": "ledger"}
_OF_ENTRY: dict[str, Callable[[Any], Any] | None] = {
    "check_pass": bool,
    "humanoid": bool,
    "code": None,
    "message": None,
    "request_id": None,
}
"""What an entry has for a column, and what its value comes to there."""


def arrow_type(column: Column) -> "pa.DataType":
    """Return Arrow's type of a column; every column may hold nulls."""
    import pyarrow as pa  # noqa: PLC0415  # an extra, and most frames need none

    types = {
        str: pa.string(),
        int: pa.int64(),
        float: pa.float64(),
        bool: pa.bool_(),
        Decimal: pa.decimal128(*MONEY),
        datetime: pa.timestamp("us", tz="UTC"),
    }
    return types[exact_type(column)]


def arrow_columns(rows: Sequence[Cells], prefix: str) -> "dict[str, pa.Array]":
    """Return the columns of rows as Arrow arrays, by their names."""
    import pyarrow as pa  # noqa: PLC0415  # as above

    values = list(zip(*rows, strict=True)) or [()] * len(ADDED_COLUMNS)
    return {
        f"{prefix}{column.name}": pa.array(each, arrow_type(column))
        for column, each in zip(ADDED_COLUMNS, values, strict=True)
    }
