"""Rows from lines of text: one address a line."""

from collections.abc import Sequence

from s2v_detect.images import trimmed
from s2v_detect.tables._reading import TextLine
from s2v_detect.tables._rows import Row


class TextRows:
    """One address a line; blank lines and lines that begin with `#` are passed over."""

    def __init__(self) -> None:
        self.columns: tuple[str, ...] | None = None
        self.passed_over = 0

    def rows(self, lines: Sequence[TextLine]) -> list[Row]:
        rows = []
        for number, text, fault in lines:
            image = trimmed(text)
            if fault or (image and image[0] != "#"):
                rows.append(Row(number, image, fault))
        self.passed_over += len(lines) - len(rows)
        return rows

    def rest(self) -> list[Row]:
        return []
