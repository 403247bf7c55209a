"""URLs, one a line, from a file or a pipe of any length.

One piece of the input is in memory at a time, and it is read only when the run asks for more, in a
thread: a pipe that says nothing for an hour holds up nobody. A line that can be no address keeps
its number and says why; it never ends the input.
"""

import asyncio
import os
import stat
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeVar

LONGEST_LINE = 65_536
"""Bytes. What is longer is no address, and is not kept in memory."""

_PIECE = 65_536
_COUNTED_PIECE = 1 << 20
_EXCERPT = 200
_BOM = "\ufeff"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Line:
    """One line that asks for something: an address, or a `fault` that says why it is none."""

    number: int | None
    """Place in the input, from 1, with the lines that are passed over counted; None: no file."""
    text: str
    """The address without the white space around it; of a faulty line, its beginning."""
    fault: str = ""


class LineSplitter:
    r"""Lines from pieces of bytes, wherever the pieces were cut.

    Blank lines and lines that begin with `#` are passed over. White space around a line, a byte
    order mark and the `\r` of Windows are removed.

    Example:
        >>> splitter = LineSplitter()
        >>> splitter.feed(b"# portraits\r\nhttp://a.example/1.jpg\r\nhttp://a.ex")
        [Line(number=2, text='http://a.example/1.jpg', fault='')]
        >>> splitter.feed(b"ample/2.jpg") + splitter.end()
        [Line(number=3, text='http://a.example/2.jpg', fault='')]
    """

    def __init__(self) -> None:
        self.passed_over = 0
        self._pending = bytearray()
        self._number = 0

    def feed(self, piece: bytes) -> list[Line]:
        """Return the lines that end in this piece."""
        *whole, rest = piece.split(b"\n")
        lines = []
        for part in whole:
            self._hold(part)
            lines.append(self._take())
        self._hold(rest)
        return [line for line in lines if line]

    def end(self) -> list[Line]:
        """Return the last line, if it had no newline."""
        line = self._take() if self._pending else None
        return [line] if line else []

    def _hold(self, part: bytes) -> None:
        """Keep what may still become a line: one byte too many tells that it is overlong."""
        self._pending += part[: LONGEST_LINE + 1 - len(self._pending)]

    def _take(self) -> Line | None:
        self._number += 1
        line = _line(self._number, bytes(self._pending))
        self._pending.clear()
        self.passed_over += line is None
        return line


def _line(number: int, raw: bytes) -> Line | None:
    fault = ""
    if len(raw) > LONGEST_LINE:
        fault = f"the line is longer than {LONGEST_LINE} bytes"
    elif b"\0" in raw:
        fault = "the line holds a NUL byte; a file in UTF-16 must be saved as UTF-8"
    else:
        try:
            text = raw.decode().removeprefix(_BOM).strip()
        except UnicodeDecodeError:
            fault = "the line is not UTF-8 text"
        else:
            return None if not text or text.startswith("#") else Line(number, text)
    return Line(number, raw[:_EXCERPT].decode(errors="backslashreplace").strip(), fault)


class Input:
    """An input that is open for reading, and what is known of its length."""

    def __init__(self, descriptor: int, path: Path | None = None) -> None:
        self._descriptor = descriptor
        self._path = path
        self._splitter = LineSplitter()
        self._counted: int | None = None

    @classmethod
    def open(cls, path: Path) -> Self:
        """Return the file's input. Raises `OSError` where there is none that can be read."""
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise IsADirectoryError(21, "it is a folder", str(path))
        return cls(descriptor, path)

    def close(self) -> None:
        """Close a file that was opened here."""
        if self._path:
            os.close(self._descriptor)

    @property
    def total(self) -> int | None:
        """How many outcomes there will be; None while that is not known.

        Lines still ahead that will be passed over are in it.
        """
        return None if self._counted is None else self._counted - self._splitter.passed_over

    async def lines(self) -> AsyncGenerator[Line]:
        """Yield the lines. Raises `OSError` when the input can't be read any further."""
        while piece := await _in_thread(lambda: os.read(self._descriptor, _PIECE)):
            for line in self._splitter.feed(piece):
                yield line
        for line in self._splitter.end():
            yield line

    async def count(self) -> None:
        """Learn the `total` ahead of the reading, where the input is a regular file."""
        if self._path and self._path.is_file():
            path = self._path
            with suppress(OSError):  # the reading will say so
                self._counted = await _in_thread(lambda: _lines_in(path))


def _lines_in(path: Path) -> int:
    count, last = 0, b"\n"
    with path.open("rb", buffering=0) as file:
        while piece := file.read(_COUNTED_PIECE):
            count += piece.count(b"\n")
            last = piece[-1:]
    return count + (last != b"\n")


async def _in_thread(read: Callable[[], T]) -> T:
    """Return what `read` returns, from a thread that the interpreter's exit does not wait for.

    `asyncio.to_thread` would be waited for, and a read of a silent pipe never returns.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: OSError | None) -> None:
        if done.done():
            return
        if error:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]  # a result where there is no error

    def work() -> None:
        result, error = None, None
        try:
            result = read()
        except OSError as caught:
            error = caught
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=work, name="s2v-detect input", daemon=True).start()
    return await done
