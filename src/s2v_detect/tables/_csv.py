"""Rows from lines of CSV and TSV. What can be no row says why, and ends nothing."""

import csv
import re
from collections.abc import Sequence

from s2v_detect.tables._reading import LONGEST_LINE, TextLine
from s2v_detect.tables._rows import EXCERPT, Row, chosen_column, row_of


class CsvRows:
    """Cells between delimiters; a cell in quotes may hold delimiters and newlines."""

    def __init__(self, delimiter: str, column: str | None) -> None:
        self.columns: tuple[str, ...] | None = None
        self.passed_over = 0
        self._delimiter = delimiter
        self._wanted = column
        self._column = ""
        self._open: TextLine | None = None
        self._following: list[TextLine] = []
        mark = re.escape(delimiter)
        self._quote = re.compile(rf'(?:^|{mark})"(?:[^"]|"")*("|\Z)')

    def rows(self, lines: Sequence[TextLine]) -> list[Row]:
        rows: list[Row] = []
        for line in lines:
            self._take(line, rows)
        return rows

    def rest(self) -> list[Row]:
        rows: list[Row] = []
        while self._open:
            self._resynchronise(rows)
        return rows

    def _take(self, line: TextLine, rows: list[Row]) -> None:
        if self._open is None:
            if not line.fault and '"' in line.text and self._is_open(line.text):
                self._open, self._following = line, []
            else:
                self._record(line, rows)
            return
        joined = TextLine(self._open.number, f"{self._open.text}\n{line.text}", line.fault)
        self._following.append(line)
        if line.fault or len(joined.text) > LONGEST_LINE:
            self._resynchronise(rows)
        elif self._is_open(joined.text):
            self._open = joined
        else:
            self._open = None
            self.passed_over += len(self._following)
            self._record(joined, rows)

    def _resynchronise(self, rows: list[Row]) -> None:
        """Give up on a quote that never closes: its line is faulty, those after it are read."""
        open_, following = self._open, self._following
        self._open, self._following = None, []
        if open_ is None:
            return
        first = open_.text.partition("\n")[0][:EXCERPT]
        rows.append(Row(open_.number, first, "a quote in it never closes"))
        for line in following:
            self._take(line, rows)

    def _is_open(self, text: str) -> bool:
        return any(not match[1] for match in self._quote.finditer(text))

    def _record(self, line: TextLine, rows: list[Row]) -> None:
        number, text, fault = line
        if not fault and not text.strip():
            self.passed_over += 1
        elif fault:
            rows.append(Row(number, text, fault))
        elif self.columns is None:
            self.passed_over += 1
            self.columns = _header(self._cells(text))
            self._column = chosen_column(self.columns, self._wanted)
        else:
            rows.append(self._row(number, self._cells(text)))

    def _cells(self, text: str) -> list[str]:
        if '"' not in text:
            return text.split(self._delimiter)
        try:
            return next(csv.reader([text], delimiter=self._delimiter))
        except csv.Error:  # a lone carriage return, say: as it stands
            return text.split(self._delimiter)

    def _row(self, number: int, cells: list[str]) -> Row:
        names = self.columns or ()
        columns = dict(zip(names, cells, strict=False))
        if len(cells) > len(names):
            extra = {
                f"column_{len(names) + 1 + place}": cell
                for place, cell in enumerate(cells[len(names) :])
            }
            columns |= extra
        return row_of(number, columns, self._column)


def _header(cells: list[str]) -> tuple[str, ...]:
    """Return names that are all different: none is lost for being another's."""
    names: list[str] = []
    for place, cell in enumerate(cells, start=1):
        name = cell.strip() or f"column_{place}"
        names.append(f"{name}_{place}" if name in names else name)
    return tuple(names)
