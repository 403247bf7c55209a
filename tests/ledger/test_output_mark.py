"""A run keeps a mark of the output that it wrote, and the next one reads the mark."""

from pathlib import Path

import pytest

from s2v_detect import Ledger, LedgerError


def test_a_mark_outlives_the_run(tmp_path: Path) -> None:
    """The last one of the same name is read before a run begins; another name has its own."""
    path = tmp_path / "l.db"
    with Ledger(path, name="out.csv") as ledger:
        assert ledger.output_mark() is None
        assert not path.exists()
        ledger.begin("a model")
        assert ledger.output_mark() is None
        ledger.mark_output("first")
        ledger.mark_output("second")
    with Ledger(path, name="out.csv") as ledger:
        assert ledger.output_mark() == "second"
    with Ledger(path, name="other.csv") as ledger:
        assert ledger.output_mark() is None


def test_a_mark_needs_a_run(tmp_path: Path) -> None:
    """Without a run there is nothing to mark."""
    with Ledger(tmp_path / "l.db") as ledger, pytest.raises(LedgerError, match="no run"):
        ledger.mark_output("a mark")
