"""Names for the columns of a table: all different, and none that is an image's address."""

from collections.abc import Sequence

from s2v_detect.languages import _
from s2v_detect.tables._rows import InputError, chosen_column, is_address


def distinct(names: Sequence[str]) -> tuple[str, ...]:
    """Return names that are all different: no column is lost for being called as another.

    Example:
        >>> distinct(["a", "a_3", "a", "", "column_4"])
        ('a', 'a_3', 'a_3_3', 'column_4_4', 'column_4')
    """
    given = [
        name if name.strip() else f"column_{place}" for place, name in enumerate(names, start=1)
    ]
    found: list[str] = []
    for place, (name, written) in enumerate(zip(given, names, strict=True), start=1):
        new = name
        # A name that nobody wrote gives way to one that somebody did, wherever that stands.
        while new in found or (new != written and new in given[place:]):
            new = f"{new}_{place}"
        found.append(new)
    return tuple(found)


def headless(rows: Sequence[Sequence[object]], wanted: str | None) -> tuple[tuple[str, ...], str]:
    """Return names for a table without a header, and the column that holds the image.

    `rows` are its first ones. Raises `InputError` where the first address does not tell the column.
    """
    names = tuple(f"column_{place}" for place in range(1, len(next(filter(None, rows), ())) + 1))
    cells = next((cells for cells in rows if any(map(is_address, cells))), ())
    places = [place for place, cell in enumerate(cells, start=1) if is_address(cell)]
    if wanted is None and len(places) > 1:
        told = _(
            "The input has no header, and a row has addresses in more than one column. Give"
            " --column {places}."
        )
        raise InputError(told.format(places=_(" or ").join(map(str, places))))
    if wanted is not None and wanted not in names and not wanted.isdecimal():
        told = _(
            "The input has no column {column!r}: its first line is no header. Give --column"
            " {place}, or give the list a header."
        )
        raise InputError(told.format(column=wanted, place=places[0] if places else 1))
    if wanted is None and places:
        wanted = str(places[0])
    return names, chosen_column(names, wanted)
