"""Outcomes as columns beside a table's own, in exact types: money is decimal, a time is a time.

Each engine has its own tables, and Arrow's types are what they share. Which columns there are is
said in the one table of columns; here is what their values are in memory.
"""

from collections.abc import Callable, Mapping, Sequence
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


class AddedColumns:
    """The columns of so many rows, each row by its place; one that is told nothing holds nulls."""

    def __init__(self, rows: int) -> None:
        self._by_name: dict[str, list[Any]] = {
            column.name: [None] * rows for column in ADDED_COLUMNS
        }

    def put(self, place: int, cells: Cells) -> None:
        """Have a row's cells."""
        for values, cell in zip(self._by_name.values(), cells, strict=True):
            values[place] = cell

    def put_known(self, known: Mapping[int, LedgerEntry], at: datetime) -> None:
        """Have rows whose answers a ledger has, column by column: they cost nothing now."""
        for name, value in {**_KNOWN, "at": at}.items():
            values = self._by_name[name]
            for place in known:
                values[place] = value
        for name, get in _OF_ENTRY.items():
            values = self._by_name[name]
            for place, entry in known.items():
                values[place] = get(entry)

    @property
    def values(self) -> list[list[Any]]:
        """Those of each column, in the order of the rows."""
        return list(self._by_name.values())


def _humanoid(entry: LedgerEntry) -> bool | None:
    return None if entry.humanoid is None else bool(entry.humanoid)


_KNOWN = _FOR_NOTHING | {"kind": "checked", "source": "ledger"}
_OF_ENTRY: dict[str, Callable[[LedgerEntry], Any]] = {
    "check_pass": lambda entry: bool(entry.check_pass),
    "humanoid": _humanoid,
    **{name: attrgetter(name) for name in ("code", "message", "request_id")},
}


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
