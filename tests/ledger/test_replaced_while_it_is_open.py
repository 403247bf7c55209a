"""Another file is put in the place of a ledger that is open."""

import shutil
from pathlib import Path

import pytest

from s2v_detect import Ledger, LedgerError
from s2v_detect.ledger._sqlite._store import FileStore


def test_nothing_is_written_into_the_other_file(tmp_path: Path) -> None:
    """Also when the connection has to be made anew, and at every try."""
    path, other = tmp_path / "l.db", tmp_path / "other.db"
    with Ledger(path) as ledger:
        ledger.begin("a model")
        shutil.copy(path, other)
        writer = ledger._writer  # noqa: SLF001  # no other way to a lost connection
        assert writer is not None
        store = writer.store
        assert isinstance(store, FileStore)
        writer.do_alone(lambda _: store._disconnect())  # noqa: SLF001  # as a fault does
        before = other.read_bytes()
        other.replace(path)
        for _ in range(3):
            with pytest.raises(LedgerError, match="another file"):
                ledger.mark_output("a mark")
    assert path.read_bytes() == before
