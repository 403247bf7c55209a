"""The emulator's HTTP side: the check itself, the files of its folder, and what it reports."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import uuid4

from aiohttp import web

from s2v_detect._service import CHECK_PATH, COST_TIME_HEADER, REQUEST_ID_HEADER
from s2v_detect.emulator._asking import access_refused, image_asked_for, synthesis_refused
from s2v_detect.emulator._counting import Admission
from s2v_detect.emulator._folder import Folder, reached_at
from s2v_detect.emulator._looking import Looking
from s2v_detect.emulator._origins import refuse_other_sites
from s2v_detect.emulator._remote import follow
from s2v_detect.emulator._report import Arrival, Report
from s2v_detect.emulator._script import (
    Answer,
    Error,
    Latency,
    RejectShape,
    Reply,
    Script,
    Throttle,
    drawn_s,
)
from s2v_detect.emulator._sending import sent
from s2v_detect.emulator._store import Store

BASE_PATH = "/api/v1"
_CHECK_PATHS = tuple(f"{base}{CHECK_PATH}{end}" for base in (BASE_PATH, "") for end in ("", "/"))
"""The last three are other clients', whose settings leave out or add what the service has not."""
_SYNTHESIS_PATH = f"{BASE_PATH}/services/aigc/image2video/video-synthesis"

_ORIGIN_HEADER = "X-Emulator"  # "script" or "estimate": nobody takes it for the service itself
_GONE = Error(400, "InvalidParameter.DataInspection", "Unable to download the media resource.")
_FREE_USED_UP = Error(
    403, "AllocationQuota.FreeTierOnly", "The free tier of the model has been exhausted."
)


@dataclass
class Account:
    """What the pretended account is like."""

    api_key: str = field(repr=False)
    admission: Admission
    stop_when_free_used_up: bool
    reject_shape: RejectShape
    latency_s: Latency
    chance: random.Random


@dataclass
class Serving:
    """Answers every request; `origin` is set once the port is known."""

    account: Account
    script: Script
    report: Report
    looking: Looking
    folder: Folder | None
    store: Store
    clock: Callable[[], float]
    origin: str = ""
    _looks: set[asyncio.Task[Reply]] = field(default_factory=set)

    async def close(self) -> None:
        """Give up on the images that are still being looked at."""
        for task in tuple(self._looks):
            task.cancel()
        await asyncio.gather(*self._looks, return_exceptions=True)
        await self.looking.close()

    def application(self) -> web.Application:
        """Return the routes."""
        application = web.Application(middlewares=[refuse_other_sites])
        for path in _CHECK_PATHS:
            application.router.add_post(path, self._check)
        application.router.add_post(_SYNTHESIS_PATH, self._synthesis)
        self.store.add_routes(application, BASE_PATH, self.account.api_key)
        application.router.add_get("/files/{name:.+}", self._file)
        application.router.add_get("/emulator", self._reported)
        application.router.add_post("/emulator/reset", self._reset)
        application.router.add_post("/emulator/script", self._scripted)
        return application

    async def _check(self, request: web.Request) -> web.StreamResponse:
        return await self._answered(request, self._said)

    async def _synthesis(self, request: web.Request) -> web.StreamResponse:
        return await self._answered(request, self._said_of_synthesis)

    async def _answered(
        self, request: web.Request, said: Callable[[Arrival], Answer | None]
    ) -> web.StreamResponse:
        body = await request.read()  # until it is whole, there is no request
        with self.report.arrived(self.clock(), request.headers, body) as arrival:
            request_id = str(uuid4())
            answer = said(arrival)
            reply = (
                self._settled(arrival, answer, request_id)
                if answer
                else await self._estimated(arrival, request_id)
            )
            if latency_s := self._latency_s(answer):
                await asyncio.sleep(latency_s)
            headers = {
                REQUEST_ID_HEADER: request_id,
                COST_TIME_HEADER: str(round((self.clock() - arrival.at_s) * 1000)),
                _ORIGIN_HEADER: "script" if answer else "estimate",
            }
            return await sent(request, reply, headers)

    def _said(self, arrival: Arrival) -> Answer | None:
        """Return what can be said without looking at the image: None where it must be."""
        if refused := access_refused(arrival.headers, self.account.api_key):
            return refused
        asked = image_asked_for(arrival.headers, arrival.body)
        if isinstance(asked, Error):
            return asked
        arrival.image = asked
        if not self.account.admission.admit(arrival.at_s):
            return Throttle()
        if self.account.stop_when_free_used_up and self.report.free_used_up:
            return _FREE_USED_UP
        stored = self.store.file(asked)
        if self.store.is_ours(asked) and stored is None:
            return _GONE
        return self.script.answer(asked, stored.identity if stored else "")

    def _said_of_synthesis(self, arrival: Arrival) -> Answer:
        return synthesis_refused(arrival.headers, arrival.body, self.account.api_key)

    def _settled(self, arrival: Arrival, answer: Answer, request_id: str) -> Reply:
        reply = answer.reply(request_id, self.account.reject_shape)
        self.report.decided(arrival, reply.status, billed=reply.billed)
        return reply

    async def _estimated(self, arrival: Arrival, request_id: str) -> Reply:
        # The service goes on, and bills, when its client leaves: so this is a task of our own,
        # for the handler is cancelled when its connection ends.
        task = asyncio.create_task(self._look(arrival, request_id))
        self._looks.add(task)
        task.add_done_callback(self._looks.discard)
        return await asyncio.shield(task)

    async def _look(self, arrival: Arrival, request_id: str) -> Reply:
        stored = self.store.file(arrival.image or "")
        if stored:
            answer = await self.looking.answer_about(stored.content)
        else:
            answer = await self.looking.answer(reached_at(arrival.image or "", self.origin))
        return self._settled(arrival, answer, request_id)

    def _latency_s(self, answer: Answer | None) -> float:
        own = answer.latency_s if answer else None
        return drawn_s(self.account.latency_s if own is None else own, self.account.chance)

    async def _file(self, request: web.Request) -> web.StreamResponse:
        path = self.folder and self.folder.file(request.match_info["name"])
        return web.FileResponse(path) if path else web.Response(status=404)

    async def _reported(self, request: web.Request) -> web.StreamResponse:
        try:
            arrivals = int(request.query.get("arrivals", "100"))
        except ValueError:
            return web.json_response({"message": "arrivals must be a whole number"}, status=400)
        return web.json_response(self.report.as_json(arrivals=arrivals))

    async def _reset(self, _: web.Request) -> web.StreamResponse:
        self.report.reset()
        self.script.clear()
        return web.json_response(self.report.as_json())

    async def _scripted(self, request: web.Request) -> web.StreamResponse:
        try:
            follow(self.script, await request.read())
        except ValueError as error:
            return web.json_response({"message": str(error)}, status=400)
        return web.json_response({})
