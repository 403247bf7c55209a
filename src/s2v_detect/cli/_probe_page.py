"""The page of a probe, purely: what the service answered, without what is anybody's own.

What may stand on the page is listed, and all else is left out: of an answer the names of its fields
and what kind of value each holds, a code that looks like one, the names of headers, and the values
of a few that are the service's own. No message (it may echo an address), no request id (it names an
account to the vendor), no time but milliseconds from the first request. Beyond that, `Hidden` knows
the key, the addresses and the files of this probe: a name or a value that holds a part of one is
left out, whoever said it.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from email.utils import parsedate_to_datetime
from statistics import median
from typing import Any, NamedTuple

from s2v_detect import DetectError, RateLimited
from s2v_detect._redaction import without_secrets
from s2v_detect._service import CODE_RULES, IMAGE_FORMATS, IMAGE_SCHEMES, MODEL
from s2v_detect.wire import Exchange, decode

TITLE = f"# {MODEL}, as one account has seen it"
"""Its first line: a later probe knows by it what it may replace."""

NOT_TOLD = "(not told)"

_SHORTEST_PIECE, _SHORTEST_PART = 4, 6
_PIECE = re.compile(r"[^\W_]+")
_OF_ANY_ADDRESS = frozenset(
    (*IMAGE_SCHEMES, *(end[1:] for each in IMAGE_FORMATS.values() for end in each.endings))
)
_FIELDS = frozenset(
    (
        *("output", "check_pass", "humanoid", "code", "message", "msg", "usage", "image_count"),
        *("request_id", "error", "type", "status_code"),
    )
)
"""Of answers, as the vendor documents them: they tell nothing of anybody."""
_FIELD = re.compile(r"[A-Za-z][A-Za-z_-]{0,39}")
_HEADER = re.compile(r"[a-z][a-z0-9-]{0,39}")
_MOST_DIGITS = 2  # of a header's name: more of them may be somebody's number
_CODES = frozenset(code for rule in CODE_RULES for code in rule.codes if "*" not in code)
_KINDS = ("InvalidFile.", "InvalidImage", "InternalError.", "InvalidParameter.", "Throttling.")
_CODE = re.compile(r"[A-Za-z][A-Za-z_]*(?:[.][A-Za-z_]+)*")
_LONGEST = 40
_VALUE = re.compile(r"""[A-Za-z0-9 .,;:=/%"+*()_-]{0,80}""")
_NAMES_SOMEBODY = re.compile(r"[0-9A-Fa-f]{12}|[A-Za-z][\w-]*\.[\w-]+\.[\w-]|\d+\.\d+\.\d+\.\d")
"""A long number, the name of a host, an address of the network."""
_HEADERS = frozenset(
    ("date", "content-length", "set-cookie", "x-request-id", "req-arrive-time", "location")
)
"""Names that tell nothing; their values would."""
_TOLD = frozenset(
    (
        *("retry-after", "retry-after-ms", "x-should-retry", "req-cost-time"),
        *("x-envoy-upstream-service-time", "server", "vary", "connection", "keep-alive"),
        *("content-type", "content-encoding", "transfer-encoding", "cache-control"),
        *("x-emulator", "strict-transport-security"),
    )
)
"""Headers whose values are the service's own."""
_OF_THE_RATE = ("x-ratelimit-", "x-rate-limit-", "ratelimit", "x-dashscope-ratelimit")
_ARRIVED = "req-arrive-time"
"""Milliseconds since 1970, where the vendor's gateway says them."""
_MOST_VALUES = 5
_DEEPEST = 5
_WINDOW_MS = 1000.0


class Hidden:
    """What must not be on the page: the key, the addresses, the files, in all their parts."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._whole = [text.lower() for text in secrets if text]
        self._pieces = {
            piece
            for text in self._whole
            for piece in _PIECE.findall(text)
            if len(piece) >= _SHORTEST_PIECE and piece not in _OF_ANY_ADDRESS
        }

    def holds(self, text: str) -> bool:
        """Whether a text tells a part of one of them, or what looks like anybody's secret."""
        lower = text.lower()
        if any(piece in lower for piece in self._pieces) or without_secrets(text) != text:
            return True
        parts = {lower[at : at + _SHORTEST_PART] for at in range(len(lower) - _SHORTEST_PART + 1)}
        return any(part in secret for part in parts for secret in self._whole)

    def field(self, name: str) -> str:
        """Return the name of a field, where it is one that may be told."""
        if name in _FIELDS:
            return name
        return name if _FIELD.fullmatch(name) and not self.holds(name) else NOT_TOLD

    def header(self, name: str) -> str:
        """Return the name of a header, as above."""
        if name in _TOLD or name in _HEADERS:
            return name
        digits = sum(character.isdigit() for character in name)
        is_name = _HEADER.fullmatch(name) and digits <= _MOST_DIGITS
        return name if is_name and not self.holds(name) else NOT_TOLD

    def code(self, text: str) -> str:
        """Return a code of the service, as above; of a kind that is known at least the kind."""
        if not text or text in _CODES:
            return text
        kind = next((kind for kind in _KINDS if text.startswith(kind)), "")
        rest = text[len(kind) :]
        is_code = _CODE.fullmatch(rest) and len(rest) <= _LONGEST and not self.holds(rest)
        return text if is_code else f"{kind}{NOT_TOLD}"

    def value(self, text: str) -> str:
        """Return the value of a header that may be told."""
        is_plain = _VALUE.fullmatch(text) and not _NAMES_SOMEBODY.search(text)
        return text if is_plain and not self.holds(text) else NOT_TOLD


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
            "fields": dict(_fields(exchange.body, hidden)),
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
            if name in _TOLD or name.startswith(_OF_THE_RATE):
                told = values.setdefault(name, [])
                if hidden.value(value) not in told:
                    told.append(hidden.value(value))
    return [
        {"name": name, "count": count, "values": values.get(name, [])[:_MOST_VALUES]}
        for name, count in sorted(counts.items())
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
