"""The columns of an output and of a ledger's export: each stands here once, and nowhere else.

What writes, reads or explains a column walks these tables: an outcome's line, JSON lines, CSV, TSV
and Parquet, their reader, the ledger's export and the help of the command. A new row here is a new
column in all of them; it is empty until somebody tells its value.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

_MEANING_AT = 16
"""Characters: where the meanings begin in a table of columns as text."""


_InMemory = type[Decimal] | type[datetime] | None


class Column(NamedTuple):
    """One column."""

    name: str
    type: type
    """`str`, `int`, `float` or `bool`."""
    empty: str | None
    """What stands there where nothing was told, and what an empty cell is read back as."""
    meaning: str
    is_guarded: bool = False
    """Whether a stranger chose the text: in CSV and TSV it is then kept from being a formula."""
    exact: _InMemory = None
    """The type of its values in memory, where a file has another: `Decimal` or `datetime`."""


LINE = Column("line", int, None, "The line of the input, from 1; none in a folder.")

OUTCOME_COLUMNS: tuple[Column, ...] = (
    Column("index", int, None, "The row's place in the input, from 0."),
    Column("image", str, "", "The address or file, as the input has it.", is_guarded=True),
    Column("kind", str, "", "checked, skipped (never sent) or failed."),
    Column("check_pass", bool, None, "Whether the service passes the image."),
    Column("humanoid", bool, None, "Whether a person was found, if it says so."),
    Column("code", str, "", "Why it was rejected or failed, in its words.", is_guarded=True),
    Column("message", str, "", "The same in a sentence; or why it was skipped.", is_guarded=True),
    Column("request_id", str, None, "The service's own number of the request."),
    Column("error", str, None, "The error's class, where there is no verdict."),
    Column("source", str, None, "The verdict is of service, shared or ledger."),
    Column("billed", str, "", "yes, no or unknown."),
    Column("cost", float, None, "CNY that were paid for certain.", exact=Decimal),
    Column("cost_at_most", float, None, "CNY, if each lost answer was billed too.", exact=Decimal),
    Column("attempts", int, None, "Requests that were made."),
    Column("elapsed_s", float, None, "Seconds in all, the line included."),
    Column("at", str, "", "When it was settled, UTC.", exact=datetime),
)
"""Of an outcome, in their order: the keys of its flat line."""

OUTPUT_COLUMNS: tuple[Column, ...] = (LINE, *OUTCOME_COLUMNS)
"""Of a run's output, behind the columns of its input."""

ADDED_COLUMNS: tuple[Column, ...] = tuple(
    column for column in OUTCOME_COLUMNS if column.name not in ("index", "image")
)
"""Of what is added to a table in memory, whose rows have their places and their images already."""

_BY_NAME = {column.name: column for column in OUTCOME_COLUMNS}

LEDGER_COLUMNS: tuple[Column, ...] = (
    _BY_NAME["image"],
    Column("identity", str, "", "What its user names it by, if so.", is_guarded=True),
    Column("state", str, "", "asked, sent, answered, skipped, failed, unknown, not sent."),
    _BY_NAME["check_pass"],
    _BY_NAME["humanoid"],
    _BY_NAME["code"],
    _BY_NAME["message"],
    _BY_NAME["error"],
    _BY_NAME["request_id"],
    _BY_NAME["attempts"],
    _BY_NAME["cost"],
    _BY_NAME["cost_at_most"],
    _BY_NAME["elapsed_s"],
    Column("answered_at", str, None, "When its answer came, UTC."),
    _BY_NAME["at"],
    Column("run", int, None, "The run that brought it to its state."),
)
"""Of a ledger's export."""


def filled(columns: Sequence[Column], told: Mapping[str, Any]) -> dict[str, Any]:
    """Return one value for each column: what was told, else its empty value.

    Example:
        >>> filled(OUTCOME_COLUMNS[1:3], {"image": "https://example.com/1.jpg"})
        {'image': 'https://example.com/1.jpg', 'kind': ''}
    """
    return {column.name: told.get(column.name, column.empty) for column in columns}


def as_text(columns: Sequence[Column]) -> str:
    """Return columns and their meanings, a line each.

    Example:
        >>> print(as_text([LINE]))
          line          The line of the input, from 1; none in a folder.
    """
    return "\n".join(f"{'  ' + column.name:<{_MEANING_AT}}{column.meaning}" for column in columns)
