"""Every reason for which a row is skipped has a name and advice of its own."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from s2v_detect._service import ALL_FORMATS
from s2v_detect.errors import ImageSkipped
from s2v_detect.images import UNREAD, image_of
from s2v_detect.report import advice_for, skip_of
from s2v_detect.report._advice import names_in
from s2v_detect.tables._rows import row_of

PACKAGE = Path(__file__).parents[2] / "src" / "s2v_detect"
ROOMS = ("tables", "bulk", "cli", "images", "wire", "integrations")
REFUSING = {
    "_unsendable",
    "_blank_in",
    "_fault_of",
    "cut",
    "_private_host",
    "refusal",
    "refusal_of",
}
"""The functions that return a reason, or an empty text."""
NAMED = {"fault", "_TWO", "NO_ADDRESS", "NO_URL", "IN_BUCKET", "reason"}
"""What a reason is kept in, before a row has it."""
TEXTS = {"Miscut", "Surplus", "cls"}
"""What a reason is made with that says more than its text."""
SHARED = {"ALL_FORMATS": ALL_FORMATS, "UNREAD": UNREAD}
"""Parts of a reason that are written in one place for all."""
NOT_WHOLE = {
    "{} is no image: give a URL, a path (pathlib.Path) or bytes": "of a program's value alone",
    "{}= raised {} on it ({})": "as above",
    "{} in the column {}": "the reason of an identity, which is here too",
    "{}: {}": "of the doctor",
}
"""What no row can give, or what only holds another reason; and why."""


def text_of(node: ast.expr | None) -> str:
    """Return a text as it is written, `{}` where something is put in; nothing of what is none."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.FormattedValue):
        return SHARED.get(ast.unparse(node.value), "{}")
    if isinstance(node, ast.JoinedStr):
        return "".join(map(text_of, node.values))
    if isinstance(node, ast.Call) and ast.unparse(node.func) in TEXTS:
        return text_of(node.args[0])
    return ""


def given_in(node: ast.AST) -> list[ast.expr | None]:
    """Return what a node of a module gives as a reason."""
    match node:
        case ast.Call(func=ast.Name("Row"), args=[_, _, fault, *_]):
            return [fault]
        case (
            ast.Call(func=ast.Name("ImageSkipped"), args=reasons)
            | ast.Call(func=ast.Attribute(attr="_refuse" | "_give_up"), args=reasons)
        ):
            return [*reasons]
        case ast.Call(keywords=keywords) if keywords:
            return [each.value for each in keywords if each.arg == "fault"]
        case ast.Assign(targets=[ast.Name(name) | ast.Attribute(attr=name)], value=value):
            return either(value) if name in NAMED else []
        case ast.FunctionDef(name=name) if name in REFUSING:
            returned = (each for each in ast.walk(node) if isinstance(each, ast.Return))
            return [text for each in returned for text in either(each.value)]
        case _:
            return []


def either(node: ast.expr | None) -> list[ast.expr | None]:
    """Return both of what stands before and behind an `else`."""
    return [node.body, node.orelse] if isinstance(node, ast.IfExp) else [node]


def reasons() -> Iterator[str]:
    """Yield every reason that is written anywhere."""
    for room in ROOMS:
        for path in sorted((PACKAGE / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                yield from filter(None, map(text_of, given_in(node)))


REASONS = sorted(set(reasons()) - set(NOT_WHOLE))


def test_the_reasons_are_found() -> None:
    """Those of each kind: of lists, lines, cells, files, addresses, identities and looks."""
    for part in (
        "the line is not JSON",
        "holds no text",
        "not saved",
        "the address is empty",
        "an address in a bucket",
        "never closes;",
        "two addresses in one cell",
        "two addresses in one line",
        "two files were joined",
        "NUL",
        "the line is not {} text",
        "is longer than",
        "goes on behind",
        "the folder can't be read",
        "it is a folder: ",
        "its identity ",
        "it changed while",
        "the store takes",
        "names no object",
        "it is not there",
        "an address that is not public",
        "are taken",
        "both sides must have",
    ):
        assert any(part in each for each in REASONS), part


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_has_its_name_and_its_advice(reason: str) -> None:
    """One that is new and in no row is told in English alone, and has the same card as all such."""
    name = skip_of(reason)
    assert name, reason
    assert name in names_in("zh")["skipped"]
    assert advice_for("skipped", "", name) != advice_for("skipped", "", "")


@pytest.mark.parametrize("columns", [{}, {"url": None}, {"url": ""}, {"url": " \u3000"}])
def test_an_empty_cell_is_one_reason_in_every_kind_of_list(columns: dict[str, str | None]) -> None:
    """CSV knows no cell without a text, and Excel and JSON do."""
    row = row_of(7, columns, "url")
    with pytest.raises(ImageSkipped) as caught:
        image_of(row.image)
    assert row.fault in ("", caught.value.reason)
    assert skip_of(caught.value.reason) == "Empty address"
