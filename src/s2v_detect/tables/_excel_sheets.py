"""Which sheet of a workbook is the list, where nobody says it. It needs the extra `excel`.

**Theory.** The first sheet that is shown is the list, if it has an image's column: a usual name, or
addresses. Else the only other one that looks more like a list is taken: a workbook often begins
with a page of instructions. Where several do, nothing is guessed. A sheet that is hidden is read
only by its name. Whoever has a choice is told which sheet was taken, and which others have images.

Sheets are read one after another: beside the first, one more is in memory while it is looked at.
"""

from itertools import islice
from typing import BinaryIO, NamedTuple

from s2v_detect.languages import _
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


class _Look(NamedTuple):
    """What the first rows of a sheet tell: reading a sheet is long, so each is looked at once."""

    likeness: int
    has_images: bool


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
    alike = _look_at(sheet, column).likeness
    looks = [(each, _look_at(Sheet(file, each), column)) for each in others]
    part = _better(first, alike, looks) if alike < _LIST and others else first
    too = tuple(each.name for each, look in looks if each != part and look.has_images)
    if part != first:
        rest = [each for each in sheets if each != part]
        return Chosen(Sheet(file, part), names_of(rest), too)
    if not alike and column is None:
        _refuse_hidden(file, hidden)
    # A hidden sheet is no choice, until it is seen that nothing else may be the list.
    names = names_of([*others, *hidden]) if others or not alike else ""
    return Chosen(sheet, names, too)


def _better(first: SheetPart, alike: int, looks: list[tuple[SheetPart, _Look]]) -> SheetPart:
    """Return the sheet that looks more like a list than the first one, or else the first."""
    most = max(look.likeness for _, look in looks)
    if most <= alike:
        return first
    better = [each for each, look in looks if look.likeness == most]
    if alike == 0 and len(better) == 1:
        return better[0]
    may_be = names_of([first, *better] if alike else better)
    told = _(
        "The input has several sheets, and more than one may be the list: {names}. Give --sheet"
        " with the name of one."
    )
    raise InputError(told.format(names=may_be))


def _refuse_hidden(file: BinaryIO, hidden: list[SheetPart]) -> None:
    """Raise `InputError` where only a hidden sheet has images."""
    for each in hidden:
        if _look_at(Sheet(file, each), None).has_images:
            told = _(
                "No sheet that is shown has images, but a hidden sheet {name!r} has some. Give"
                " --sheet {name!r}, or the name of the sheet that is meant."
            )
            raise InputError(told.format(name=each.name))


def _look_at(sheet: Sheet, column: str | None) -> _Look:
    rows = list(islice(sheet.rows(), _FIRST_ROWS))
    held = [held_in(sheet, *row) for row in rows]
    has_images = any(is_address(cell) for cells in held for cell in cells)
    return _Look(likeness([cells for _, cells in rows], held, column), has_images)
