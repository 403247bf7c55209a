"""What a mistake in a command line prints."""

from cyclopts import CycloptsError, CycloptsPanel, MissingArgumentError
from rich.panel import Panel

from s2v_detect.cli._examples import example_with
from s2v_detect.languages import _


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
