"""What the documents show works as it stands there, and what they name is there."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from cyclopts import App

import s2v_detect
from s2v_detect import DetectError
from s2v_detect.cli._app import app
from s2v_detect.cli._exits import MEANINGS, Exit
from s2v_detect.emulator import Emulator

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "s2v_detect"
PATHS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
PATHS += [ROOT / name / "README.md" for name in ("examples", "benchmarks")]
TEXTS = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in sorted({*PATHS, *ROOT.glob("*.md")})
}
README, CONTRIBUTING = TEXTS["README.md"], TEXTS["CONTRIBUTING.md"]
EXAMPLES, BENCHMARKS = TEXTS["examples/README.md"], TEXTS["benchmarks/README.md"]
EVERYTHING = "\n".join(TEXTS.values())

FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
# The programs that a document may tell a reader to call. No other word begins a line of a shell.
TOOLS = {"s2v_detect", "pip", "pytest", "ruff", "mypy", "uvicorn", "which", "apt-get", "pydoc"}
SHELL = re.compile(r"(?:s2v-detect|python|uv|pytest|uvicorn|\.ci/run) ?")


class Block(NamedTuple):
    """A fenced block of a document."""

    document: str
    language: str
    text: str


BLOCKS = [Block(name, *found) for name, text in TEXTS.items() for found in FENCE.findall(text)]
QUOTED = [path.read_text(encoding="utf-8") for path in (ROOT / "examples").glob("*.py")]
# What stands in an example word for word is run there: its engine may be in another environment.
PROGRAMS = [
    block
    for block in BLOCKS
    if block.language == "python" and not any(block.text in example for example in QUOTED)
]


def inline(text: str) -> list[str]:
    """Return what stands between backticks in the prose and the tables."""
    return re.findall(r"(?<!`)`([^`\n]+)`(?!`)", FENCE.sub("", text).replace("\n", " "))


INLINE = [(name, code) for name, text in TEXTS.items() for code in inline(text)]


# The programs in Python


def account_of(emulator: Emulator) -> dict[str, str]:
    """Return an environment with a key, and nothing else of the service."""
    account = {"DASHSCOPE_API_KEY": emulator.api_key, "DASHSCOPE_BASE_URL": emulator.base_url}
    return os.environ | account


@pytest.mark.parametrize(
    "block", PROGRAMS, ids=[f"{b.document}-{n}" for n, b in enumerate(PROGRAMS)]
)
def test_every_program_runs(s2v_emulator: Emulator, tmp_path: Path, block: Block) -> None:
    """As a script, or as a file of tests under pytest-asyncio's auto mode."""
    path = tmp_path / "test_mine.py"
    path.write_text(block.text)
    is_test = "def test_" in block.text
    words = ["-m", "pytest", "-q", "-o", "asyncio_mode=auto", str(path)] if is_test else [str(path)]
    done = subprocess.run(  # noqa: S603  # our own page
        [sys.executable, *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=account_of(s2v_emulator),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert not is_test or "1 passed" in done.stdout


@pytest.mark.parametrize(
    "name", ["airflow_dag.py", "fastapi_app.py", "frames.py", "ray_pipeline.py"]
)
def test_the_programs_of_the_readme_are_those_of_the_examples(name: str) -> None:
    """Word for word: `.ci/engines` runs them, or the test of the example."""
    example = (ROOT / "examples" / name).read_text(encoding="utf-8")
    assert [block for block in BLOCKS if block.language == "python" and block.text in example]


def test_the_first_program_prints_what_it_says(s2v_emulator: Emulator) -> None:
    """A verdict, and the spend."""
    (block,) = (
        block
        for block in PROGRAMS
        if block.document == "README.md" and "asyncio.run(main(" in block.text
    )
    done = subprocess.run(  # noqa: S603  # our own page
        [sys.executable, "-c", block.text],
        capture_output=True,
        text=True,
        check=True,
        env=account_of(s2v_emulator),
    )
    assert done.stdout.startswith("https://example.com/face.jpg True\n")
    assert "billed=1" in done.stdout


# The commands of a shell


def commands() -> Iterator[tuple[str, str]]:
    """Yield every single command that a document shows, without its comment."""
    for block in BLOCKS:
        if not block.language and SHELL.match(block.text):
            for line in block.text.splitlines():
                yield from ((block.document, each) for each in parts(line))
    for document, code in INLINE:
        if SHELL.match(code) and " " in code:
            yield from ((document, each) for each in parts(code))


def parts(line: str) -> list[str]:
    """Return the single commands of a line."""
    bare = re.sub(r"\s+# .*", "", line)
    return [part.strip(" ()") for part in re.split(r"&&|\|\||;", bare) if part.strip(" ()")]


def without_uv(words: list[str]) -> list[str]:
    """Return what `uv run` runs."""
    if words[:2] != ["uv", "run"]:
        return words
    words = words[2:]
    while words[0].startswith("-"):
        words = words[2:] if words[0] == "--group" else words[1:]
    return words


@pytest.mark.parametrize(("document", "command"), sorted(set(commands())))
def test_every_command_can_be_given(document: str, command: str) -> None:
    """The program takes these options, the script is there and has them, the paths exist."""
    words = without_uv(shlex.split(command))
    if words[0] == "s2v-detect":
        named = tuple(word for word in words[1:] if word != "--help")
        if not named or (named, "") in OPTIONS:
            return  # a command's name, in a sentence, or its help
        _, given, *_ = app.meta.parse_args(words[1:], exit_on_error=False, print_error=False)
        app.parse_args(given.args, exit_on_error=False, print_error=False)
    elif words[0] == "python" and words[1] != "-m":
        assert_script(words[1], words[2:])
    elif words[0].startswith("."):
        assert os.access(ROOT / words[0], os.X_OK)
    else:
        tool = words[2] if words[:2] == ["python", "-m"] else words[0]
        assert tool in TOOLS, document
        for word in words[1:]:
            assert not re.match(r"(tests|examples|benchmarks)/", word) or (ROOT / word).exists()


def assert_script(name: str, words: list[str]) -> None:
    """Assert that a script is there, and that its source names its options and parts."""
    path = ROOT / name
    source = (path / "__main__.py" if path.is_dir() else path).read_text(encoding="utf-8")
    for word in words:
        if re.fullmatch(r"--[a-z-]+|[a-z]+", word) and word != "--help":
            assert f'"{word}"' in source, f"{name} has no {word}"


def named_benchmarks() -> Iterator[tuple[str, list[str]]]:
    """Yield the scripts that stand in backticks, with their words."""
    for _, code in INLINE:
        if code.startswith("benchmarks/") and not code.endswith(".md"):
            yield code.split()[0], code.split()[1:]


@pytest.mark.parametrize(("name", "words"), list(named_benchmarks()))
def test_every_figure_has_its_script(name: str, words: list[str]) -> None:
    """With the part or the option that gives the figure."""
    if not (ROOT / name).is_dir() or (ROOT / name / "__main__.py").is_file():
        assert_script(name, words)


def options_of(program: App, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield every option of the program, with its command."""
    for name in program:
        if not name.startswith("-"):
            yield (*path, name), ""
            yield from options_of(program[name], (*path, name))
    if program.default_command is not None:
        for argument in program.assemble_argument_collection():
            yield from ((path, name) for name in argument.names if name.startswith("-"))


OPTIONS = sorted({*options_of(app), *options_of(app.meta)})


@pytest.mark.parametrize(("command", "option"), OPTIONS)
def test_every_command_and_option_is_named(command: tuple[str, ...], option: str) -> None:
    """In some document: whoever reads them knows what there is."""
    if option:
        assert re.search(rf"(?<![\w-]){option}(?![\w-])", README + EXAMPLES)
    else:
        assert " ".join(["s2v-detect", *command]) in README + EXAMPLES


@pytest.mark.parametrize(
    ("document", "option"),
    sorted({(name, re.split(r"[ =]", code)[0]) for name, code in INLINE if code.startswith("--")}),
)
def test_every_option_that_is_named_is_there(document: str, option: str) -> None:
    """Of the program; in the page of the benchmarks, of a benchmark."""
    ours = {name for _, name in OPTIONS} | {"--help", *app.version_flags}
    scripts = [*(ROOT / "benchmarks").glob("*.py"), *(ROOT / "benchmarks").glob("*/__main__.py")]
    theirs = any(f'"{option}"' in path.read_text(encoding="utf-8") for path in scripts)
    assert option in ours or (document == "benchmarks/README.md" and theirs)


# What is where


@pytest.mark.parametrize(
    "path",
    sorted(set(re.findall(r"`((?:tests|examples|src|\.ci)/[\w./-]*)`", EVERYTHING))),
)
def test_every_file_that_is_named_is_there(path: str) -> None:
    """A promise without its test would be none."""
    assert (ROOT / path).exists()


@pytest.mark.parametrize(
    "path",
    sorted(set(re.findall(r"\b((?:checks|wire|limiters|bulk|ledger)/_\w+\.py)", CONTRIBUTING))),
)
def test_every_module_of_the_drawing_is_there(path: str) -> None:
    """By its path in the package."""
    assert (PACKAGE / path).is_file()


@pytest.mark.parametrize(
    "path", [path for path in PACKAGE.iterdir() if path.suffix == ".py" or path.is_dir()], ids=str
)
def test_every_room_is_on_the_map(path: Path) -> None:
    """And what stands at the root."""
    if not path.name.startswith("__"):
        assert f"{path.name}/`" in CONTRIBUTING or f"{path.name}`" in CONTRIBUTING


@pytest.mark.parametrize("path", sorted((PACKAGE / "checks").glob("_*.py")), ids=lambda p: p.name)
def test_every_module_of_a_check_is_explained(path: Path) -> None:
    """Whoever opens the room knows which module to open first."""
    assert path.name == "__init__.py" or f"checks/{path.name}" in CONTRIBUTING


@pytest.mark.parametrize(
    "path",
    [*(ROOT / "benchmarks").glob("[!_]*.py"), *(ROOT / "examples").glob("*.py")],
    ids=lambda path: path.name,
)
def test_every_script_is_explained_in_its_folder(path: Path) -> None:
    """By a link from the page of its folder."""
    page = BENCHMARKS if path.parent.name == "benchmarks" else EXAMPLES
    assert f"]({path.name})" in page


def links() -> Iterator[tuple[str, str]]:
    """Yield the links of the documents to what is in this repository."""
    for name, text in TEXTS.items():
        for target in re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", text)):
            if "://" not in target:
                yield name, target


def anchors(text: str) -> set[str]:
    """Return the anchors that a page's headings get."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(("document", "target"), sorted(set(links())))
def test_every_link_leads_somewhere(document: str, target: str) -> None:
    """To a file, and to a heading where it names one."""
    name, _, anchor = target.partition("#")
    path = (ROOT / document).parent / name if name else ROOT / document
    assert path.exists()
    assert not anchor or anchor in anchors(path.read_text(encoding="utf-8"))


# Facts that stand elsewhere too


def test_the_readme_is_read_in_two_minutes() -> None:
    """What a reader needs later stands in the other documents."""
    assert README.count("\n") <= 150


@pytest.mark.parametrize("figure", sorted(set(re.findall(r"\d[\d.]* %", README))))
def test_every_figure_of_the_readme_is_explained(figure: str) -> None:
    """On the page that says which script gives it."""
    assert figure in BENCHMARKS.replace("**", "")


@pytest.mark.parametrize("code", MEANINGS, ids=str)
def test_every_exit_code_is_explained_as_the_command_does(code: Exit) -> None:
    """In the same words."""
    meaning = MEANINGS[code].replace("--max-cost", "`--max-cost`")
    assert f"| {code.value} | {meaning} |" in EXAMPLES


def test_every_error_is_in_the_tree() -> None:
    """Those that a user can catch."""
    public = (vars(s2v_detect)[name] for name in s2v_detect.__all__)
    errors = [each for each in public if isinstance(each, type) and issubclass(each, DetectError)]
    assert len(errors) > 10
    for error in errors:
        assert re.search(rf"^[│├└─ ]*{error.__name__}\b", EXAMPLES, re.MULTILINE)


@pytest.mark.parametrize("name", TEXTS)
def test_no_document_names_a_machine(name: str) -> None:
    """Neither a folder of whoever wrote it nor the host of a package index."""
    assert not re.search(r"/(?:work|root|home|Users)/|pypi\.|/simple\b", TEXTS[name])
