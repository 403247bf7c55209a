"""Whether the process of a run still lives: it holds a lock on a file of its own beside the ledger.

The system lets go of the lock when the process ends, however it ends, so that a dead one blocks
nobody and nobody has to wait for a lease to expire. Process numbers would not do: they are used
again, and two containers that share a folder have the same ones.
"""

import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from s2v_detect.errors import LedgerError


class Token:
    """A run's sign of life, for as long as it is held."""

    def __init__(self, ledger: Path) -> None:
        from filelock import FileLock  # noqa: PLC0415  # 10 ms of every import, for a ledger alone

        self.name = secrets.token_hex(8)
        self._path = _path(ledger, self.name)
        self._lock = FileLock(self._path, thread_local=False)
        try:
            self._lock.acquire(timeout=0)
        except (OSError, NotImplementedError) as error:
            raise LedgerError(
                f"the ledger {ledger.name} can't be used, no file can be locked beside it"
                f" ({error}).",
                do="Put it on a local disk, in a folder that can be written.",
            ) from error

    def let_go(self) -> None:
        """End it; a run without it counts as dead."""
        self._lock.release()
        self._path.unlink(missing_ok=True)


@contextmanager
def dead(ledger: Path, tokens: list[str]) -> Iterator[list[str]]:
    """Give those of the tokens that nobody holds; their files go away after the block."""
    from filelock import FileLock, Timeout  # noqa: PLC0415  # as above

    locks = {}
    for token in tokens:
        lock = FileLock(_path(ledger, token), thread_local=False)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        locks[token] = lock
    try:
        yield list(locks)
    finally:
        for token, lock in locks.items():
            lock.release()
            _path(ledger, token).unlink(missing_ok=True)


def process_name() -> str:
    """Return what people know a process by."""
    return f"{os.getpid()} on {socket.gethostname()}"


def _path(ledger: Path, token: str) -> Path:
    return ledger.with_name(f"{ledger.name}-run-{token}")
