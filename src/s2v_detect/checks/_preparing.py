"""One image before its line: looked at where it lies, or put where the service can fetch it.

An upload has retries of its own, by the client's policy. A stream's waits out an outage of the
store, as its checks do one of the service: no image fails for it.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Protocol

from s2v_detect.checks._again import Rests
from s2v_detect.checks._breaker import FREE
from s2v_detect.checks._session import Session
from s2v_detect.errors import DetectError, ImageSkipped, NotSent
from s2v_detect.images import FRESH_S, Subject, is_own, without_signature
from s2v_detect.ledger import LedgerEntry, Recording
from s2v_detect.limiters import GRACE_S
from s2v_detect.models import EventKind, Lane
from s2v_detect.wire import Answer


class Tell(Protocol):
    """Tells the watcher of a step."""

    def __call__(self, kind: EventKind, **more: Any) -> None:
        """Tell it, with more fields of the event."""


class Preparing:
    """What the service is given for one image: `url`, once it is ready."""

    def __init__(self, subject: Subject, session: Session, recording: Recording) -> None:
        self.url = subject.url
        """Empty until it is ready."""
        self.entry: LedgerEntry | None = None
        """What the ledger holds of the image."""
        self.doubt = ""
        """What the look could not tell."""
        self.is_by_look = False
        """Whether a look has told that it is ready, or that it never will be."""
        self.is_ready = not (subject.upload or subject.sign or session.look)
        """Whether the service can be asked."""
        self._sign = subject.sign
        self._signed_at = 0.0
        self._uploads = deque([subject.upload] if subject.upload else [])
        self._session = session
        self._recording = recording
        self._is_renewed = False
        self._loop = session.loop
        self._held_since: float | None = None
        self._spent_s = 0.0

    @property
    def may_renew(self) -> bool:
        """Whether the image is a local one, whose upload was not made anew yet."""
        return bool(self._uploads) and not self._is_renewed

    def renew(self) -> None:
        """Have it uploaded anew: where it was, the service can't find it any more."""
        self._is_renewed = True
        self.is_ready = False
        self.url, self.entry = "", None

    def add(self, subject: Subject) -> None:
        """Have another place where the same content lies, in case it is gone from the first.

        Of an image with an identity of its user's own the latest address is asked for: signed ones
        end.
        """
        if subject.upload is not None:
            self._uploads.append(subject.upload)
        elif subject.sign is not None:
            self._sign = subject.sign
        elif is_own(subject.identity):
            self.url, self._sign = subject.url, None

    async def address(self) -> str:
        """Return what the service is given now. Its turn has come: this does not take long.

        What was signed while it was made ready may be too old after a long line, and is signed
        anew: that computes, unless credentials must be renewed. Then the address at hand is given.
        """
        if self._sign is None:
            return self.url
        with suppress(TimeoutError):
            async with asyncio.timeout(GRACE_S):
                await self._sign_anew()
        return self.url

    def concealed(self, answer: Answer) -> Answer:
        """Return an answer to be kept: without what signs the address, which may be echoed."""
        if self._sign is None:
            return answer
        return answer._replace(body=without_signature(answer.body, self.url))

    async def make_ready(self, lane: Lane, tell: Tell) -> None:
        """Return when it is ready. Cancelling is free.

        Raises `ImageSkipped`, `NotSent` when the upload's retries ran out, and what is about the
        key.
        """
        entry, look = self.entry, self._session.look
        await self._sign_anew()
        if self._uploads:
            self.url = self.url or (entry and entry.living_upload) or ""
            if not self.url:
                await self._upload(lane, tell)
        elif look and not (entry and entry.doubts):  # it was good enough once
            self.is_by_look = True
            self.doubt = await look(self.url, lane)
        self.is_ready = True

    async def _sign_anew(self) -> None:
        # By the clock of the signature: a machine that slept has an old one.
        if self._sign and not 0 <= time.time() - self._signed_at < FRESH_S:
            self.url = await self._sign()
            self._signed_at = time.time()

    async def _upload(self, lane: Lane, tell: Tell) -> None:
        rests = Rests(self._session.retry)
        began = self._loop.time()
        while not self.url:
            try:
                self.url = await self._attempt(lane, tell)
            except NotSent as error:
                # In an outage of the store nobody waits behind a check.
                ends = error.stops_run or (lane != "bulk" and self._session.store_breaker.is_open)
                rest_s = None if ends else rests.rest_s(error, self._spent_s)
                if rest_s is None:
                    raise
                await asyncio.sleep(rest_s)
                self._spent_s += rest_s
        tell("uploaded", wait_s=self._loop.time() - began)

    async def _attempt(self, lane: Lane, tell: Tell) -> str:
        """Return where it was put; in an outage of the store a stream's image waits for its end."""
        breaker = self._session.store_breaker
        passage = FREE

        async def pass_breaker() -> None:
            nonlocal passage
            breaker.give_back(passage)  # of a copy that was gone
            self._held_since = breaker.held_since(self._held_since)
            # A check is not held: uploads are free.
            passage = await breaker.passage(self._held_since) if lane == "bulk" else FREE

        while True:
            began, spent_s = self._loop.time(), self._spent_s
            try:
                url = await self._once(lane, pass_breaker)
            except NotSent as error:
                if not self._is_held(error, began, lane, tell):
                    raise
                self._spent_s = spent_s  # an outage is no time of its retries
            except ImageSkipped:  # says nothing of the store
                breaker.give_back(passage)
                raise
            except DetectError as error:
                if not error.is_unsent:  # else it is a fault of the set-up
                    self._hear_an_answer(tell)
                raise
            else:
                self._hear_an_answer(tell)
                return url
            finally:
                breaker.end(passage)
                passage = FREE

    def _is_held(self, error: NotSent, began: float, lane: Lane, tell: Tell) -> bool:
        """Whether the image waits out an outage of the store, which this error may have begun."""
        if error.stops_run:  # the breaker's: no upload was begun
            return False
        if self._held_since is None:
            self._held_since = began
        breaker = self._session.store_breaker
        if outage := breaker.failed(error):
            tell("outage", **outage.model_dump(exclude={"since"}))
        return breaker.is_open and lane == "bulk"

    def _hear_an_answer(self, tell: Tell) -> None:
        if self._session.store_breaker.answered():
            tell("restored", where=self._session.store_breaker.where)

    async def _once(self, lane: Lane, may_begin: Callable[[], Awaitable[None]]) -> str:
        while True:
            stored = await self._uploads[0](
                lane, may_begin=may_begin, on_stored=self._recording.uploaded
            )
            began = self._loop.time()
            try:
                return await stored
            except ImageSkipped as skipped:
                if len(self._uploads) == 1 or skipped.saves == "bill":
                    raise
                self._uploads.popleft()  # gone or changed: the same content lies elsewhere too
            finally:
                self._spent_s += self._loop.time() - began
