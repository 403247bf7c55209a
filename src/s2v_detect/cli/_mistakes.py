"""What a mistake in a command line prints."""

import os
from collections.abc import Iterator, Sequence
from itertools import pairwise

from cyclopts import CycloptsError, CycloptsPanel, MissingArgumentError, UnusedCliTokensError
from rich.panel import Panel

from s2v_detect.cli._examples import example_with
from s2v_detect.cli._optional_values import alone
from s2v_detect.cli._terminal import joined, printable
from s2v_detect.languages import _

_MOST_NAMED = 3


def as_told(error: CycloptsError) -> Panel:
    """Return what is printed of a mistake: of what is missing, its name and a line that has it."""
    if type(error) is MissingArgumentError and error.argument is not None:
        return CycloptsPanel(_what_is_missing(error))
    if isinstance(error, UnusedCliTokensError):
        return CycloptsPanel(_what_is_too_much(error))
    return CycloptsPanel(error)


def _what_is_too_much(error: UnusedCliTokensError) -> str:
    words = error.unused_tokens or []
    shown = ", ".join(printable(word) for word in words[:_MOST_NAMED])
    shown += ", …" if len(words) > _MOST_NAMED else ""
    command = " ".join(("s2v-detect", *(error.command_chain or ())))
    told = _("`{command}` does not take so many words: {words}.")
    meant = _what_was_meant(error.root_input_tokens or [])
    return joined(told.format(command=command, words=shown), *meant)


def _what_was_meant(words: Sequence[str]) -> Iterator[str]:
    """Yield what to write where a word stands behind an option that takes it behind a =."""
    for option, behind in pairwise(words):
        name = option.partition("=")[0]
        if option == alone(name) and not behind.startswith("-") and not _is_input(behind):
            told = _("A value of {option} stands behind a =: {option}={value}")
            yield told.format(option=name, value=printable(behind))


def _is_input(word: str) -> bool:
    """Whether a word may be an image or a list."""
    return "." in word or "/" in word or os.path.lexists(word)


def _what_is_missing(error: MissingArgumentError) -> str:
    assert error.argument is not None  # noqa: S101  # asked above; for the types
    names = sorted(error.argument.names, key=len)
    command = " ".join(error.command_chain or ())
    keyword = error.keyword or next(
        (token.keyword for token in error.argument.tokens if token.keyword), None
    )
    what = _("{option} needs a value behind it.").format(option=keyword)
    if keyword is None:
        what = _("`s2v-detect {command}` needs {name}, which is missing.")
        if len(names) > 1:
            what = _("`s2v-detect {command}` needs {name} (or {other}), which is missing.")
        what = what.format(command=command, name=names[0], other=names[-1])
    _missing, mark, meant = str(error).partition(" Did you mean ")
    example = example_with(command, names if names[0].startswith("-") else ["s2v-detect"])
    such = "\n" + _("For example: {line}").format(line=example) if example else ""
    return what + mark + meant + such
