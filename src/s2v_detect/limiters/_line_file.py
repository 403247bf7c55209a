"""The file of a line: one block under a lock, and one file beside it for each living process.

* The block is read and written, never mapped and never made shorter: a mapping kills its process
  when the disk is full or somebody cuts the file.
* The lock is the system's own on the open file. It ends with its process, however that ends, and it
  is tried and never waited for: its holder may be stopped.
* Somebody may tidy the folder up. So after locking, the open file must still be the one of that
  name; else there would be two lines.
* A process lives as long as its own file is locked. Process numbers would not tell: in containers
  every process is number 1.
* A child of a fork has its parent's descriptors, and would keep a dead parent alive: it closes
  them, and unlocks nothing, for the lock is the parent's too.
"""

import contextlib
import errno
import os
import secrets
import stat
import sys
import time
from pathlib import Path

from s2v_detect.limiters._block import BLOCK_BYTES

if sys.platform != "win32":  # where no line is made: see `_folder`
    import fcntl

_NO_WAIT = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)  # a pipe by mistake
_FLAGS = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | _NO_WAIT
_TAKEN = (errno.EAGAIN, errno.EACCES, errno.EWOULDBLOCK, errno.EDEADLK)
_UNUSED_S = 7 * 24 * 3600.0
_LINE, _PROCESS = ".line", ".process"
_CLOSED = -1


class LineFile:
    """The block of one line. Errors of the disk are `OSError`."""

    def __init__(self, folder: Path, name: str) -> None:
        self.path = folder / f"{name}{_LINE}"
        self._where = str(self.path)  # a `Path` makes its text anew at every look
        self._descriptor, self._inode = _CLOSED, 0
        self.left_behind = b""
        """The block of a file that was tidied away while it was open."""

    def prepare(self) -> None:
        """Have the file with all its bytes: what a full disk refuses is refused here."""
        self._open()
        if os.fstat(self._descriptor).st_size == 0 and _lock(self._descriptor):
            if os.fstat(self._descriptor).st_size == 0:
                self.write(bytes(BLOCK_BYTES))
            self.unlock()

    def locked(self) -> bool:
        """Return whether the lock is ours now. It never waits."""
        while True:
            opened = self._open()
            if not _lock(self._descriptor):
                return False
            if _is_at(opened, self._where):
                return True
            self.left_behind = self.read()
            self.close()

    def _open(self) -> os.stat_result:
        """Have the file open. A program may close what it did not open, and use the number anew."""
        with contextlib.suppress(OSError):
            if self._descriptor != _CLOSED:
                opened = os.fstat(self._descriptor)
                if opened.st_ino == self._inode:
                    return opened
        self._descriptor = _opened(self.path)
        opened = os.fstat(self._descriptor)
        self._inode = opened.st_ino
        return opened

    def unlock(self) -> None:
        """Let the next one have it."""
        if self._descriptor != _CLOSED:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def read(self) -> bytes:
        """Return the block: nothing in a new file. Without the lock it may be torn."""
        if self._descriptor == _CLOSED:
            return self.left_behind
        return os.pread(self._descriptor, BLOCK_BYTES, 0)

    def write(self, block: bytes) -> None:
        """Replace the block."""
        if os.pwrite(self._descriptor, block, 0) != len(block):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))

    def close(self) -> None:
        """Close the file; the system drops the lock, unless another process has a copy."""
        _close(self._descriptor, self._inode)
        self._descriptor = _CLOSED


class LifeSign:
    """This process's sign of life on a line, and the count of the others'."""

    def __init__(self, folder: Path, name: str) -> None:
        self.owner = secrets.randbits(64)
        self._folder, self._name = folder, name
        self._stem = str(folder / name)  # a `Path` makes its text anew at every look
        self._path = Path(self._path_of(self.owner))
        self._descriptor, self._inode = _CLOSED, 0
        self.renew()
        self._tidy_up()

    def renew(self) -> None:
        """Have the sign, where somebody tidied it up. Raises `OSError`."""
        while self._descriptor == _CLOSED or not self._is_there():
            self.close()
            self._descriptor = _opened(self._path)
            self._inode = os.fstat(self._descriptor).st_ino
            if not _lock(self._descriptor):
                self.close()  # another process takes it for a dead one's, and removes it

    def living(self) -> list[int]:
        """Return the owners of this line that live, in an order that is the same for all of them.

        The files of the dead are taken away. Raises `OSError` where the folder is gone.
        """
        self.renew()
        paths = self._folder.glob(f"{self._name}-*{_PROCESS}")
        living = [path for path in paths if path != self._path and not _was_removed(path)]
        return sorted([self.owner, *(int(path.stem.rpartition("-")[2], 16) for path in living)])

    def is_dead(self, owner: int) -> bool:
        """Whether a process of this line lives no more. Its file is taken away."""
        return _was_removed(self._path_of(owner))

    def end(self) -> None:
        """Take the sign of life away."""
        with contextlib.suppress(OSError):
            self._path.unlink()
        self.close()

    def close(self) -> None:
        """Close the file, as a child of a fork must."""
        _close(self._descriptor, self._inode)
        self._descriptor = _CLOSED

    def _path_of(self, owner: int) -> str:
        return f"{self._stem}-{owner:016x}{_PROCESS}"

    def _is_there(self) -> bool:
        try:
            return _is_at(os.fstat(self._descriptor), str(self._path))
        except OSError:  # closed by somebody else
            return False

    def _tidy_up(self) -> None:
        for path in self._folder.glob(f"*{_PROCESS}"):
            if path != self._path:
                _was_removed(path)
        for path in self._folder.glob(f"*{_LINE}"):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > _UNUSED_S:
                    _was_removed(path)


def _opened(path: Path) -> int:
    """Return a descriptor of a file with the permissions of its folder: a group's folder has one.

    A full disk is told here, before anybody waits in the line.
    """
    try:  # where everybody may write, Linux refuses `O_CREAT` for another user's file
        descriptor = os.open(path, _FLAGS)
    except FileNotFoundError:
        descriptor = os.open(path, _FLAGS | os.O_CREAT, 0o600)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "is no file", str(path))  # noqa: TRY301  # closed below
        wanted = stat.S_IMODE(path.parent.stat().st_mode) & 0o666
        if sys.platform != "win32" and stat.S_IMODE(found.st_mode) != wanted:
            with contextlib.suppress(PermissionError):  # another user's, who has done this
                os.fchmod(descriptor, wanted)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _close(descriptor: int, inode: int) -> None:
    """Close a file, unless somebody else did, and uses the number anew."""
    with contextlib.suppress(OSError):
        if os.fstat(descriptor).st_ino == inode:
            os.close(descriptor)


def _is_at(opened: os.stat_result, path: str) -> bool:
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return False
    return found.st_ino == opened.st_ino and found.st_dev == opened.st_dev


def _was_removed(path: Path | str) -> bool:
    """Whether nobody held a file, and it is gone now."""
    try:
        descriptor = os.open(path, os.O_RDWR | _NO_WAIT)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    try:
        if not _lock(descriptor):
            return False
        with contextlib.suppress(OSError):
            os.unlink(path)  # noqa: PTH108  # a text where it is asked for at every look
        return True
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in _TAKEN:
            raise
        return False
    return True
