"""Pieces of bytes from a descriptor, unpacked where they are gzip, and lines from the pieces."""

import errno
import os
import zlib
from collections.abc import AsyncGenerator, Iterator
from typing import NamedTuple

from s2v_detect._waiting import in_thread

LONGEST_LINE = 65_536
"""Bytes. What is longer is no address, and is not kept in memory."""

_PIECE = 65_536
_GZIP = b"\x1f\x8b"
_EXCERPT = 200
_BOM = "\ufeff"


class TextLine(NamedTuple):
    """One physical line, without its end."""

    number: int
    """From 1."""
    text: str
    """Of a faulty line, its beginning."""
    fault: str = ""


async def pieces(descriptor: int) -> AsyncGenerator[bytes]:
    """Yield what a descriptor gives, unpacked. Raises `OSError` when it can't be read further."""
    piece = await in_thread(lambda: os.read(descriptor, _PIECE))
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

    def feed(self, packed: bytes) -> Iterator[bytes]:
        """Yield what a piece unpacks to. Raises `OSError` for what is damaged."""
        while packed:
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
                self._has_begun = False

    def end(self) -> None:
        """Raise `OSError` if something is missing."""
        if self._has_begun:
            raise OSError(errno.EIO, "its gzip data ends too early")


class LineSplitter:
    r"""Lines from pieces of bytes, wherever the pieces were cut.

    The `\r` of Windows and a byte order mark are removed.

    Example:
        >>> splitter = LineSplitter()
        >>> splitter.feed(b"a\r\nb")
        [TextLine(number=1, text='a', fault='')]
        >>> splitter.end()
        [TextLine(number=2, text='b', fault='')]
    """

    def __init__(self) -> None:
        self._pending = b""
        self._number = 0

    def feed(self, piece: bytes) -> list[TextLine]:
        """Return the lines that end in this piece."""
        whole, newline, rest = piece.rpartition(b"\n")
        if not newline:
            self._hold(rest)
            return []
        chunk, self._pending = self._pending + whole, b""
        self._hold(rest)
        return self._lines(chunk)

    def end(self) -> list[TextLine]:
        """Return the last line, if it had no newline."""
        chunk, self._pending = self._pending, b""
        return self._lines(chunk) if chunk else []

    def _hold(self, part: bytes) -> None:
        """Keep what may still become a line: one byte too many tells that it is overlong."""
        self._pending = (self._pending + part)[: LONGEST_LINE + 1]

    def _lines(self, chunk: bytes) -> list[TextLine]:
        first, self._number = self._number + 1, self._number + chunk.count(b"\n") + 1
        try:
            texts = chunk.decode().split("\n")
        except UnicodeDecodeError:
            texts = []
        if not texts or b"\0" in chunk or max(map(len, texts)) > LONGEST_LINE // 4:
            parts = chunk.split(b"\n")
            return [_line(number, part) for number, part in enumerate(parts, start=first)]
        if first == 1:
            texts[0] = texts[0].removeprefix(_BOM)
        return [
            TextLine(number, text.removesuffix("\r")) for number, text in enumerate(texts, first)
        ]


def _line(number: int, raw: bytes) -> TextLine:
    fault = ""
    if len(raw) > LONGEST_LINE:
        fault = f"the line is longer than {LONGEST_LINE} bytes"
    elif b"\0" in raw:
        fault = "the line holds a NUL byte; a file in UTF-16 must be saved as UTF-8"
    else:
        try:
            text = raw.decode().removesuffix("\r")
        except UnicodeDecodeError:
            fault = "the line is not UTF-8 text"
        else:
            return TextLine(number, text.removeprefix(_BOM) if number == 1 else text)
    return TextLine(number, raw[:_EXCERPT].decode(errors="backslashreplace").strip(), fault)


def lines_in(descriptor: int) -> int:
    """Return how many lines a file has from here on, unpacked; the last may lack its newline."""
    count, last = 0, b"\n"
    unpacking: Unpacking | None = None
    is_first = True
    while piece := os.read(descriptor, 1 << 20):
        if is_first and piece[:2] == _GZIP:
            unpacking = Unpacking()
        is_first = False
        for part in unpacking.feed(piece) if unpacking else (piece,):
            count += part.count(b"\n")
            last = part[-1:]
    return count + (last != b"\n")
