"""Which sheet of a workbook is the list, where nobody says it. It needs the extra `excel`.

**Theory.** The first sheet that is shown is the list, if it has an image's column: a usual name, or
addresses. Else the only other one that looks more like a list is taken: a workbook often begins
with a page of instructions. Where several do, nothing is guessed. A sheet that is hidden is read
only by its name. Whoever has a choice is told which sheet was taken, and which others have images.

Sheets are read one after another: beside the first, one more is in memory while it is looked at.
"""

from itertools import islice
from typing import BinaryIO, NamedTuple

from s2v_detect.tables._excel_parts import (
    SheetPart,
    has_values,
    names_of,
    sheet_named,
    shown_first,
)
from s2v_detect.tables._excel_reading import Sheet, readable_sheets
from s2v_detect.tables._head import held_in, likeness
from s2v_detect.tables._rows import InputError, is_address

_LIST = 2
_FIRST_ROWS = 100


class Chosen(NamedTuple):
    """The sheet that is the list."""

    sheet: Sheet
    others: str = ""
    """The names of other sheets, where the sheet was chosen among several."""
    too: tuple[str, ...] = ()
    """The names of those among them that have images too."""


def chosen_sheet(file: BinaryIO, wanted: str | None, column: str | None) -> Chosen:
    """Return the sheet of that name or number, or the one that is the list. Raises `InputError`."""
    sheets = readable_sheets(file)
    if wanted is not None:
        return Chosen(Sheet(file, sheet_named(sheets, wanted)))
    shown = shown_first(sheets)
    first, others = shown[0], [each for each in shown[1:] if has_values(file, each)]
    hidden = [each for each in sheets if each.is_hidden and each not in shown]
    sheet = Sheet(file, first)
    if not (others or hidden):
        return Chosen(sheet)
    alike = _alike(sheet, column)
    if alike < _LIST and others:
        part = _better(file, first, alike, others, column)
        if part != first:
            rest = [each for each in sheets if each != part]
            too = [each for each in others if each != part and _has_images(Sheet(file, each))]
            return Chosen(Sheet(file, part), names_of(rest), _names(too))
    if not alike and column is None:
        _refuse_hidden(file, hidden)
    too = [each for each in others if _has_images(Sheet(file, each))]
    # A hidden sheet is no choice, until it is seen that nothing else may be the list.
    names = names_of([*others, *hidden]) if others or not alike else ""
    return Chosen(sheet, names, _names(too))


def _better(
    file: BinaryIO, first: SheetPart, alike: int, others: list[SheetPart], column: str | None
) -> SheetPart:
    """Return the sheet that looks more like a list than the first one, or else the first."""
    found = {each.name: _alike(Sheet(file, each), column) for each in others}
    most = max(found.values())
    if most <= alike:
        return first
    better = [each for each in others if found[each.name] == most]
    if alike == 0 and len(better) == 1:
        return better[0]
    may_be = names_of([first, *better] if alike else better)
    raise InputError(
        f"The input has several sheets, and more than one may be the list: {may_be}. Give --sheet"
        " with the name of one."
    )


def _refuse_hidden(file: BinaryIO, hidden: list[SheetPart]) -> None:
    """Raise `InputError` where only a hidden sheet has images."""
    for each in hidden:
        if _has_images(Sheet(file, each)):
            raise InputError(
                f"No sheet that is shown has images, but a hidden sheet {each.name!r} has some."
                f" Give --sheet {each.name!r}, or the name of the sheet that is meant."
            )


def _names(sheets: list[SheetPart]) -> tuple[str, ...]:
    return tuple(each.name for each in sheets)


def _has_images(sheet: Sheet) -> bool:
    rows = islice(sheet.rows(), _FIRST_ROWS)
    return any(is_address(cell) for row in rows for cell in held_in(sheet, *row))


def _alike(sheet: Sheet, column: str | None) -> int:
    rows = list(islice(sheet.rows(), _FIRST_ROWS))
    return likeness([cells for _, cells in rows], [held_in(sheet, *row) for row in rows], column)
