"""Rows from lines of text: one address a line."""

from collections.abc import Sequence

from s2v_detect.tables._reading import TextLine
from s2v_detect.tables._rows import EXCERPT, Row, is_address, stripped


class TextRows:
    """One address a line; blank lines and lines that begin with `#` are passed over."""

    columns: tuple[str, ...] | None = None
    column: str | None = None

    def __init__(self) -> None:
        self.passed_over = 0

    def rows(self, lines: Sequence[TextLine]) -> list[Row]:
        rows = []
        for line in lines:
            image = stripped(line.text)
            if line.fault or (image and image[0] != "#"):
                rows.append(_row(line.number, image, line.fault))
        self.passed_over += len(lines) - len(rows)
        return rows

    def rest(self) -> list[Row]:
        return []


def _row(number: int, image: str, fault: str) -> Row:
    if not fault and "\ufeff" in image and any(map(is_address, image.split("\ufeff")[1:])):
        fault = "two files were joined in the middle of the line"
        return Row(number, image[:EXCERPT], fault)
    return Row(number, image, fault)
