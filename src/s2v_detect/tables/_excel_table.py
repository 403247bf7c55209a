"""The rows of a sheet as rows that ask for something. It needs the extra `excel`."""

from collections.abc import AsyncGenerator, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

from s2v_detect._waiting import in_thread
from s2v_detect.languages import _, ngettext
from s2v_detect.tables._head import MOST_FIRST, head_of, held_in, said_by
from s2v_detect.tables._rows import (
    InputError,
    Row,
    address_row,
    in_column,
    is_address,
    read_as,
    row_of,
)

_BATCH = 1000


class ExcelTable:
    """Rows of a file's sheet, which is read whole when the first of them is asked for."""

    delimiter = ""

    def __init__(
        self, path: Path, column: str | None, sheet: str | None, header_row: int | None = None
    ) -> None:
        self._path = path
        self._wanted = column
        self._wanted_sheet = sheet
        self._header_row = header_row
        self._found: dict[str, str] = {}
        self._kind = _("a sheet")
        self._place = 0
        self.column: str | None = None
        self.columns: tuple[str, ...] | None = None
        self.total: int | None = None
        """Empty rows still ahead are in it."""

    @property
    def guessed(self) -> str:
        """What the file was read as, where there was a choice."""
        found = dict(self._found)
        too = found.pop("--sheet", "")
        return read_as(self._kind, _(" and ").join(found.values())) + too if self._found else ""

    @property
    def correction(self) -> str:
        return _(" or ").join(self._found)

    async def batches(self) -> AsyncGenerator[list[Row]]:
        rows = self._rows()
        while found := await in_thread(lambda: list(islice(rows, _BATCH))):
            yield found

    async def count(self) -> None:
        """Nothing is learned ahead: the sheet says its total when it is read."""

    def _rows(self) -> Iterator[Row]:
        sheet, others, too = _sheet_in(self._path, self._wanted_sheet, self._wanted)
        self._kind = _("the sheet {name!r}").format(name=sheet.name)
        self.total = sheet.rows_at_most
        rows = sheet.rows()
        firsts = [row for row in islice(rows, MOST_FIRST) if row[0] >= (self._header_row or 0)]
        try:
            below = self._took_head(sheet, firsts)
        except InputError as error:
            more = _("Other sheets are {others}: --sheet says which.").format(others=others)
            told = _("{why} {more}").format(why=error, more=more)
            raise InputError(told if others else str(error)) from error
        if others:
            self._found["--sheet"] = _too(too)
            self._found["--column"] = in_column(self.column)
        last = given = 0
        for number, cells in chain(firsts, rows):
            self.total -= number - last - 1
            last = number
            if number < below:
                self.total -= 1
                continue
            given += 1
            yield self._row(sheet, number, cells)
        self.total = given

    def _took_head(self, sheet: Any, firsts: list[tuple[int, list[Any]]]) -> int:
        """Take the names of the columns; return where the rows begin that are below them."""
        if self._header_row and (not firsts or firsts[0][0] != self._header_row):
            told = _(
                "The sheet has nothing in row {row}, which --header-row says is its header. Give"
                " the number of another row."
            )
            raise InputError(told.format(row=self._header_row))
        if not firsts:
            return 0
        head = head_of(
            [
                [cell.strip() if isinstance(cell, str) else cell for cell in row]
                for _number, row in firsts
            ],
            self._wanted,
            said_by(self._header_row),
            searched=len(firsts),
            held=[held_in(sheet, number, cells) for number, cells in firsts],
            numbers=[number for number, _cells in firsts],
        )
        self._names, self.column = head.names, head.column
        self._column = head.column
        self._place = self._names.index(head.column)
        if head.is_chosen:
            self._found["--column"] = in_column(head.column)
        if head.header is None:
            self.columns = self._names
            return firsts[0][0]
        number, cells = firsts[head.header]
        named = [place for place, cell in enumerate(cells, 1) if str(cell or "").strip()]
        self.columns = self._names[: max(self._place + 1, *named)]
        if head.header and self._header_row is None:
            self._found["--header-row"] = _("with its header in row {row}").format(row=number)
        return number + 1

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


def _too(names: tuple[str, ...]) -> str:
    """Say which other sheets have images."""
    shown = _(", ").join(map(repr, names[:5])) + (" …" if names[5:] else "")
    told = ngettext("; {names} has images too", "; {names} have images too", len(names))
    return told.format(names=shown) if names else ""


def _sheet_in(path: Path, wanted: str | None, column: str | None) -> Any:
    from s2v_detect.tables._excel_sheets import chosen_sheet  # noqa: PLC0415  # an extra

    if not path.is_file():
        raise InputError(_("Excel can't be read from a pipe. Give the name of a file."))
    with path.open("rb") as file:
        return chosen_sheet(file, wanted, column)
