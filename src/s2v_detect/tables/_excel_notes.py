"""What a sheet says beside the values of its cells.

A reader of values (calamine, in `_excel_reading`) gives no links, takes an error or a formula
without a saved value for an empty cell, and reserves the memory of a whole rectangle: one stray
cell in the last corner would end the process. So each sheet is read here first, a piece at a time:
what the reader leaves out is noted, and what no memory holds is refused.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import BinaryIO
from xml.parsers import expat

from s2v_detect.languages import _
from s2v_detect.tables._excel_parts import (
    MOST_COLUMNS,
    MOST_ROWS,
    SheetPart,
    Start,
    has_in,
    local,
    parse,
    parts_of,
    refuse_bombs,
    related,
)
from s2v_detect.tables._rows import InputError

_MOST_CELLS = 1 << 26
"""Of the rectangle that holds all values: 64 columns of full length, some 2 GB of memory."""
_MOST_LINKED = 10_000
"""Cells of one link: whole columns of one are a slip of the mouse, and no list of images."""
_LINK = re.compile(r'\s*HYPERLINK\s*\(\s*"((?:[^"]|"")*)"\s*[,;)]', re.IGNORECASE)

_LONG = re.compile(rb">\s*-?(\d{16,40}(\.0*)?|\d(\.\d{1,40})?[Ee]\+?1[5-8])\s*<")
_LONG_NUMBER = re.compile(r"-?(\d{16,40}(\.0*)?|\d(\.\d{1,40})?[Ee]\+?1[5-8])", re.ASCII)
"""Whole, with more digits than Excel itself keeps. Excel writes one with an exponent, and a float
may be another number: of `3.1010119900101E+17` it is 310101199001009984."""

Place = tuple[int, int]
"""A cell: its row and its column, from 1."""


@dataclass
class Notes:
    """What stands in a sheet beside its values."""

    links: dict[Place, str] = field(default_factory=dict)
    """The targets of links that lead out of the workbook."""
    errors: dict[Place, str] = field(default_factory=dict)
    """Such as `#N/A`."""
    formulas: dict[Place, str] = field(default_factory=dict)
    """Those whose value is not saved in the file."""
    numbers: dict[Place, int] = field(default_factory=dict)
    """Whole ones with more digits than a reader of values keeps."""


def notes_of(file: BinaryIO, sheet: SheetPart) -> Notes:
    """Return what a sheet has beside its values. Raises `InputError` for what can't be read."""
    with parts_of(file) as parts:
        refuse_bombs(parts)
        has_long = has_in(parts, sheet.part, _LONG)
        scan = _Scan(related(parts, sheet.part, "/hyperlink"), hears_numbers=has_long)
        parse(parts, sheet.part, scan.follow)
        scan.end()
        return scan.notes


class _Scan:
    """The cells of a sheet, one after another."""

    def __init__(self, targets: dict[str, str], *, hears_numbers: bool) -> None:
        """`hears_numbers` costs a third more time: few sheets have numbers that are so long."""
        self._hears_numbers = hears_numbers
        self.notes = Notes()
        self._targets = targets
        self._columns: dict[str, int] = {}
        self._at: Place = (0, 0)
        self._low: Place = (MOST_ROWS, MOST_COLUMNS)
        self._high: Place = (0, 0)
        self._type: str | None = None
        self._formula: str | None = None
        """Of this cell, while no value of it was seen."""
        self._text: list[str] = []
        self._is_listening = False

    def follow(self, parser: expat.XMLParserType) -> Start:
        """Return who is told of each element. Text is listened to only where it is needed."""
        told_of: dict[str, Callable[[dict[str, str]], None]] = {
            "row": self._row,
            "c": self._cell,
            "f": self._begin_formula,
            "v": self._value,
            "is": self._value,
            "mergeCells": self._end_cell,
            "hyperlinks": self._end_cell,
            "hyperlink": self._link,
        }
        known: dict[str, Callable[[dict[str, str]], None] | None] = {}

        def start(name: str, told: dict[str, str]) -> None:
            if name not in known:
                known[name] = told_of.get(name.rpartition(":")[2])
            if self._is_listening:
                parser.CharacterDataHandler = None
                self._heard()
            tell = known[name]
            if tell:
                tell(told)
            if self._is_listening:
                parser.CharacterDataHandler = self._text.append

        return start

    def end(self) -> None:
        """Take the last value, behind which no other element may stand."""
        if self._is_listening:
            self._heard()

    def _row(self, told: dict[str, str]) -> None:
        self._end_cell(told)
        row = told.get("r")
        self._at = (_row_of(row) if row else self._at[0] + 1, 0)

    def _cell(self, told: dict[str, str]) -> None:
        self._end_cell(told)
        self._type = told.get("t")
        reference = told.get("r")
        self._at = self._place(reference) if reference else (self._at[0], self._at[1] + 1)

    def _begin_formula(self, _: dict[str, str]) -> None:
        self._formula = ""
        self._is_listening = True

    def _value(self, _told: dict[str, str]) -> None:
        self._is_listening = (
            self._type == "e"
            or self._formula is not None
            or (self._hears_numbers and self._type in (None, "n"))
        )
        (row, column), low, high = self._at, self._low, self._high
        if low[0] <= row <= high[0] and low[1] <= column <= high[1]:
            return
        self._low = low = (min(low[0], row), min(low[1], column))
        self._high = high = (max(high[0], row), max(high[1], column))
        if (high[0] - low[0] + 1) * (high[1] - low[1] + 1) > _MOST_CELLS:
            told = _(
                "The sheet reaches to row {row:,} and column {column:,}: that is too large to be"
                " read. Delete what stands far from the table, and save it again."
            )
            raise InputError(told.format(row=high[0], column=high[1]))

    def _heard(self) -> None:
        """Take the text of a formula, or of a value that is an error or a formula's."""
        text, self._is_listening = "".join(self._text).strip(), False
        self._text.clear()
        if self._formula == "":
            self._formula = f"={text}"
            link = _LINK.match(text)
            if link:
                self.notes.links[self._at] = link[1].replace('""', '"')
            return
        if self._type == "e":
            self.notes.errors[self._at] = text
        elif self._type in (None, "n") and _LONG_NUMBER.fullmatch(text):
            number = Decimal(text)
            if number == int(number):
                self.notes.numbers[self._at] = int(number)
        if text or self._type == "str":  # a formula may come to an empty text
            self._formula = None

    def _end_cell(self, _: dict[str, str]) -> None:
        if self._formula is not None:
            self.notes.formulas[self._at] = self._formula
        self._formula = None

    def _link(self, told: dict[str, str]) -> None:
        target = self._targets.get(local(told, "id"))
        if not target:
            return  # it leads to another place of this workbook
        location = told.get("location")
        target = f"{target}#{location}" if location else target
        first, _, last = told.get("ref", "").partition(":")
        (top, left), (bottom, right) = self._place(first), self._place(last or first)
        if (bottom - top + 1) * (right - left + 1) > _MOST_LINKED:
            return
        for row in range(top, bottom + 1):
            for column in range(left, right + 1):
                self.notes.links.setdefault((row, column), target)

    def _place(self, reference: str) -> Place:
        letters = reference.rstrip("0123456789")
        column = self._columns.get(letters)
        if column is None:
            column = self._columns[letters] = _column_of(letters)
        return _row_of(reference[len(letters) :]), column


def _row_of(text: str) -> int:
    """Return a row's number. Raises `ValueError` for what no sheet has."""
    number = int(text) if len(text) <= len(str(MOST_ROWS)) else 0
    if not 0 < number <= MOST_ROWS:
        raise ValueError("a row that no sheet has")
    return number


def _column_of(letters: str) -> int:
    """Return a column's number. Raises `ValueError` for what no sheet has."""
    number = 0
    for letter in letters[:4]:
        number = number * 26 + "ABCDEFGHIJKLMNOPQRSTUVWXYZ".index(letter) + 1
    if not 0 < number <= MOST_COLUMNS:
        raise ValueError("a column that no sheet has")
    return number
