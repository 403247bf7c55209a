"""A packed body, in pieces of a bounded size: a bomb comes piece by piece."""

import zlib
from collections.abc import Iterator

CODINGS = ("gzip", "x-gzip", "deflate")
"""What can be unpacked, in one layer."""
_PIECE_BYTES = 8192
_PACKED_BYTES = 4096
"""Of a chunk at a time: zlib copies what is behind each of its ends."""


class Damaged(Exception):
    """What came is not what was said to be packed."""


def coding_of(header: str) -> str:
    """Return what a `Content-Encoding` says, in lower case; nothing where the body is as it is.

    Example:
        >>> coding_of(" GZIP"), coding_of("identity"), coding_of("gzip, gzip")
        ('gzip', '', 'gzip, gzip')
    """
    layers = [layer.strip().lower() for layer in header.split(",")]
    return ", ".join(layer for layer in layers if layer not in ("", "identity"))


class Unpacker:
    """Unpacks one layer of gzip or deflate."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(wbits=47)  # gzip and zlib, by their own heads
        self._has_begun = False

    @property
    def has_ended(self) -> bool:
        """Whether what came was whole."""
        return self._zlib.eof

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        """Yield what is in a chunk, in pieces that may be empty. Raises `Damaged`."""
        for start in range(0, len(chunk), _PACKED_BYTES):
            packed = chunk[start : start + _PACKED_BYTES]
            while packed:
                if self._zlib.eof:  # one file may hold several, one after another
                    self._zlib = zlib.decompressobj(wbits=47)
                piece = self._unpacked(packed)
                packed = self._zlib.unused_data or self._zlib.unconsumed_tail
                yield piece

    def _unpacked(self, packed: bytes) -> bytes:
        try:
            piece = self._zlib.decompress(packed, _PIECE_BYTES)
        except zlib.error as error:
            if self._has_begun:
                raise Damaged from error
            piece = self._unpacked_bare(packed)
        self._has_begun = True
        return piece

    def _unpacked_bare(self, packed: bytes) -> bytes:
        """Some servers send deflate without its head."""
        self._zlib = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
        try:
            return self._zlib.decompress(packed, _PIECE_BYTES)
        except zlib.error as error:
            raise Damaged from error
