"""The rows that a page shows: all of them, or of very many a sample within a bound of bytes.

A page is opened in a browser and sent by mail, so its size must not grow with the run. Each group
(failed, rejected, skipped, passed) keeps a uniform sample of its own, whatever order the rows come
in: every row draws a number, and those with the lowest stay. In the end the groups share the bound
in that order, for what did not pass is what a person has to act on; but none is left empty.
"""

import heapq
import random
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Self

GROUPS = ("failed", "rejected", "skipped", "passed")
"""Who goes first where there is room for some only."""

MOST_BYTES = 4_000_000
"""Of all rows in a page, as JSON. Measured: such a page opens in about a second."""
_LEAST_BYTES = 200_000
"""Kept for each group, so that the first does not take all."""


class Row(NamedTuple):
    """A row as the page has it."""

    group: str
    text: str
    """JSON, in ASCII."""
    file: Path | None = None
    """Its image, where that is a file of this machine."""


class Kept(NamedTuple):
    """A row that is in the sample."""

    negative_draw: float
    """Of a heap the smallest is at hand: here the row that goes first."""
    place: int
    """In the input, from 1."""
    row: Row


class _Group:
    """A bounded sample of one group."""

    def __init__(self) -> None:
        self.count = 0
        self.bytes = 0
        self.kept: list[Kept] = []
        self._is_full = False

    def copy(self) -> Self:
        """Return another of the same rows."""
        other = type(self)()
        other.count, other.bytes, other.kept = self.count, self.bytes, self.kept.copy()
        return other

    def is_in(self, draw: float) -> bool:
        """Whether a row of this draw would stay as things are."""
        return not self._is_full or -draw > self.kept[0].negative_draw

    def add(self, row: Kept) -> None:
        """Keep a row, and let others go while there are too many bytes."""
        heapq.heappush(self.kept, row)
        self.bytes += len(row.row.text)
        if self.bytes > MOST_BYTES:
            self._is_full = True
            self.shrink(MOST_BYTES)

    def shrink(self, most_bytes: int) -> None:
        """Let rows go, those of the highest draw first."""
        while self.bytes > most_bytes:
            self.bytes -= len(heapq.heappop(self.kept).row.text)


class Sample:
    """Rows as JSON texts, each in its group; what is held is bounded however many come."""

    def __init__(self) -> None:
        self._groups = {name: _Group() for name in GROUPS}
        self._chance = random.Random(0)  # noqa: S311  # a sample that stays the same
        self._count = 0

    def add(self, group: str, row_of: Callable[[], Row]) -> Kept | None:
        """Count a row, which is asked for only where it may stay; return what was kept."""
        self._count += 1
        kept = self._groups[group]
        kept.count += 1
        draw = self._chance.random()
        if not kept.is_in(draw):
            return None
        row = Kept(-draw, self._count, row_of())
        kept.add(row)
        return row

    def chosen(self) -> tuple[list[Kept], dict[str, int]]:
        """Return the rows of the page, and how many of each group are not among them.

        They are in the order of the input; where some are left out, failed and rejected come first.
        """
        return chosen(self.copied())

    def copied(self) -> dict[str, _Group]:
        """Return the groups as they are now: what is chosen of them changes nothing here."""
        return {name: group.copy() for name, group in self._groups.items()}


def chosen(groups: dict[str, _Group]) -> tuple[list[Kept], dict[str, int]]:
    """Return what `Sample.chosen` does, of copied groups."""
    _share(list(groups.values()))
    left_out = {
        name: group.count - len(group.kept)
        for name, group in groups.items()
        if group.count > len(group.kept)
    }
    by_place = [sorted(group.kept, key=_place) for group in groups.values()]
    rows = [row for group in by_place for row in group]
    return rows if left_out else sorted(rows, key=_place), left_out


def _share(groups: list[_Group]) -> None:
    """Let rows go until all groups together fit: the first take what the others can spare."""
    left = MOST_BYTES
    for number, group in enumerate(groups):
        others = sum(min(each.bytes, _LEAST_BYTES) for each in groups[number + 1 :])
        group.shrink(left - others)
        left -= group.bytes


def _place(row: Kept) -> int:
    return row.place
