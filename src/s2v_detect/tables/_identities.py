"""What a cell of a list names its image by.

Two images of one identity get one verdict, so a cell that several rows may have come to is none: a
number that its program rounded, a formula's error, a word for nothing. `images` has the rule for
values; here is what the kinds of lists do to them.
"""

import re

from s2v_detect.images import DIGITS, identity_text, no_identity, trimmed
from s2v_detect.tables._excel_table import ExcelTable
from s2v_detect.tables._fitting import Table

_ROUNDED = 10**15
"""Excel keeps 15 digits of a number. Who typed 18 has zeros for the last ones."""

_WHOLE = re.compile(r"-?(0|[1-9]\d*)\.0+", re.ASCII)
"""A float, as programs write one into CSV: pandas does so where one cell of a column is empty."""

_ERROR = re.compile(r"#(N/[AD]|NV|[A-Z][A-Z0-9/_]*[!?]|GETTING_DATA|#+)|Err:\d{3}")
"""Of Excel in several languages, also of a column that is too narrow; of LibreOffice."""
_NOTHING = frozenset(["nan", "NaN", "<NA>", "NaT", "None", "null", "NULL", r"\N"])
"""What pandas, Python, databases and MySQL's export write for no value."""

_GIVE = "give a text or a whole number"


def identity_in(table: Table, value: object, image: object) -> str:
    """Return the identity that a cell of a table gives its image.

    Raises `ImageSkipped` for a cell that is none.
    """
    is_sheet = isinstance(table, ExcelTable)
    if isinstance(value, str):
        value = trimmed(value)
        why = _why_nothing(value, is_sheet=is_sheet)
        if why:
            raise no_identity(why, image, do=_GIVE)
        if table.delimiter and _WHOLE.fullmatch(value):  # a cell of CSV has no type
            value = float(value)
    elif is_sheet and isinstance(value, int | float) and abs(value) >= _ROUNDED:
        why = "is a number of more than 15 digits, which Excel does not keep"
        raise no_identity(why, image, do=DIGITS)
    return identity_text(value, image)


def _why_nothing(text: str, *, is_sheet: bool) -> str:
    """Return why a text is no name of one image alone, or an empty text."""
    if text in _NOTHING:
        return f"is {text!r}, which stands for no value"
    if _ERROR.fullmatch(text):
        return f"is {text}, the error of a formula"
    if is_sheet and text.startswith("="):
        return "is a formula whose value Excel has not saved"
    return ""
