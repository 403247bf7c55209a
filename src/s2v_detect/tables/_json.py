"""Rows from lines of JSON. What can be no row says why, and ends nothing.

The column of the image is the one that was asked for, or the first of the usual names that any
record has. Records before that have no image, and wait for it; where none comes, the image's is the
only column with addresses in these records, or the only one that they have. None of them is sent
meanwhile, so nothing is held up.
"""

import json
from collections.abc import Sequence
from typing import Any

from s2v_detect.images import trimmed
from s2v_detect.languages import _
from s2v_detect.tables._head import column_of
from s2v_detect.tables._names import distinct
from s2v_detect.tables._reading import TextLine
from s2v_detect.tables._rows import (
    EXCERPT,
    InputError,
    Row,
    is_address,
    row_of,
    usual_column,
)

_MOST_WAITING = 1000
_LONGEST_WAITING = 1 << 22
"""Characters."""


class JsonRows:
    """One JSON object a line, or a bare string that is the address."""

    def __init__(self, column: str | None) -> None:
        self.columns: tuple[str, ...] | None = None
        self.column: str | None = None
        self.passed_over = 0
        self.is_chosen = False
        """Whether the column was chosen for its addresses."""
        self._wanted = column
        self._waiting: list[tuple[int, dict[str, Any]]] = []
        self._length = 0

    def rows(self, lines: Sequence[TextLine]) -> list[Row]:
        rows: list[Row] = []
        for line in lines:
            text = trimmed(line.text)
            if text or line.fault:
                self._take(line, text, rows)
            else:
                self.passed_over += 1
        return rows

    def rest(self) -> list[Row]:
        rows: list[Row] = []
        self._choose(rows)
        return rows

    def _take(self, line: TextLine, text: str, rows: list[Row]) -> None:
        number, _, fault, _ = line
        if fault:
            rows.append(Row(number, text, fault))
            return
        try:
            value = _DECODER.decode(text)
        except (ValueError, RecursionError):
            rows.append(Row(number, text[:EXCERPT], "the line is not JSON"))
            return
        if isinstance(value, dict) and self.column is not None:
            rows.append(row_of(number, value, self.column))
        elif isinstance(value, dict):
            self._wait(number, value, rows)
            self._length += len(text)
        elif isinstance(value, str):
            rows.append(row_of(number, {"": value}, "")._replace(columns=None))
        else:
            rows.append(Row(number, text[:EXCERPT], "the line is no JSON object"))

    def _wait(self, number: int, value: dict[str, Any], rows: list[Row]) -> None:
        """Hold a record until the image's column is known."""
        self._waiting.append((number, value))
        wanted = self._wanted
        if wanted is None:
            only = next(iter(value.values())) if len(value) == 1 else None
            is_found = bool(usual_column(value)) or is_address(only)
        else:
            is_found = wanted in value
        if is_found or len(self._waiting) >= _MOST_WAITING or self._length > _LONGEST_WAITING:
            self._choose(rows)

    def _choose(self, rows: list[Row]) -> None:
        """Know the column, and give the records that waited. Raises `InputError`."""
        waiting, self._waiting = self._waiting, []
        if waiting:
            _refuse_wrapped(waiting)
            names = list(dict.fromkeys(name for _, value in waiting for name in value))
            cells = [[value.get(name) for name in names] for _, value in waiting]
            self.column, self.is_chosen = column_of(names, names, cells, self._wanted)
            self.columns = self.columns or tuple(waiting[0][1])
            rows.extend(row_of(number, value, self.column) for number, value in waiting)


def _refuse_wrapped(waiting: list[tuple[int, dict[str, Any]]]) -> None:
    """Raise `InputError` where the only record is no row, but has the list of them."""
    [(_number, value), *others] = waiting
    lists = [name for name, each in value.items() if isinstance(each, list) and each]
    if others or len(lists) != 1 or usual_column(value) or any(map(is_address, value.values())):
        return
    if all(isinstance(each, dict) for each in value[lists[0]]):
        told = _(
            "The input is one JSON object, and the list is under {name!r}. Save that list alone, as"
            " `jq .{name}` does."
        )
        raise InputError(told.format(name=lists[0]))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object with each of its values; of two equal keys the second gets a number."""
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    return dict(
        zip(distinct([key for key, _ in pairs]), (value for _, value in pairs), strict=True)
    )


_DECODER = json.JSONDecoder(object_pairs_hook=_object)
"""Made once: `json.loads` makes one for each line."""
