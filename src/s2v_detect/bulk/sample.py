"""A random part of the input, and what it tells of the whole."""

import random
from collections.abc import AsyncGenerator, AsyncIterable
from math import sqrt
from statistics import NormalDist
from typing import NamedTuple

from s2v_detect.tables import Row

_CONFIDENCE = 0.95


class Interval(NamedTuple):
    """A share, and where it lies with 95 % confidence; from 0 to 1."""

    low: float
    share: float
    high: float


def interval(hits: int, tries: int) -> Interval:
    """Return the share of hits with its Wilson interval, which holds for small samples too.

    Example:
        >>> tuple(round(bound, 3) for bound in interval(45, 50))
        (0.786, 0.9, 0.957)
    """
    if not tries:
        return Interval(0.0, 0.0, 1.0)
    z = NormalDist().inv_cdf((1 + _CONFIDENCE) / 2)
    share = hits / tries
    middle = (share + z * z / (2 * tries)) / (1 + z * z / tries)
    half = z * sqrt(share * (1 - share) / tries + z * z / (4 * tries * tries))
    half /= 1 + z * z / tries
    return Interval(max(0.0, middle - half), share, min(1.0, middle + half))


class Sample:
    """So many rows of an input, each with the same chance; in the input's order.

    The whole input is read for it once, and only the chosen rows are kept.
    """

    def __init__(self, batches: AsyncIterable[list[Row]], size: int, seed: int) -> None:
        self._batches = batches
        self._size = size
        self._chance = random.Random(seed)  # noqa: S311  # the same sample again is the point
        self.rows_in_all = 0
        """How many rows the input has, once it was read."""

    @property
    def total(self) -> int | None:
        """How many rows there will be."""
        return min(self._size, self.rows_in_all) if self.rows_in_all else None

    async def batches(self) -> AsyncGenerator[list[Row]]:
        """Yield the chosen rows."""
        chosen: list[tuple[int, Row]] = []
        async for rows in self._batches:
            for row in rows:
                self._consider(chosen, row)
        yield [row for _, row in sorted(chosen, key=lambda kept: kept[0])]

    def _consider(self, chosen: list[tuple[int, Row]], row: Row) -> None:
        """Keep a row, or not: reservoir sampling."""
        number, self.rows_in_all = self.rows_in_all, self.rows_in_all + 1
        if number < self._size:
            chosen.append((number, row))
            return
        place = self._chance.randrange(self.rows_in_all)
        if place < self._size:
            chosen[place] = (number, row)
