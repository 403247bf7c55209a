"""Why a row can be no image, where whoever reads that must know more of it than the sentence.

The sentences are English: they are data, in an output as on a screen. All other faults are plain
texts.
"""

from collections.abc import Sequence
from typing import Self


class Undecoded(str):
    """A line that is no text in the encoding that its input is read in.

    Example:
        >>> Undecoded.of("UTF-8", ("big5hkscs", "cp949"))
        'the line is not UTF-8 text (it may be big5hkscs or cp949: give --encoding)'
    """

    __slots__ = ("encoding", "likely")

    encoding: str
    likely: Sequence[str]
    """What it may be, the likeliest first; often nothing."""

    @classmethod
    def of(cls, encoding: str, likely: Sequence[str] = ()) -> Self:
        """Return what is said of each such line."""
        perhaps = f" (it may be {' or '.join(likely)}: give --encoding)" if likely else ""
        fault = cls(f"the line is not {encoding} text{perhaps}")
        fault.encoding, fault.likely = encoding, likely
        return fault


class Miscut(str):
    """A line that was cut into cells in the wrong places: the list may be another kind of list."""

    __slots__ = ()


class Surplus(Miscut):
    """A line with more cells than the header: none of them is in its own column, perhaps."""

    __slots__ = ()
