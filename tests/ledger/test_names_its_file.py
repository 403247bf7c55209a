"""An error of a ledger names its file by the whole path: many folders may have that name."""

from pathlib import Path

import pytest

from s2v_detect import Ledger, LedgerError
from s2v_detect.ledger._sqlite._faults import as_ledger_error
from s2v_detect.ledger._sqlite._file import shown


@pytest.mark.parametrize("given", ["books.db", "lists/books.db", "{here}/books.db"])
def test_a_ledger_that_is_not_there_is_told_with_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    """However the path was given."""
    monkeypatch.chdir(tmp_path)
    path = given.format(here=tmp_path)
    with Ledger(path) as ledger, pytest.raises(LedgerError) as raised:
        ledger.statement()
    assert raised.value.what == f"there is no ledger {(tmp_path / path).absolute()}."


def test_a_long_path_leaves_the_fault_its_room() -> None:
    """The end of the path is what tells files from others."""
    path = Path("/", *["a" * 50] * 10, "books.db")
    told = as_ledger_error(OSError(28, "No space left on device"), path).what
    assert "/books.db can't be used, No space left on device." in told
    assert shown(path).startswith("…")


def test_what_signs_an_address_is_not_shown() -> None:
    """Also where somebody made a path of an address: a text that is one is refused."""
    with Ledger(Path("http://a.example/books.db?Signature=secret")) as ledger:
        with pytest.raises(LedgerError) as raised:
            ledger.statement()
        assert "secret" not in str(raised.value)
