"""Where the header of a table is, and which column holds its images: told from its first rows.

**Theory.** A sheet often has a title above its header, and blank rows. The header is looked for
among the first rows, and never below the first address.

* A row with one of the usual names of an image's column, or with the name that `--column` says, is
  the header, if each row above it has fewer filled cells: so a row of a table is not taken for its
  header because one of its cells is called `photo`.
* Where no row has such a name, titles are rows with a single filled cell, or with labels that end
  in a colon and what belongs to them. Below a title, a usual name right above an address counts.
  The header is the first row with more, if an address comes below it; else it is the first row.
* A first row with an address is no header, and then the table has none.

Where `--column` says a name that is in none of these places, the columns are named that the header
has which is found without it.

What stands above the header is no image, and in no row. Who reads the table is told where its
header was found, and `--header-row` says another place. The column is the one that is wanted, or of
a usual name, or the only one with addresses in the first rows; it is never chosen among several.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

from s2v_detect.languages import _
from s2v_detect.tables._names import distinct, headless
from s2v_detect.tables._rows import InputError, chosen_column, is_address, usual_column

MOST_ABOVE = 20
"""Rows with anything in them that a header is looked for in."""
MOST_FIRST = 1000
"""Rows that are looked at for a column with addresses."""

Said = Literal["header", "none"] | None
"""What `--header-row` says of the first of these rows; None: nothing."""
Cells = Sequence[object]


def said_by(header_row: int | None) -> Said:
    """Return what `--header-row` says of the first row from there on."""
    if header_row is None:
        return None
    return "header" if header_row else "none"


class Head(NamedTuple):
    """What the first rows of a table tell."""

    header: int | None
    """The header's place among the rows; None: there is none."""
    names: tuple[str, ...]
    column: str
    is_chosen: bool = False
    """Whether the column was chosen among others: they have addresses too, or only it has some."""


def is_decisive(rows: Sequence[Cells], wanted: str | None, said: Said) -> bool:
    """Whether the last of the rows ends the search: nothing that is to come tells more."""
    last = rows[-1]
    if any(map(is_address, last)) or len(rows) >= MOST_FIRST:
        return True
    if len(rows) == 1 and (said != "none") and _has_name(last, wanted):
        return True
    is_search_over = said is not None or len(rows) >= MOST_ABOVE
    return is_search_over and (wanted is not None or len(rows[0]) == 1)


def head_of(
    rows: Sequence[Cells],
    wanted: str | None,
    said: Said,
    *,
    searched: int,
    numbers: Sequence[int],
    held: Sequence[Cells] | None = None,
) -> Head:
    """Return what the first rows tell. Raises `InputError` where they do not tell the column.

    Args:
        rows: the first ones, with anything in them.
        wanted: what `--column` says.
        said: what `--header-row` says.
        searched: how many of the rows may be the header.
        numbers: what the rows are called in the file.
        held: the rows with the addresses that their cells stand for, if that is not their text.
    """
    held = rows if held is None else held
    header = 0 if said == "header" else None
    if said is None:
        header = header_place(rows[:searched], wanted, is_above_address=_has_address(held))
    if header is None:
        return Head(None, *headless(held, wanted))
    if any(map(is_address, rows[header])):
        told = _(
            "The row that --header-row names has an address, and is no header. Give another number,"
            " or 0 if the input has no header."
        )
        raise InputError(told)
    try:
        return _head_at(header, rows, held, wanted)
    except InputError as error:
        if said is not None:
            raise
        why, place = error, header_place(rows[:searched], None, is_above_address=True) or header
    if place != header:
        try:
            return _head_at(place, rows, held, wanted)
        except InputError as error:
            why = error
    if place:
        told = _(
            "{why} The header is taken to be row {number}; if it is another row, give --header-row"
            " with its number."
        )
        raise InputError(told.format(why=why, number=numbers[place])) from why
    if len(numbers) > 1 and _has_name(rows[1], wanted):
        told = _("{why} If the row {number} is the header, give --header-row {number}.")
        raise InputError(told.format(why=why, number=numbers[1])) from why
    raise why


def _head_at(header: int, rows: Sequence[Cells], held: Sequence[Cells], wanted: str | None) -> Head:
    """Return what the rows tell with the header at that place. Raises `InputError`."""
    texts = ["" if cell is None else str(cell) for cell in rows[header]]
    names = distinct(texts)
    return Head(header, names, *column_of(names, texts, held[header + 1 :], wanted))


def header_place(
    rows: Sequence[Cells], wanted: str | None, *, is_above_address: bool
) -> int | None:
    """Return which of the rows is the header; None: the first one has an address."""
    most = 0
    below_titles = 0
    for place, cells in enumerate(rows[:MOST_ABOVE]):
        if any(map(is_address, cells)):
            if place == 0:
                return None
            if below_titles and _is_named_above(rows[place - 1], cells):
                below_titles = place - 1 if _filled(rows[place - 1]) >= most else below_titles
            break
        filled = _filled(cells)
        if filled > most and _has_name(cells, wanted):
            return place
        if filled > most == 1 and not below_titles:
            below_titles = place
        most = max(most, filled)
    return below_titles if is_above_address else 0


def column_of(
    names: Sequence[str], texts: Sequence[str], rows: Sequence[Cells], wanted: str | None
) -> tuple[str, bool]:
    """Return the column that holds the image, and whether it was chosen for its addresses.

    `texts` are the names as they are written: what has no name is no column that can be the only
    one.
    """
    if wanted is not None:
        return chosen_column(names, wanted), False
    found = [
        name
        for place, name in enumerate(names)
        if any(is_address(cells[place]) for cells in rows if place < len(cells))
    ]
    usual = usual_column(names)
    if usual is None:
        if len(found) > 1:
            told = _(
                "The input does not say which column holds the image, and more than one has"
                " addresses. Give --column {names}."
            )
            raise InputError(told.format(names=_(" or ").join(map(repr, found[:5]))))
        if found:
            return found[0], len(names) > 1
        last = max((place for place, text in enumerate(texts, 1) if text.strip()), default=0)
        names = names[: last or None]
    return chosen_column(names, wanted), any(name != usual for name in found)


def likeness(rows: Sequence[Cells], held: Sequence[Cells], wanted: str | None) -> int:
    """Return how much rows look like a list: 2 with a usual name and addresses, 0 not at all."""
    has_name = any(_has_name(cells, wanted) for cells in rows[:MOST_ABOVE])
    return has_name + _has_address(held)


class _Linked(Protocol):
    def link(self, row: int, place: int) -> str:
        """Return where the link of a cell leads to."""


def held_in(sheet: _Linked, number: int, cells: Cells) -> list[object]:
    """Return the cells of a row, with the target of a link where the text is no address."""
    return [
        link if not is_address(cell) and is_address(link := sheet.link(number, place)) else cell
        for place, cell in enumerate(cells)
    ]


def _has_name(cells: Cells, wanted: str | None) -> bool:
    texts = [str(cell).strip() for cell in cells if isinstance(cell, str)]
    if wanted is not None and wanted in texts:
        return True
    is_name = wanted is not None and not wanted.isdecimal()
    return not is_name and usual_column(texts) is not None


def _has_address(rows: Sequence[Cells]) -> bool:
    return any(is_address(cell) for cells in rows for cell in cells)


def _is_named_above(above: Cells, cells: Cells) -> bool:
    """Whether the row above has a usual name where a row has its addresses."""
    return any(
        isinstance(name, str) and is_address(cell) and usual_column([name]) is not None
        for name, cell in zip(above, cells, strict=False)
    )


def _filled(cells: Cells) -> int:
    """Return how many cells of a row are filled; of pairs such as `部门：|市场部`, 1 as a title."""
    texts = [str(cell).strip() for cell in cells if _is_filled(cell)]
    labels = sum(text.endswith((":", "：")) for text in texts)
    return 1 if 0 < labels < len(texts) else len(texts)


def _is_filled(cell: object) -> bool:
    return cell is not None and str(cell).strip() != ""
