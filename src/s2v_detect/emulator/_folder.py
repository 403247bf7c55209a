"""A local folder whose files the emulator serves, as a website would."""

from pathlib import Path
from urllib.parse import quote

from yarl import URL

HOST = "photographs.example"
"""A host name that can't exist: the emulator takes it for its own folder."""


class Folder:
    """The files below one folder, and nothing that a path or a link reaches outside it."""

    def __init__(self, path: Path) -> None:
        if not path.is_dir():
            raise NotADirectoryError(f"{path} is no folder")
        self._path = path.resolve()

    def file(self, name: str) -> Path | None:
        """Return the file of that name, or None where there is none inside the folder."""
        try:
            found = (self._path / name).resolve(strict=True)
        except (OSError, ValueError, RuntimeError):  # not there, a zero byte, a ring of links
            return None
        return found if found.is_relative_to(self._path) and found.is_file() else None


def url_of(name: str) -> str:
    """Return the address of a folder's file as the emulator knows it."""
    return f"http://{HOST}/{quote(name.lstrip('/'))}"


def reached_at(image: str, origin: str) -> URL:
    """Return where to fetch an image: files of the folder come from the emulator itself."""
    url = URL(image)
    if url.host != HOST:
        return url
    return URL(f"{origin}/files{url.raw_path}", encoded=True)
