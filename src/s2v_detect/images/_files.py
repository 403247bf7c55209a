"""A file or bytes of this machine: opened, looked at, hashed, and read again to be uploaded.

The content is what an image is: the same bytes under two names are one. All of it blocks, and
belongs into a thread; a file is never whole in memory. The ledger and the upload both stand on it.
"""

import hashlib
import os
import stat
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO

from s2v_detect._waiting import Threads
from s2v_detect.errors import ImageSkipped
from s2v_detect.images._header import FIRST_BYTES, Foreign, Header, Needs, read_header, refusal

_PIECE_BYTES = 256 * 1024
_STEP_BYTES = 4096
"""Read beyond what is needed next: a JPEG's segments are many and small."""
_MOST_HEADER_BYTES = 2**24
_MOST_AT_ONCE = 16
"""Threads."""

UNREAD = "the file can't be read: "
"""How the reason of an image begins that is not there, or may not be opened."""

Source = os.PathLike[str] | bytes

not_to_be_opened: set[tuple[int, int]] = set()
"""Device and inode of each ledger that this process has open: closing another descriptor of such a
file drops the locks that SQLite holds on it. The ledger's room writes here."""


@dataclass(frozen=True)
class LocalImage:
    """What is known of it before it is sent."""

    source: Source
    identity: str
    """`sha256:` and the hash of its content."""
    format: str
    size_bytes: int


def local_image(source: Source) -> LocalImage:
    """Return what a file or bytes are. Blocks.

    Raises `ImageSkipped` for what can't be read, and for what the service would surely refuse.
    """
    with _opened(source) as file:
        finding, prefix = _header(file)
        reason = refusal(finding)
        if isinstance(finding, Foreign) or reason:
            raise ImageSkipped(reason, image=source, saves="bill")
        digest = hashlib.sha256(prefix)
        size = len(prefix)
        while piece := file.read(_PIECE_BYTES):
            digest.update(piece)
            size += len(piece)
    return LocalImage(source, f"sha256:{digest.hexdigest()}", finding.format, size)


class Reading:
    """One event loop's threads for files. Leaving is free: a thread that hangs is left behind."""

    def __init__(self) -> None:
        self._threads = Threads(_MOST_AT_ONCE)

    async def image(self, source: Source) -> LocalImage:
        """Return what a file or bytes are, as `local_image` does."""
        return await self._threads.run(lambda: local_image(source))

    async def content(self, image: LocalImage) -> AsyncGenerator[bytes, None]:
        """Yield the bytes that were looked at; `ImageSkipped` where they are others now."""
        digest = hashlib.sha256()
        left = image.size_bytes
        # The file is the thread's, from its opening to its end: closing one that is being read
        # would wait for that.
        pieces = _pieces(image.source)
        while piece := await self._threads.run(lambda: next(pieces, b"")):
            digest.update(piece)
            left -= len(piece)
            if left < 0:  # it grows: more than was announced must not be sent
                break
            yield piece
        if left or image.identity != f"sha256:{digest.hexdigest()}":
            raise ImageSkipped("it changed while it was read", image=image.source)


def _pieces(source: Source) -> Iterator[bytes]:
    with _opened(source) as file:
        while piece := file.read(_PIECE_BYTES):
            yield piece


@contextmanager
def _opened(source: Source) -> Iterator[BinaryIO]:
    if isinstance(source, bytes):
        yield BytesIO(source)
        return
    path = _path_of(source)
    try:
        found = os.stat(path)  # noqa: PTH116  # a path may be bytes
        if (found.st_dev, found.st_ino) in not_to_be_opened:
            raise ImageSkipped("it is a ledger that is open here, not an image", image=source)
        # Without O_NONBLOCK a pipe would be waited for.
        descriptor = os.open(
            path,
            os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0),
        )
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise ImageSkipped("it is a folder or a device, not a file", image=source)
        with os.fdopen(descriptor, "rb") as file:
            yield file
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise ImageSkipped(f"{UNREAD}{why}", image=source) from error
    except ValueError as error:  # a zero byte in its name
        raise ImageSkipped("there can be no file of that name", image=source) from error


def _path_of(source: os.PathLike[str]) -> str | bytes:
    try:
        return os.fspath(source)
    except Exception as error:  # a class of the user's own: one bad path is one bad image
        raise ImageSkipped(
            f"its path can't be had: {type(error).__name__} ({error})", image=source
        ) from error


def _header(file: BinaryIO) -> tuple[Header | Foreign, bytes]:
    prefix = bytearray(file.read(FIRST_BYTES))
    finding = read_header(prefix)
    while isinstance(finding, Needs):
        if finding.header_bytes > _MOST_HEADER_BYTES:
            return Foreign("an image whose size stands too far from its beginning"), bytes(prefix)
        more = file.read(finding.header_bytes - len(prefix) + _STEP_BYTES)
        prefix += more
        finding = read_header(prefix, is_whole=not more, after=finding)
    return finding, bytes(prefix)
