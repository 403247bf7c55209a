"""What a check is about: an address, or what lies on this machine and must be uploaded first."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from s2v_detect._addresses import private_reason
from s2v_detect._http import Endpoint
from s2v_detect._identity import identity_of, image_of
from s2v_detect._turns import Lane, Limiter
from s2v_detect._wire import Answer
from s2v_detect.errors import ImageSkipped
from s2v_detect.models import RetryPolicy

if TYPE_CHECKING:  # it loads httpcore, 100 ms of every import, and most images are addresses
    from s2v_detect.images import Uploader


_PATIENT = RetryPolicy.model_construct(max_attempts=100, give_up_after_s=600.0)
"""A stream's upload waits out an outage, as its checks do: no image fails for it."""


class Subject(NamedTuple):
    """One image, ready to be asked for."""

    image: Any
    """As it was given."""
    identity: str
    """The same for whatever is the same image."""
    url: str
    """What the service is given; empty where that comes from an upload."""
    upload: Callable[[Lane], Awaitable[str]] | None
    """Puts it into the store, and returns where."""

    @property
    def name(self) -> str:
        """What a record calls it."""
        if isinstance(self.image, bytes):
            return self.identity
        return os.fsdecode(self.image)


class Subjects:
    """Makes subjects for an open client of whatever it is given."""

    def __init__(
        self,
        endpoint: Endpoint,
        model: str,
        retry: RetryPolicy,
        credential_line: Limiter,
        *,
        allow_private: bool,
    ) -> None:
        self._endpoint = endpoint
        self._model = model
        self._patience: dict[Lane, RetryPolicy] = {
            "open": retry,
            "interactive": retry,
            "bulk": _PATIENT,
        }
        self._credential_line = credential_line
        self._allow_private = allow_private
        self._uploader: Uploader | None = None

    async def subject_of(self, value: object) -> Subject:
        """Return the subject of a URL, a path or bytes.

        Raises `ImageSkipped` for what is none, or what the service would surely refuse.
        """
        if isinstance(value, bytes | os.PathLike):
            return await self._local(value)
        url = image_of(value)
        if not self._allow_private and (reason := private_reason(url)):
            raise ImageSkipped(reason, image=url)
        return Subject(url, identity_of(url), url, None)

    async def close(self) -> None:
        """Give up on what is still being uploaded."""
        if self._uploader is not None:
            await self._uploader.close()

    async def _local(self, source: os.PathLike[str] | bytes) -> Subject:
        from s2v_detect.images import Uploader, local_image  # noqa: PLC0415  # as above

        if self._uploader is None:
            self._uploader = Uploader(
                self._credential, self._endpoint.post_elsewhere, self._model, self._patience
            )
        image = await asyncio.to_thread(local_image, source)
        return Subject(source, image.identity, "", partial(self._uploader.url_of, image))

    async def _credential(self, path: str) -> Answer:
        """Return the answer to a request for a credential, which have a limit of their own."""
        turn = await self._credential_line.turn("interactive")
        turn.left()  # one that hangs must not hold the line, and a start is near enough here
        return await self._endpoint.get(path)
