"""Rows from the files of a folder, or of a pattern: each file that may be an image is one row."""

import os
from collections.abc import AsyncGenerator, Callable, Iterator
from itertools import islice
from pathlib import Path

from s2v_detect._threads import in_thread
from s2v_detect.bulk._formats import InputError, Row

_BATCH = 1000
_FORMATS = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".dib", ".webp")
_OTHERS = (".gif", ".heic", ".heif", ".avif", ".tif", ".tiff", ".svg", ".jp2", ".jxl", "")
_ENDINGS = frozenset((*_FORMATS, *_OTHERS))
"""Of what is taken from a folder, and files without any: the others are no images, nor meant to be.
What such a file is in truth, its content says."""


class Files:
    """Files in place of an input's lines."""

    columns: tuple[str, ...] | None = None

    def __init__(self, paths: Callable[[], Iterator[str]]) -> None:
        self._paths = paths
        self.total: int | None = None

    @classmethod
    def in_folder(cls, folder: Path, *, recursive: bool = False) -> "Files":
        """Return the images of a folder, by name; hidden ones are left out, links not followed."""
        return cls(lambda: _walked(str(folder), recursive=recursive))

    @classmethod
    def matching(cls, pattern: str) -> "Files":
        """Return the files that match a pattern; `**` is any number of folders, but no links.

        Raises `InputError` where there is none.
        """
        try:
            first = next(_matching(Path(pattern)), None)
        except ValueError as error:
            raise InputError(f"{pattern!r} is no pattern of files: {error}.") from error
        if first is None:
            raise InputError(f"No file matches {pattern!r}.")
        return cls(lambda: _matching(Path(pattern)))

    async def batches(self) -> AsyncGenerator[list[Row]]:
        """Yield the rows, at most 1,000 at a time. Raises `OSError` when no more can be read."""
        paths = self._paths()
        while batch := await in_thread(lambda: list(islice(paths, _BATCH))):
            yield [file_row(Path(path)) for path in batch]

    async def count(self) -> None:
        """Learn the `total`."""
        self.total = await in_thread(lambda: sum(1 for _ in self._paths()))

    def close(self) -> None:
        """Nothing is open between two batches."""


def file_row(path: Path, row: Row | None = None) -> Row:
    """Return the row of a file; `row` is what named it."""
    name = os.fsdecode(path).encode(errors="backslashreplace").decode()
    return row._replace(path=path) if row else Row(None, name, path=path)


def is_pattern(name: str) -> bool:
    """Whether a name is no file, but a pattern of such."""
    return any(mark in name for mark in "*?[") and not os.path.lexists(name)


def _walked(folder: str, *, recursive: bool) -> Iterator[str]:
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            if recursive:
                yield from _walked(entry.path, recursive=True)
        elif _may_be_image(entry.name) and not entry.is_dir():
            yield entry.path


def _matching(pattern: Path) -> Iterator[str]:
    found = Path(pattern.anchor).glob(str(pattern.relative_to(pattern.anchor)))
    return (str(path) for path in found if path.is_file() and not path.name.startswith("."))


def _may_be_image(name: str) -> bool:
    return Path(name).suffix.lower() in _ENDINGS
