"""Which files this process knows to be sound, so that a run need not read them whole again.

The theory. A program that opens a client for each image would read the whole file for each image.
So what was found sound counts as sound for some minutes, while nothing has changed the file but
commits of this process: its length and its times are those that the last of these commits left. A
copy that is put over it changes them, and so does another process' commit: then it is read whole
again. A change that leaves them as they were comes from the disk. For some minutes the system gives
SQLite the pages that it has in memory, so another reading would mostly not see that change either.
A client that had stayed open would not read the file again at all.

A length and times are taken while no commit can change them: in a transaction that has read or
written, or under `LedgerFile.committing`. What fails forgets the file.
"""

import sys
import time

from s2v_detect.ledger._sqlite._file import LedgerFile

_KNOWN_FOR_S = 0.0 if sys.platform == "win32" else 300.0
"""A file that is read whole in 2 s, for a million images, is read for 1 % of the time at most.

Windows may tell the time of a change late, while a file is open: nothing is known there.
"""

Stamp = tuple[int, int, int]
_sound: dict[tuple[int, int], tuple[Stamp, float]] = {}
"""By device and inode: how the file was when it was sound, and when it was read whole.

Each use is one operation of the dict: no lock that a fork could copy while it is held. What a
parent knew is as true in its child.
"""


def is_known(file: LedgerFile) -> bool:
    """Whether the file was read whole a short time ago, and is as we left it."""
    stamp, read_at = _sound.get(file.identity, (None, 0.0))
    return stamp == file.stamp() and time.monotonic() - read_at < _KNOWN_FOR_S


def was_read(file: LedgerFile) -> None:
    """Know it from now on; what is known no more makes room."""
    now = time.monotonic()
    for identity, (_, read_at) in list(_sound.items()):
        if now - read_at >= _KNOWN_FOR_S:
            _sound.pop(identity, None)
    _sound[file.identity] = (file.stamp(), now)


def was_changed(file: LedgerFile) -> None:
    """Know it as a commit of ours has left it, for as long as before."""
    known = _sound.get(file.identity)
    if known is not None:
        _sound[file.identity] = (file.stamp(), known[1])


def forget(file: LedgerFile) -> None:
    """Have it read whole again before the next run."""
    _sound.pop(file.identity, None)
