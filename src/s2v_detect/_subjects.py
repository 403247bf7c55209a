"""What a check is about: an address, or what lies on this machine and must be uploaded first."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from s2v_detect._addresses import private_reason
from s2v_detect._http import Endpoint
from s2v_detect._identity import identity_of, image_of
from s2v_detect._turns import Lane
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
        self, endpoint: Endpoint, model: str, retry: RetryPolicy, *, allow_private: bool
    ) -> None:
        self._endpoint = endpoint
        self._model = model
        self._patience = {"interactive": retry, "open": retry, "bulk": _PATIENT}
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
            endpoint = self._endpoint
            self._uploader = Uploader(endpoint.get, endpoint.post_elsewhere, self._model)
        image = await asyncio.to_thread(local_image, source)
        url_of = self._uploader.url_of

        async def upload(lane: Lane) -> str:
            return await url_of(image, self._patience[lane])

        return Subject(source, image.identity, "", upload)
