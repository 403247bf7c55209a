"""Records into the page."""

import base64
import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from s2v_detect import __version__
from s2v_detect._redaction import without_secrets
from s2v_detect.bulk import Replaceable, replacing
from s2v_detect.report._advice import advice_for, skip_of
from s2v_detect.report._chart import HEIGHT, WIDTH, Timeline, chart_of
from s2v_detect.report._sample import Sample

SHOWN = ("line", "image", "code", "message", "error", "billed", "at")
TOLD = ("kind", "check_pass")
"""By the row's group."""
_UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_GROUPS = ("rejected", "failed", "skipped")
_OTHER = "other reasons"
_MOST_REASONS = 100
"""That have a place of their own: the service has some twenty, a list of somebody's any number."""
_LONGEST_REASON = 120
_LONGEST_VALUE = 1_000
_LONGEST_ADDRESS = 8_000
_LONGEST_ROW = 20_000
"""What is shown of a row is bounded, as the number of rows is."""


class _Tally:
    """What one reading of the records comes to, in bounded memory."""

    def __init__(
        self, folder: Path, beside: Sequence[Path], sent_at: Iterable[float] | None
    ) -> None:
        self._folder = folder
        self._beside = beside
        self._is_timed = sent_at is not None
        self.sample = Sample()
        self.counts: Counter[str] = Counter(passed=0, rejected=0, failed=0, skipped=0)
        self.reasons: Counter[tuple[str, str]] = Counter()
        self.requests = 0
        self.cost = 0.0
        self.cost_at_most = 0.0
        self.timeline = Timeline(sent_at or ())

    def add(self, record: Mapping[str, Any]) -> None:
        """Count a record, and keep its row where there is room."""
        group = _group_of(record)
        self.counts[group] += 1
        reason = self._counted_reason(group, record)
        self.requests += record.get("attempts") or 0
        self.cost += record.get("cost") or 0
        self.cost_at_most += record.get("cost_at_most") or 0
        if not self._is_timed and record.get("attempts"):
            self._count_time(str(record.get("at")))
        self.sample.add(group, lambda: _json(self._row(group, reason, record)))

    def _count_time(self, at: str) -> None:
        with suppress(ValueError, OverflowError):  # a row that somebody changed
            answered_at = datetime.fromisoformat(at).timestamp()
            if answered_at > 0:
                self.timeline.add(answered_at)

    def _counted_reason(self, group: str, record: Mapping[str, Any]) -> str:
        reason = _reason_of(group, record)[:_LONGEST_REASON]
        if not reason:
            return ""
        if len(self.reasons) >= _MOST_REASONS and (group, reason) not in self.reasons:
            reason = _OTHER
        self.reasons[group, reason] += 1
        return reason

    def _row(self, group: str, reason: str, record: Mapping[str, Any]) -> dict[str, Any]:
        row: dict[str, Any] = {"group": group, **({"reason": reason} if reason else {})}
        row.update(_shown(record))
        if file := _file_of(record, self._folder, self._beside):
            row["file"] = file
        if len(str(row)) > _LONGEST_ROW:
            row["more"] = {"your columns": "too long for this page"}
        return row


def write_report(
    records: Iterable[Mapping[str, Any]],
    path: Path,
    *,
    title: str,
    note: str = "",
    source: str = "",
    beside: Sequence[Path] = (Path(),),
    sent_at: Iterable[float] | None = None,
    line_per_s: float = 5.0,
    replaces: Replaceable | None = None,
    on_kept: Callable[[Path, Path], None] | None = None,
) -> None:
    """Write the page of a run, whole or not at all.

    Its counts, reasons and chart are those of all records. The page lists as many of them as stay
    quick to open: failed and rejected ones first, and it says how many are left out. The memory
    that this takes does not grow with the records.

    Args:
        records: flat records, as a run's output has them.
        path: the page; what is there is replaced.
        title: what stands at its head.
        note: what stands beside the cost.
        source: what the records are from: there a reader finds those that are not listed.
        beside: folders in which the files of the rows may lie.
        sent_at: when each request was sent (POSIX seconds), where a ledger knows; else the times
            of the answers are drawn.
        line_per_s: the account's rate.
        replaces: what alone may be replaced; anything else is kept under another name.
        on_kept: told of what was kept, and under which name.

    Raises:
        OSError: the page can't be written; nothing is left of it.
    """
    tally = _Tally(path.parent, beside, sent_at)
    for record in records:
        tally.add(record)
    words = {"title": _plain(title), "note": note, "source": _plain(source)}
    page = _rendered(tally, words, line_per_s)
    with replacing(path, replaces, on_kept) as file:
        file.write(page.encode(errors="backslashreplace"))


def _rendered(tally: _Tally, words: Mapping[str, str], line_per_s: float) -> str:
    here = files(__package__)
    script = (here / "page.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    template = environment.from_string((here / "page.html.j2").read_text(encoding="utf-8"))
    done = sum(tally.counts.values())
    span_s, gaps = tally.timeline.busy_s()
    rows, left_out = tally.sample.chosen()
    return template.render(
        **words,
        made_at=f"{datetime.now(UTC):%d %B %Y, %H:%M} UTC",
        version=__version__,
        # S704: our own files, and JSON in which nothing can end its element
        style=Markup((here / "page.css").read_text(encoding="utf-8")),  # noqa: S704
        script=Markup(script),  # noqa: S704
        script_hash=digest,
        rows=Markup(f"[{','.join(rows)}]"),  # noqa: S704
        counts=tally.counts,
        done=done,
        left_out=left_out,
        listed=len(rows),
        shares={name: 100 * count / done if done else 0 for name, count in tally.counts.items()},
        cost=f"{tally.cost:.3f}",
        cost_at_most=f"{tally.cost_at_most:.3f}",
        requests=max(tally.requests, tally.timeline.count),
        rate=f"{gaps / span_s:.2f}" if span_s else None,
        line_per_s=f"{line_per_s:g}",
        groups=_groups(tally),
        chart=chart_of(tally.timeline, line_per_s),
        width=WIDTH,
        height=HEIGHT,
    )


def _groups(tally: _Tally) -> list[dict[str, Any]]:
    done = max(1, sum(tally.counts.values()))
    ranked = sorted(tally.reasons.items(), key=lambda item: (_GROUPS.index(item[0][0]), -item[1]))
    groups = []
    for (group, reason), count in ranked:
        kind = "checked" if group == "rejected" else group
        advice = advice_for(kind, reason, reason)
        groups.append(
            {
                "group": group,
                "reason": _plain(reason),
                "count": count,
                "share": 100 * count / done,
                "meaning": advice.meaning,
                "do": advice.do,
            }
        )
    return groups


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
    return str((record.get("code") if group == "rejected" else record.get("error")) or "no reason")


def _shown(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a row as the page shows them, and where that is another its address."""
    values: dict[str, Any] = {
        name: _plain(record[name])[:_LONGEST_VALUE]
        for name in SHOWN
        if record.get(name) not in (None, "")
    }
    address = str(record.get("image") or "")
    if address != values.get("image", ""):  # whole, to be loaded from, or not at all
        values["url"] = address if len(address) <= _LONGEST_ADDRESS else ""
    own = {str(name): value for name, value in record.items() if name not in (*SHOWN, *TOLD)}
    values["more"] = {
        _column(name): _plain(value)[:_LONGEST_VALUE]
        for name, value in own.items()
        if value not in (None, "")
    }
    return values


def _file_of(record: Mapping[str, Any], folder: Path, beside: Sequence[Path]) -> str:
    """Return the way from the page to an image that is a file of this machine, or nothing."""
    image = str(record.get("image") or "")
    if "://" in image:
        return ""
    try:
        image.encode()  # a half character is in no address
        found = next((place / image for place in beside if (place / image).is_file()), None)
        return Path(os.path.relpath(found, folder)).as_posix() if image and found else ""
    except (OSError, ValueError):  # no name of a file, or one on another drive
        return ""


def _plain(value: object) -> str:
    """Return text without secrets, in which nothing steers a reader: that stands as its number."""
    if value is None or isinstance(value, int | float):
        return "" if value is None else str(value)
    text = without_secrets(str(value)[: 2 * _LONGEST_ADDRESS])
    return _UNSAFE.sub(lambda found: f"[U+{ord(found[0]):04X}]", text)


@lru_cache(maxsize=1_000)
def _column(name: str) -> str:
    return _plain(name)[:_LONGEST_REASON]


def _json(row: dict[str, Any]) -> str:
    """Return JSON for a script element: nothing in it can end that, or begin a comment."""
    text = json.dumps(row, ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
