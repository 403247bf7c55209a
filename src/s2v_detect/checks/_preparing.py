"""One image before its line: looked at where it lies, or put where the service can fetch it.

An upload has retries of its own, by the client's policy. A stream's waits out an outage of the
store, as its checks do one of the service: no image fails for it.
"""

import asyncio
import os
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from s2v_detect.checks._again import is_unreached, retrying
from s2v_detect.checks._breaker import EndPassage
from s2v_detect.checks._session import Crew
from s2v_detect.errors import DetectError, ImageSkipped, NotSent
from s2v_detect.images import Reading, identity_of, image_of, name_of, private_reason
from s2v_detect.ledger import LedgerEntry, Recording
from s2v_detect.limiters import Limiter
from s2v_detect.models import EventKind, Lane
from s2v_detect.wire import UPLOADS_PATH, Answer, Endpoint, credential_query, is_answer

if TYPE_CHECKING:  # it loads httpcore, 100 ms of every import, and most images are addresses
    from s2v_detect.images import Uploader


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
    """What the service is given; empty where that comes from an upload."""
    upload: Upload | None
    """Puts it into the store."""

    @property
    def name(self) -> str:
        """What a record calls it."""
        return name_of(self.image)


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
        self._reading: Reading | None = None
        self._uploader: Uploader | None = None

    async def subject_of(self, value: object) -> Subject:
        """Return the subject of a URL, a path or bytes.

        Raises `ImageSkipped` for what is none, or what the service would surely refuse.
        """
        if isinstance(value, bytes | os.PathLike):
            return await self.local(value)
        return self.address(value)

    def address(self, value: object) -> Subject:
        """Return the subject of a URL. Raises `ImageSkipped` as above."""
        url = image_of(value)
        if not self._allow_private and (reason := private_reason(url)):
            raise ImageSkipped(reason, image=url, saves="call")
        return Subject(url, identity_of(url), url, None)

    async def close(self) -> None:
        """Give up on what is still being uploaded."""
        if self._uploader is not None:
            await self._uploader.close()

    async def local(self, source: os.PathLike[str] | bytes) -> Subject:
        """Return the subject of a file or bytes, once read. Raises `ImageSkipped` as above."""
        from s2v_detect.images import Uploader  # noqa: PLC0415  # as above

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

        A page or a fault is no answer, and neither is whatever else comes of it.
        """
        try:
            answer = await self._credential(f"{UPLOADS_PATH}?{credential_query(self._model)}")
        except Exception:  # noqa: BLE001  # a transport or a limiter of the user's own raises what it likes
            return False
        return is_answer(answer)

    async def _credential(self, path: str) -> Answer:
        """Return the answer to a request for a credential, which have a limit of their own."""
        turn = await self._credential_line.turn("interactive")
        turn.left()  # one that hangs must not hold the line, and a start is near enough here
        return await self._endpoint.get(path)


class Tell(Protocol):
    """Tells the watcher of a step."""

    def __call__(self, kind: EventKind, *, wait_s: float = 0.0, error: str | None = None) -> None:
        """Tell it."""


class Preparing:
    """What the service is given for one image: `url`, once it is ready."""

    def __init__(self, subject: Subject, crew: Crew, recording: Recording) -> None:
        self.url = subject.url
        """Empty until it is ready."""
        self.doubt = ""
        """What the look could not tell."""
        self.is_by_look = False
        """Whether a look has told that it is ready, or that it never will be."""
        self._uploads = deque([subject.upload] if subject.upload else [])
        self._crew = crew
        self._recording = recording
        self._is_renewed = False
        self._spent_s = 0.0

    def add(self, subject: Subject) -> None:
        """Have another place where the same content lies, in case it is gone from the first."""
        if subject.upload is not None:
            self._uploads.append(subject.upload)

    async def make_ready(self, entry: LedgerEntry | None, lane: Lane, tell: Tell) -> None:
        """Return when it is ready. Cancelling is free.

        Raises `ImageSkipped`, `NotSent` when the upload's retries ran out, and what is about the
        key.
        """
        if self._uploads:
            self.url = self.url or (entry and entry.living_upload) or ""
            if not self.url:
                await self._upload(lane, tell)
        elif self._crew.look and not (entry and entry.doubts):  # it was good enough once
            self.is_by_look = True
            self.doubt = await self._crew.look(self.url, lane)

    def loses(self, error: DetectError) -> bool:
        """Whether an error may be that of an upload which is gone, so that a new one may help.

        Once. It is not ready then, and has to be made so again.
        """
        if not self._uploads or self._is_renewed or not is_unreached(error):
            return False
        self._is_renewed = True
        self.url = ""
        return True

    async def _upload(self, lane: Lane, tell: Tell) -> None:
        loop = asyncio.get_running_loop()

        async def rest(wait_s: float) -> None:
            await asyncio.sleep(wait_s)
            self._spent_s += wait_s

        rules = retrying(
            self._crew.retry,
            is_wanted=lambda error: isinstance(error, NotSent),
            spent_s=lambda: self._spent_s,
            sleep=rest,
        )
        began = loop.time()
        self.url = await rules(self._attempt, lane, tell)
        tell("uploaded", wait_s=loop.time() - began)

    async def _attempt(self, lane: Lane, tell: Tell) -> str:
        gate = self._crew.store_gate
        end_passage: EndPassage = _nothing

        async def pass_gate() -> None:
            nonlocal end_passage
            gate.give_back(end_passage)  # of a copy that was gone
            end_passage = _nothing
            if lane == "bulk":  # a check is not held: uploads are free
                end_passage = await gate.passage()

        while True:
            try:
                url = await self._once(lane, pass_gate)
            except NotSent as error:
                if gate.failed(error):
                    tell("outage", error=type(error).__name__)
                if not gate.is_shut or lane != "bulk":
                    raise
            except ImageSkipped:  # says nothing of the store
                gate.give_back(end_passage)
                end_passage = _nothing
                raise
            except DetectError:
                self._hear_an_answer(tell)
                raise
            else:
                self._hear_an_answer(tell)
                return url
            finally:
                end_passage()
                end_passage = _nothing

    def _hear_an_answer(self, tell: Tell) -> None:
        if self._crew.store_gate.answered():
            tell("restored")

    async def _once(self, lane: Lane, may_begin: Callable[[], Awaitable[None]]) -> str:
        loop = asyncio.get_running_loop()
        while True:
            stored = await self._uploads[0](
                lane, may_begin=may_begin, on_stored=self._recording.uploaded
            )
            began = loop.time()
            try:
                return await stored
            except ImageSkipped as skipped:
                if len(self._uploads) == 1 or skipped.saves == "bill":
                    raise
                self._uploads.popleft()  # gone or changed: the same content lies elsewhere too
            finally:
                self._spent_s += loop.time() - began


def _nothing(*, in_doubt: bool = False) -> None:
    """End the passage of one that did not pass."""
