"""Rows from lines of JSON. What can be no row says why, and ends nothing."""

import json
from collections.abc import Sequence

from s2v_detect.images import trimmed
from s2v_detect.tables._reading import TextLine
from s2v_detect.tables._rows import EXCERPT, Row, chosen_column, row_of


class JsonRows:
    """One JSON object a line, or a bare string that is the address."""

    columns: tuple[str, ...] | None = None

    def __init__(self, column: str | None) -> None:
        self.passed_over = 0
        self._wanted = column
        self._column = column

    def rows(self, lines: Sequence[TextLine]) -> list[Row]:
        rows = [self._row(line) for line in lines if line.text.strip()]
        self.passed_over += len(lines) - len(rows)
        return rows

    def rest(self) -> list[Row]:
        return []

    def _row(self, line: TextLine) -> Row:
        number, text, fault = line
        if fault:
            return Row(number, text, fault)
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return Row(number, text[:EXCERPT], "the line is not JSON")
        if isinstance(value, str):
            return Row(number, trimmed(value))
        if not isinstance(value, dict):
            return Row(number, text[:EXCERPT], "the line is no JSON object")
        if self._column is None:
            self._column = chosen_column(list(value), self._wanted)
        if self.columns is None:
            self.columns = tuple(value)
        return row_of(number, value, self._column)
