"""Items from a JSON array, one at a time, for who reads lines of JSON.

ijson 3.6 reads such arrays too, but holds an item of any length, ends at the first damaged one, and
turns half a character into a question mark. Here an item is cut out as it stands; whether it is
JSON is asked where lines of JSON are.
"""

import errno
import re

from s2v_detect.tables._reading import LONGEST_ROW, TextLine

_TOKEN = re.compile(rb'\\.|["\[\]{},\n]', re.DOTALL)
_BETWEEN = b" \t\r\n\xef\xbb\xbf"


class ItemSplitter:
    r"""Items from pieces of UTF-8, wherever the pieces were cut; each is numbered by its line.

    Example:
        >>> splitter = ItemSplitter()
        >>> [(item.number, item.text) for item in splitter.feed(b'[{"n":\n1},\n{"n":2}]')]
        [(1, '{"n":\n1}'), (3, '{"n":2}')]
        >>> splitter.end()
        []
    """

    def __init__(self) -> None:
        self.unreadable = "the item is not UTF-8 text"
        """The fault of an item that can't be decoded."""
        self._depth = 0
        self._is_in_string = False
        self._held = b""
        self._line = 1
        self._begun_on: int | None = None
        self._item = bytearray()

    def feed(self, piece: bytes) -> list[TextLine]:
        """Return the items that end in this piece."""
        piece, self._held = self._held + piece, b""
        if (len(piece) - len(piece.rstrip(b"\\"))) % 2:  # what it escapes comes later
            piece, self._held = piece[:-1], piece[-1:]
        items: list[TextLine] = []
        start = 0
        for token in _TOKEN.finditer(piece):
            mark, at = token[0], token.start()
            if mark == b"\n":
                self._add(piece[start:at])
                start = at
                self._line += 1
            elif mark == b'"':
                self._is_in_string = not self._is_in_string
            elif self._is_in_string or len(mark) > 1:
                continue
            elif mark in b"[{":
                if self._depth == 0:
                    self._add(piece[start:at])
                    self._end_item(items)
                    start = at + 1
                self._depth += 1
            elif mark == b"," and self._depth > 1:
                continue
            else:
                if self._depth <= 1:
                    self._add(piece[start:at])
                    self._end_item(items)
                    start = at + 1
                self._depth -= mark != b","
        self._add(piece[start:])
        return items

    def end(self) -> list[TextLine]:
        """Return what stands behind the array. Raises `OSError` if the array does not end."""
        if self._depth > 0 or self._is_in_string:
            raise OSError(errno.EIO, "its JSON array is damaged, or ends too early")
        items: list[TextLine] = []
        self._end_item(items)
        return items

    def _add(self, part: bytes) -> None:
        if self._begun_on is None and part.strip(_BETWEEN):
            self._begun_on = self._line
        if self._begun_on is not None:
            self._item += part[: max(0, LONGEST_ROW + 1 - len(self._item))]

    def _end_item(self, items: list[TextLine]) -> None:
        if self._begun_on is None:
            return
        raw, number = bytes(self._item).strip(_BETWEEN), self._begun_on
        self._item.clear()
        self._begun_on = None
        fault = f"the item is longer than {LONGEST_ROW} bytes" if len(raw) > LONGEST_ROW else ""
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            text, fault = raw[:200].decode(errors="replace"), fault or self.unreadable
        items.append(TextLine(number, text[:200] if fault else text, fault))
