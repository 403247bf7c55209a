"""A price and a list of formats stand in one table; prose that names them is compared with it."""

import re
import tokenize
from pathlib import Path
from typing import get_args

import pytest

import s2v_detect
from s2v_detect import Preflight
from s2v_detect._service import ALL_FORMATS, ANY_FORMAT, IMAGE_FORMATS, PRICE_CNY, ImageFormat
from s2v_detect.bulk import inputs, open_output, outputs
from s2v_detect.bulk.folder import is_image_name
from s2v_detect.cli import main
from s2v_detect.emulator import _looking
from s2v_detect.images._header import Header, read_header
from s2v_detect.report._advice import skip_of
from s2v_detect.tables import Format, OutputError, format_of
from s2v_detect.tables._file_formats import FORMATS

ROOT = Path(s2v_detect.__file__).parent
SERVICE = ROOT / "_service.py"
PHOTOGRAPHS = ROOT.parents[1] / "examples" / "photographs"
TAKEN = [each.words for each in FORMATS.values()]
WRITTEN = [each.words for name, each in FORMATS.items() if name != "text"]


def code_of(path: Path) -> str:
    """Return a module's strings and numbers: no comment, no docstring."""
    told = []
    with path.open("rb") as file:
        before = tokenize.NEWLINE
        for token in tokenize.tokenize(file.readline):
            is_prose = token.type == tokenize.STRING and before in {
                *(tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING),
            }
            if token.type != tokenize.COMMENT and not is_prose:
                told.append(token.string)
            if token.type not in {tokenize.NL, tokenize.COMMENT}:
                before = token.type
    return "\n".join(told)


def words_in(text: str, words: list[str]) -> list[str]:
    """Return which of the words a text names, each once."""
    return sorted({word for word in words if re.search(rf"\b{word}\b", text)})


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda path: path.stem)
def test_the_price_and_the_formats_are_in_no_other_code(path: Path) -> None:
    """The emulator has the API page's list of its own, so that it can disagree: see below."""
    code = code_of(path)
    if path == SERVICE:
        assert str(PRICE_CNY) in code
        return
    assert not re.search(rf"(?<!\d){re.escape(str(PRICE_CNY))}(?!\d)", code)
    if path.parent.name != "emulator":
        assert not re.search(r"JPEG[\s\S]{0,30}PNG", code)
    if path.name != "_file_formats.py":
        assert not re.search(r"""["']csv["']\n,\n["']tsv["']""", code)


def test_the_literals_are_the_tables() -> None:
    """A type can't be made of a table, so it is compared."""
    assert get_args(ImageFormat) == tuple(IMAGE_FORMATS)
    assert get_args(Format) == tuple(FORMATS)


@pytest.mark.parametrize("name", IMAGE_FORMATS)
def test_a_format_of_an_image_is_known_wherever_it_matters(name: str) -> None:
    """Read by its content, found in a folder, named in what a person reads, taken by the rival."""
    ending = IMAGE_FORMATS[name].endings[0]
    content = (PHOTOGRAPHS / f"portrait{ending}").read_bytes()
    found = read_header(content, is_whole=True)
    assert isinstance(found, Header)
    assert found.format == name
    assert all(is_image_name(f"a{each}") for each in IMAGE_FORMATS[name].endings)
    assert name in str(Preflight.__doc__)
    assert name in _looking._FORMATS  # noqa: SLF001  # the emulator's own copy


def test_the_emulator_takes_no_other_format() -> None:
    """Its list is its own, from the page: the two must not drift apart."""
    assert tuple(IMAGE_FORMATS) == _looking._FORMATS  # noqa: SLF001  # as above
    assert skip_of(f"it is a GIF image; {ALL_FORMATS} are taken") == "Format"
    assert ANY_FORMAT == "JPEG, PNG, BMP or WEBP"


def test_what_a_person_reads_names_each_format_of_an_input(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The modules' own words, the help, and the sentence about an input that can't be read."""
    monkeypatch.setenv("COLUMNS", "300")
    words = sorted(TAKEN)
    assert words_in(str(inputs.__doc__), TAKEN) == words
    main(["run", "--help"])
    told = re.sub(r"[│\s]+", " ", capfd.readouterr().out)
    source, out = told.partition("A folder of images, or")[2].split("--out -o")
    assert words_in(source, TAKEN) == words
    assert words_in(out.partition("--rate")[0], WRITTEN) == sorted(WRITTEN)
    assert f"[choices: {', '.join(FORMATS)}]" in told
    main(["run", str(tmp_path / "missing.txt"), "-o", str(tmp_path / "out.jsonl")])
    assert words_in(capfd.readouterr().err, TAKEN) == words


def test_what_a_person_reads_names_each_format_of_an_output(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its usual ending, where the sentence is about endings."""
    monkeypatch.setenv("COLUMNS", "300")
    words = sorted(WRITTEN)
    assert words_in(str(outputs.__doc__), WRITTEN) == words
    main(["ledger", "export", "--help"])
    assert words_in(capfd.readouterr().out, WRITTEN) == words
    with pytest.raises(OutputError) as refused:
        open_output(tmp_path / "out.ods", columns=list)
    assert words_in(str(refused.value), WRITTEN) == words
    usual = [FORMATS[name].endings[0] for name in get_args(Format) if name != "text"]
    assert all(ending in str(refused.value) for ending in usual)
    assert {format_of(Path(f"out{ending}")) for ending in usual} == {*FORMATS} - {"text"}
