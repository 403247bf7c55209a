"""A ledger belongs to the service that it holds answers of, and before the first to nobody."""

import asyncio

import pytest
from tests.ledgers import Place, ledger_in

from s2v_detect import LedgerError

MODEL = "wan2.2-s2v-detect"
LOCAL = f"{MODEL} on this machine"
OTHER = "other-model"


def begin_and_end(place: Place, model: str, statement: str = "") -> None:
    """Have a run that does nothing, and then what one statement of SQL says."""
    with ledger_in(place, name="out.csv") as ledger:
        run = ledger.begin(model)
        asyncio.run(run.end())
        if statement:
            run._writer.do(lambda db: db.execute(statement), writes=True)  # noqa: SLF001  # as a run does


IMAGE = (
    "INSERT INTO image (id, identity, state, at, run, lineage{0})"
    " VALUES (1, 'a', '{1}', 1, 1, 1{2})"
)
ATTEMPT = (
    "INSERT INTO attempt (run, number, image, sent_at, outcome) VALUES (1, 1, 1, 1, '{0}')"
    " ON CONFLICT (run, number) DO UPDATE SET outcome = excluded.outcome"
)


@pytest.mark.parametrize("statement", ["", IMAGE.format("", "not sent", ""), "not sent"])
@pytest.mark.parametrize(("one", "other"), [(LOCAL, MODEL), (MODEL, LOCAL), (MODEL, OTHER)])
def test_a_ledger_without_a_sent_request_goes_over_to_another_service(
    place: Place, one: str, other: str, statement: str
) -> None:
    """A wrong base URL was met before anything was sent."""
    begin_and_end(place, one, ATTEMPT.format(statement) if statement == "not sent" else statement)
    begin_and_end(place, other, ATTEMPT.format("billed"))
    with pytest.raises(LedgerError):
        begin_and_end(place, one)


@pytest.mark.parametrize(
    "statement",
    [ATTEMPT.format(outcome) for outcome in ("billed", "free", "unknown", "sent")]
    + [IMAGE.format(", answered_at", "answered", ", 1")],
)
@pytest.mark.parametrize(
    ("one", "other", "told"),
    [
        (LOCAL, MODEL, "holds answers of an emulator on this machine, not of the service itself."),
        (MODEL, LOCAL, "holds answers of the service itself, not of an emulator on this machine."),
        (MODEL, OTHER, f"holds answers of {MODEL}, not of {OTHER}."),
        (LOCAL, OTHER, f"holds answers of {LOCAL}, not of {OTHER}."),
    ],
)
def test_a_ledger_with_a_sent_request_stays_with_its_service(
    place: Place, statement: str, one: str, other: str, told: str
) -> None:
    """The answers of an emulator are worth nothing in a run that is paid for."""
    begin_and_end(place, one, statement)
    with pytest.raises(LedgerError, match=told):
        begin_and_end(place, other)
    begin_and_end(place, one)


def test_a_ledger_stays_with_the_service_of_a_run_that_lives(place: Place) -> None:
    """It may send its first request at any moment."""
    with ledger_in(place, name="out.csv") as ledger:
        ledger.begin(LOCAL)
        with pytest.raises(LedgerError, match="an emulator"):
            begin_and_end(place, MODEL)
