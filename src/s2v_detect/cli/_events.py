"""Every step of every image, as JSON lines in a file."""

from pathlib import Path
from types import TracebackType
from typing import Self

from s2v_detect import Event
from s2v_detect.cli._screening import Unusable
from s2v_detect.cli._terminal import printable


class EventLines:
    """A file that events are appended to."""

    def __init__(self, path: Path) -> None:
        try:
            self._file = path.open("a", encoding="utf-8", errors="backslashreplace", buffering=1)
        except OSError as error:
            raise Unusable(
                f"{printable(str(path))} can't be written: {error.strerror}. Give another name"
                " after --events."
            ) from error

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
