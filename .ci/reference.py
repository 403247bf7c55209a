"""Write `examples/reference.md`: every public name, from its docstring and the table of columns.

    python .ci/reference.py

The source is read and not imported (griffe), so that the page is the same with every Python. A test
fails where the page is not what this script writes.
"""

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import griffe

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "examples" / "reference.md"
sys.path.insert(0, str(ROOT / "src"))

from s2v_detect._columns import ADDED_COLUMNS, LEDGER_COLUMNS, OUTPUT_COLUMNS, Column  # noqa: E402

HEAD = """# Reference

Every public name of the package, with its arguments, fields and errors, and every column.
This page is made from the docstrings by `.ci/reference.py`: change a docstring, and run that. Tasks
are in [the examples](README.md), and the options of the command in `s2v-detect --help`.
"""

GROUPS = (
    ("The client", ("client", "blocking", "checks")),
    ("Values", ("models",)),
    ("Options", ("options",)),
    ("Limiters", ("limiters",)),
    ("Ledgers", ("ledger",)),
    ("Errors", ("errors",)),
)
"""Each with the rooms that its names come from; the names are those of `__all__`."""

COLUMNS = (
    ("The line of an outcome, and the columns of an output", OUTPUT_COLUMNS),
    ("What is added to a data frame or a dataset, each with its prefix", ADDED_COLUMNS),
    ("The export of a ledger", LEDGER_COLUMNS),
)


def page() -> str:
    """Return the page."""
    loader = griffe.GriffeLoader(search_paths=[ROOT / "src"], docstring_parser=griffe.Parser.google)
    loader.load("s2v_detect_pytest")
    package = loader.load("s2v_detect")
    if not isinstance(package, griffe.Module):
        raise TypeError("the package is none")
    groups = [(title, _named(package, rooms)) for title, rooms in GROUPS]
    groups += [(f"`{module.path}`", _own(module)) for module in _further(package)]
    parts = [HEAD, *_contents(groups)]
    for title, members in groups:
        parts.append(f"\n## {title}\n")
        parts += [part for name, member in members for part in _member(name, member)]
    parts.append("\n## Columns\n")
    parts += [part for title, columns in COLUMNS for part in _table(title, columns)]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(parts)).rstrip() + "\n"


def _named(package: griffe.Module, rooms: Sequence[str]) -> list[tuple[str, griffe.Object]]:
    """Return the public names that come from some rooms."""
    members = (
        (name, _target(package.members[name])) for name in sorted(map(str, package.exports or []))
    )
    return [
        (name, member)
        for name, member in members
        if member.path.split(".")[1] in rooms and not name.startswith("_")
    ]


def _further(package: griffe.Module) -> Iterator[griffe.Module]:
    """Yield what a user imports beside the package itself."""
    for path in ("emulator", "testing"):
        yield package[path]
    for name, member in sorted(package["integrations"].members.items()):
        if not name.startswith("_") and isinstance(member, griffe.Module):
            yield member


def _own(module: griffe.Module) -> list[tuple[str, griffe.Object]]:
    """Return the public names of a module: those of its `__all__`, or those that it defines."""
    names = module.exports or [
        name
        for name, member in module.members.items()
        if not name.startswith("_") and not member.is_alias and member.has_docstring
    ]
    return [(str(name), _target(module.members[str(name)])) for name in sorted(map(str, names))]


def _target(member: griffe.Object | griffe.Alias) -> griffe.Object:
    return member.final_target if isinstance(member, griffe.Alias) else member


def _contents(groups: Iterable[tuple[str, list[tuple[str, griffe.Object]]]]) -> Iterator[str]:
    yield ""
    for title, members in groups:
        links = ", ".join(f"[`{name}`](#{name.lower()})" for name, _ in members)
        yield f"* {title}: {links}"
    yield "* [Columns](#columns)"


def _member(name: str, member: griffe.Object) -> Iterator[str]:
    yield f"\n### {name}\n"
    if isinstance(member, griffe.Class):
        bases = [str(base) for base in member.bases if not str(base).startswith(("_", "Value"))]
        if init := _init_of(member):
            yield _code(f"{name}{_signature(init) if _names_any(init) else _called_with(member)}")
        elif bases:
            yield f"A kind of `{bases[0]}`.\n"
        yield from _prose(member)
        yield from _fields(member)
        for method in _methods(member):
            yield f"\n#### {name}.{method.name}\n"
            awaited = "await " if "async" in method.labels else ""
            yield _code(f"{awaited}{method.name}{_signature(method)}")
            yield from _prose(method)
    elif isinstance(member, griffe.Function):
        awaited = "await " if "async" in member.labels else ""
        yield _code(f"{awaited}{name}{_signature(member)}")
        yield from _prose(member)
    else:
        if isinstance(member, griffe.Attribute) and member.value is not None:
            yield _code(f"{name} = {member.value}")
        yield from _prose(member)


def _init_of(member: griffe.Class) -> griffe.Function | None:
    """Return what a class is called with, where its users call it."""
    init = member.all_members.get("__init__")
    target = _target(init) if init is not None else None
    is_ours = isinstance(target, griffe.Function) and "errors" not in target.path
    return target if is_ours and isinstance(target, griffe.Function) else None


def _names_any(function: griffe.Function) -> bool:
    """Whether a function names its arguments, and does not check by itself which it is given."""
    stars = (griffe.ParameterKind.var_positional, griffe.ParameterKind.var_keyword)
    return any(each.name != "self" and each.kind not in stars for each in function.parameters)


def _called_with(member: griffe.Class) -> str:
    """Return the fields of a value as its arguments."""
    fields = [each for _, each in _public(member) if isinstance(each, griffe.Attribute)]
    lines = [f"    {each.name}: {each.annotation} = {each.value},\n" for each in fields]
    return f"(\n    *,\n{''.join(lines)})"


def _signature(function: griffe.Function) -> str:
    """Return the arguments, a line each where they are many, and what comes back."""
    words, is_keyword = [], False
    for parameter in function.parameters:
        if parameter.name in ("self", "cls"):
            continue
        if parameter.kind is griffe.ParameterKind.keyword_only and not is_keyword:
            is_keyword = True
            words.append("*")
        stars = {
            griffe.ParameterKind.var_positional: "*",
            griffe.ParameterKind.var_keyword: "**",
        }.get(parameter.kind or griffe.ParameterKind.positional_or_keyword, "")
        is_keyword |= stars == "*"
        typed = f": {parameter.annotation}" if parameter.annotation else ""
        equals = " = " if typed else "="
        default = f"{equals}{_value(parameter.default)}" if parameter.default and not stars else ""
        words.append(f"{stars}{parameter.name}{typed}{default}")
    returned = f" -> {function.returns}" if function.returns and str(function.returns) else ""
    line = f"({', '.join(words)}){returned}"
    if len(line) <= 80:  # noqa: PLR2004  # what a page of code has room for
        return line
    return "(\n" + "".join(f"    {word},\n" for word in words) + f"){returned}"


def _value(default: str | griffe.Expr | None) -> str:
    """Return a default as a user would write it: a constant of ours as its value."""
    if not isinstance(default, griffe.ExprName):
        return str(default)
    try:
        found = _target(default.resolved) if default.resolved is not None else None
    except griffe.AliasResolutionError:  # of another package
        found = None
    value = found.value if isinstance(found, griffe.Attribute) else None
    return str(value or default).replace(".model_construct()", "()")


def _prose(member: griffe.Object) -> Iterator[str]:
    """Yield a docstring as Markdown, section by section."""
    for section in member.docstring.parsed if member.docstring else ():
        match section:
            case griffe.DocstringSectionText():
                yield f"{section.value}\n"
            case griffe.DocstringSectionParameters():
                yield "".join(
                    f"* `{each.name}`: {_flat(each.description)}\n" for each in section.value
                )
            case griffe.DocstringSectionRaises():
                yield "Raises:\n"
                yield "".join(
                    f"* `{each.annotation}`: {_flat(each.description)}\n" for each in section.value
                )
            case griffe.DocstringSectionAdmonition():
                yield _code(_program(section.value.contents))
            case griffe.DocstringSectionExamples():
                yield _code(_program("\n".join(text for _, text in section.value)))
            case _:
                raise ValueError(f"{member.path}: no way to show a section of {section.kind}")


def _fields(member: griffe.Class) -> Iterator[str]:
    """Yield the table of a value's fields, those of its bases too."""
    if not any(field.has_docstring for _, field in _public(member)):
        return  # they are explained elsewhere: those of `ClientOptions` at the client
    rows = [
        f"| `{name}` | `{_cell(str(field.annotation))}` | {_cell(_flat(_first(field)))} |"
        for name, field in _public(member)
        if isinstance(field, griffe.Attribute) and field.annotation is not None
    ]
    if rows:
        yield "| field | type | meaning |\n|---|---|---|"
        yield "\n".join(rows)


def _methods(member: griffe.Class) -> list[griffe.Function]:
    return [each for _, each in _public(member) if isinstance(each, griffe.Function)]


def _public(member: griffe.Class) -> list[tuple[str, griffe.Object]]:
    """Return what a user reads of a class, in the order of the source, the bases first."""
    every = [*reversed(member.mro()), member]
    members = {name: _target(each) for part in every for name, each in part.members.items()}
    return [
        (name, each)
        for name, each in members.items()
        if not name.startswith("_") and name != "model_config" and "deprecated" not in each.labels
    ]


def _first(member: griffe.Object) -> str:
    return member.docstring.value if member.docstring else ""


def _flat(text: str) -> str:
    return " ".join(text.split())


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _program(text: str) -> str:
    """Return an example as a program: without the prompts, its output as a comment."""
    lines = []
    for line in text.strip().splitlines():
        prompted = re.match(r"(?:>>>|\.\.\.) ?(.*)", line)
        lines.append(prompted[1] if prompted else f"# {line}" if line else "")
    return "\n".join(lines)


def _code(text: str) -> str:
    return f"```py\n{text}\n```\n"


def _table(title: str, columns: Sequence[Column]) -> Iterator[str]:
    yield f"\n### {title}\n"
    yield "| column | type | meaning |\n|---|---|---|"
    for column in columns:
        exact = f", in memory `{column.exact.__name__}`" if column.exact else ""
        yield f"| `{column.name}` | `{column.type.__name__}`{exact} | {_cell(column.meaning)} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
