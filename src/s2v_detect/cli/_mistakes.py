"""What a mistake in a command line prints."""

from cyclopts import CycloptsError, CycloptsPanel, MissingArgumentError
from rich.panel import Panel

from s2v_detect.cli._examples import example_with


def as_told(error: CycloptsError) -> Panel:
    """Return what is printed of a mistake: of what is missing, its name and a line that has it."""
    if type(error) is MissingArgumentError and error.argument is not None:
        return CycloptsPanel(_what_is_missing(error))
    return CycloptsPanel(error)


def _what_is_missing(error: MissingArgumentError) -> str:
    assert error.argument is not None  # noqa: S101  # asked above; for the types
    names = sorted(error.argument.names, key=len)
    command = " ".join(error.command_chain or ())
    keyword = error.keyword or next(
        (token.keyword for token in error.argument.tokens if token.keyword), None
    )
    what = f"{keyword} needs a value behind it."
    if keyword is None:
        of = f"{names[0]} (or {names[1]})" if len(names) > 1 else names[0]
        what = f"`s2v-detect {command}` needs {of}, which is missing."
    _, mark, meant = str(error).partition(" Did you mean ")
    example = example_with(command, names if names[0].startswith("-") else ["s2v-detect"])
    return what + mark + meant + (f"\nFor example: {example}" if example else "")
