"""Rows from lines of text: one address a line."""

from collections.abc import Sequence

from s2v_detect.images import trimmed
from s2v_detect.tables._reading import TextLine
from s2v_detect.tables._rows import EXCERPT, Row, has_two_addresses, is_address


class TextRows:
    """One address a line; blank lines and lines that begin with `#` are passed over."""

    columns: tuple[str, ...] | None = None
    column: str | None = None

    def __init__(self) -> None:
        self.passed_over = 0

    def rows(self, lines: Sequence[TextLine]) -> list[Row]:
        rows = []
        for number, text, unreadable, _ in lines:
            image, fault = text.strip(), unreadable
            if not image.isascii():
                image = trimmed(image)
                fault = unreadable or _fault_of(image)
            if not fault and has_two_addresses(image):
                fault = "two addresses in one line; give each its own line"
            if fault or (image and image[0] != "#"):
                rows.append(Row(number, image[:EXCERPT] if fault else image, fault))
        self.passed_over += len(lines) - len(rows)
        return rows

    def rest(self) -> list[Row]:
        return []


def _fault_of(image: str) -> str:
    is_joined = "\ufeff" in image and any(map(is_address, image.split("\ufeff")[1:]))
    return "two files were joined in the middle of the line" if is_joined else ""
