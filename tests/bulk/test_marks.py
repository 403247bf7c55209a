"""An output as its runs left it, told from one that a person has changed."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s2v_detect.bulk._marks import Mark, as_text, from_text, is_as_written, mark_of
from s2v_detect.tables import OUTCOME_KEYS, Delimited, JsonLines


def record(index: int) -> dict[str, Any]:
    """A row with text of many kinds."""
    empty = dict.fromkeys(OUTCOME_KEYS)
    fields = {"name": 'Bo, "two\nlines"', "index": index, "kind": "skipped", "message": "=1\r"}
    return {**empty, **fields, "at": "2026-11-25T00:00:00.000+00:00"}


def lines(ending: str) -> tuple[bytes, bytes]:
    """The first half of an output, up to its mark, and what came after that."""
    make = JsonLines() if ending == "jsonl" else Delimited(",", lambda: ["name"])
    first = make.head() + make.lines([record(index) for index in range(5)])
    return first, make.lines([record(index) for index in range(5, 8)])


def mark(path: Path, content: bytes) -> Mark:
    """The mark of a content."""
    path.write_bytes(content)
    with path.open("rb") as file:
        return mark_of(file)


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_what_a_killed_run_wrote_after_its_mark_is_its_own(tmp_path: Path, ending: str) -> None:
    """Wherever the last row was cut, but within its first cell, which may be anything."""
    path = tmp_path / f"out.{ending}"
    first, rest = lines(ending)
    marks = [mark(path, first)]
    cuts = [len(rest) - 1, len(rest) - 20, len(rest) - 40, len(rest), 0]
    for cut in cuts:
        path.write_bytes(first + rest[:cut])
        assert is_as_written(path, marks), cut
        assert is_as_written(path, [Mark(7, "of an earlier one"), *marks])
        assert is_as_written(path, []) == (cut in (0, len(rest)))


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
@pytest.mark.parametrize("note", [b"{", b'{"a', b"a, b", b"x,y\n"])
def test_after_a_run_s_end_whatever_was_added_is_seen(
    tmp_path: Path, ending: str, note: bytes
) -> None:
    """Also what looks like a row, or the beginning of one."""
    path = tmp_path / f"out.{ending}"
    first, rest = lines(ending)
    marks = [mark(path, first)._replace(is_last=True)]
    assert is_as_written(path, marks)
    for more in (note, rest, rest[:20]):
        path.write_bytes(first + more)
        assert not is_as_written(path, marks)


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
@given(data=st.data())
def test_any_change_before_the_mark_is_seen(
    tmp_path_factory: pytest.TempPathFactory, ending: str, data: st.DataObject
) -> None:
    """Of one byte, or of what is missing."""
    path = tmp_path_factory.getbasetemp() / f"changed.{ending}"
    first, rest = lines(ending)
    marks = [mark(path, first)]
    at = data.draw(st.integers(0, len(first) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda byte: byte != first[at]))
    path.write_bytes(first[:at] + bytes([other]) + first[at + 1 :] + rest)
    assert not is_as_written(path, marks)
    path.write_bytes(first[:at])
    assert is_as_written(path, marks) == (not at)  # nothing is lost with an empty file


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
@pytest.mark.parametrize(
    "note", [b"a note\n", b"a note", b"\n", b"x,y\n", b'{"note": "mine"}\n', b"\xff\n", b"[1]\n"]
)
def test_a_note_after_the_mark_is_seen(tmp_path: Path, ending: str, note: bytes) -> None:
    """At the end, or between the rows."""
    path = tmp_path / f"out.{ending}"
    first, rest = lines(ending)
    marks = [mark(path, first)]
    for content in (first + note, first + rest + note, first + note + rest):
        path.write_bytes(content)
        assert not is_as_written(path, marks), content
        assert not is_as_written(path, [])


def test_marks_are_kept_as_a_text() -> None:
    """None is kept before the first run."""
    marks = [Mark(3, "abc"), Mark(0, "")]
    assert from_text(as_text(marks)) == marks
    assert from_text(None) == []
