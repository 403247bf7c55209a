"""Every step of every image, as JSON lines in a file."""

import os
from pathlib import Path
from types import TracebackType
from typing import Self

from s2v_detect import Event
from s2v_detect.cli._finishing import unwritable
from s2v_detect.cli._own import EVENTS
from s2v_detect.cli._screening import Unusable
from s2v_detect.cli._terminal import printable
from s2v_detect.languages import _, why


class EventLines:
    """A file that events are appended to."""

    def __init__(self, path: Path) -> None:
        try:
            if not EVENTS.has(path):  # it came while the input was looked at
                told = _("{name} holds no events of s2v-detect. Give another name after --events.")
                raise Unusable(told.format(name=printable(str(path))))
            is_cut = _is_cut(path)
            self._file = path.open("a", encoding="utf-8", errors="backslashreplace", buffering=1)
        except OSError as error:
            raise Unusable(unwritable(path, why(error), "--events")) from error
        if is_cut:
            self._file.write("\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()

    def write(self, event: Event) -> None:
        """Append one event. The client logs what this raises, and goes on."""
        self._file.write(event.model_dump_json() + "\n")


def _is_cut(path: Path) -> bool:
    """Whether a file ends within a line: what wrote it was killed."""
    if not path.is_file() or not path.stat().st_size:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() != b"\n"
