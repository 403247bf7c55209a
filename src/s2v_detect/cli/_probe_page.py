"""The page of a probe, purely: what the service answered, without what is anybody's own.

What may stand on the page is listed, and all else is left out: of an answer the names of its fields
and what kind of value each holds, a code that looks like one, the names of headers, and the values
of a few that are the service's own. No message (it may echo an address), no request id (it names an
account to the vendor), no time but milliseconds from the first request; and nothing that `Hidden`
knows as a part of the key, the addresses or the files of this probe.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from email.utils import parsedate_to_datetime
from itertools import islice
from statistics import median
from typing import Any, NamedTuple

from s2v_detect import DetectError, RateLimited
from s2v_detect._service import MODEL
from s2v_detect.cli._hidden import Hidden
from s2v_detect.wire import Exchange, decode

TITLE = f"# {MODEL}, as one account has seen it"
"""Its first line: a later probe knows by it what it may replace."""

_ARRIVED = "req-arrive-time"
"""Milliseconds since 1970, where the vendor's gateway says them."""
_MOST_VALUES = 5
_DEEPEST = 5
_MOST_NAMES = 100  # of fields, and of headers: more of them are no answer of the service
_WINDOW_MS = 1000.0


class Probe(NamedTuple):
    """What a probe was, in figures."""

    version: str
    made_on: str
    """The day."""
    asked_of: str
    """Which address it was, in general words."""
    rate: float
    billed: int
    unknown: int
    cost: str
    known: int
    """Images that the ledger knew, and that were not asked for."""
    skipped: int
    ended_by: str
    """The class of the error that ended it before its end; empty: none did."""


def facts_of(probe: Probe, exchanges: Sequence[Exchange], hidden: Hidden) -> dict[str, Any]:
    """Return everything that the page says, as JSON has it."""
    sent = sorted((each for each in exchanges if each.left_s is not None), key=_left)
    return {
        "schema_version": 1,
        "model": MODEL,
        **probe._asdict(),
        "requests": len(sent),
        "answers": list(_answers(sent, hidden)),
        "headers": _headers(sent, hidden),
        "pace": _pace(sent),
        "spacing_ms": _spacing(sent),
    }


def page_of(facts: Mapping[str, Any]) -> str:
    """Return the page: Markdown for people, and the same as JSON at its end."""
    lines = [TITLE, "", *_about(facts), "", "## Answers", ""]
    lines += _table(
        ("answer", "HTTP", "code", "how many", "fields"),
        [
            (
                each["answer"],
                each["status"],
                each["code"],
                each["count"],
                ", ".join(f"{name}: {kind}" for name, kind in each["fields"].items()),
            )
            for each in facts["answers"]
        ],
    )
    lines += ["", "## Headers of the answers", ""]
    lines += _table(
        ("header", "in how many", "values that may be told"),
        [(each["name"], each["count"], ", ".join(each["values"])) for each in facts["headers"]],
    )
    lines += ["", "## Pace, in milliseconds", "", *_of_pace(facts["spacing_ms"]), ""]
    columns = ("after_first", "since_last", "answer", "status", "accepted_in_1000", "answer_after")
    names = ("after the first", "since the last", "answer", "HTTP", "accepted in 1000 before")
    lines += _table(
        (*names, "answered after", "service's second", "arrived"),
        [
            (*(each[name] for name in columns), each["service_second"], each["arrived"])
            for each in facts["pace"]
        ],
    )
    told = json.dumps(facts, indent=1, ensure_ascii=True)
    return "\n".join([*lines, "", "## The same for machines", "", "```json", told, "```", ""])


def _about(facts: Mapping[str, Any]) -> list[str]:
    asked = f"{facts['asked_of']}, at {facts['rate']:g} requests a second"
    paid = f"{facts['billed']} billed (CNY {facts['cost']}), {facts['unknown']} unknown"
    lines = [f"Made on {facts['made_on']} by s2v-detect {facts['version']} (`doctor --probe`)."]
    lines.append(f"Asked was {asked}: {facts['requests']} requests, {paid}.")
    lines.append("No key, address, picture, request id or message of the service is on this page.")
    if facts["known"] or facts["skipped"]:
        lines.append(
            f"Not asked for: {facts['known']} that the ledger knew, {facts['skipped']} that were"
            " skipped or never sent."
        )
    if facts["ended_by"]:
        lines.append(f"It ended before its end: {facts['ended_by']}.")
    return lines


def _of_pace(spacing: Mapping[str, Any]) -> list[str]:
    lines = []
    for name, told in spacing.items():
        gaps = ""
        if told["least"] is not None:
            gaps = f", {told['least']} to {told['most']} behind the last ({told['middle']} mostly)"
        lines.append(f"{name}: {told['count']} requests{gaps}.")
    return lines


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    cells = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join('' if c is None else str(c) for c in row)} |" for row in cells]


def _answers(sent: Sequence[Exchange], hidden: Hidden) -> Iterator[dict[str, Any]]:
    seen: Counter[str] = Counter()
    for exchange in sent:
        word, code = _meant(exchange)
        told = {
            "answer": word,
            "status": exchange.status or None,
            "code": hidden.code(code),
            "fields": dict(islice(_fields(exchange.body, hidden), _MOST_NAMES)),
        }
        seen[json.dumps(told)] += 1
    for text, count in seen.most_common():
        yield {**json.loads(text), "count": count}


def _meant(exchange: Exchange) -> tuple[str, str]:
    """Return what an answer comes to, in a word, and its code."""
    answer = exchange.answer
    if answer is None:
        return "no answer", ""
    try:
        verdict = decode(answer)
    except DetectError as error:
        return type(error).__name__, getattr(error, "code", "")
    if verdict.check_pass:
        return "passes", verdict.code
    has_output = b"check_pass" in exchange.body
    shape = "check_pass is false" if has_output else "an error's shape"
    return f"rejects, {shape}", verdict.code


def _fields(body: bytes, hidden: Hidden) -> Iterator[tuple[str, str]]:
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        yield "(body)", "empty" if not body.strip() else "no JSON"
        return
    yield from _fields_in(told, "", hidden)


def _fields_in(told: Any, path: str, hidden: Hidden) -> Iterator[tuple[str, str]]:
    if isinstance(told, dict) and told and path.count(".") < _DEEPEST:
        for name, value in told.items():
            inner = hidden.field(name)
            yield from _fields_in(value, f"{path}.{inner}" if path else inner, hidden)
    elif isinstance(told, list):
        yield path or "(body)", f"list of {len(told)}"
    else:
        yield path or "(body)", _kind(told)


def _kind(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    if isinstance(value, int | float):
        return str(value) if value in (0, 1) else "number"
    if isinstance(value, str):
        return "text" if value else "empty text"
    return "object"


def _headers(sent: Sequence[Exchange], hidden: Hidden) -> list[dict[str, Any]]:
    counts: Counter[str] = Counter()
    values: dict[str, list[str]] = {}
    for exchange in sent:
        for name in {name.lower() for name in exchange.headers}:
            counts[hidden.header(name)] += 1
        for each, value in exchange.headers.multi_items():
            name = hidden.header(each.lower())
            if hidden.has_value(name):
                told = values.setdefault(name, [])
                if hidden.value(value) not in told:
                    told.append(hidden.value(value))
    return [
        {"name": name, "count": count, "values": values.get(name, [])[:_MOST_VALUES]}
        for name, count in sorted(counts.most_common(_MOST_NAMES))
    ]


def _pace(sent: Sequence[Exchange]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    accepted: list[float] = []
    first_second, first_arrival = None, None
    for exchange in sent:
        after_ms = (_left(exchange) - _left(sent[0])) * 1000
        word, _ = _meant(exchange)
        second, arrival = _date(exchange), _arrival(exchange)
        first_second = second if first_second is None else first_second
        first_arrival = arrival if first_arrival is None else first_arrival
        ended_s = exchange.ended_s or exchange.answered_s
        rows.append(
            {
                "after_first": round(after_ms, 1),
                "since_last": round(after_ms - rows[-1]["after_first"], 1) if rows else None,
                "answer": word,
                "status": exchange.status or None,
                "accepted_in_1000": sum(0 <= after_ms - at < _WINDOW_MS for at in accepted),
                "answer_after": None if ended_s is None else _ms(ended_s - _left(exchange)),
                "service_second": _since(second, first_second),
                "arrived": _since(arrival, first_arrival),
            }
        )
        if exchange.status and word != RateLimited.__name__:
            accepted.append(after_ms)
    return rows


def _spacing(sent: Sequence[Exchange]) -> dict[str, Any]:
    """Return how far the accepted and the throttled ones were behind the one before them."""
    gaps: dict[str, list[float]] = {"accepted": [], "throttled": []}
    counts = Counter[str]()
    before: Exchange | None = None
    for exchange in sent:
        if exchange.status:
            name = "throttled" if _meant(exchange)[0] == RateLimited.__name__ else "accepted"
            counts[name] += 1
            if before is not None:
                gaps[name].append(_ms(_left(exchange) - _left(before)))
        before = exchange
    return {
        name: {
            "count": counts[name],
            "least": min(each, default=None),
            "middle": round(median(each), 1) if each else None,
            "most": max(each, default=None),
        }
        for name, each in gaps.items()
    }


def _left(exchange: Exchange) -> float:
    return exchange.left_s or 0.0


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)


def _since(value: float | None, first: float | None) -> int | None:
    return None if value is None or first is None else round(value - first)


def _date(exchange: Exchange) -> float | None:
    try:
        return parsedate_to_datetime(exchange.headers.get("date", "")).timestamp()
    except (ValueError, OverflowError):
        return None


def _arrival(exchange: Exchange) -> float | None:
    text = exchange.headers.get(_ARRIVED, "")
    return float(text) if re.fullmatch(r"[0-9]{13}", text) else None
