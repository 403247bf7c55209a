"""What separates the cells of a list: said by its user, by its first line, or plain from its head.

**Theory.** The delimiter of the file's ending stands, unless another one is plainly better: one
that cuts the header and more of the first lines into the same number of cells. Delimiters within
quotes do not count, nor do titles above the header: lines without any delimiter, up to one that has
some and no address. Where the first line is an address already, a `;` behind it may belong to it,
and no other line can tell: the user is asked.

No library guesses here: of seven short heads, clevercsv 0.8 cut a column `url` at the `=` of its
addresses, and `image url` at its blank.
"""

import re
from collections.abc import Sequence

from s2v_detect.languages import _
from s2v_detect.tables._rows import InputError, is_address

GUESSED = (",", ";", "\t", "|")
_NAMES = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}
_HEAD_LINES = 100
_QUOTED = re.compile(r'"[^"]*"')
_SEP = re.compile(r'"?sep=(.)"?')


def delimiter_named(text: str) -> str:
    r"""Return the delimiter that an option says. Raises `InputError` for what can be none.

    Example:
        >>> delimiter_named("tab"), delimiter_named(r"\t"), delimiter_named(";")
        ('\t', '\t', ';')
    """
    found = _NAMES.get(text.lower(), text)
    if len(found) == 1 and not (found.isalnum() or found in "\"'\r\n\0:/. \ufeff\ufffd"):
        return found
    told = _("{text!r} can't separate cells. Give --delimiter one character: {such}.")
    such = _(" or ").join(("','", "';'", "'|'", "tab"))
    raise InputError(told.format(text=text, such=such))


def shown(delimiter: str) -> str:
    """Return a delimiter as a person reads it."""
    return _("a tab") if delimiter == "\t" else repr(delimiter)


def delimiter_said(line: str) -> str | None:
    """Return the delimiter that Excel's own first line says; None: it is no such line."""
    found = _SEP.fullmatch(line.rstrip())
    return found[1] if found else None


def delimiter_of(lines: Sequence[str], default: str) -> str:
    """Return what separates the cells of these lines, the header first.

    Raises `InputError` where it can't be told.
    """
    bare = _below_titles(_QUOTED.sub("", "\n".join(lines[:_HEAD_LINES])).split("\n"))
    has_header = not is_address(bare[0])
    best, most = default, 0
    for each in (default, *(other for other in GUESSED if other != default)):
        wanted = bare[0].count(each)
        alike = sum(line.count(each) == wanted for line in bare) if wanted else 0
        if alike > most and (has_header or each == default or alike == len(bare)):
            best, most = each, alike
    if best == ";" != default and not has_header:
        told = _(
            "The first line is an address with a ';' behind it, and no header says whether that"
            " separates cells. Give --delimiter ';', or --delimiter '{default}' if it does not."
        )
        raise InputError(told.format(default=default))
    return best


def _below_titles(lines: list[str]) -> list[str]:
    for place, line in enumerate(lines):
        if "://" in line:
            break
        if any(each in line for each in GUESSED):
            return lines[place:]
    return lines
