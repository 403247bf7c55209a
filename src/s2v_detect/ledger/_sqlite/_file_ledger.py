"""The ledger in a file, as a user holds it."""

import os
from functools import partial
from pathlib import Path

from s2v_detect.errors import ConfigurationError, LedgerError
from s2v_detect.ledger._ledger import AnyLedger
from s2v_detect.ledger._place import is_address, refuse_no_place
from s2v_detect.ledger._sqlite import _copying
from s2v_detect.ledger._sqlite._file import shown
from s2v_detect.ledger._sqlite._store import FileStore


class Ledger(AnyLedger):
    """A file that remembers every image: what was asked, sent, answered, and billed.

    Given to `DetectClient(ledger=…)`, a request is recorded durably before its bytes leave, and its
    answer before anyone sees it. An image that was answered before is answered from here, for
    nothing (`verdict.source == "ledger"`). What a killed process had sent without recording an
    answer is *unknown*, and `on_unknown` decides. Several processes may share a ledger: they never
    ask for the same image at once.

    Its methods read the file and block for milliseconds; in an event loop call them in a thread.

    Args:
        path: an SQLite file, made when a client opens it. A local disk: network disks lose locks.
        name: what the runs of a client belong to, such as the output they write. All runs of one
            name are one *lineage*: they share `max_cost`'s total, and only one goes at a time. With
            no name, each client's total begins at zero.
        max_age_s: answers older than this are asked for again (and paid again). Default: never.
        refresh: ask again, and pay again, for all that was answered before this object was made.
        is_new_start: begin a new lineage under the same name.

    Raises:
        ConfigurationError: an argument of another kind, a text that is no path.
        LedgerError: from every method: no ledger there, a newer version, no ledger at all, a full
            or failing disk. It never happens between a request that was sent and its record.

    Example:
        >>> def usable(urls: list[str]) -> list[str]:
        ...     with Ledger("screening.db") as ledger:
        ...         known = ledger.known(urls)
        ...     return [url for url, verdict in known.items() if verdict.check_pass]
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        name: str = "",
        max_age_s: float | None = None,
        refresh: bool = False,
        is_new_start: bool = False,
    ) -> None:
        if not isinstance(path, str | os.PathLike):
            raise ConfigurationError(
                f"the ledger's path is of {type(path).__name__}.", do="Give the path of its file."
            )
        if isinstance(path, str):
            refuse_no_place(path)
        if is_address(path):
            raise ConfigurationError(
                "the ledger's path is the address of a server.", do="Give it to `PostgresLedger`."
            )
        super().__init__(name, max_age_s=max_age_s, refresh=refresh, is_new_start=is_new_start)
        self.path = Path(path)
        self._path = self.path.absolute()  # wherever the process goes

    def __repr__(self) -> str:
        return f"Ledger({str(self.path)!r}, name={self.name!r})"

    @property
    def where(self) -> str:
        """Its path, as it was given."""
        return str(self.path)

    def exists(self) -> bool:
        """Whether there is a file of that name."""
        return self._path.exists()

    def copy(self, path: str | os.PathLike[str], *, replaces: bool = False) -> None:
        """Have a copy of the ledger as it is at this moment, also while runs write it.

        What a living run had claimed is unknown or not sent to whoever goes on with the copy. A
        copy of the file by other means may be torn. Raises `LedgerError` where the path is there
        (unless it `replaces` that) or is the ledger itself.
        """
        work = partial(_copying.copy, ledger=self._path, target=Path(path), replaces=replaces)
        self._opened().do_alone(work)

    def _store(self, *, creates: bool) -> FileStore:
        if not creates and not self._path.exists():
            raise LedgerError(
                f"there is no ledger {shown(self._path)}.", do="Give the file of an earlier run."
            )
        return FileStore(self._path, creates=creates)

    def _rewrite(self) -> None:
        self._opened().do_alone(_copying.rewrite)
