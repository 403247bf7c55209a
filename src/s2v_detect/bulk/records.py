"""One flat record for each input row: the row's own columns, and what came of its image."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from s2v_detect import Checked, Failed, LedgerEntry, Skipped
from s2v_detect._columns import OUTCOME_COLUMNS, filled
from s2v_detect._service import PRICE_CNY
from s2v_detect.bulk.folder import with_path
from s2v_detect.tables import MORE, OUTCOME_KEYS, Record, Row

_OURS = frozenset((*OUTCOME_KEYS, MORE))
_EMPTY = filled(OUTCOME_COLUMNS, {})
_COSTS = tuple(float(count * PRICE_CNY) for count in range(4))
"""Of an image's requests: two in the worst case, and more only after somebody allowed a resend."""


def column_names(columns: Sequence[str] | None) -> list[str]:
    """Return the input's columns as the output names them: one with a name of ours gives way."""
    return list(_renamed(tuple(columns or ())))


def outcome_record(
    row: Row, index: int, outcome: Checked | Skipped | Failed, prior: LedgerEntry | None
) -> Record:
    """Return the record of a row that was asked for.

    `prior` is what the ledger held before: what its lineage had paid counts into this row.
    """
    fields: dict[str, Any] = outcome.model_dump(mode="json")
    fields["index"] = index
    if row.path:
        fields["image"] = row.image  # as the input names it, in every pass
        if isinstance(outcome, Skipped):
            fields["message"] = with_path(outcome.reason, row)
    if prior is not None and (prior.paid or prior.unsure):
        paid = round(fields["cost"] / _COSTS[1]) + prior.paid
        perhaps = round(fields["cost_at_most"] / _COSTS[1]) + prior.paid + prior.unsure
        fields["cost"], fields["cost_at_most"] = cost_of(paid), cost_of(perhaps)
        fields["billed"] = "yes" if paid else "unknown"
        fields["attempts"] += prior.attempts
    return _own_columns(row) | fields


def known_record(row: Row, index: int, entry: LedgerEntry, *, is_own: bool, now: str) -> Record:
    """Return the record of a row whose image needs no asking.

    `is_own`: its lineage paid for it, and no row of this pass has said so yet. Any other row costs
    nothing.
    """
    record = _own_columns(row)
    is_answered = entry.check_pass is not None
    record |= _EMPTY
    record |= {
        "index": index,
        "image": row.image,
        "kind": "checked" if is_answered else "failed",
        "check_pass": bool(entry.check_pass) if is_answered else None,
        "humanoid": None if entry.humanoid is None else bool(entry.humanoid),
        "code": entry.code,
        "message": entry.message,
        "request_id": entry.request_id,
        "error": None if is_answered else entry.error,
    }
    # In place: a copy would cost a tenth of a known row.
    if not is_own:
        record |= {
            "source": "ledger" if is_answered else None,
            "billed": "no",
            "cost": 0.0,
            "cost_at_most": 0.0,
            "attempts": 0,
            "elapsed_s": 0.0,
            "at": now,
        }
        return record
    record |= {
        "source": "service" if is_answered else None,
        "billed": "yes" if entry.paid else "unknown" if entry.unsure else "no",
        "cost": cost_of(entry.paid),
        "cost_at_most": cost_of(entry.paid + entry.unsure),
        "attempts": entry.attempts,
        "elapsed_s": round(entry.elapsed_s, 3),
        "at": _iso(entry.at),
    }
    return record


def cost_of(requests: int) -> float:
    """Return what so many requests cost, in CNY."""
    return _COSTS[requests] if requests < len(_COSTS) else float(requests * PRICE_CNY)


def _own_columns(row: Row) -> dict[str, Any]:
    columns: Mapping[str, Any] = row.columns or {}
    if columns.keys() & _OURS:
        record = dict(zip(_renamed(tuple(columns)), columns.values(), strict=True))
    else:
        record = dict(columns)
    if row.number is not None:
        record["line"] = row.number
    return record


@lru_cache(maxsize=64)
def _renamed(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of an input's columns in the output: all different, and none of ours."""
    given = {name: name for name in names}
    for name in _OURS & given.keys():
        given[name] = f"input_{name}"
        while given[name] in given:
            given[name] = f"input_{given[name]}"
    return tuple(given[name] for name in names)


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
