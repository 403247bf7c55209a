"""The rows of a sheet in an Excel file. It needs the extra `excel`.

The whole sheet is in memory: calamine reads no other way. What calamine leaves out of the cells
comes from `_excel_notes`.
"""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from itertools import chain, islice, repeat
from typing import Any, BinaryIO

from s2v_detect.languages import N_, _, needs_extra
from s2v_detect.tables._excel_notes import notes_of
from s2v_detect.tables._excel_parts import SheetPart, kind_of, no_excel, sheets_of
from s2v_detect.tables._rows import InputError

try:
    import python_calamine as calamine
except ModuleNotFoundError as error:
    raise InputError(needs_extra("Excel", "cli", "excel")) from error

_WORDS = {
    "xls": N_("an Excel file of before 2007 (.xls)"),
    "xlsb": N_("a binary Excel file (.xlsb)"),
    "ods": N_("an OpenDocument spreadsheet (.ods)"),
}
_LARGEST_INTEGER = 2**63


class Sheet:
    """One sheet of a workbook, with its values in memory."""

    def __init__(self, file: BinaryIO, sheet: SheetPart) -> None:
        """Raise `InputError` where it can't be read."""
        self.name = sheet.name
        self.notes = notes_of(file, sheet)
        file.seek(0)
        try:
            with calamine.CalamineWorkbook.from_filelike(file) as book:
                self._values = book.get_sheet_by_name(sheet.name)
        except calamine.CalamineError as error:
            raise no_excel() from error
        noted = [*self.notes.errors, *self.notes.formulas, *self.notes.numbers]
        self._noted = {row for row, _ in noted}
        columns = [column for _, column in noted]
        height = 0
        if self._values.start and self._values.end:
            height = self._values.end[0] + 1
            columns += [self._values.start[1] + 1, self._values.end[1] + 1]
        self.left = min(columns, default=1)
        """The sheet's column that the cells of a row begin at, from 1."""
        self._width = max(columns, default=0) - self.left + 1
        self.rows_at_most = max(height, *self._noted, 0)
        """Empty ones are in it."""

    def rows(self) -> Iterator[tuple[int, list[Any]]]:
        """Yield the rows that hold anything, each with its number in the sheet."""
        start = self._values.start
        before = [None] * (start[1] + 1 - self.left) if start else []
        values = chain(self._values.iter_rows(), repeat([]))
        for number, cells in enumerate(islice(values, self.rows_at_most), start=1):
            if number not in self._noted and not any(cell != "" for cell in cells):
                continue
            row = before + [_value(cell) for cell in cells]
            row += [None] * (self._width - len(row))
            yield number, self._with_notes(number, row) if number in self._noted else row

    def link(self, row: int, place: int) -> str:
        """Return where the link of a cell leads to, out of the workbook; `place` is from 0."""
        return self.notes.links.get((row, self.left + place), "")

    def has_no_value(self, row: int, place: int) -> bool:
        """Whether a cell is a formula whose value is not saved in the file."""
        return (row, self.left + place) in self.notes.formulas

    def _with_notes(self, number: int, row: list[Any]) -> list[Any]:
        """Return a row with its errors and long numbers, and its formulas as they are written."""
        notes = self.notes
        for place in range(len(row)):
            at = (number, self.left + place)
            if at in notes.numbers and type(row[place]) in (int, float):  # no yes, no date
                row[place] = notes.numbers[at]
            else:
                row[place] = notes.errors.get(at) or notes.formulas.get(at) or row[place]
        return row


def readable_sheets(file: BinaryIO) -> list[SheetPart]:
    """Return the sheets of a workbook. Raises `InputError` where it is none that can be read."""
    kind = kind_of(file)
    if kind == "protected":
        told = _("The input is protected with a password. Save it without one, and give that file.")
        raise InputError(told)
    if kind in _WORDS:
        told = _("The input is {words}, which is not read. Save it as .xlsx, or as CSV.")
        raise InputError(told.format(words=_(_WORDS[kind])))
    if kind != "xlsx":
        raise no_excel()
    sheets = sheets_of(file)
    if not sheets:
        raise InputError(_("The input has no sheet with cells. Give another file."))
    return sheets


def _value(cell: Any) -> Any:
    """Return a cell's value: whole numbers as such, times as ISO text, nothing as None."""
    if isinstance(cell, str):
        return cell or None
    if isinstance(cell, float):
        return int(cell) if cell.is_integer() and abs(cell) < _LARGEST_INTEGER else cell
    if isinstance(cell, timedelta):
        return _hours(cell)
    return cell.isoformat() if isinstance(cell, date | datetime | time) else cell


def _hours(span: timedelta) -> str:
    """Return a span of time as a spreadsheet shows one.

    Example:
        >>> _hours(timedelta(days=1, hours=6, seconds=5))
        '30:00:05'
    """
    minutes, seconds = divmod(span.total_seconds(), 60)
    return f"{minutes // 60:.0f}:{minutes % 60:02.0f}:{seconds:02.0f}"
