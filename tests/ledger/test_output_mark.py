"""A run keeps a mark of the output that it wrote, and the next one reads the mark."""

import pytest
from tests.ledgers import Place, ledger_in

from s2v_detect import LedgerError


def test_a_mark_outlives_the_run(place: Place) -> None:
    """The last one of the same name is read before a run begins; another name has its own."""
    with ledger_in(place, name="out.csv") as ledger:
        assert ledger.output_mark() is None
        assert not ledger.exists()
        ledger.begin("a model")
        assert ledger.output_mark() is None
        ledger.mark_output("first")
        ledger.mark_output("second")
    with ledger_in(place, name="out.csv") as ledger:
        assert ledger.output_mark() == "second"
    with ledger_in(place, name="other.csv") as ledger:
        assert ledger.output_mark() is None


def test_a_mark_needs_a_run(place: Place) -> None:
    """Without a run there is nothing to mark."""
    with ledger_in(place) as ledger, pytest.raises(LedgerError, match="no run"):
        ledger.mark_output("a mark")
