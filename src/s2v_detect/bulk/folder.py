"""Rows from the files of a folder, or of a pattern: each file that may be an image is one row."""

import os
import re
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

from s2v_detect._service import IMAGE_FORMATS
from s2v_detect._waiting import in_thread
from s2v_detect.bulk.paths import OwnFiles, begins_as_image
from s2v_detect.images import UNREAD
from s2v_detect.languages import _
from s2v_detect.tables import InputError, Row

FILES_AT_ONCE = 32
"""Rows in a batch of files. The ledger reads each of them whole before the first of a batch is
asked for: a thousand of 8 MB would keep the line waiting for 20 s."""

_TAKEN = tuple(ending for each in IMAGE_FORMATS.values() for ending in each.endings)
_OTHERS = (".gif", ".heic", ".heif", ".avif", ".tif", ".tiff", ".svg", ".jp2", ".jxl")
_IMAGES = frozenset((*_TAKEN, *_OTHERS))
"""Endings of what is taken from a folder, with files that have none: the others are no images, nor
meant to be. What such a file is in truth, its content says."""
_MARKS = re.compile(r"[*?\[]")


class Files:
    """Files in place of an input's lines."""

    columns: tuple[str, ...] | None = None
    column: str | None = None
    delimiter = ""

    def __init__(self, rows: Callable[[], Iterator[Row]], *, none: str) -> None:
        """Raise `InputError` where there is no file at all; `none` says so."""
        if next(rows(), None) is None:
            raise InputError(none)
        self._rows = rows
        self.total: int | None = None

    @classmethod
    def in_folder(
        cls, folder: Path, *, recursive: bool = False, own: OwnFiles | None = None
    ) -> "Files":
        """Return the images of a folder, by name; hidden ones are left out, links not followed.

        The run's `own` files are left out too: its ledger must not be opened a second time. Raises
        `OSError` where the folder can't be read. What can't be read in it is a row.
        """
        none = _("{name} holds no images.")
        if not recursive:
            none = _("{name} holds no images. With --recursive its folders are looked at too.")
        return cls(
            lambda: _without(own, _walked(str(folder), recursive=recursive)),
            none=none.format(name=_text(folder)),
        )

    @classmethod
    def matching(cls, pattern: str, *, own: OwnFiles | None = None) -> "Files":
        """Return the files that match a pattern; `**` is any number of folders, but no links.

        The run's `own` files are left out.
        """

        def rows() -> Iterator[Row]:
            return _without(own, map(file_row, _matching(pattern)))

        none = _("No file matches {pattern!r}.")
        if "[" in pattern:
            none = _("No file matches {pattern!r}. A [ of a name is written [[].")
        try:
            return cls(rows, none=none.format(pattern=pattern))
        except (ValueError, NotImplementedError) as error:
            told = _("{pattern!r} is no pattern of files: {why}.")
            raise InputError(told.format(pattern=pattern, why=error)) from error

    @classmethod
    def one(cls, path: Path) -> "Files":
        """Return a single image."""
        return cls(lambda: iter([file_row(path)]), none="")

    async def batches(self) -> AsyncGenerator[list[Row]]:
        """Yield the rows, some at a time. Raises `OSError` when no more can be read."""
        rows = self._rows()
        while batch := await in_thread(lambda: list(islice(rows, FILES_AT_ONCE))):
            yield batch

    async def count(self) -> None:
        """Learn the `total`."""
        with suppress(OSError):  # the reading will say so
            self.total = await in_thread(lambda: sum(1 for _ in self._rows()))

    def close(self) -> None:
        """Nothing is open between two batches."""


def file_row(path: Path, row: Row | None = None) -> Row:
    """Return the row of a file; `row` is what named it."""
    if row:
        return row._replace(path=path, image=_text(row.image))
    return Row(None, _text(path), path=path)


def with_path(reason: str, row: Row) -> str:
    """Return why a row was skipped, with the path that was tried where a list names a file."""
    if row.path is None or row.number is None or not reason.startswith(UNREAD):
        return reason
    return f"{reason} (tried {_text(row.path)})"


def is_pattern(name: str) -> bool:
    """Whether a name is no file, but a pattern of such."""
    return bool(_MARKS.search(name)) and not os.path.lexists(name)


def is_image_name(name: str) -> bool:
    """Whether a file is called as images are.

    Example:
        >>> is_image_name("Face.JPG"), is_image_name("faces.csv"), is_image_name("faces")
        (True, False, False)
    """
    return Path(name).suffix.lower() in _IMAGES


def may_be_image(name: str) -> bool:
    """Whether a file is called as images are, or has no ending that would say what it is.

    Example:
        >>> may_be_image("Face.JPG"), may_be_image("faces.csv"), may_be_image("faces")
        (True, False, True)
    """
    return is_image_name(name) or not Path(name).suffix


def is_image_file(path: Path) -> bool:
    """Whether a file is called as images are, or begins as one. Raises `OSError`."""
    if not path.is_file():
        return False
    return is_image_name(path.name) or begins_as_image(path)


def steady_folder(name: str) -> Path:
    """Return the folder in which all matches of a pattern lie, however deep.

    Example:
        >>> str(steady_folder("photos/2026/*/[ab]/*.jpg"))
        'photos/2026'
    """
    parts = Path(name).parent.parts
    steady = next((n for n, part in enumerate(parts) if _MARKS.search(part)), len(parts))
    return Path(*parts[:steady])


def _without(own: OwnFiles | None, rows: Iterator[Row]) -> Iterator[Row]:
    files = own.now() if own else ()
    return (row for row in rows if row.path is None or row.path not in files)


def _walked(top: str, *, recursive: bool) -> Iterator[Row]:
    folders = [_entries(top)]
    while folders:
        entry = next(folders[-1], None)
        if entry is None:
            folders.pop()
        elif entry.is_dir(follow_symlinks=False):
            if recursive:
                try:
                    folders.append(_entries(entry.path))
                except OSError as error:
                    yield Row(None, _text(entry), f"the folder can't be read: {error.strerror}")
        elif may_be_image(entry.name) and not _is_folder(entry):
            yield file_row(Path(entry.path))


def _entries(folder: str) -> "Iterator[os.DirEntry[str]]":
    with os.scandir(folder) as found:
        seen = [entry for entry in found if not entry.name.startswith(".")]
    return iter(sorted(seen, key=lambda entry: entry.name))


def _matching(pattern: str) -> Iterator[Path]:
    path = Path(f"{pattern}/*" if pattern.endswith("**") else pattern)
    if any("**" in part != "**" for part in path.parts):  # pathlib itself takes it since 3.13, as *
        raise ValueError("'**' can only be an entire path component")
    found = Path(path.anchor).glob(str(path.relative_to(path.anchor)))
    below = len(steady_folder(str(path)).parts)
    takes_hidden = _has_hidden(path.parts[below:])
    return (
        each
        for each in found
        if (takes_hidden or not _has_hidden(each.parts[below:])) and not _is_folder(each)
    )


def _has_hidden(parts: tuple[str, ...]) -> bool:
    return any(part.startswith(".") and part != ".." for part in parts)


def _is_folder(entry: "os.DirEntry[str] | Path") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link in a circle, or to where nobody may look: its row will say so
        return False


def _text(path: "os.PathLike[str] | str") -> str:
    return os.fsdecode(path).encode(errors="backslashreplace").decode()
