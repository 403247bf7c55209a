"""Outcomes into whole lines of JSON."""

import json
import os
from pathlib import Path

import pytest

from s2v_detect import Checked, Failed, OutcomeUnknown, Skipped, Verdict
from s2v_detect.bulk import JsonLines, Line, json_line

PASS = Verdict(check_pass=True, humanoid=True)


def checked(image: str = "http://a.example/1.jpg", **verdict: object) -> Checked:
    """An outcome of line 7."""
    told = PASS.model_copy(update=verdict)
    return Checked(index=0, item=Line(7, image), image=image, verdict=told, billed="yes")


def test_a_line_has_the_fixed_keys_and_its_place_in_the_input() -> None:
    """`line` first, then what every outcome has."""
    fields = json.loads(json_line(checked()))
    assert list(fields) == ["line", *checked().model_dump()]
    assert (fields["line"], fields["index"], fields["check_pass"]) == (7, 0, True)


def test_an_image_that_came_from_no_file_has_no_line() -> None:
    """As the images of a command line."""
    outcome = checked().model_copy(update={"item": Line(None, "x")})
    assert "line" not in json.loads(json_line(outcome))


@pytest.mark.parametrize(
    "outcome",
    [
        checked(),
        Skipped(index=1, item=Line(2, "x"), image="x", reason="the line is not UTF-8 text"),
        Failed(
            index=2, item=Line(3, "x"), image="x", error=OutcomeUnknown("lost.", do="Ask again.")
        ),
    ],
)
def test_every_kind_has_the_same_keys(outcome: Checked | Skipped | Failed) -> None:
    """A table of them has one header."""
    assert list(json.loads(json_line(outcome))) == list(json.loads(json_line(checked())))


@pytest.mark.parametrize("hostile", ["a\nb", "a\r\nb", "a\u2028b", "a\u2029b", "a\x85b", "人\0"])
def test_one_outcome_is_one_line_for_every_reader(hostile: str) -> None:
    """Whatever splits lines, and however odd the text, it is read back as it was."""
    line = json_line(checked(hostile, message=hostile))
    assert len(line.decode().splitlines()) == 1
    assert line.endswith(b"}\n")
    assert json.loads(line)["image"] == hostile
    assert json.loads(line)["message"] == hostile


def test_half_a_character_is_written_as_its_escape() -> None:
    """No UTF-8 holds a lone surrogate, in an address or in a message."""
    line = json.loads(json_line(checked("a\ud800", message="b\ud800")))
    assert (line["image"], line["message"]) == ("a\\ud800", "b\ud800")


def test_text_stays_readable() -> None:
    """Chinese is written as Chinese."""
    assert "人像" in json_line(checked("http://a.example/人像.jpg")).decode()


async def test_what_is_written_is_there_before_the_next_is_taken(tmp_path: Path) -> None:
    """A reader of the file sees it at once, whole."""
    path = tmp_path / "out.jsonl"
    output = JsonLines.create(path)
    for count in (1, 2, 3):
        await output.write(checked())
        assert path.read_bytes().count(b"\n") == count
    await output.finish()
    output.close()


def test_a_file_that_exists_is_never_overwritten(tmp_path: Path) -> None:
    """Not even an empty one."""
    path = tmp_path / "out.jsonl"
    path.touch()
    with pytest.raises(FileExistsError):
        JsonLines.create(path)
    assert path.read_bytes() == b""


async def test_a_device_is_taken_as_it_is() -> None:
    """There is nothing in it to overwrite."""
    output = JsonLines.create(Path(os.devnull))
    await output.write(checked())
    await output.finish()
    output.close(keep_empty=False)
    JsonLines.create(Path(os.devnull)).close()  # it is still there


@pytest.mark.parametrize(("keep_empty", "is_there"), [(True, True), (False, False)])
def test_a_file_without_a_line_can_be_taken_away(
    tmp_path: Path, *, keep_empty: bool, is_there: bool
) -> None:
    """It would refuse the next run of the same command."""
    path = tmp_path / "out.jsonl"
    JsonLines.create(path).close(keep_empty=keep_empty)
    assert path.exists() is is_there


async def test_a_file_with_a_line_is_kept(tmp_path: Path) -> None:
    """It was paid for."""
    output = JsonLines.create(tmp_path / "out.jsonl")
    await output.write(checked())
    output.close(keep_empty=False)
    assert (tmp_path / "out.jsonl").exists()
