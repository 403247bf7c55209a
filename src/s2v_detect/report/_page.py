"""Records into the page."""

import base64
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from importlib.resources import files
from math import isinf
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from s2v_detect import __version__
from s2v_detect._service import REQUESTS_PER_S
from s2v_detect.bulk import Replaceable, replacing
from s2v_detect.languages import Language
from s2v_detect.report._advice import advice_for, names_in
from s2v_detect.report._chart import HEIGHT, WIDTH, chart_of
from s2v_detect.report._pictures import Pictures
from s2v_detect.report._sample import GROUPS, Kept
from s2v_detect.report._tally import Figures, Tally, json_in_page, plain
from s2v_detect.report._words import counted_in, fields_in, words_in

_WITH_REASONS = ("rejected", "failed", "skipped")
_WORDS_OF_SCRIPT = (
    *("count", "line", "no_picture", "open", "group", "own", "too_long", "lost"),
    *GROUPS,
)
PARTS = ("progress", "result", "chart", "reasons", "listed")
"""Blocks of the template: each is the content of the element of that name."""


@dataclass(frozen=True)
class Going:
    """How far a run has come that is shown while it goes on, or how it has ended."""

    done: int
    """Images with an outcome, those of no record yet among them."""
    total: int | None
    """How many there will be, if known."""
    told: Sequence[str]
    """Sentences, in the words of whoever runs it."""
    has_ended: bool = False


@dataclass(frozen=True)
class Page:
    """What is the same in a page from its first state to its last."""

    title: str
    note: str = ""
    source: str = ""
    line_per_s: float = REQUESTS_PER_S
    events: str = ""
    """Where a page that is served gets its updates."""
    language: Language = "en"
    """Of what the page itself says; what a row holds stays as it is."""

    def whole(
        self,
        figures: Figures,
        rows: Iterable[str],
        left_out: Mapping[str, int],
        going: Going | None,
    ) -> str:
        """Return the page."""
        here = files(__package__)
        script = (here / "page.js").read_text(encoding="utf-8")
        say = words_in(self.language)
        words = {
            **{name: say[name] for name in _WORDS_OF_SCRIPT},
            "fields": fields_in(self.language),
            "reasons": names_in(self.language),
        }
        listed = list(rows)
        return _template().render(
            **self._values(figures, len(listed), left_out, going),
            made=datetime.now(UTC),
            events="" if going and going.has_ended else self.events,
            # S704: our own files, and JSON in which nothing can end its element
            style=Markup((here / "page.css").read_text(encoding="utf-8")),  # noqa: S704
            script=Markup(script),  # noqa: S704
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
            words=Markup(json_in_page(words)),  # noqa: S704
            rows=Markup(f"[{','.join(listed)}]"),  # noqa: S704
        )

    def parts(
        self, figures: Figures, listed: int, left_out: Mapping[str, int], going: Going
    ) -> dict[str, str]:
        """Return what stands in each of the page's parts now, as the whole page would have it."""
        context = _template().new_context(self._values(figures, listed, left_out, going))
        return {name: "".join(_template().blocks[name](context)) for name in PARTS}

    def _values(
        self, figures: Figures, listed: int, left_out: Mapping[str, int], going: Going | None
    ) -> dict[str, Any]:
        done = sum(figures.counts.values())
        span_s, gaps = figures.timeline.busy_s()
        of_answers = figures.is_of_answers
        say = words_in(self.language)
        return {
            "say": say,
            "counted": counted_in(self.language),
            "version": __version__,
            "title": plain(self.title),
            "note": self.note,
            "source": plain(self.source),
            "going": going,
            "ended": going is not None and going.has_ended,
            "counts": figures.counts,
            "done": done,
            "left_out": left_out,
            "listed": listed,
            "shares": {
                name: 100 * count / done if done else 0 for name, count in figures.counts.items()
            },
            "cost": f"{figures.cost:.3f}",
            "cost_at_most": f"{figures.cost_at_most:.3f}",
            "requests": figures.requests,
            # Answers come as they come: five a second is a bound on requests.
            "rate": f"{gaps / span_s:.2f}" if span_s and not of_answers else None,
            "line": "" if isinf(self.line_per_s) or of_answers else f"{self.line_per_s:g}",
            "drawn": "answers" if of_answers else "requests",
            "groups": _reasons(figures, self.language),
            "chart": chart_of(figures.timeline, self.line_per_s, say["day"]),
            "width": WIDTH,
            "height": HEIGHT,
        }


def write_report(
    records: Iterable[Mapping[str, Any]],
    path: Path,
    *,
    title: str,
    note: str = "",
    source: str = "",
    beside: Sequence[Path] = (Path(),),
    sent_at: Iterable[float] | None = None,
    line_per_s: float = REQUESTS_PER_S,
    language: Language = "en",
    replaces: Replaceable | None = None,
    on_kept: Callable[[Path, Path], None] | None = None,
) -> None:
    """Write the page of a run, whole or not at all.

    Its counts, reasons and chart are those of all records. The page lists as many of them as stay
    quick to open: failed and rejected ones first, and it says how many are left out. Files of this
    machine are in it as thumbnails, failed ones first too. The memory that this takes does not grow
    with the records.

    Args:
        records: flat records, as a run's output has them.
        path: the page; what is there is replaced.
        title: what stands at its head.
        note: what stands beside the cost.
        source: what the records are from: there a reader finds those that are not listed.
        beside: folders in which the files of the rows may lie.
        sent_at: when each request was sent (POSIX seconds), where a ledger knows; else the times
            of the answers are drawn.
        line_per_s: the rate that was asked for; infinite where there was none.
        language: of what the page itself says; what a record holds stays as it is.
        replaces: what alone may be replaced; anything else is kept under another name.
        on_kept: told of what was kept, and under which name.

    Raises:
        OSError: the page can't be written; nothing is left of it.
    """
    tally = Tally(path.parent, beside, sent_at)
    for record in records:
        tally.add(record)
    rows, left_out = tally.sample.chosen()
    pictures = Pictures()
    pictures.take(in_need(rows))
    page = Page(title, note, source, line_per_s, language=language)
    text = page.whole(tally.figures(), map(pictures.row_of, rows), left_out, None)
    with replacing(path, replaces, on_kept) as file:
        file.write(text.encode(errors="backslashreplace"))


def in_need(rows: Iterable[Kept]) -> list[Kept]:
    """Return rows in the order in which a person has to act on them: failed ones first."""
    return sorted(rows, key=lambda kept: GROUPS.index(kept.row.group))


@lru_cache(maxsize=1)
def _template() -> Template:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    text = (files(__package__) / "page.html.j2").read_text(encoding="utf-8")
    return environment.from_string(text)


def _reasons(figures: Figures, language: Language) -> list[dict[str, Any]]:
    ranked = sorted(
        figures.reasons.items(), key=lambda item: (_WITH_REASONS.index(item[0][0]), -item[1])
    )
    reasons = []
    for (group, reason), count in ranked:
        kind = "checked" if group == "rejected" else group
        advice = advice_for(kind, reason, reason, language)
        reasons.append(
            {
                "group": group,
                "reason": reason,
                "name": names_in(language)[group].get(reason, reason),
                "count": count,
                "meaning": advice.meaning,
                "do": advice.do,
            }
        )
    return reasons
