"""Names for the columns of a table: all different, and none that is an image's address."""

from collections.abc import Sequence

from s2v_detect.tables._rows import InputError, chosen_column

_SCHEMES = ("http://", "https://", "oss://")


def is_address(text: object) -> bool:
    """Whether a cell holds an image's address.

    Example:
        >>> is_address(" HTTPS://example.com/1.jpg"), is_address("photo"), is_address(7)
        (True, False, False)
    """
    return isinstance(text, str) and text.strip().lower().startswith(_SCHEMES)


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


def headless(cells: Sequence[object], wanted: str | None) -> tuple[tuple[str, ...], str]:
    """Return names for a table without a header, and the column that holds the image.

    `cells` are those of the first row. Raises `InputError` where two of them are addresses.
    """
    names = tuple(f"column_{place}" for place in range(1, len(cells) + 1))
    found = [name for name, cell in zip(names, cells, strict=True) if is_address(cell)]
    if wanted is None and len(found) == 1:
        return names, found[0]
    if wanted is None:
        raise InputError(
            "The input has no header, and several columns hold addresses. Give --column, such as"
            f" {found[0]}."
        )
    return names, chosen_column(names, wanted)
