"""Local images into the vendor's temporary store, outside the line of five a second.

One credential serves many uploads; it is renewed before it ends, and upon its end. An upload runs
in a task of its own: whoever waits for it may leave, the request inside httpx is not cancelled, and
where the image went is recorded all the same.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any
from uuid import uuid4

from s2v_detect._waiting import task_of
from s2v_detect.errors import ConfigurationError, DetectError, ImageSkipped, NotSent
from s2v_detect.images._addresses import upload_refusal
from s2v_detect.images._files import LocalImage, Reading
from s2v_detect.models import LANES, Lane
from s2v_detect.wire import (
    LIFETIME_S,
    MARGIN_S,
    UPLOADS_PATH,
    Answer,
    Credential,
    Form,
    credential_in,
    credential_query,
    decode,
    form_for,
    is_expired,
    is_taken,
    key_in,
    refused,
)

_MOST_AT_ONCE = 32
"""For each lane. At five a second the line is kept busy by uploads that take six seconds each."""
_MOST_UNWANTED = 1000
_OK = 200

Get = Callable[[str], Awaitable[Answer]]
"""Gets a path of the service, with its key."""
Post = Callable[[str, Mapping[str, str], AsyncIterator[bytes]], Awaitable[Answer]]
"""Posts to an address, without it."""


class Uploader:
    """Uploads the local images of one client, in one event loop."""

    def __init__(
        self,
        get: Get,
        post: Post,
        model: str,
        reading: Reading,
        *,
        base_url: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._base_url = base_url
        self._get = get
        self._post = post
        self._model = model
        self._reading = reading
        self._clock = clock
        # Each lane its own: a check does not wait behind a stream's uploads.
        self._free = {lane: asyncio.Semaphore(_MOST_AT_ONCE) for lane in LANES}
        self._renewing: asyncio.Task[Credential] | None = None
        self._credential: Credential | None = None
        self._expires_at = 0.0
        self._under_way: dict[str, _UnderWay] = {}
        self._unwanted: dict[str, tuple[str, float]] = {}
        """Uploads that ended when all had left, by content: where, and until when."""

    async def begin(
        self,
        image: LocalImage,
        lane: Lane,
        *,
        may_begin: Callable[[], Awaitable[None]],
        on_stored: Callable[[str], None],
    ) -> "asyncio.Future[str]":
        """Return, once there is room and it may begin, what will be its new `oss://` address.

        One that is under way already, because whoever wanted it has left, is joined; one that has
        ended since is used, once. Cancelling is free, here and while that is awaited. Nothing is
        billed. It comes to `NotSent` where another try may help, `ImageSkipped` where the file is
        too large, gone or changed, `BadRequest` where the store refuses it, and the service's own
        errors about the key.
        """
        url, until = self._unwanted.pop(image.identity, ("", 0.0))
        if self._clock() < until:
            done: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            done.set_result(url)
            return done
        if image.identity not in self._under_way:
            free = self._free[lane]
            await free.acquire()
            try:
                await may_begin()
            except BaseException:  # whatever ended the waiting, the room is another's
                free.release()
                raise
            self._start(image, on_stored).add_done_callback(lambda _: free.release())
        return self._under_way[image.identity].join()

    async def close(self) -> None:
        """Give up on what is still being uploaded."""
        tasks: list[asyncio.Task[Any]] = [each.task for each in self._under_way.values()]
        tasks += [self._renewing] if self._renewing else []
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _start(self, image: LocalImage, on_stored: Callable[[str], None]) -> "asyncio.Task[str]":
        task = task_of(self._upload(image), "s2v-detect upload")
        self._under_way[image.identity] = _UnderWay(task)

        def end(task: "asyncio.Task[str]") -> None:
            ended = self._under_way.pop(image.identity)
            if not task.cancelled() and task.exception() is None:
                on_stored(task.result())
                if not ended.is_wanted:
                    self._keep(image.identity, task.result())

        task.add_done_callback(end)
        return task

    def _keep(self, identity: str, url: str) -> None:
        self._unwanted[identity] = (url, self._clock() + LIFETIME_S / 2)
        if len(self._unwanted) > _MOST_UNWANTED:
            del self._unwanted[next(iter(self._unwanted))]

    async def _upload(self, image: LocalImage) -> str:
        credential = await self._valid_credential()
        key, answer = await self._put(image, credential)
        if is_expired(answer.status, answer.body):  # before its time: no fault of the store's
            if self._credential is credential:
                self._credential = None
            key, answer = await self._put(image, await self._valid_credential())
        if is_taken(answer.status, answer.body):
            return f"oss://{key}"
        raise refused(answer.status, answer.body)

    async def _put(self, image: LocalImage, credential: Credential) -> tuple[str, Answer]:
        _refuse_too_large(image, credential)
        key = key_in(credential, uuid4().hex, image.format)
        form = form_for(credential, key, image.format, boundary=uuid4().hex, size=image.size_bytes)
        async with aclosing(self._body(form, image)) as body:
            return key, await self._post(credential.upload_host, form.headers, body)

    async def _body(self, form: Form, image: LocalImage) -> AsyncGenerator[bytes, None]:
        yield form.before
        async with aclosing(self._reading.content(image)) as pieces:
            async for piece in pieces:
                yield piece
        yield form.after

    async def _valid_credential(self) -> Credential:
        """Return one, which all who need it ask for together.

        They share a fault of that too: one after another, 32 of them would wait for a network that
        is gone 32 times as long as one does.
        """
        if self._credential is not None and self._clock() < self._expires_at:
            return self._credential
        if self._renewing is None:
            self._renewing = task_of(self._renewed(), "s2v-detect credential")
            self._renewing.add_done_callback(self._end_renewing)
        try:
            return await asyncio.shield(self._renewing)
        except DetectError as error:  # an image of its own is named in each
            raise error.copy() from error.__cause__

    def _end_renewing(self, renewing: "asyncio.Task[Credential]") -> None:
        self._renewing = None
        if not renewing.cancelled():
            renewing.exception()  # is retrieved, also where all have left

    async def _renewed(self) -> Credential:
        asked_at = self._clock()
        answer = await self._get(f"{UPLOADS_PATH}?{credential_query(self._model)}")
        credential = credential_in(answer.body) if answer.status == _OK else None
        if credential is None:
            raise _no_credential(answer)
        _refuse_elsewhere(credential, self._base_url)
        lifetime_s = credential.expire_in_seconds
        self._expires_at = asked_at + max(lifetime_s - MARGIN_S, lifetime_s / 2)
        self._credential = credential
        return credential


class _UnderWay:
    """An upload, and those who wait for it."""

    def __init__(self, task: "asyncio.Task[str]") -> None:
        self.task = task
        self._waiting: list[asyncio.Future[str]] = []

    @property
    def is_wanted(self) -> bool:
        """Whether anybody has not left."""
        return not all(each.cancelled() for each in self._waiting)

    def join(self) -> "asyncio.Future[str]":
        """Return what will be its address."""
        self._waiting.append(asyncio.shield(self.task))
        return self._waiting[-1]


def _refuse_too_large(image: LocalImage, credential: Credential) -> None:
    most_mb, size_mb = credential.max_file_size_mb, image.size_bytes / 2**20
    if most_mb is not None and size_mb > most_mb:
        raise ImageSkipped(
            f"it has {size_mb:.0f} MB, and the store takes {most_mb:g}",
            image=image.source,
            saves="bill",
        )


def _refuse_elsewhere(credential: Credential, base_url: str) -> None:
    """Raise where the store is at no address that the service's could be; for every image so."""
    try:
        refusal = upload_refusal(credential.upload_host, base_url)
    except ValueError:  # its parts can't be told
        refusal = "it can't be read"
    if refusal:
        raise ConfigurationError(
            f"not uploaded, the store's address that came with the credential is refused: {refusal}"
            f" ({credential.upload_host}).",
            do="Check the base URL: what answers there may not be the service; nothing was billed.",
        )


def _no_credential(answer: Answer) -> DetectError:
    """Return the error of a request for a credential: what is about the key stops a run."""
    cause: DetectError | None = None
    try:
        decode(answer)
    except DetectError as error:  # in words about a check and its bill, and this is none
        if error.stops_run:
            return error
        cause = error
    no_credential = NotSent(
        f"not uploaded, the service gave no credential ({answer.status}).",
        do="Check it again; nothing was billed.",
    )
    no_credential.__cause__ = cause
    return no_credential
