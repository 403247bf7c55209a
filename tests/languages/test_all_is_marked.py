"""What the command says to a person is marked for the catalogues: no sentence stays behind."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "src" / "s2v_detect"
CLI = PACKAGE / "cli"
REFUSING = {
    f"{room}/{path.stem}": path
    for room in ("tables", "bulk")
    for path in sorted((PACKAGE / room).glob("*.py"))
}
REFUSALS = {"InputError", "OutputError", "PathError"}
"""What the command says of a file as it stands there. The reasons of rows are data, and English."""
MODULES = {
    path.stem: path
    for path in sorted(CLI.glob("*.py"))
    # The lines of the help, and the page of a probe, which is sent to us: English in each language.
    if path.stem not in {"_examples", "_probe_page", "_hidden"}
}
MARKS = {"_", "N_", "ngettext", "pgettext"}
SENTENCE = re.compile(r"[A-Za-z]+ [a-z]+ [a-z]+")
NOT_OURS = {"missing", "App"}
"""Calls of rooms that know no language; and the help, which is English."""
KNOWN_BY = {"_Row": 1}
"""The argument of a call that holds what an error of the library is known by, which is English."""
NOT_SAID = {
    " is left out: stderr takes ": "said where nothing but English can be shown",
    ", as Python is told. Set PYTHONIOENCODING=utf-8.": "as above",
    "Exit codes, the first that fits:\n": "the help",
    "Columns of OUT, behind those of INPUT:\n": "the help",
    "The key is read from DASHSCOPE_API_KEY, else from the file that\nDASHSCOPE_API_KEY_FILE_PATH"
    " names, else from ~/.dashscope/api_key.": "the help",
    "Correct the base URL": "words of an error of the library",
    "Check this machine's network": "as above",
    "The live page": "a log record",
    "it is a folder: `s2v-detect run ": "the reason of a row, which is data",
    "The clock of the run": "a log record",
    "The count of the images": "a log record",
    "s2v-detect live page": "a thread's name",
    "a pattern of files": "marked beside its type",
    " Did you mean ": "words of cyclopts",
    r"has been out for (?:(\d+) days?, )?(\d+):(\d+):(\d+)": "words of an error of the library",
    "the emulator of this machine, whose answers are its own": "the page of a probe",
    "the public address": "as above",
    "default not bold": "a style",
    "it is no http, https or oss URL": "what the library says, to be known by",
    "the address is empty": "as above",
    "the file can't be read: ": "as above",
}
"""What reads like a sentence and is none that is to be translated, and why."""


def unmarked(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the lines and texts of a module that read as sentences, and that nothing marks."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Call) and _name(node.func) in MARKS | NOT_OURS:
            continue
        if isinstance(node, ast.Call) and _name(node.func) in KNOWN_BY:
            place = KNOWN_BY[_name(node.func)]
            for argument in node.args[:place] + node.args[place + 1 :]:
                yield from unmarked(ast.Tuple([argument]))
            continue
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue  # a docstring
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if SENTENCE.search(node.value) and node.value not in NOT_SAID:
                yield node.lineno, node.value
        else:
            yield from unmarked(node)


def _name(called: ast.expr) -> str:
    return called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")


@pytest.mark.parametrize("module", MODULES)
def test_every_sentence_of_the_command_is_marked(module: str) -> None:
    """As a whole: a part of a sentence has no place of its own in another language."""
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    assert list(unmarked(tree)) == []


@pytest.mark.parametrize("module", REFUSING)
def test_every_refusal_of_a_file_is_marked(module: str) -> None:
    """Those of the rooms of lists and files are read by whoever typed the command."""
    tree = ast.parse(REFUSING[module].read_text(encoding="utf-8"))
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    refusals = (call for call in calls if _name(call.func) in REFUSALS)
    assert [each for call in refusals for each in unmarked(call)] == []
