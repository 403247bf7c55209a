"""Records into the page."""

import base64
import hashlib
import json
import os
import random
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from s2v_detect import __version__
from s2v_detect.bulk import replacing
from s2v_detect.report._advice import advice_for, skip_of
from s2v_detect.report._chart import HEIGHT, WIDTH, busy_s, chart_of

_MOST_PASSED = 20_000
"""Passed rows in the page; all others are always in it."""

_SHOWN = ("line", "image", "kind", "check_pass", "code", "message", "error", "billed", "at")
_UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_GROUPS = ("rejected", "failed", "skipped")


class _Tally:
    """What one reading of the records comes to."""

    def __init__(self, folder: Path, beside: Sequence[Path]) -> None:
        self._folder = folder
        self._beside = beside
        self.rows: list[dict[str, Any]] = []
        self.counts: Counter[str] = Counter(passed=0, rejected=0, failed=0, skipped=0)
        self.reasons: Counter[tuple[str, str]] = Counter()
        self.requests = 0
        self.cost = 0.0
        self.cost_at_most = 0.0
        self.times: list[float] = []
        self._chance = random.Random(0)  # noqa: S311  # a sample that stays the same

    def add(self, record: Mapping[str, Any]) -> None:
        """Count a record, and keep its row."""
        group = _group_of(record)
        self.counts[group] += 1
        reason = _reason_of(group, record)
        if reason:
            self.reasons[group, reason] += 1
        self.requests += record.get("attempts") or 0
        self.cost += record.get("cost") or 0
        self.cost_at_most += record.get("cost_at_most") or 0
        if record.get("attempts") and record.get("at"):
            self.times.append(datetime.fromisoformat(str(record["at"])).timestamp())
        row = {"group": group, "reason": reason, **_shown(record)}
        if file := _file_of(record, self._folder, self._beside):
            row["file"] = file
        self._keep(row, group)

    def _keep(self, row: dict[str, Any], group: str) -> None:
        passed = self.counts["passed"]
        if group != "passed" or passed <= _MOST_PASSED:
            self.rows.append(row)
            return
        place = self._chance.randrange(passed)
        if place < len(self.rows) and self.rows[place]["group"] == "passed":
            self.rows[place] = row


def write_report(
    records: Iterable[Mapping[str, Any]],
    path: Path,
    *,
    title: str,
    note: str = "",
    beside: Sequence[Path] = (Path(),),
    sent_at: Iterable[float] | None = None,
    line_per_s: float = 5.0,
) -> None:
    """Write the page of a run, whole or not at all.

    Args:
        records: flat records, as a run's output has them.
        path: the page; one that is there is replaced.
        title: what stands at its head.
        note: what stands beside the cost.
        beside: folders in which the files of the rows may lie.
        sent_at: when each request was sent (POSIX seconds), where a ledger knows; else the times
            of the answers are drawn.
        line_per_s: the account's rate.

    Raises:
        OSError: the page can't be written; nothing is left of it.
    """
    tally = _Tally(path.parent, beside)
    for record in records:
        tally.add(record)
    times = tally.times if sent_at is None else list(sent_at)
    page = _rendered(tally, times, title=title, note=note, line_per_s=line_per_s)
    with replacing(path) as file:
        file.write(page.encode(errors="backslashreplace"))


def _rendered(
    tally: _Tally, times: Sequence[float], *, title: str, note: str, line_per_s: float
) -> str:
    here = files(__package__)
    script = (here / "page.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    template = environment.from_string((here / "page.html.j2").read_text(encoding="utf-8"))
    done = sum(tally.counts.values())
    span_s, gaps = busy_s(sorted(times))
    return template.render(
        title=_plain(title),
        note=note,
        made_at=f"{datetime.now(UTC):%d %B %Y, %H:%M} UTC",
        version=__version__,
        # S704: our own files, and JSON in which nothing can end its element
        style=Markup((here / "page.css").read_text(encoding="utf-8")),  # noqa: S704
        script=Markup(script),  # noqa: S704
        script_hash=digest,
        rows=Markup(_embedded(tally.rows)),  # noqa: S704
        counts=tally.counts,
        done=done,
        left_out=done - len(tally.rows),
        shares={name: 100 * count / done if done else 0 for name, count in tally.counts.items()},
        cost=f"{tally.cost:.3f}",
        cost_at_most=f"{tally.cost_at_most:.3f}",
        requests=max(tally.requests, len(times)),
        rate=f"{gaps / span_s:.2f}" if span_s else None,
        line_per_s=f"{line_per_s:g}",
        groups=_groups(tally),
        chart=chart_of(times, line_per_s),
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
    """Return the values of a row as the page shows them, and its address as it is."""
    values: dict[str, Any] = {
        name: _plain(record[name]) for name in _SHOWN if record.get(name) not in (None, "")
    }
    values["url"] = str(record.get("image") or "")
    own = {str(name): _plain(value) for name, value in record.items() if name not in _SHOWN}
    values["more"] = {name: value for name, value in own.items() if value}
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
    """Return text in which nothing steers a reader: such characters stand as their numbers."""
    if value is None:
        return ""
    return _UNSAFE.sub(lambda found: f"[U+{ord(found[0]):04X}]", str(value))


def _embedded(rows: list[dict[str, Any]]) -> str:
    """Return JSON for a script element: nothing in it can end that, or begin a comment."""
    text = json.dumps(rows, ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
