"""One image before its line: looked at where it lies, or put where the service can fetch it.

An upload has retries of its own, by the client's policy. A stream's waits out an outage of the
store, as its checks do one of the service: no image fails for it.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Protocol

from s2v_detect._crew import Crew
from s2v_detect._gate import EndPassage
from s2v_detect._recording import Recording
from s2v_detect._retrying import is_unreached, retrying
from s2v_detect._subjects import Subject
from s2v_detect._turns import Lane
from s2v_detect.errors import DetectError, ImageSkipped, NotSent
from s2v_detect.ledger import LedgerEntry
from s2v_detect.models import EventKind


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
