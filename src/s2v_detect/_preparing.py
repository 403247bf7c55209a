"""One image before its line: looked at where it lies, or put where the service can fetch it."""

from collections.abc import Awaitable, Callable

from s2v_detect._recording import Recording
from s2v_detect._subjects import Subject
from s2v_detect._turns import Lane
from s2v_detect.errors import DetectError, ImageUnusable
from s2v_detect.ledger import LedgerEntry

Look = Callable[[str, Lane], Awaitable[str]]
"""Returns what it could not tell of an image; raises `ImageSkipped`."""


class Preparing:
    """What the service is given for one image: `url`, once it is ready."""

    def __init__(self, subject: Subject, look: Look | None, recording: Recording) -> None:
        self.url = subject.url
        self.doubt = ""
        """What the look could not tell."""
        self._upload = subject.upload
        self._look = look
        self._recording = recording
        self._is_old_upload = False

    async def make_ready(self, entry: LedgerEntry | None, lane: Lane) -> bool:
        """Return, when it is ready, whether it was looked at. Raises `ImageSkipped`, `NotSent`."""
        if self._upload is not None:
            self.url = (entry and entry.living_upload) or ""
            self._is_old_upload = bool(self.url)
            if not self.url:
                await self._upload_anew(self._upload, lane)
        elif self._look and not (entry and entry.doubts):  # it was good enough to be sent once
            self.doubt = await self._look(self.url, lane)
            return True
        return False

    async def is_mended(self, error: DetectError, lane: Lane) -> bool:
        """Whether an error was that of an earlier upload that is gone, and there is a new one."""
        if not self._upload or not self._is_old_upload or not isinstance(error, ImageUnusable):
            return False
        await self._upload_anew(self._upload, lane)
        return True

    async def _upload_anew(self, upload: Callable[[Lane], Awaitable[str]], lane: Lane) -> None:
        self._is_old_upload = False
        self.url = await upload(lane)
        self._recording.uploaded(self.url)
