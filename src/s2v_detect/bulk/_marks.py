"""Whether an output is as its runs left it, or a person has changed it.

A run records how long its output is, and a hash of it: its mark. The mark is made before the output
is put in its place, from time to time while it grows there, and at the end. So a run that was
killed may have left more than its mark says: such a rest counts as the run's where every line of it
is a record of ours, and the last may be cut. After a run's end there is no such rest. Without a
mark, from older releases, the output counts as a run's where every line of it is a record, whole.
"""

import csv
import json
import os
from collections.abc import Iterable, Sequence
from hashlib import sha256
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

from s2v_detect.tables import (
    DELIMITERS,
    MORE,
    OUTCOME_KEYS,
    delimited_output,
    is_output,
    is_record,
    is_whole,
)

_KINDS = ("checked", "skipped", "failed")
_PIECE = 1 << 20


class Marks(Protocol):
    """Who keeps the mark of an output between two runs: a ledger."""

    def mark_output(self, mark: str) -> None:
        """Keep it."""

    def output_mark(self) -> str | None:
        """Return the one that was kept last."""


class Mark(NamedTuple):
    """How long an output is, and a hash of it."""

    size: int
    digest: str
    is_last: bool = False
    """Whether the run ended with it: what is longer has been changed."""


class Marking:
    """The mark of what was written so far."""

    def __init__(self) -> None:
        self.size = 0
        """Bytes so far."""
        self._hash = sha256()

    def add(self, block: bytes) -> None:
        """Count what was written."""
        self.size += len(block)
        self._hash.update(block)

    @property
    def mark(self) -> Mark:
        """The mark as it stands."""
        return Mark(self.size, self._hash.hexdigest())


def mark_of(file: BinaryIO, size: int | None = None) -> Mark:
    """Return the mark of a file from here on, or of so many bytes of it."""
    marking = Marking()
    left = size
    while piece := file.read(_PIECE if left is None else min(left, _PIECE)):
        marking.add(piece)
        left = None if left is None else left - len(piece)
    return marking.mark


def as_text(marks: Sequence[Mark]) -> str:
    """Return marks as a text to keep."""
    return json.dumps([mark._asdict() for mark in marks])


def from_text(text: str | None) -> list[Mark]:
    """Return the marks of a text that was kept."""
    return [Mark(**fields) for fields in json.loads(text)] if text else []


def is_as_written(path: Path, marks: Sequence[Mark]) -> bool:
    """Whether an output is what runs wrote. Raises `OSError`.

    An empty file holds nothing that could be lost.
    """
    if not path.stat().st_size:
        return True
    if is_whole(path):
        with path.open("rb") as file:
            found = mark_of(file)
        return any(found[:2] == mark[:2] for mark in marks) if marks else is_output(path)
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        is_cut = file.read() != b"\n"
        if not marks:
            return not is_cut and _are_records_from(file, 0)
        return any(_is_of(file, mark) for mark in marks)


def _is_of(file: BinaryIO, mark: Mark) -> bool:
    file.seek(0)
    if mark_of(file, mark.size)[:2] != mark[:2]:
        return False
    is_longer = bool(file.read(1))
    return not is_longer or (not mark.is_last and _are_records_from(file, mark.size))


def _are_records_from(file: BinaryIO, start: int) -> bool:
    delimiter = DELIMITERS.get(Path(file.name).suffix.lower())
    if delimiter is None:
        file.seek(start)
        return all(map(_is_json_record, file))
    file.seek(-1, os.SEEK_END)
    is_whole = file.read() == b"\n"
    file.seek(0)
    text = TextIOWrapper(file, encoding="utf-8-sig", newline="")
    try:
        header, delimiter = delimited_output(text, delimiter)
        if start:
            text.seek(start)
        rows = csv.reader(text, delimiter=delimiter)
        return _are_records(rows, header, is_whole=is_whole)
    except (csv.Error, ValueError):  # no CSV, no UTF-8, no number where one belongs
        return False
    finally:
        text.detach()


def _is_json_record(line: bytes) -> bool:
    if not line.endswith(b"\n"):
        return line.startswith(b'{"')  # its end was never written
    try:
        return is_record(json.loads(line))
    except (ValueError, RecursionError):
        return False


def _are_records(rows: Iterable[list[str]], header: list[str], *, is_whole: bool) -> bool:
    if header[-len(OUTCOME_KEYS) - 1 :] != [*OUTCOME_KEYS, MORE]:
        return False
    index, kind = (
        len(header) - 1 - len(OUTCOME_KEYS) + OUTCOME_KEYS.index(name) for name in ("index", "kind")
    )
    is_cut = False
    for cells in rows:
        if is_cut or len(cells) < 2:  # noqa: PLR2004  # a note is one cell
            return False
        is_cut = len(cells) != len(header)
        if not is_cut and (cells[kind] not in _KINDS or int(cells[index]) < 0):
            return False
    return not (is_cut and is_whole)  # the end of the last row was never written
