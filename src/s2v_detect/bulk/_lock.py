"""An output belongs to one run at a time, whatever it is called.

The lock is a file of its own beside the output: the output itself is replaced, and a lock on it
would stay with the old file. The output's links are followed first, so all its names have the same
lock. The system lets go of the lock when the process ends, however it ends. The file goes away with
the lock; one that a killed run left behind is empty and blocks nobody.
"""

import errno
import os
import sys
from contextlib import suppress
from pathlib import Path

from s2v_detect.bulk._beside import beside

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_FLAGS = os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_UNKNOWN = frozenset((errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EBADF))


class OutputLocked(Exception):
    """Another run writes this output now."""


class OutputLock:
    """A run's claim on an output, for as long as it is held.

    `is_certain` is False on a disk that knows no locks: whoever comes second is not noticed there.
    """

    def __init__(self, path: Path) -> None:
        """Raise `OutputLocked`, and `OSError` where no file can be made beside the output."""
        self._path = beside(path, "lock")
        while True:
            self._descriptor = _opened(self._path)
            try:
                self.is_certain = _locked(self._descriptor)
            except BaseException:
                os.close(self._descriptor)
                raise
            if self._is_there():
                return
            os.close(self._descriptor)  # who had it took it away meanwhile

    def let_go(self) -> None:
        """End it."""
        with suppress(OSError):  # another user's, or already gone
            if self.is_certain and not os.fstat(self._descriptor).st_size:
                self._path.unlink()
        os.close(self._descriptor)

    def _is_there(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._descriptor), self._path.lstat())
        except FileNotFoundError:
            return False


def _opened(path: Path) -> int:
    try:
        return os.open(path, _FLAGS | os.O_RDWR, 0o666)
    except PermissionError:  # left there by another user
        return os.open(path, _FLAGS | os.O_RDONLY, 0o666)


def _locked(descriptor: int) -> bool:
    """Return whether the lock is held for certain. Raises `OutputLocked`."""
    try:
        if sys.platform == "win32":
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _UNKNOWN:
            return False
        if error.errno not in (errno.EAGAIN, errno.EACCES, errno.EWOULDBLOCK):
            raise
        raise OutputLocked from error
    return True
