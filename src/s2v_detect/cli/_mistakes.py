"""What a mistake in a command line prints.

cyclopts finds the mistake, and what was meant. Its sentences are English: those that a command of
ours can lead to are said here anew, and only what has no place of its own is read out of them.
"""

import os
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, Literal, get_args, get_origin

from cyclopts import (
    Argument,
    CoercionError,
    CycloptsError,
    CycloptsPanel,
    MissingArgumentError,
    RepeatArgumentError,
    Token,
    UnknownCommandError,
    UnknownOptionError,
    UnusedCliTokensError,
    ValidationError,
)
from rich.panel import Panel

from s2v_detect.cli._examples import example_with
from s2v_detect.cli._optional_values import alone
from s2v_detect.cli._terminal import joined, printable
from s2v_detect.languages import N_, _

_MOST_NAMED = 3
_KINDS: dict[Any, str] = {
    bool: N_("Give true or false, or the option alone."),
    int: N_("Give a whole number."),
    float: N_("Give a number."),
}
"""What an option of a kind takes; all other options take any text."""
_BOUND = re.compile(r"Must be ([<>]=? \S+)\.")


def as_told(error: CycloptsError) -> Panel:
    """Return what is printed of a mistake: our own sentences, in the language that is spoken."""
    return CycloptsPanel(joined(*_sentences(error)) or error, title=_("Error"))


def _sentences(error: CycloptsError) -> Iterator[str]:
    """Yield what is said of a mistake; nothing of a kind that no command of ours can lead to."""
    match error:
        case MissingArgumentError(argument=Argument() as argument) if _is_plain(error):
            yield _what_is_missing(error, argument)
        case UnusedCliTokensError():
            yield _what_is_too_much(error)
        case UnknownOptionError(token=token):
            option = printable(token.keyword or token.value)
            yield _("Unknown option: {option}.").format(option=option)
            yield from _meant(error)
        case UnknownCommandError(unused_tokens=[name, *_others]):
            yield _('Unknown command "{name}".').format(name=printable(name))
            yield from _meant(error)
            yield from _commands(error)
        case CoercionError(token=Token() as token, target_type=kind) if kind in _KINDS:
            yield _invalid(token, error)
            yield _(_KINDS[kind])
        case CoercionError(token=Token() as token, target_type=kind) if get_origin(kind) is Literal:
            yield _invalid(token, error)
            choices = ", ".join(f'"{choice}"' for choice in get_args(kind))
            yield _("Choose from: {choices}.").format(choices=choices)
            yield from _meant(error)
        case ValidationError(argument=Argument(tokens=[token, *_others])):
            yield _invalid(token, error)
            yield _bound(error.exception_message)
        case RepeatArgumentError(token=token):
            yield _("{option} is given more than once.").format(option=token.keyword)


def _is_plain(error: MissingArgumentError) -> bool:
    return type(error) is MissingArgumentError  # its kinds are of lists of values, which none has


def _invalid(token: Token, error: CycloptsError) -> str:
    name = token.keyword
    if name is None and error.argument is not None:
        name = error.argument.name.lstrip("-").upper()
    return _('Invalid value "{value}" for {name}.').format(value=printable(token.value), name=name)


def _bound(told: str) -> str:
    """Return what a validator says: ours is in the language that is spoken, and a bound is not."""
    found = _BOUND.fullmatch(told)
    return _("It must be {bound}.").format(bound=found[1]) if found else told


def _commands(error: UnknownCommandError) -> Iterator[str]:
    names = str(error).partition("Available commands: ")[2].removesuffix(".")
    if names:
        yield _("Available commands: {names}.").format(names=names)


def _meant(error: CycloptsError) -> Iterator[str]:
    """Yield what is close to a mistyped word."""
    meant = str(error).partition(" Did you mean ")[2].partition("?")[0]
    meant, _instead, word = meant.partition(" instead of ")
    if word:
        told = _("Did you mean {meant} instead of {word}?")
        yield told.format(meant=meant, word=printable(word))
    elif meant:
        yield _("Did you mean {meant}?").format(meant=meant)


def _what_is_too_much(error: UnusedCliTokensError) -> str:
    words = error.unused_tokens or []
    shown = ", ".join(printable(word) for word in words[:_MOST_NAMED])
    more = len(words) - _MOST_NAMED
    command = " ".join(("s2v-detect", *(error.command_chain or ())))
    told = _("`{command}` does not take so many words: {words}.")
    if more > 0:
        told = _("`{command}` does not take so many words: {words} and {count} more.")
    told = told.format(command=command, words=shown, count=more)
    return joined(told, *_what_was_meant(error.root_input_tokens or []))


def _what_was_meant(words: Sequence[str]) -> Iterator[str]:
    """Yield what to write where a word stands behind an option that takes it behind a =."""
    for option, behind in pairwise(words):
        name = option.partition("=")[0]
        if option == alone(name) and not behind.startswith("-") and not _is_input(behind):
            told = _("A value of {name} stands behind a =: {name}={value}")
            yield told.format(name=name, value=printable(behind))


def _is_input(word: str) -> bool:
    """Whether a word may be an image or a list."""
    return "." in word or "/" in word or os.path.lexists(word)


def _what_is_missing(error: MissingArgumentError, argument: Argument) -> str:
    names = sorted(argument.names, key=len)
    command = " ".join(error.command_chain or ())
    keyword = error.keyword or next(
        (token.keyword for token in argument.tokens if token.keyword), None
    )
    what = _("{option} needs a value behind it.").format(option=keyword)
    if keyword is None:
        what = _("`s2v-detect {command}` needs {name}, which is missing.")
        if len(names) > 1:
            what = _("`s2v-detect {command}` needs {name} (or {other}), which is missing.")
        what = what.format(command=command, name=names[0], other=names[-1])
    example = example_with(command, names if names[0].startswith("-") else ["s2v-detect"])
    such = "\n" + _("For example: {line}").format(line=example) if example else ""
    return joined(what, *_meant(error)) + such
