"""What a row of an input is, and which column holds its image."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from s2v_detect.images import trimmed
from s2v_detect.tables._reading import TextLine

_USUAL_COLUMNS = ("image", "image_url", "url")
EXCERPT = 200
"""Characters of what can be no row, to know it by."""


class Row(NamedTuple):
    """One row that asks for something: an address, or a `fault` that says why it is none."""

    number: int | None
    """The line where it begins, or the row of a Parquet file, from 1; None: no file."""
    image: str
    """The address without the white space around it; of a faulty row, its beginning."""
    fault: str = ""
    columns: Mapping[str, Any] | None = None
    """All columns as they were read, the image's own too; None for plain text."""
    path: Path | None = None
    """The file, where the image is one of this machine; `image` is then its name."""
    identity: str | None = None
    """What the row's own column names the image by; None: it goes by its address or content."""

    @property
    def source(self) -> str | Path:
        """What is checked."""
        return self.path or self.image

    @property
    def key(self) -> str | Path:
        """What tells the image from others."""
        return self.source if self.identity is None else self.identity


class InputError(Exception):
    """The input can't be read as what it should be; the message says what to do."""


class Rows(Protocol):
    """Makes rows of lines."""

    columns: tuple[str, ...] | None
    passed_over: int
    """Lines that gave no row of their own."""

    def rows(self, lines: Sequence[TextLine]) -> list[Row]:
        """Return the rows that end in these lines."""

    def rest(self) -> list[Row]:
        """Return what is left at the end."""


def chosen_column(columns: Sequence[str], wanted: str | None) -> str:
    """Return the column that holds the image. Raises `InputError` where none is plain."""
    if wanted is not None:
        if wanted in columns:
            return wanted
        raise InputError(f"The input has no column {wanted!r}. {_named(columns)}")
    by_lower = {name.lower(): name for name in reversed(columns)}
    for usual in _USUAL_COLUMNS:
        if usual in by_lower:
            return by_lower[usual]
    if len(columns) == 1:
        return columns[0]
    raise InputError(
        f"The input does not say which column holds the image. Give --column. {_named(columns)}"
    )


def row_of(number: int, columns: Mapping[str, Any], column: str) -> Row:
    """Return the row whose image is in that column."""
    value = columns.get(column)
    if value is None:
        return Row(number, "", f"the column {column!r} is missing or empty", columns)
    if not isinstance(value, str):
        excerpt = str(value)[:EXCERPT]
        return Row(number, excerpt, f"the column {column!r} holds no text", columns)
    return Row(number, trimmed(value), "", columns)


def _named(columns: Sequence[str]) -> str:
    shown = ", ".join(columns[:20]) + (", …" if len(columns) > 20 else "")  # noqa: PLR2004  # enough to find one
    return f"Its columns are {shown}." if columns else "It has no columns."
