r"""Pieces of bytes from a descriptor, unpacked where they are gzip, and lines from the pieces.

A line ends with `\n`, `\r\n` or `\r` alone, in any mixture. Whoever joins lines again, because a
cell holds the end of one, finds that end in the `TextLine`.
"""

import errno
import os
import re
import zlib
from collections.abc import AsyncGenerator, Iterator
from itertools import count, repeat
from typing import NamedTuple

from s2v_detect._waiting import in_thread
from s2v_detect.tables._row_faults import Undecoded

LONGEST_ADDRESS = 65_536
"""Bytes. What is longer is no address."""
LONGEST_ROW = 1 << 24
"""Bytes. A row is in memory as a whole, and one of its other cells may be long: a vector, a text.
What is longer is not kept in memory."""

UNREADABLE = b"\xed\xb3\xbf"
"""Stands for what could not be decoded from another encoding: no UTF-8 text has it."""

_PIECE = 65_536
_GZIP = b"\x1f\x8b"
_EXCERPT = 200
_END = re.compile(r"(\r\n|\n|\r)")
_RAW_END = re.compile(rb"(\r\n|\n|\r)")


class TextLine(NamedTuple):
    """One physical line, without its end."""

    number: int
    """From 1."""
    text: str
    """Of a faulty line, its beginning."""
    fault: str = ""
    end: str = "\n"


async def pieces(descriptor: int) -> AsyncGenerator[bytes]:
    """Yield what a descriptor gives, unpacked. Raises `OSError` when it can't be read further."""
    piece = await in_thread(lambda: os.read(descriptor, _PIECE))
    while len(piece) == 1 and (more := await in_thread(lambda: os.read(descriptor, _PIECE))):
        piece += more  # a pipe may give a gzip's mark in two parts
    if piece[:2] != _GZIP:
        while piece:
            yield piece
            piece = await in_thread(lambda: os.read(descriptor, _PIECE))
        return
    unpacking = Unpacking()
    while piece:
        for unpacked in unpacking.feed(piece):
            yield unpacked
        piece = await in_thread(lambda: os.read(descriptor, _PIECE))
    unpacking.end()


class Unpacking:
    """Gzip, a bounded piece at a time, however much a piece unpacks to."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=31)
        self._has_begun = False
        self._is_first = True

    def feed(self, packed: bytes) -> Iterator[bytes]:
        """Yield what a piece unpacks to. Raises `OSError` for what is damaged.

        Zero bytes after a member fill up a block of a tape or a disk, as `gzip` itself knows.
        """
        while packed:
            if not (self._has_begun or self._is_first):
                packed = packed.lstrip(b"\0")
                if not packed:
                    return
            self._has_begun = True
            try:
                unpacked = self._member.decompress(packed, _PIECE)
            except zlib.error as error:
                raise OSError(errno.EIO, "its gzip data is damaged") from error
            if unpacked:
                yield unpacked
            packed = self._member.unconsumed_tail
            if self._member.eof:  # one file may hold several, one after another
                packed = self._member.unused_data
                self._member = zlib.decompressobj(wbits=31)
                self._has_begun = self._is_first = False

    def end(self) -> None:
        """Raise `OSError` if something is missing."""
        if self._has_begun:
            raise OSError(errno.EIO, "its gzip data ends too early")


class LineSplitter:
    r"""Lines from pieces of UTF-8, wherever the pieces were cut.

    Example:
        >>> splitter = LineSplitter(LONGEST_ROW)
        >>> splitter.feed(b"a\r\nb")
        [TextLine(number=1, text='a', fault='', end='\r\n')]
        >>> splitter.end()
        [TextLine(number=2, text='b', fault='', end='\n')]
    """

    def __init__(self, longest: int) -> None:
        self.unreadable = Undecoded.of("UTF-8")
        """The fault of a line that can't be decoded."""
        self._longest = longest
        self._pending = bytearray()
        self._half_end = b""
        self._number = 0

    def feed(self, piece: bytes) -> list[TextLine]:
        """Return the lines that end in this piece."""
        piece = self._half_end + piece
        self._half_end = b"\r" if piece.endswith(b"\r") else b""
        piece = piece.removesuffix(b"\r")
        end = max(piece.rfind(b"\n"), piece.rfind(b"\r")) + 1
        if not end:
            self._hold(piece)
            return []
        chunk = bytes(self._pending) + piece[:end] if self._pending else piece[:end]
        self._pending.clear()
        self._hold(piece[end:])
        return self._lines(chunk)

    def end(self) -> list[TextLine]:
        """Return the last line, if it had no end."""
        chunk = bytes(self._pending) + self._half_end
        self._pending.clear()
        return self._lines(chunk) if chunk else []

    def _hold(self, part: bytes) -> None:
        """Keep what may still become a line: one byte too many tells that it is overlong."""
        self._pending += part[: max(0, self._longest + 1 - len(self._pending))]

    def _lines(self, chunk: bytes) -> list[TextLine]:
        first = self._number + 1
        try:
            text = chunk.decode()
        except UnicodeDecodeError:
            return self._one_by_one(chunk)
        if b"\0" in chunk:
            return self._one_by_one(chunk)
        if b"\r" not in chunk:
            lines = list(map(TextLine, count(first), text.split("\n")))
        elif chunk.count(b"\r\n") == chunk.count(b"\r") == chunk.count(b"\n"):
            lines = list(
                map(TextLine, count(first), text.split("\r\n"), repeat(""), repeat("\r\n"))
            )
        else:
            parts = _END.split(text)
            ends = [*parts[1::2], "\n"]
            lines = [
                TextLine(number, line, "", end)
                for number, (line, end) in enumerate(zip(parts[::2], ends, strict=True), first)
            ]
        # A character has four bytes at most.
        if len(chunk) > self._longest and max(len(line.text) for line in lines) * 4 > self._longest:
            return self._one_by_one(chunk)
        if not lines[-1].text:  # behind the last end
            lines.pop()
        self._number += len(lines)
        return lines

    def _one_by_one(self, chunk: bytes) -> list[TextLine]:
        parts = _RAW_END.split(chunk)
        if not parts[-1]:
            parts.pop()
        lines = [
            self._line(number, raw, end.decode())
            for number, (raw, end) in enumerate(
                zip(parts[::2], [*parts[1::2], b"\n"], strict=False), self._number + 1
            )
        ]
        self._number += len(lines)
        return lines

    def _line(self, number: int, raw: bytes, end: str) -> TextLine:
        if len(raw) > self._longest:
            fault = f"the line is longer than {self._longest} bytes"
        elif b"\0" in raw:
            fault = "the line holds a NUL byte"
        else:
            try:
                return TextLine(number, raw.decode(), "", end)
            except UnicodeDecodeError:
                fault = self.unreadable
        text = raw[:_EXCERPT].replace(UNREADABLE, b"\xef\xbf\xbd").decode(errors="backslashreplace")
        return TextLine(number, text.strip(), fault, end)


def lines_in(descriptor: int) -> int:
    """Return how many lines a file has from here on, unpacked; the last may lack its end."""
    found, last = 0, b"\n"
    unpacking: Unpacking | None = None
    is_first = True
    while piece := os.read(descriptor, 1 << 20):
        if is_first and piece[:2] == _GZIP:
            unpacking = Unpacking()
        is_first = False
        for part in unpacking.feed(piece) if unpacking else (piece,):
            found += part.count(b"\n")
            if b"\r" in part:
                found += part.count(b"\r") - part.count(b"\r\n")
            if last == b"\r" and part[:1] == b"\n":
                found -= 1
            last = part[-1:]
    return found + (last not in (b"\n", b"\r"))
