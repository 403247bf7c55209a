"""The rows of a sheet as rows that ask for something. It needs the extra `excel`."""

from collections.abc import AsyncGenerator, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from s2v_detect._waiting import in_thread
from s2v_detect.tables._names import distinct, headless
from s2v_detect.tables._rows import InputError, Row, address_row, chosen_column, is_address, row_of

_BATCH = 1000


class ExcelTable:
    """Rows of a file's sheet, which is read whole when the first of them is asked for."""

    delimiter = guessed = ""

    def __init__(self, path: Path, column: str | None, sheet: str | None) -> None:
        self._path = path
        self._wanted = column
        self._wanted_sheet = sheet
        self._place = 0
        self.column: str | None = None
        self.columns: tuple[str, ...] | None = None
        self.total: int | None = None
        """Empty rows still ahead are in it."""

    async def batches(self) -> AsyncGenerator[list[Row]]:
        rows = self._rows()
        while found := await in_thread(lambda: list(islice(rows, _BATCH))):
            yield found

    async def count(self) -> None:
        """Nothing is learned ahead: the sheet says its total when it is read."""

    def _rows(self) -> Iterator[Row]:
        sheet = _sheet_in(self._path, self._wanted_sheet)
        self.total = sheet.rows_at_most
        last = given = 0
        for number, cells in sheet.rows():
            self.total -= number - last - 1
            last = number
            if self.columns is None and self._took_head(cells):
                self.total -= 1
                continue
            given += 1
            yield self._row(sheet, number, cells)
        self.total = given

    def _took_head(self, cells: list[Any]) -> bool:
        """Take the names of the columns; return whether the row was a header."""
        if any(map(is_address, cells)):
            self._names, column = headless(cells, self._wanted)
            self.columns = self._names
            is_header = False
        else:
            texts = ["" if cell is None else str(cell).strip() for cell in cells]
            self._names = distinct(texts)
            named = max(place for place, text in enumerate(texts, start=1) if text)
            self.columns = self._names[:named]
            column = chosen_column(self.columns, self._wanted)
            is_header = True
        self.column = self._column = column
        self._place = self._names.index(column)
        return is_header

    def _row(self, sheet: Any, number: int, cells: list[Any]) -> Row:
        columns = dict(zip(self._names, cells, strict=True))
        for name in self._names[len(self.columns or ()) :]:
            if columns[name] is None:
                del columns[name]
        link = sheet.link(number, self._place)
        # The text of an address wins: who mends an address by hand leaves its old link behind.
        if is_address(link) and not is_address(cells[self._place]):
            return address_row(number, link, columns)
        if sheet.has_no_value(number, self._place):
            fault = (
                f"the column {self._column!r} holds a formula whose value is not saved: open the"
                " file in Excel and save it"
            )
            return Row(number, "", fault, columns)
        return row_of(number, columns, self._column)


def _sheet_in(path: Path, wanted: str | None) -> Any:
    from s2v_detect.tables._excel_reading import Sheet  # noqa: PLC0415  # an extra

    if not path.is_file():
        raise InputError("Excel can't be read from a pipe. Give the name of a file.")
    with path.open("rb") as file:
        return Sheet(file, wanted)
