"""What the paths of one command are: no file is two things at once, and no ledger is written over.

A path is known by what it leads to, not by its spelling: links, other spellings and hard links of a
file are that file. Where nothing is there yet, it is the folder and the name; names that differ in
case alone count as one, for on some disks they are.

Everything here is asked before a command opens anything. POSIX drops all locks that a process has
on a file when the process closes any descriptor of it, so a ledger that is open is never opened a
second time, not even to see what it is.
"""

import errno
import os
import re
import stat
import unicodedata
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

from s2v_detect.languages import N_, _, why
from s2v_detect.ledger import is_open_ledger

_SHOWN = 200
_SQLITE = b"SQLite format 3\0"
_IMAGES = (b"\xff\xd8\xff", b"\x89PNG\r\n", b"GIF8")
_OF_DATABASE = re.compile(r"(.+)-(?:journal|wal|shm)")
_OF_LEDGER = r"{name}-(journal|wal|shm|run-[0-9a-f]+)"
_OF_OUTPUT = r"{name}\.(part|kept-\d+)|\.{name}\.([0-9a-f]{{16}}\.part|lock)"
"""`OUT.part` is written by no run any more; older releases write over it."""


class PathError(Exception):
    """The paths of a command don't go together; the message says which, and what to do."""


@dataclass(frozen=True)
class Replaceable:
    """What a file must be so that another may take its place, or be appended to it."""

    is_one: Callable[[Path], bool]
    """Asked of a regular file that is not empty. Raises `OSError`."""
    else_: str
    """Said of a file that is none."""
    do: str = N_("move the file away")
    """What a user may do, other than give another name."""

    def has(self, path: Path) -> bool:
        """Whether nothing is lost where this path is written. Raises `OSError`.

        Nothing is in an empty file, and nothing stays in a device.
        """
        return not path.is_file() or not path.stat().st_size or self.is_one(path)


@dataclass(frozen=True)
class Used:
    """A file that a command uses, and for what."""

    role: str
    """As a message names it: `the input`, `the ledger`."""
    path: Path | None
    """None: it is known by an open descriptor alone."""
    descriptor: int | None = None
    is_written: bool = False
    beside: str = ""
    """A pattern of the names that are kept beside it, with `{name}` for its own."""
    replaces: Replaceable | None = None
    """None: who writes the file sees to that."""

    @property
    def shown(self) -> str:
        """What a message calls the file."""
        return _(self.role) if self.path is None else str(self.path)[:_SHOWN]

    @property
    def file(self) -> tuple[int, int] | None:
        """What tells this file from all others; None where it is not there, or no regular file."""
        return _file_at(self.descriptor if self.path is None else self.path)


def as_input(where: Path | int) -> Used:
    """Return what is read, by its path or its descriptor."""
    return Used(N_("the input"), *_path_and_descriptor(where))


def as_ledger(path: Path) -> Used:
    """Return a ledger, with what SQLite and its runs keep beside it."""
    return Used(N_("the ledger"), path, beside=_OF_LEDGER)


def as_copy(path: Path) -> Used:
    """Return a ledger that is written whole; which ledger it may replace, the ledger knows."""
    return Used(N_("the copy"), path, beside=_OF_LEDGER)


def as_output(where: Path | int) -> Used:
    """Return an output, with what a run keeps beside it."""
    return Used(N_("the output"), *_path_and_descriptor(where), is_written=True, beside=_OF_OUTPUT)


def as_written(role: str, where: Path | int, replaces: Replaceable) -> Used:
    """Return any other file that is written, with what it may take the place of."""
    return Used(role, *_path_and_descriptor(where), is_written=True, replaces=replaces)


def refuse_conflicts(used: Sequence[Used]) -> None:
    """Raise `PathError` where a file would be two things, or one be written over that must not.

    That is a database, what SQLite keeps beside one, an image, or whatever else a command of this
    kind has not written.
    """
    for one in used:
        if one.path is not None and not _can_be_named(one.path):
            told = _("There can be no file {name!r}. Give {role} another name.")
            raise PathError(told.format(name=one.shown, role=_(one.role)))
    for one, other in permutations(used, 2):
        if _is_same(one, other):
            told = _("{name} is {role} and {other} at once. Give each a file of its own.")
            raise PathError(told.format(name=one.shown, role=_(one.role), other=_(other.role)))
        if one.path and other.path and _is_beside(other.path, one.path, one.beside):
            told = _(
                "{name} can't be {role}: files of that name belong to {other} {owner}. Give another"
                " name."
            )
            names = {"name": other.shown, "owner": one.shown}
            raise PathError(told.format(role=_(other.role), other=_(one.role), **names))
    for one in used:
        if one.path is None:
            continue
        if one.beside or one.is_written:
            _refuse_companion(one.path)
        if one.is_written:
            refuse_database(one.path)
            _refuse_image(one)
            _refuse_stranger(one)


def refuse_database(path: Path) -> None:
    """Raise `PathError` where a file that is to be written begins as SQLite does."""
    if is_database(path):
        told = _("{name} is a ledger or another database. Give another name to write to.")
        raise PathError(told.format(name=path))


def _refuse_companion(path: Path) -> None:
    for each in (path, _real(path)):
        owner = _OF_DATABASE.fullmatch(each.name)
        if owner and is_database(each.with_name(owner[1])):
            told = _(
                "{name} belongs to the ledger or database {owner}. Give another name to write to."
            )
            raise PathError(told.format(name=path, owner=owner[1]))


def _refuse_image(one: Used) -> None:
    # Opened once more: no ledger is open yet, and what begins as one is refused before.
    with suppress(OSError, ValueError):
        if one.path and one.path.is_file() and begins_as_image(one.path):
            told = _("{name} is an image. Give {role} another name.")
            raise PathError(told.format(name=one.shown, role=_(one.role)))


def _refuse_stranger(one: Used) -> None:
    """Raise `PathError` where a file of somebody else's would be written over."""
    if one.path is None or one.replaces is None:
        return
    try:
        if one.replaces.has(one.path):
            return
        reason = _(one.replaces.else_)
    except ValueError:
        return  # refused as a name before
    except OSError as error:
        reason = _("can't be read ({why})").format(why=why(error))
    told = _("{name} exists, and {why}. Give {role} another name, or {do}.")
    do = _(one.replaces.do)
    raise PathError(told.format(name=one.shown, why=reason, role=_(one.role), do=do))


def begins_as_image(path: Path) -> bool:
    """Whether a file begins as an image does, whatever it is called. Raises `OSError`."""
    with path.open("rb") as file:
        start = file.read(12)  # the longest of them
    return start.startswith(_IMAGES) or (start[:4] == b"RIFF" and start[8:] == b"WEBP")


def is_database(path: Path) -> bool:
    """Whether a file begins as SQLite does; False where there is none."""
    try:
        told = path.stat()
        if is_open_ledger(told.st_dev, told.st_ino):
            return True
        if not stat.S_ISREG(told.st_mode):
            return False
        with path.open("rb") as file:
            return file.read(len(_SQLITE)) == _SQLITE
    except (OSError, ValueError):  # what can't be read says so when it is used
        return False


def is_folder(name: str) -> bool:
    """Whether a folder of that name is there; False also for what can be no name."""
    return os.path.isdir(name)  # noqa: PTH112  # pathlib's raises for a long name


class OwnFiles:
    """The files of a command, to be left out where it looks for images."""

    def __init__(self, used: Sequence[Used]) -> None:
        self._kept = [(one.path, one.beside) for one in used if one.path is not None]

    def now(self) -> "OwnFilesNow":
        """Return them as they are now: a run makes some of them, and replaces others."""
        return OwnFilesNow(self._kept)


class OwnFilesNow:
    """Those that are there, and the names of those that may come."""

    def __init__(self, kept: Sequence[tuple[Path, str]]) -> None:
        self._files = {_file_at(path) for path, _ in kept} - {None}
        self._names = [
            (_names_of(path, f"{{name}}|{beside}"), _folders_of(path)) for path, beside in kept
        ]

    def __contains__(self, path: Path) -> bool:
        if _file_at(path) in self._files or self._may_come(path):
            return True
        is_link = os.path.islink(path)  # noqa: PTH114  # Path.is_symlink raises for a long name
        return is_link and self._may_come(_real(path))

    def _may_come(self, path: Path) -> bool:
        name = _folded(path.name)
        folders = [folders for names, folders in self._names if names.fullmatch(name)]
        return bool(folders) and any(_folder_of(path) in each for each in folders)


def _path_and_descriptor(where: Path | int) -> tuple[Path | None, int | None]:
    return (None, where) if isinstance(where, int) else (where, None)


def _can_be_named(path: Path) -> bool:
    try:
        path.lstat()
    except ValueError:  # a zero byte, half a character
        return False
    except OSError as error:
        return error.errno != errno.ENAMETOOLONG
    return True


def _is_same(one: Used, other: Used) -> bool:
    ours, theirs = one.file, other.file
    if ours or theirs:
        return ours == theirs
    if one.path is None or other.path is None:
        return False
    if one.path.exists() or other.path.exists():
        return False  # one of them is not there, or they are devices: nothing in those is lost
    here, there = _real(one.path), _real(other.path)
    return _folder_of(here) == _folder_of(there) and _folded(here.name) == _folded(there.name)


def _is_beside(path: Path, owner: Path, pattern: str) -> bool:
    """Whether a file is one of those that are kept beside another, or a link to one."""
    if not pattern:
        return False
    names = _names_of(owner, pattern)
    folders, real = _folders_of(owner), _real(path)
    if names.fullmatch(_folded(real.name)) and _folder_of(real) in folders:
        return True
    file = _file_at(path)
    lying = (
        entry
        for folder in {owner.absolute().parent, _real(owner).parent}
        for entry in (folder.iterdir() if folder.is_dir() else ())
        if names.fullmatch(_folded(entry.name))
    )
    return file is not None and file in map(_file_at, lying)


def _names_of(path: Path, pattern: str) -> re.Pattern[str]:
    """Return a pattern with the names of a file in it: as it is written, and where it leads to."""
    own = {re.escape(_folded(name)) for name in (path.name, _real(path).name)}
    return re.compile("|".join(pattern.format(name=name) for name in sorted(own)))


def _file_at(where: Path | int | None) -> tuple[int, int] | None:
    if where is None:
        return None
    try:
        told = os.fstat(where) if isinstance(where, int) else where.stat()
    except (OSError, ValueError):
        return None
    return (told.st_dev, told.st_ino) if stat.S_ISREG(told.st_mode) else None


def _folders_of(path: Path) -> tuple[object, object]:
    """Return the folder of a path as it is written, and the one it leads to."""
    return _folder_of(path.absolute()), _folder_of(_real(path))


def _folder_of(path: Path) -> object:
    try:
        told = path.parent.stat()
    except OSError:
        return _real(path.parent)
    return told.st_dev, told.st_ino


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
