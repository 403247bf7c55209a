"""Local images into the vendor's temporary store, outside the line of five a second.

One credential serves many uploads; it is renewed before it ends, and upon its end. An upload has
its own retries. It runs in a task of its own: whoever waits for it may leave, and the request
inside httpx is not cancelled.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from uuid import uuid4

from s2v_detect._retrying import retrying
from s2v_detect._store import (
    MARGIN_S,
    UPLOADS_PATH,
    Credential,
    credential_in,
    credential_query,
    form_for,
    is_expired,
    key_in,
    refused,
)
from s2v_detect._turns import LANES, Lane
from s2v_detect._wire import Answer, decode
from s2v_detect.errors import DetectError, ImageSkipped, NotSent, OutcomeUnknown, ServiceError
from s2v_detect.images._local import LocalImage, changed, content
from s2v_detect.models import RetryPolicy

_MOST_AT_ONCE = 8
"""Uploads of one lane."""
_OK = 200

Get = Callable[[str], Awaitable[Answer]]
"""Gets a path of the service, with its key."""
Post = Callable[[str, Mapping[str, str], AsyncIterator[bytes]], Awaitable[Answer]]
"""Posts to an address, without it."""


class Uploader:
    """Uploads the local images of one client, in one event loop."""

    def __init__(
        self, get: Get, post: Post, model: str, patience: Mapping[Lane, RetryPolicy]
    ) -> None:
        self._get = get
        self._post = post
        self._model = model
        self._patience = patience
        # Each lane its own: a check does not wait behind a stream's uploads.
        self._free = {lane: asyncio.Semaphore(_MOST_AT_ONCE) for lane in LANES}
        self._renewing = asyncio.Lock()
        self._credential: Credential | None = None
        self._expires_at = 0.0
        self._tasks: set[asyncio.Task[str]] = set()

    async def url_of(self, image: LocalImage, lane: Lane) -> str:
        """Return the image's new `oss://` address; cancelling is free. Nothing is billed.

        Raises `NotSent` where it can't be uploaded, `ImageSkipped` where it is too large or has
        changed, and the service's own errors about the key.
        """
        task = asyncio.ensure_future(self._uploaded(image, lane))
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Give up on what is still being uploaded."""
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _done(self, task: "asyncio.Task[str]") -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # told to whoever waits, and to nobody where all have left

    async def _uploaded(self, image: LocalImage, lane: Lane) -> str:
        loop = asyncio.get_running_loop()
        began = loop.time()
        rules = retrying(
            self._patience[lane],
            is_wanted=_is_passing,
            spent_s=lambda: loop.time() - began,
            sleep=asyncio.sleep,
        )
        async with self._free[lane]:
            url: str = await rules(self._upload, image)
        return url

    async def _upload(self, image: LocalImage) -> str:
        credential = await self._valid_credential()
        most_mb = credential.max_file_size_mb
        if most_mb is not None and image.size_bytes > most_mb * 2**20:
            size_mb = image.size_bytes / 2**20
            raise ImageSkipped(
                f"it has {size_mb:.0f} MB, and the store takes {most_mb:g}",
                image=image.source,
                is_refused=True,
            )
        key = key_in(credential, uuid4().hex, image.format)
        boundary = uuid4().hex
        form = form_for(credential, key, image.format, boundary=boundary, size=image.size_bytes)
        async with aclosing(_body(form.before, image, form.after)) as body:
            answer = await self._post(credential.upload_host, form.headers, body)
        if answer.status == _OK:
            return f"oss://{key}"
        if is_expired(answer.status, answer.body):
            self._credential = None
        raise refused(answer.status, answer.body)

    async def _valid_credential(self) -> Credential:
        async with self._renewing:
            if self._credential is None or time.monotonic() >= self._expires_at:
                asked_at = time.monotonic()
                answer = await self._get(f"{UPLOADS_PATH}?{credential_query(self._model)}")
                credential = credential_in(answer.body) if answer.status == _OK else None
                if credential is None:
                    raise _no_credential(answer)
                lifetime_s = credential.expire_in_seconds
                self._expires_at = asked_at + max(lifetime_s - MARGIN_S, lifetime_s / 2)
                self._credential = credential
            return self._credential


async def _body(before: bytes, image: LocalImage, after: bytes) -> AsyncGenerator[bytes, None]:
    yield before
    left = image.size_bytes
    async with aclosing(content(image)) as pieces:
        async for piece in pieces:
            left -= len(piece)
            if left < 0:  # it grows: more than was announced must not be sent
                raise changed(image)
            yield piece
    yield after


def _no_credential(answer: Answer) -> DetectError:
    try:
        decode(answer)
    except OutcomeUnknown:  # words about a bill, and this is none
        pass
    except DetectError as error:
        return error
    return NotSent(
        f"not uploaded, the service gave no credential ({answer.status}).",
        do="Check it again; nothing was billed.",
    )


def _is_passing(error: BaseException) -> bool:
    """Whether another try may help: a key or a bill stays what it is."""
    if isinstance(error, ServiceError):
        return not error.stops_run and error.status >= 429  # noqa: PLR2004  # HTTP's own
    return isinstance(error, NotSent)
