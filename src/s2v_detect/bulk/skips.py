"""Why rows were skipped, or failed: each reason once, how often, and where it was met first."""

import re
from dataclasses import dataclass

_MOST = 100
"""Reasons that are told apart: what is kept must not grow with the input."""
_LONGEST = 160
_OTHER = "other reasons"
_OF_ONE_ROW = re.compile(r"(?<=its host is )[^,]+|(?<=\(tried ).+|\d+(?:[.,]\d+)*", re.DOTALL)
"""What differs from row to row within one reason: a host, a path, a size, a length."""


@dataclass
class Skip:
    """One reason."""

    reason: str
    """As the first row has it."""
    line: int | None
    """Of the first row, where the input has lines."""
    image: str
    """Of the first row."""
    error: str | None = None
    """Of a failure, the class of its error: what to do goes by it."""
    count: int = 0


class Skips:
    """The reasons of a run, or of what one would do."""

    def __init__(self) -> None:
        self._by_kind: dict[tuple[str | None, str], Skip] = {}

    def add(self, reason: str, *, line: int | None, image: str, error: str | None = None) -> None:
        """Count a row, in whatever order the rows come; `error` is the class of a failure's."""
        kind = (error, _OF_ONE_ROW.sub("…", reason))
        if kind not in self._by_kind and len(self._by_kind) >= _MOST:
            kind, reason, error = (None, _OTHER), _OTHER, None
        skip = self._by_kind.get(kind)
        if skip is None or (line and skip.line and line < skip.line):
            count = skip.count if skip else 0
            skip = Skip(reason[:_LONGEST], line, image[:_LONGEST], error, count)
            self._by_kind[kind] = skip
        skip.count += 1

    @property
    def ranked(self) -> list[Skip]:
        """All of them, the most frequent first; of two as frequent, the one of the first line."""
        return sorted(
            self._by_kind.values(), key=lambda skip: (-skip.count, skip.line or 0, skip.image)
        )
