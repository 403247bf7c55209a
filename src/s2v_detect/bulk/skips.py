"""Why rows were skipped, or failed: each reason once, how often, and where it was met first."""

import re
from dataclasses import dataclass

_MOST = 100
"""Reasons that are told apart: what is kept must not grow with the input."""
_LONGEST = 160
_OTHER = "other reasons"
_OF_ONE_ROW = re.compile(r"(?<=its host is )[^,]+|\d+(?:[.,]\d+)*")
"""What differs from row to row within one reason: a host, a size, a length."""


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
        """Count a row; `error` is the class of a failure's error."""
        kind = (error, _OF_ONE_ROW.sub("…", reason))
        if kind not in self._by_kind and len(self._by_kind) >= _MOST:
            kind, reason, error = (None, _OTHER), _OTHER, None
        skip = Skip(reason[:_LONGEST], line, image[:_LONGEST], error)
        self._by_kind.setdefault(kind, skip).count += 1

    @property
    def ranked(self) -> list[Skip]:
        """All of them, the most frequent first."""
        return sorted(self._by_kind.values(), key=lambda skip: -skip.count)
