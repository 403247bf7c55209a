"""New files beside the ones they are for, and the file that takes another's place.

A name beside a file is hidden, has 64 bits of chance in it, and is made only if it is free; no link
is followed. So it is nobody else's.
"""

import errno
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from shutil import rmtree
from typing import BinaryIO

from s2v_detect.bulk.paths import Replaceable, refuse_database

_FLAGS = (
    os.O_RDWR
    | os.O_CREAT
    | os.O_EXCL
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)
OnKept = Callable[[Path, Path], None]
"""Told of a file that was kept, and under which name."""

_LONGEST = 200  # bytes: with what is added it stays within the 255 of a file system


def beside(path: Path, ending: str) -> Path:
    """Return the hidden name beside a file that has this ending."""
    name = path.name
    if len(os.fsencode(name)) > _LONGEST:
        name = blake2b(os.fsencode(name), digest_size=16).hexdigest()
    return path.with_name(f".{name}.{ending}")


def free_beside(path: Path) -> Path:
    """Return a name for what goes away with the run, which nothing has by chance alone."""
    return beside(path, f"{secrets.token_hex(8)}.part")


def new_beside(path: Path) -> tuple[Path, int]:
    """Return a new file that is to take the path's place, and its open descriptor.

    Its mode is that of the file that is there; else the umask decides. Raises `PermissionError`
    where the file that is there may not be written.
    """
    mode = _mode_at(path)
    if mode is not None and not os.access(path, os.W_OK):
        raise PermissionError(13, "Permission denied", str(path))
    while True:
        part = free_beside(path)
        try:
            descriptor = os.open(part, _FLAGS, 0o666 if mode is None else 0o600)
        except FileExistsError:
            continue
        if mode is not None and hasattr(os, "fchmod"):
            os.fchmod(descriptor, mode)
        return part, descriptor


def remove_abandoned(path: Path) -> None:
    """Have none of what dead runs left beside an output; only for who has its lock."""
    left = re.compile(re.escape(beside(path, "").name) + r"[0-9a-f]{16}\.part")
    with os.scandir(path.parent) as found:
        parts = [entry for entry in found if left.fullmatch(entry.name)]
    for part in parts:
        if part.is_dir(follow_symlinks=False):
            rmtree(part.path, ignore_errors=True)
        elif part.is_file(follow_symlinks=False):
            Path(part.path).unlink(missing_ok=True)


def kept_aside(path: Path) -> Path:
    """Give what stands at a path another name too, and return that; the path is never empty."""
    number = 1
    while (kept := path.with_name(f"{path.name}.kept-{number}")).exists():
        number += 1
    try:
        os.link(path, kept)
    except FileExistsError:  # made a moment ago
        return kept_aside(path)
    except OSError:  # a disk without hard links
        path.rename(kept)
    return kept


@contextmanager
def replacing(
    path: Path, replaces: Replaceable | None = None, on_kept: OnKept | None = None
) -> Iterator[BinaryIO]:
    """Give a file that takes the path's place after the block: whole, or not at all.

    A link stays one, a device is written as it is. A file that is replaced keeps its mode. Where a
    file came meanwhile that this one may not replace, that is kept under another name, which
    `on_kept` is told. Raises `OSError`, and `PathError` where a database is there.
    """
    if path.exists() and not path.is_file():
        with path.open("wb") as device:
            yield device
        return
    path = Path(os.path.realpath(path))
    refuse_database(path)
    part, descriptor = new_beside(path)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(descriptor)
        refuse_database(path)  # it may have come meanwhile
        if replaces is not None and not replaces.has(path):
            kept = kept_aside(path)
            if on_kept:
                on_kept(path, kept)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def try_replacing(path: Path) -> None:
    """Have tried that a file can take the path's place; nothing is left of it. Raises as above."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if path.exists() and not path.is_file():
        if not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return
    path = Path(os.path.realpath(path))
    refuse_database(path)
    part, descriptor = new_beside(path)
    os.close(descriptor)
    part.unlink()


def _mode_at(path: Path) -> int | None:
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        return None
