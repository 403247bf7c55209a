"""What is added to a table in memory: the one table of columns, in exact types."""

from datetime import UTC, datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from s2v_detect import Checked, Failed, LedgerEntry, Outcome, Skipped, Verdict
from s2v_detect._columns import ADDED_COLUMNS, OUTCOME_COLUMNS
from s2v_detect.errors import BadRequest, OutcomeUnknown
from s2v_detect.integrations._columns import (
    AddedColumns,
    Cells,
    arrow_columns,
    cells_of,
    exact_type,
    names,
    skipped_cells,
)

AT = datetime(2026, 11, 26, 7, 8, 9, 123456, tzinfo=UTC)
URL = "https://images.example/1.jpg"
PAID = {"index": 3, "image": URL, "attempts": 1, "elapsed_s": 0.25, "at": AT}
OUTCOMES: dict[str, Outcome] = {
    "passes": Checked(
        verdict=Verdict(check_pass=True, humanoid=True, request_id="r-1"),
        billed="yes",
        cost=Decimal("0.004"),
        cost_at_most=Decimal("0.008"),
        **PAID,
    ),
    "is rejected": Checked(verdict=Verdict(check_pass=False, code="InvalidFile.NoHuman"), **PAID),
    "is known": Checked(
        verdict=Verdict(check_pass=True, source="ledger", billed="no"), index=0, image=URL, at=AT
    ),
    "is skipped": Skipped(reason="it is a cat", index=0, image=b"\xff", at=AT),
    "fails": Failed(error=BadRequest("no.", do="Look.", status=400, code="InvalidURL"), **PAID),
    "is unknown": Failed(
        error=OutcomeUnknown("lost.", do="Look."), cost_at_most=Decimal("0.004"), **PAID
    ),
}
FILES_OWN = {"cost", "cost_at_most", "at"}
"""Columns that a file has in another type."""


@pytest.mark.parametrize("name", OUTCOMES)
def test_a_row_is_the_flat_line_in_exact_types(name: str) -> None:
    """But for the place and the image, which a table has already."""
    outcome = OUTCOMES[name]
    cells = dict(zip(names(""), cells_of(outcome), strict=True))
    line = outcome.model_dump()
    assert list(line) == [column.name for column in OUTCOME_COLUMNS]
    assert list(cells) == list(line)[2:]
    assert {key: cells[key] for key in cells.keys() - FILES_OWN} == {
        key: line[key] for key in cells.keys() - FILES_OWN
    }
    assert [cells["cost"], cells["cost_at_most"]] == [outcome.cost, outcome.cost_at_most]
    assert cells["at"] == AT
    for column in ADDED_COLUMNS:
        assert isinstance(cells[column.name], exact_type(column) | None)


def rows_of(columns: AddedColumns) -> list[Cells]:
    """What each row holds."""
    return list(zip(*(column.values for column in columns.columns), strict=True))


@pytest.mark.parametrize("places", [[], [0], [2], [0, 1, 2], [1, 2], [0, 2]])
def test_what_is_known_is_in_its_own_rows(places: list[int]) -> None:
    """Rows one after another are written together, others each by itself."""
    columns, entries = AddedColumns(3), [entry_of(f"r{place}") for place in places]
    columns.put_known(places, entries, AT)
    found = [row[names("").index("request_id")] for row in rows_of(columns)]
    assert found == [f"r{place}" if place in places else None for place in range(3)]


def entry_of(request_id: str | None) -> LedgerEntry:
    """What a ledger has of an image that passed."""
    return LedgerEntry._make(
        [1, URL, None, "answered", *[0] * 9, 1, None, "", "", request_id, None, None, None, None, 0]
    )


def test_what_needs_no_outcome_has_the_row_of_one() -> None:
    """A verdict of the ledger, and a cell that is empty."""
    known = OUTCOMES["is known"]
    assert isinstance(known, Checked)
    entry = entry_of(None)
    columns = AddedColumns(2)
    columns.put_known([1], [entry], AT)
    assert rows_of(columns) == [(None,) * 14, cells_of(known)]
    assert skipped_cells("it is a cat", AT) == cells_of(OUTCOMES["is skipped"])


def test_arrow_columns_have_one_type_whatever_is_in_them() -> None:
    """Of no rows too: pieces of one table fit together."""
    rows = [cells_of(outcome) for outcome in OUTCOMES.values()]
    told, none = (pa.table(arrow_columns(each, "s2v_")) for each in (rows, []))
    assert told.schema == none.schema
    assert told.column_names == names("s2v_")
    for name, values in zip(names("s2v_"), zip(*rows, strict=True), strict=True):
        assert told[name].to_pylist() == list(values)
    assert told.schema.field("s2v_cost").type == pa.decimal128(12, 4)
    assert told.schema.field("s2v_at").type == pa.timestamp("us", tz="UTC")
    assert told.schema.field("s2v_humanoid").type == pa.bool_()
