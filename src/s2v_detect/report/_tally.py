"""What records come to, in bounded memory: counts, reasons, times, and rows for the page."""

import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from s2v_detect._redaction import without_secrets
from s2v_detect.report._advice import NONE, OTHER, skip_of
from s2v_detect.report._chart import Timeline
from s2v_detect.report._sample import Kept, Row, Sample

SHOWN = ("line", "image", "code", "message", "error", "billed", "at")
TOLD = ("kind", "check_pass")
"""By the row's group."""
_EMOJI = r"\u2190-\u2bff\U0001f000-\U0001faff"
_UNSAFE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]"
    r"|[\ud800-\udfff]"  # half a character, which no page can hold
    # A joiner that makes one emoji of two steers nobody; anywhere else it is not to be seen.
    rf"|(?<![{_EMOJI}\ufe0f])\u200d|\u200d(?![{_EMOJI}])"
)
_HARMLESS = re.compile(r"[\da-f:T.+-]*|[a-z]*", re.ASCII)
"""Times, ids and words of small letters: in every row, and no key, address or steering sign."""
_NUMBERS = frozenset((int, float, bool))
_encoded = json.JSONEncoder(separators=(",", ":")).encode  # made once: `dumps` makes one a row
_MOST_REASONS = 100
"""That have a place of their own: the service has some twenty, a list of somebody's any number."""
_LONGEST_REASON = 120
_LONGEST_VALUE = 1_000
_LONGEST_ADDRESS = 8_000
_LONGEST_ROW = 20_000
"""What is shown of a row is bounded, as the number of rows is."""


@dataclass(frozen=True)
class Figures:
    """What a page says above its gallery, as it was at one moment."""

    counts: Mapping[str, int]
    """By group."""
    reasons: Mapping[tuple[str, str], int]
    """By group and reason."""
    requests: int
    cost: float
    cost_at_most: float
    timeline: Timeline
    is_of_answers: bool
    """The timeline is that of the answers: nobody knows when the requests were sent."""


class Tally:
    """What one reading of the records comes to.

    `folder` is that of the page; in `beside` the files of the rows may lie. `sent_at` is when each
    request was sent; None: the times of the answers are taken.
    """

    def __init__(
        self, folder: Path, beside: Sequence[Path], sent_at: Iterable[float] | None = None
    ) -> None:
        self._folder = folder
        self._beside = beside
        self._is_timed = sent_at is not None
        self._counts: Counter[str] = Counter(passed=0, rejected=0, failed=0, skipped=0)
        self._reasons: Counter[tuple[str, str]] = Counter()
        self._requests = 0
        self._cost = 0.0
        self._cost_at_most = 0.0
        self.sample = Sample()
        self.timeline = Timeline(sent_at or ())

    def add(self, record: Mapping[str, Any]) -> Kept | None:
        """Count a record, and keep its row where there is room; return what was kept."""
        group = _group_of(record)
        self._counts[group] += 1
        reason = self._counted_reason(group, record)
        self._requests += record.get("attempts") or 0
        self._cost += record.get("cost") or 0
        self._cost_at_most += record.get("cost_at_most") or 0
        if not self._is_timed and record.get("attempts"):
            self._count_time(str(record.get("at")))
        return self.sample.add(group, lambda: self._row(group, reason, record))

    def figures(self) -> Figures:
        """Return what is known now; nothing changes it any more."""
        return Figures(
            counts=dict(self._counts),
            reasons=dict(self._reasons),
            requests=max(self._requests, self.timeline.count),
            cost=self._cost,
            cost_at_most=self._cost_at_most,
            timeline=self.timeline.copy(),
            is_of_answers=not self._is_timed,
        )

    def _count_time(self, at: str) -> None:
        with suppress(ValueError, OverflowError):  # a row that somebody changed
            answered_at = datetime.fromisoformat(at).timestamp()
            if answered_at > 0:
                self.timeline.add(answered_at)

    def _counted_reason(self, group: str, record: Mapping[str, Any]) -> str:
        reason = _label(_reason_of(group, record)[:_LONGEST_REASON])
        if not reason:
            return ""
        if len(self._reasons) >= _MOST_REASONS and (group, reason) not in self._reasons:
            reason = OTHER
        self._reasons[group, reason] += 1
        return reason

    def _row(self, group: str, reason: str, record: Mapping[str, Any]) -> Row:
        row: dict[str, Any] = {"group": group, **({"reason": reason} if reason else {})}
        row.update(_shown(record))
        file = self._file_of(record)
        if file and (way := _way_to(file, self._folder)):
            row["file"] = way
        text = json_in_page(row)
        if len(text) > _LONGEST_ROW:
            row["more"], row["is_cut"] = {}, True
            text = json_in_page(row)
        return Row(group, text, file)

    def _file_of(self, record: Mapping[str, Any]) -> Path | None:
        """Return where an image lies that is a file of this machine."""
        image = str(record.get("image") or "")
        if not image or "://" in image:
            return None
        try:
            image.encode()  # a half character is in no address
            return next(
                (place / image for place in self._beside if (place / image).is_file()), None
            )
        except (OSError, ValueError):  # no name of a file
            return None


def plain(value: object) -> str:
    """Return text without secrets, in which nothing steers a reader: that stands as its number."""
    if value is None or type(value) in _NUMBERS:
        return "" if value is None else str(value)
    text = str(value)[: 2 * _LONGEST_ADDRESS]
    if _HARMLESS.fullmatch(text):  # to look closer at them costs a third of a row
        return text
    text = without_secrets(text)
    return (
        text if text.isprintable() else _UNSAFE.sub(lambda found: f"[U+{ord(found[0]):04X}]", text)
    )


def json_in_page(value: object) -> str:
    """Return JSON (ASCII) for a script element: nothing in it can end that, or begin a comment."""
    return _encoded(value).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _group_of(record: Mapping[str, Any]) -> str:
    kind = record.get("kind")
    if kind == "checked":
        return "passed" if record.get("check_pass") else "rejected"
    return "skipped" if kind == "skipped" else "failed"


def _reason_of(group: str, record: Mapping[str, Any]) -> str:
    if group == "passed":
        return ""
    if group == "skipped" and (usual := skip_of(str(record.get("message")))):
        return usual
    return str((record.get("code") if group == "rejected" else record.get("error")) or NONE)


def _shown(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a row as the page shows them, and where that is another its address."""
    values: dict[str, Any] = {}
    own: dict[str, str] = {}
    for name, value in record.items():
        if value is None or value == "" or name in TOLD:
            continue
        text = plain(value)[:_LONGEST_VALUE]
        if name in SHOWN:
            values[name] = text
        else:
            own[_label(str(name))] = text
    address = str(record.get("image") or "")
    if address != values.get("image", ""):  # whole, to be loaded from, or not at all
        values["url"] = address if len(address) <= _LONGEST_ADDRESS else ""
    values["more"] = own
    return values


def _way_to(file: Path, folder: Path) -> str:
    """Return the way from the page to a file, or nothing where the file is on another drive."""
    try:
        return Path(os.path.relpath(file, folder)).as_posix()
    except ValueError:
        return ""


@lru_cache(maxsize=1_000)
def _label(name: str) -> str:
    """Return a reason or a column: as it is read, and as it is found."""
    return plain(name)[:_LONGEST_REASON]
