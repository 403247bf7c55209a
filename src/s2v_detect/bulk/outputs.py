"""Outcomes as JSON lines: whole ones, each out of our hands before the next outcome is taken."""

import asyncio
import json
import os
import stat
from pathlib import Path
from typing import Protocol, Self

from s2v_detect import Checked, Failed, Skipped
from s2v_detect.bulk.inputs import Line

# Readers that split text at every Unicode line break would see half a line.
_LINE_BREAKS = str.maketrans({"\x85": "\\u0085", "\u2028": "\\u2028", "\u2029": "\\u2029"})


class Output(Protocol):
    """Where outcomes go. Both raise `OSError` when it takes no more."""

    async def write(self, outcome: Checked | Skipped | Failed) -> None:
        """Put one outcome there, whole."""

    async def finish(self) -> None:
        """Make sure of what was written."""


def json_line(outcome: Checked | Skipped | Failed) -> bytes:
    r"""Return an outcome as one line of JSON in UTF-8, with the `line` of the input it came from.

    Example:
        >>> json_line(Skipped(index=0, item=Line(7, "x"), image="x", reason="no URL"))[:34]
        b'{"line": 7, "index": 0, "image": "'
    """
    number = outcome.item.number if isinstance(outcome.item, Line) else None
    fields = outcome.model_dump(mode="json")
    text = json.dumps({"line": number} | fields if number else fields, ensure_ascii=False)
    # A lone surrogate has no UTF-8; its backslash escape is the one that JSON has.
    return text.translate(_LINE_BREAKS).encode(errors="backslashreplace") + b"\n"


class JsonLines:
    """An open file or pipe that takes outcomes as JSON lines."""

    def __init__(self, descriptor: int, *, path: Path | None = None) -> None:
        self._descriptor = descriptor
        self._path = path
        self._size = 0

    @classmethod
    def create(cls, path: Path) -> Self:
        """Return a new file's output. Raises `FileExistsError`: nothing is ever overwritten.

        A device or a named pipe holds nothing that could be overwritten, and is taken as it is.
        """
        binary = getattr(os, "O_BINARY", 0)
        try:
            created = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | binary, 0o666)
        except FileExistsError:
            if not _holds_nothing(path):
                raise
            return cls(os.open(path, os.O_WRONLY | binary))
        return cls(created, path=path)

    async def write(self, outcome: Checked | Skipped | Failed) -> None:
        """Write one line, in a thread: a pipe that is full must not hold up the loop."""
        await asyncio.to_thread(self._write, json_line(outcome))

    async def finish(self) -> None:
        """Have the file on its disk."""
        if self._path:
            await asyncio.to_thread(os.fsync, self._descriptor)

    def close(self, *, keep_empty: bool = True) -> None:
        """Close it. A file of ours without a line can be taken away: it would refuse a new run."""
        os.close(self._descriptor)
        if self._path and not self._size and not keep_empty:
            self._path.unlink(missing_ok=True)

    def _write(self, line: bytes) -> None:
        rest = memoryview(line)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError:
            if self._path:  # half a line may be there: a disk fills up in the middle of one
                os.ftruncate(self._descriptor, self._size)
            raise
        self._size += len(line)


def _holds_nothing(path: Path) -> bool:
    mode = path.stat().st_mode
    return stat.S_ISCHR(mode) or stat.S_ISFIFO(mode)
