"""The ledger's file, whatever it is called: who holds it, and which runs on it live.

A living run locks one byte of the file itself, the byte of its number, far beyond what SQLite locks
and far beyond the end of the file. The lock belongs to the file and not to a name: a link, another
working folder or a new name changes nothing. The system drops the lock when the process ends,
however that ends: a dead run blocks nobody, and no lease must expire. Process numbers would not do:
they are used again, and two containers that share a folder have the same ones.

Two rules of POSIX decide the rest:

* Closing *any* descriptor of a file drops all locks that SQLite holds on the file for this process.
  So this process has one descriptor for each ledger, opened before its first connection and closed
  after its last one.
* A child of a fork has the parent's descriptor, and would keep a dead parent alive. So the child
  closes the descriptor at once (SQLite's locks are not the child's, and are not dropped).

SQLite's journal alone does belong to a name. A run that is killed in a commit leaves the journal
beside the name that the run used; under another hard link the next run would not see the journal,
and the first name's next run would write old pages over new ones. So the ledger keeps the name
that is in use, and every process opens the file by that name for as long as it is the file's.

Where a system has no such locks (macOS, Windows, some file systems), a run locks a file of its own
beside the ledger, and its row says where. A lock file that is missing proves nothing there, for
somebody may have tidied up: then the process counts as alive while there is one of its number.
"""

import errno
import os
import socket
import struct
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from s2v_detect.errors import LedgerError
from s2v_detect.images import not_to_be_opened

if sys.platform != "win32":
    import fcntl

_FIRST_BYTE = 1 << 41
"""SQLite locks 512 bytes from 1 << 30 on; of the others each belongs to the run of that number."""
_HAS_BYTE_LOCKS = sys.platform == "linux" and hasattr(fcntl, "F_OFD_SETLK")
_FLOCK = "hhqqi4x"  # struct flock of 64-bit Linux: type, whence, start, length, process
_NO_SUCH_LOCKS = {errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}
BY_BYTE = "byte"
"""What stands in a run's row when its lock is a byte of the ledger; else the path of a file."""

_guard = threading.RLock()
_open: "dict[tuple[int, int], LedgerFile]" = {}

_LONGEST_PATH = 150
"""Characters: an error has 300 in all."""


class LedgerFile:
    """One ledger's file while this process has it open. `hold` gives it, `let_go` gives it back."""

    def __init__(self, path: Path, descriptor: int, identity: tuple[int, int]) -> None:
        self.identity = identity
        """Device and inode."""
        self._path = path
        self.opened_as = path
        """The name that SQLite's journal lies beside."""
        self._descriptors = [descriptor]
        self._holders = 1
        self._locks: dict[int, Any] = {}  # by run: its file lock, or None for the byte's
        self.committing = threading.Lock()
        """Held by whoever has SQLite's lock for writing, from there until the commit is noted."""

    @property
    def path(self) -> Path:
        """The file's present name: where the system tells one, that of a file that was renamed."""
        with suppress(OSError):
            told = Path(f"/proc/self/fd/{self._descriptors[0]}").readlink()
            if _identity_at(told) == self.identity:
                self._path = told
        return self._path

    def is_named(self, path: Path) -> bool:
        """Whether a name is that of this file."""
        return _identity_at(path) == self.identity

    def stamp(self) -> tuple[int, int, int]:
        """Return its length and its times: every change by others changes one of them."""
        found = os.fstat(self._descriptors[0])
        return found.st_size, found.st_mtime_ns, found.st_ctime_ns

    def lock(self, run: int, token: str) -> str:
        """Have this process hold the run, and return what its row is to say of the lock."""
        if _HAS_BYTE_LOCKS:
            try:
                fcntl.fcntl(self._descriptors[0], fcntl.F_OFD_SETLK, _flock(run))
            except OSError as error:
                if error.errno not in _NO_SUCH_LOCKS:
                    raise self._not_locked(error) from error
            else:
                self._locks[run] = None
                return BY_BYTE
        path = self.path.resolve()
        path = path.with_name(f"{path.name}-run-{token}")
        self._locks[run] = self._locked_file(path)
        return str(path)

    def unlock(self, run: int) -> None:
        """Hold the run no more: from now on it counts as dead."""
        if run not in self._locks:
            return
        lock = self._locks.pop(run)
        if lock is None:
            fcntl.fcntl(self._descriptors[0], fcntl.F_OFD_SETLK, _flock(run, is_free=True))
        else:
            lock.release()
            with suppress(OSError):  # of no use any more, and in nobody's way
                Path(lock.lock_file).unlink()

    def is_alive(self, run: int, lock: str | None, process: str) -> bool:
        """Whether some process holds a run; its row says by which lock, and of which process."""
        if run in self._locks:
            return True
        if lock is None:  # an older release's: none of them lived when the ledger became this one
            return False
        if lock == BY_BYTE:
            if not _HAS_BYTE_LOCKS:  # it was another machine's
                return False
            asked = fcntl.fcntl(self._descriptors[0], fcntl.F_OFD_GETLK, _flock(run))
            return bool(struct.unpack(_FLOCK, asked)[0] != fcntl.F_UNLCK)
        return is_locked(Path(lock)) if Path(lock).exists() else is_running(process)

    def _locked_file(self, path: Path) -> Any:
        from filelock import FileLock  # noqa: PLC0415  # 10 ms of every import, for few systems

        lock = FileLock(path, thread_local=False, mode=0o600)
        try:
            lock.acquire(timeout=0)
        except (OSError, NotImplementedError) as error:
            raise self._not_locked(error) from error
        return lock

    def _not_locked(self, error: Exception) -> LedgerError:
        return LedgerError(
            f"the ledger {shown(self.path)} can't be used, no run of it can be locked ({error}).",
            do="Put it on a local disk, in a folder that can be written.",
        )


def shown(path: Path) -> str:
    """Return how a message names a file: by its whole path, for many folders may have that name.

    The end of a long path: the rest of the message needs its room.
    """
    text = str(path.absolute())
    return text if len(text) <= _LONGEST_PATH else f"…{text[-_LONGEST_PATH:]}"


def hold(path: Path) -> LedgerFile:
    """Return the file of that name, held until `let_go`. Raises `OSError` where there is none."""
    with _guard:
        # By its name first: a second descriptor could not be closed again.
        found = path.stat()
        file = _open.get((found.st_dev, found.st_ino))
        if file is not None:
            file._holders += 1  # noqa: SLF001  # this module's own
            return file
        descriptor = _descriptor_of(path)
        found = os.fstat(descriptor)
        identity = (found.st_dev, found.st_ino)
        file = _open.get(identity)
        if file is None:
            _open[identity] = file = LedgerFile(path, descriptor, identity)
            not_to_be_opened.add(identity)
        else:  # between the two looks the name became that of another open ledger
            file._descriptors.append(descriptor)  # noqa: SLF001  # as above
            file._holders += 1  # noqa: SLF001  # as above
        return file


def let_go(file: LedgerFile) -> None:
    """Give a file back, after the connection to it is closed."""
    with _guard:
        file._holders -= 1  # noqa: SLF001  # this module's own
        if file._holders == 0 and file.identity in _open:  # noqa: SLF001  # as above
            del _open[file.identity]
            not_to_be_opened.discard(file.identity)
            for run in list(file._locks):  # noqa: SLF001  # as above
                file.unlock(run)
            for descriptor in file._descriptors:  # noqa: SLF001  # as above
                os.close(descriptor)


def is_open_ledger(device: int, inode: int) -> bool:
    """Whether that file is a ledger, or a ledger's journal, that this process has open.

    Nobody may open such a file beside the ledger: closing it again drops SQLite's locks.
    """
    with _guard:
        if (device, inode) in _open:
            return True
        return any(
            _identity_at(file.path.with_name(f"{file.path.name}-journal")) == (device, inode)
            for file in _open.values()
        )


def is_locked(path: Path) -> bool:
    """Whether a process holds a lock file that is there."""
    from filelock import FileLock, Timeout  # noqa: PLC0415  # as above

    lock = FileLock(path, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except (Timeout, OSError):
        return True
    lock.release()
    return False


def is_running(process: str) -> bool:
    """Whether another process of that name is on this machine, as far as can be told."""
    number, _, machine = process.partition(" on ")
    if sys.platform == "win32" or machine != socket.gethostname() or number == str(os.getpid()):
        return False
    try:
        os.kill(int(number), 0)
    except PermissionError:
        return True
    except (OSError, ValueError):
        return False
    return True


def _descriptor_of(path: Path) -> int:
    flags = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)  # a pipe by mistake: no wait
    try:
        return os.open(path, os.O_RDWR | flags)
    except PermissionError:
        return os.open(path, os.O_RDONLY | flags)  # it can be read, and no run can begin
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
        return os.open(path, os.O_RDONLY | flags)


def _identity_at(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def _flock(run: int, *, is_free: bool = False) -> bytes:
    kind = fcntl.F_UNLCK if is_free else fcntl.F_WRLCK
    return struct.pack(_FLOCK, kind, os.SEEK_SET, _FIRST_BYTE + run, 1, 0)


def _forget_in_a_child() -> None:
    """Let a parent die: what this child was born with holds nothing for it."""
    global _guard  # noqa: PLW0603  # a thread of the parent's may have held the old one
    _guard = threading.RLock()
    for file in _open.values():
        for descriptor in file._descriptors:  # noqa: SLF001  # this module's own
            with suppress(OSError):
                os.close(descriptor)
        file._descriptors = []  # noqa: SLF001  # as above
        file._locks = {}  # noqa: SLF001  # as above
    _open.clear()
    not_to_be_opened.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_a_child)
