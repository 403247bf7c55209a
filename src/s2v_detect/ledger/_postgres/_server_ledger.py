"""The ledger on a server, as a user holds it."""

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from s2v_detect._version import missing
from s2v_detect.errors import ConfigurationError
from s2v_detect.ledger._ledger import AnyLedger
from s2v_detect.ledger._place import as_address, refuse_no_place
from s2v_detect.options import is_number

if TYPE_CHECKING:
    from s2v_detect.ledger._postgres._store import ServerStore


class PostgresLedger(AnyLedger):
    """A ledger that many machines share, in PostgreSQL: no image is paid for twice on any of them.

    It is to a client what `Ledger` is: a request is recorded durably before its bytes leave, and
    its answer before anyone sees it. An image that any machine has asked for is answered from here;
    one that another machine is asking for is waited for. Its tables are in the schema `s2v_detect`,
    which the first client makes. Needs the extra `postgres`.

    A run lives by a lease, which its process renews. What a dead one had claimed is free again when
    the lease is over. Where the server can't be reached, or does not answer, nothing is sent:
    requests wait for a minute, over a restart or a failover, and then end with `LedgerError`.

    Give all hosts of a cluster: `postgresql://user@one,two/database`. With a synchronous standby
    (the server's `synchronous_standby_names`) nothing is lost when the standby takes over. An
    asynchronous one may lack what the last moments brought: images whose checks had ended then are
    asked for, and paid for, again, and `max_cost` does not count those. What ends after the
    takeover is recorded whole. No client can ask for a standby that the server does not wait for;
    where the server waits for one, commits here do too, whatever `synchronous_commit` it has for
    others (`?options=-csynchronous_commit%3Dremote_apply` asks for more).

    Its methods block, as those of `Ledger` do; in an event loop call them in a thread.

    Args:
        dsn: `postgresql://user@host:5432/database`, or what else libpq takes; with several hosts
            it finds the one that writes. Leave the password out: libpq reads it from `PGPASSWORD`
            or `~/.pgpass`.
        name: what the runs of a client belong to. Processes of one name may run at the same time,
            on any machine: together they are one lineage, and share `max_cost`.
        is_exclusive: only one run of the name goes at a time, such as one that writes an output.
        lease_s: seconds that a process may be silent before its images are others'.
        max_age_s: answers older than this are asked for again (and paid again). Default: never.
        refresh: ask again, and pay again, for all that was answered before this object was made.
        is_new_start: begin a new lineage under the same name.

    Raises:
        ConfigurationError: an argument of another kind, an address that can't be read; the extra is
            missing.
        LedgerError: from every method: no ledger there, a newer version, a user or database that
            the server refuses, a server that is away. It never happens between a request that was
            sent and its record.

    Example:
        >>> PostgresLedger("postgresql://books@db.example/screening", name="autumn")
        PostgresLedger('postgresql://books@db.example/screening', name='autumn')
    """

    def __init__(
        self,
        dsn: str,
        *,
        name: str = "",
        is_exclusive: bool = False,
        lease_s: float = 30.0,
        max_age_s: float | None = None,
        refresh: bool = False,
        is_new_start: bool = False,
    ) -> None:
        if not isinstance(dsn, str):
            raise ConfigurationError(
                f"the ledger's address is of {type(dsn).__name__}.",
                do="Give postgresql://user@host:5432/database.",
            )
        refuse_no_place(dsn, takes_settings=True)
        if not is_number(lease_s) or not 0 < lease_s < float("inf"):
            raise ConfigurationError(f"lease_s is {lease_s!r}.", do="Give seconds, such as 30.")
        if not isinstance(is_exclusive, bool):
            raise ConfigurationError(
                f"is_exclusive is {is_exclusive!r}.", do="Give True or False; False is the default."
            )
        super().__init__(name, max_age_s=max_age_s, refresh=refresh, is_new_start=is_new_start)
        self._dsn = as_address(dsn)
        self._lease_s = lease_s
        self._is_alone = is_exclusive
        self._shown = self._new_store(creates=False).name

    def __repr__(self) -> str:
        return f"PostgresLedger({self._shown!r}, name={self.name!r})"

    @property
    def where(self) -> str:
        """Its address, without a password."""
        return self._shown

    def exists(self) -> bool:
        """Whether the database has a ledger. Raises where the server can't be asked."""
        from s2v_detect.ledger._postgres._schema import NoLedger  # noqa: PLC0415  # psycopg

        if self._writer is not None:
            return True
        store = self._new_store(creates=False)
        try:
            store.open()
        except NoLedger:
            return False
        except Exception as error:
            raise store.as_error(error) from error
        finally:
            store.close(is_whole=True)
        return True

    def copy(self, path: str | os.PathLike[str], *, replaces: bool = False) -> None:
        """Have a copy of the ledger as it is at this moment, in a file: a `Ledger`.

        What a living run had claimed is unknown or not sent to whoever goes on with the copy.
        Raises `LedgerError` where the path is there, unless it `replaces` that.
        """
        from s2v_detect.ledger._postgres._copying import copy  # noqa: PLC0415  # psycopg

        self._opened().do(partial(copy, target=Path(path), replaces=replaces))

    def _store(self, *, creates: bool) -> "ServerStore":
        return self._new_store(creates=creates)

    def _new_store(self, *, creates: bool) -> "ServerStore":
        try:
            from s2v_detect.ledger._postgres._connection import Address  # noqa: PLC0415  # psycopg
            from s2v_detect.ledger._postgres._store import ServerStore  # noqa: PLC0415  # as above
        except ImportError as error:
            if (error.name or "").partition(".")[0] != "psycopg":
                raise
            raise ConfigurationError(
                "the ledger on a server can't be used.", do=missing("PostgresLedger", "postgres")
            ) from error
        return ServerStore(Address(self._dsn), creates=creates, lease_s=self._lease_s)

    def _rewrite(self) -> None:
        from s2v_detect.ledger._postgres._copying import rewrite  # noqa: PLC0415  # psycopg

        self._opened().do_alone(rewrite)
