"""What the paths of one command are: no file is two things at once, and no ledger is written over.

A path is known by what it leads to, not by its spelling: links, other spellings and hard links of a
file are that file. Where nothing is there yet, it is the folder and the name; names that differ in
case alone count as one, for on some disks they are.

Everything here is asked before a command opens anything. POSIX drops all locks that a process has
on a file when the process closes any descriptor of it, so a ledger that is open is never opened a
second time, not even to see what it is.
"""

import os
import re
import stat
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

_SQLITE = b"SQLite format 3\0"
_OF_LEDGER = r"{name}-(journal|wal|shm|run-[0-9a-f]+)"
_OF_OUTPUT = r"{name}\.(part|kept-\d+)|\.{name}\.([0-9a-f]{{16}}\.part|lock)"
"""`OUT.part` is written by no run any more; older releases write over it."""


class PathError(Exception):
    """The paths of a command don't go together; the message says which, and what to do."""


@dataclass(frozen=True)
class Used:
    """A file that a command uses, and for what."""

    role: str
    """As a message names it: `the input`, `the ledger`."""
    path: Path | int
    """Where it is, or an open descriptor of it."""
    is_replaced: bool = False
    """Whether the command writes a new file in its place, or adds to it."""
    beside: str = ""
    """A pattern of the names that are kept beside it, with `{name}` for its own."""

    @property
    def shown(self) -> str:
        """What a message calls the file."""
        return f"{self.path}" if isinstance(self.path, Path) else self.role


def as_input(path: Path | int) -> Used:
    """Return what is read."""
    return Used("the input", path)


def as_ledger(path: Path) -> Used:
    """Return a ledger, with what SQLite and its runs keep beside it."""
    return Used("the ledger", path, beside=_OF_LEDGER)


def as_output(path: Path | int) -> Used:
    """Return an output, with what a run keeps beside it."""
    return Used("the output", path, is_replaced=True, beside=_OF_OUTPUT)


def as_written(role: str, path: Path) -> Used:
    """Return any other file that is written."""
    return Used(role, path, is_replaced=True)


def refuse_conflicts(used: Sequence[Used]) -> None:
    """Raise `PathError` where a file would be two things, or a database be written over."""
    for one in used:
        if isinstance(one.path, Path) and not _can_be_named(one.path):
            raise PathError(f"There can be no file {one.shown!r}. Give another name.")
    for one, other in permutations(used, 2):
        if _is_same(one, other):
            raise PathError(
                f"{one.shown} is {one.role} and {other.role} at once. Give each a file of its own."
            )
        if isinstance(other.path, Path) and _is_beside(one, other.path):
            raise PathError(
                f"{other.shown} can't be {other.role}: files of that name belong to {one.role}"
                f" {one.shown}. Give another name."
            )
    for one in used:
        if one.is_replaced and isinstance(one.path, Path):
            refuse_database(one.path)


def refuse_database(path: Path) -> None:
    """Raise `PathError` where a file that is to be written begins as SQLite does."""
    if is_database(path):
        raise PathError(f"{path} is a ledger or another database. Give another name to write to.")


def is_database(path: Path) -> bool:
    """Whether a file begins as SQLite does; False where there is none."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return False
        with path.open("rb") as file:
            return file.read(len(_SQLITE)) == _SQLITE
    except OSError:  # what can't be read says so when it is used
        return False


class OwnFiles:
    """The files of a command, to be left out where it looks for images."""

    def __init__(self, used: Sequence[Used]) -> None:
        self._used = [one for one in used if isinstance(one.path, Path)]

    def now(self) -> "_Own":
        """Return them as they are now: a run makes some of them, and replaces others."""
        return _Own(self._used)


class _Own:
    def __init__(self, used: Sequence[Used]) -> None:
        self._used = used
        self._files = {_file_at(one.path) for one in used} - {None}
        self._folders = [_folders_of(one.path) for one in used]

    def __contains__(self, path: Path) -> bool:
        if _file_at(path) in self._files:
            return True
        named = [
            folders
            for one, folders in zip(self._used, self._folders, strict=True)
            if _is_named_beside(one, path.name)
        ]
        return bool(named) and any(_folders_of(path)[0] in folders for folders in named)


def _can_be_named(path: Path) -> bool:
    try:
        os.lstat(path)
    except ValueError:  # a zero byte, half a character
        return False
    except OSError:  # not there, or too long: that is told where it is opened
        return True
    return True


def _is_same(one: Used, other: Used) -> bool:
    ours, theirs = _file_at(one.path), _file_at(other.path)
    if ours or theirs:
        return ours == theirs
    if isinstance(one.path, int) or isinstance(other.path, int):
        return False
    if one.path.exists() or other.path.exists():  # devices and folders: nothing in them is lost
        return False
    return _place_of(one.path) == _place_of(other.path)


def _is_beside(one: Used, path: Path) -> bool:
    if isinstance(one.path, int) or not one.beside:
        return False
    real = Path(os.path.realpath(path))
    if _is_named_beside(one, real.name) and _folder_of(real) in _folders_of(one.path):
        return True
    file = _file_at(path)  # a hard link of what lies there
    return file is not None and file in map(_file_at, _lying_beside(one))


def _is_named_beside(one: Used, name: str) -> bool:
    """Whether a name is one of those that are kept beside a file, by any name of that file."""
    if isinstance(one.path, int):
        return False
    names = {one.path.name, os.path.basename(os.path.realpath(one.path))}  # noqa: PTH119  # of a text
    folded = _folded(name)
    return any(
        folded == _folded(own)
        or (one.beside and re.fullmatch(one.beside.format(name=re.escape(_folded(own))), folded))
        for own in names
    )


def _lying_beside(one: Used) -> Iterator[Path]:
    assert isinstance(one.path, Path)
    for folder in {one.path.absolute().parent, Path(os.path.realpath(one.path)).parent}:
        try:
            names = os.listdir(folder)  # noqa: PTH208  # names, not paths
        except OSError:
            continue
        yield from (
            folder / name
            for name in names
            if _is_named_beside(one, name) and not _is_same(one, Used("", folder / name))
        )


def _file_at(path: Path | int) -> tuple[int, int] | None:
    """Return what tells a regular file from all others; None where there is none."""
    try:
        told = os.stat(path)
    except (OSError, ValueError):
        return None
    return (told.st_dev, told.st_ino) if stat.S_ISREG(told.st_mode) else None


def _place_of(path: Path) -> tuple[object, str]:
    real = Path(os.path.realpath(path))
    return _folder_of(real), _folded(real.name)


def _folders_of(path: Path | int) -> tuple[object, ...]:
    """Return the folder of a path as it is written, and the one it leads to."""
    assert isinstance(path, Path)
    return _folder_of(path.absolute()), _folder_of(Path(os.path.realpath(path)))


def _folder_of(path: Path) -> object:
    try:
        told = path.parent.stat()
    except OSError:
        return os.path.realpath(path.parent)
    return told.st_dev, told.st_ino


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
