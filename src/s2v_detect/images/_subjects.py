"""What a check is about: an address, or what lies on this machine and must be uploaded first."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from s2v_detect.errors import ImageSkipped, not_sent
from s2v_detect.images._addresses import private_reason
from s2v_detect.images._files import Reading, local_image
from s2v_detect.images._identity import identity_of, image_of, kept_as, name_of
from s2v_detect.images._signed import Sign, SignedImage
from s2v_detect.limiters import Limiter
from s2v_detect.models import Lane
from s2v_detect.wire import UPLOADS_PATH, Answer, Endpoint, credential_query, is_answer

if TYPE_CHECKING:  # most images are addresses
    from s2v_detect.images._upload import Uploader


def address_of(value: object, *, allow_private: bool) -> str:
    """Return an address that is sent; `ImageSkipped` says why another value is not."""
    url = image_of(value)
    if not allow_private and (reason := private_reason(url)):
        raise ImageSkipped(reason, image=url, saves="call")
    return url


def signed_identity(image: SignedImage) -> str:
    """Return what is told apart. Raises `ImageSkipped` for one that is not to be asked for."""
    if image.refusal:
        raise ImageSkipped(image.refusal, image=image, saves="call")
    return kept_as(image)


def identity_within(source: str | os.PathLike[str], *, allow_private: bool) -> str:
    """Return what is told apart: an address in its one spelling, or what a file holds. Blocks.

    Raises `ImageSkipped` for what no client would send.
    """
    if isinstance(source, SignedImage):
        return signed_identity(source)
    if isinstance(source, str):
        return identity_of(address_of(source, allow_private=allow_private))
    return local_image(source).identity


class Upload(Protocol):
    """Begins to put an image into the store."""

    async def __call__(
        self,
        lane: Lane,
        *,
        may_begin: Callable[[], Awaitable[None]],
        on_stored: Callable[[str], None],
    ) -> "asyncio.Future[str]":
        """Return, once there is room and it may begin, what will be its address."""


class Subject(NamedTuple):
    """One image, ready to be asked for."""

    image: Any
    """As it was given."""
    identity: str
    """The same for whatever is the same image."""
    url: str
    """What the service is given; empty where that comes from an upload or a signature."""
    upload: Upload | None = None
    """Puts it into the store."""
    sign: Sign | None = None
    """Makes an address for it that lives for a while."""

    @property
    def name(self) -> str:
        """What a record calls it."""
        return name_of(self.image)

    def called(self, own: str | None) -> "Subject":
        """Return it under a user's own identity, where the user gave one."""
        return self if own is None else self._replace(identity=own)


class Subjects:
    """Makes subjects for an open client of whatever it is given."""

    def __init__(
        self,
        endpoint: Endpoint,
        model: str,
        credential_line: Limiter,
        *,
        allow_private: bool,
    ) -> None:
        self._endpoint = endpoint
        self._model = model
        self._credential_line = credential_line
        self._allow_private = allow_private
        self._signing = asyncio.Lock()
        self._reading: Reading | None = None
        self._uploader: Uploader | None = None

    async def subject_of(self, value: object) -> Subject:
        """Return the subject of a URL, a path or bytes.

        Raises `ImageSkipped` for what is none, or what the service would surely refuse.
        """
        if isinstance(value, bytes | os.PathLike):
            return await self.local(value)
        return self.address(value)

    async def subject_within(self, most_s: float | None, value: object) -> Subject:
        """Return as `subject_of` does. Raises `NotSent` where it takes longer than `most_s`."""
        try:
            async with asyncio.timeout(most_s):
                return await self.subject_of(value)
        except TimeoutError as error:  # a large file, or one on a disk that does not answer
            why = f"given up after {most_s:g} s, while it was read"
            raise not_sent(why, value) from error

    def address(self, value: object) -> Subject:
        """Return the subject of a URL. Raises `ImageSkipped` as above."""
        if isinstance(value, SignedImage):
            return Subject(value, signed_identity(value), "", sign=partial(self._signed, value))
        url = address_of(value, allow_private=self._allow_private)
        return Subject(url, identity_of(url), url)

    async def _signed(self, image: SignedImage) -> str:
        # One in each step of the event loop: a window full of them would take a quarter of a
        # second, and the first request would wait for the last signature.
        async with self._signing:
            url = await image.sign()
        return address_of(url, allow_private=self._allow_private)

    async def close(self) -> None:
        """Give up on what is still being uploaded."""
        if self._uploader is not None:
            await self._uploader.close()

    async def local(self, source: os.PathLike[str] | bytes) -> Subject:
        """Return the subject of a file or bytes, once read. Raises `ImageSkipped` as above."""
        from s2v_detect.images._upload import Uploader  # noqa: PLC0415  # as above

        if self._reading is None or self._uploader is None:
            self._reading = Reading()
            self._uploader = Uploader(
                self._credential,
                self._endpoint.post_elsewhere,
                self._model,
                self._reading,
                base_url=self._endpoint.base_url,
            )
        image = await self._reading.image(source)
        return Subject(source, image.identity, "", partial(self._uploader.begin, image))

    async def is_reached(self) -> bool:
        """Return whether the service answers what is free: a request for a credential.

        A page or a fault is no answer. Raises whatever a transport or a limiter does.
        """
        query = credential_query(self._model)
        return is_answer(await self._credential(f"{UPLOADS_PATH}?{query}"))

    async def _credential(self, path: str) -> Answer:
        """Return the answer to a request for a credential, which have a limit of their own."""
        turn = await self._credential_line.turn("interactive")
        turn.left()  # one that hangs must not hold the line, and a start is near enough here
        return await self._endpoint.get(path)
