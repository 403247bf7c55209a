"""A console whose lines end between two ideographs, too: rich ends them at spaces alone.

A Chinese sentence has few spaces, so rich would leave much of a line empty, and begin the next one
with a full stop. What has a letter of another script in it stays whole as long as a line holds it:
paths, addresses and options are copied from a terminal.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise

from rich.cells import cell_len, chop_cells
from rich.console import Console, ConsoleOptions, RenderableType
from rich.protocol import rich_cast
from rich.segment import Segment
from rich.text import Text

_OPENING = "（「『【《“"
_STOPS = "，。：；？！、"
_CLOSING = f"{_STOPS}）」』】》”…—"
_IDEOGRAPHS = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_IDEOGRAPH = re.compile(f"[{_IDEOGRAPHS}]")
_CLAUSE = re.compile(rf"\s*[^\s{_STOPS}]*[{_CLOSING}]*\s*")
_WHOLLY_CHINESE = re.compile(rf"[{_IDEOGRAPHS}{_OPENING}{_CLOSING}\s]*")
_BETWEEN = re.compile(rf"(?<=[^\s{_OPENING}])(?=[^\s{_CLOSING}])")


class WrappingConsole(Console):
    """A console of rich for text in any of our languages."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Return what rich makes of it, Chinese text broken into its lines before."""
        options = options or self.options
        renderable = rich_cast(renderable)  # cyclopts gives errors, which say their text themselves
        if isinstance(renderable, str):
            renderable = self.render_str(
                renderable, markup=options.markup, highlight=options.highlight
            )
        if isinstance(renderable, Text) and not (renderable.no_wrap or options.no_wrap):
            renderable = _broken(renderable, options.max_width)
        return super().render(renderable, options)


def _broken(text: Text, width: int) -> Text:
    if width < cell_len("图") or not _IDEOGRAPH.search(text.plain):
        return text
    lines = text.split(allow_blank=True)
    return text.blank_copy("\n").join(
        part for line in lines for part in line.divide(line_ends(line.plain, width))
    )


def line_ends(text: str, width: int) -> Iterator[int]:
    """Yield where a text is broken so that no line is wider.

    Example:
        >>> list(line_ends("请看 a.csv。没有图片", 10))
        [3, 10]
    """
    used = 0
    for start, end in pairwise([*_places(text), len(text)]):
        unit = text[start:end]
        if used and used + cell_len(unit.rstrip()) > width:
            yield start
            used = 0
        *full, last = chop_cells(unit.rstrip(), width) or [""]
        for line in full:
            start += len(line)  # noqa: PLW2901  # on through what no line holds
            yield start
        used += cell_len(unit) if not full else cell_len(last + unit[len(unit.rstrip()) :])


def _places(text: str) -> Iterator[int]:
    """Yield where a line may begin."""
    for clause in _CLAUSE.finditer(text):
        if clause[0]:
            yield clause.start()
        if _WHOLLY_CHINESE.fullmatch(clause[0]):
            first = clause.end() - len(clause[0].lstrip()) + 1
            yield from (at.start() for at in _BETWEEN.finditer(text, first, clause.end() - 1))
