"""A page on which visitors have their portraits checked, and the same for programs.

    python examples/web_app.py                           # at an emulator: no key, no cost
    uvicorn --app-dir examples --workers 2 web_app:app   # DASHSCOPE_API_KEY

All workers stand in one line and share one ledger. A visitor sees the place in the line, and then
the verdict, as server-sent events. They come in the answer to the picture itself: so no worker must
know what another one was given, and a visitor who leaves ends the check. One that is still in line
costs nothing then. One that was sent is finished and recorded: it is free for the next who asks.
"""

import argparse
import asyncio
import gc
import os
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal

import uvicorn
from fastapi import Depends, FastAPI, Form, HTTPException, Request, UploadFile
from fastapi.responses import FileResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel

from s2v_detect import Budget, ConfigurationError, DetectError, Event, Verdict
from s2v_detect.integrations.fastapi import (
    Detector,
    add_problem_handlers,
    lifespan,
    problem_of,
    problems,
    while_present,
)

HERE = Path(__file__).parent
LEDGER = os.environ.get("WEB_APP_LEDGER", "portraits.db")
A_DAY = Budget(per_day=20)  # CNY: the page is open to everybody

LONGEST_WAIT_S = 30  # of a visitor, who sees the line move
LONGEST_BLIND_WAIT_S = 5  # of a program, which sees nothing
GIVE_UP_AFTER_S = 60
GAP_S = 0.2  # from one of the line to the next
LOOK_EVERY_S = 0.25
TELL_EVERY_S = 1.0
SEEN_AFTER_S = 1.0  # so long it takes to see a line as long as it is

MOST_BYTES = 5 << 20  # of a picture: those of all who wait are in memory
MOST_BODY_BYTES = MOST_BYTES + (64 << 10)
MOST_URL_CHARACTERS = 4096

_TOLD = {"schema": {"type": "object", "properties": {"detail": {"type": "string"}}}}
UNREAD: dict[int | str, dict[str, Any]] = {
    400: {"description": "The body can't be read", "content": {"application/json": _TOLD}},
    413: {
        "description": "The file is too large; as plain text: the whole body is",
        "content": {"application/json": _TOLD, "text/plain": {"schema": {"type": "string"}}},
    },
}
"""What FastAPI answers in OpenAPI, where it tells nothing of it by itself."""

PAGE_HEADERS = {
    # Pictures come from where the visitor's addresses say. All else is the page's own.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self';"
    " connect-src 'self'; img-src 'self' blob: https: http:; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}


# The line, as a visitor sees it


class Place(BaseModel):
    """Where a visitor is: in line, or past the line."""

    stage: Literal["line", "sent"]
    ahead: int = 0
    """People before this one, about."""
    wait_s: float = 0.0
    """Seconds until the turn, about."""


class Visit:
    """One visitor, and the check that the visitor waits for."""

    def __init__(self, image: str | bytes, check: asyncio.Task[Verdict]) -> None:
        self.image = image
        self.check = check
        self.came_at = self._told_at = asyncio.get_running_loop().time()
        self._wait_s = 0.0
        self._news = asyncio.Event()
        check.add_done_callback(lambda _: self.tell())

    def tell(self) -> None:
        """Let the visitor hear of what is new."""
        self._news.set()

    async def news(self) -> None:
        """Return when something is new, or it is time to look at the line."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_EVERY_S):
                await self._news.wait()
        self._news.clear()

    def wait_s(self, by_line_s: float, now: float) -> float:
        """Return the seconds until the turn.

        The line knows of those who have left, and counts the later ones of other workers too. The
        clock counts nobody, but what it began with had to be seen first.
        """
        by_clock_s = self._wait_s - (now - self._told_at)
        is_new = now - self.came_at < SEEN_AFTER_S
        self._wait_s = max(0.0, (max if is_new else min)(by_clock_s, by_line_s))
        self._told_at = now
        return self._wait_s


class Visitors:
    """The visitors of this worker who stand in line, the first first."""

    def __init__(self) -> None:
        self._in_line: list[Visit] = []
        self._forecasts: deque[tuple[float, float]] = deque()

    def add(self, visit: Visit) -> None:
        """Let a visitor stand at the end of the line."""
        self._in_line.append(visit)

    def remove(self, visit: Visit) -> None:
        """Let a visitor out of the line, who may be out already."""
        if visit in self._in_line:
            self._in_line.remove(visit)
            visit.tell()

    def watch(self, event: Event) -> None:
        """Take those out of the line whose turn has come: `on_event` of the client."""
        if event.kind == "turn":
            for visit in [each for each in self._in_line if each.image == event.image]:
                self.remove(visit)

    def place_of(self, visit: Visit, forecast_s: float) -> Place:
        """Return where a visitor is; `forecast_s` is for one who would come now."""
        if visit not in self._in_line:
            return Place(stage="sent")
        now = asyncio.get_running_loop().time()
        before = self._in_line.index(visit)
        behind = len(self._in_line) - before - 1
        by_line_s = self._longest(forecast_s, now) - (behind + 1) * GAP_S
        wait_s = visit.wait_s(max(by_line_s, before * GAP_S), now)
        return Place(stage="line", ahead=round(wait_s / GAP_S), wait_s=round(wait_s, 1))

    def _longest(self, forecast_s: float, now: float) -> float:
        """Return the longest forecast of late.

        While another worker writes into its ledger that its next one is sent, its line is not seen.
        """
        self._forecasts.append((now, forecast_s))
        while self._forecasts[0][0] < now - SEEN_AFTER_S:
            self._forecasts.popleft()
        return max(each for _, each in self._forecasts)


visitors = Visitors()  # of this worker: each has its own copy of this module
app = FastAPI(
    title="Portrait check",
    lifespan=lifespan(ledger=LEDGER, max_cost=A_DAY, on_event=visitors.watch),
    max_body_size=MOST_BODY_BYTES,  # what is longer is not read to its end
    form_limits={"max_files": 1, "max_fields": 1},
)
add_problem_handlers(app)


# For visitors


@app.get("/", include_in_schema=False)
async def page() -> FileResponse:
    """Return the page."""
    return FileResponse(HERE / "web_page" / "index.html", headers=PAGE_HEADERS)


app.mount("/static", StaticFiles(directory=HERE / "web_page" / "static"))
app.mount("/photographs", StaticFiles(directory=HERE / "photographs"))

# What was imported is never garbage. Each full look through it would hold up the loop for 100 ms.
gc.freeze()


async def portrait_of(
    url: Annotated[str, Form(max_length=MOST_URL_CHARACTERS)] = "",
    file: UploadFile | None = None,
) -> str | bytes:
    """Return what a form asks for: the bytes of a file, else an address."""
    if file and file.size:
        if file.size > MOST_BYTES:
            raise HTTPException(413, f"The file is too large. At most {MOST_BYTES >> 20} MB.")
        return await file.read()
    if not url.strip():
        raise HTTPException(422, "There is no portrait. Give an address, or a file.")
    return url.strip()


async def visited(
    image: Annotated[str | bytes, Depends(portrait_of)], client: Detector
) -> AsyncIterator[Visit]:
    """Have a visitor in line, until the answer has ended: at its end, or as the visitor leaves."""
    checking = client.check(image, max_wait_s=LONGEST_WAIT_S, give_up_after_s=GIVE_UP_AFTER_S)
    visit = Visit(image, asyncio.create_task(checking))
    visitors.add(visit)
    try:
        yield visit
    finally:
        visitors.remove(visit)
        visit.check.cancel()
        await asyncio.wait([visit.check])
        if not visit.check.cancelled():
            visit.check.exception()  # is retrieved, also where the visitor did not wait for it


@app.post(
    "/checks",
    response_class=EventSourceResponse,
    responses=problems(ConfigurationError) | UNREAD,
)
async def follow(
    visit: Annotated[Visit, Depends(visited)], client: Detector
) -> AsyncIterator[ServerSentEvent]:
    """Tell the visitor's `place` whenever it changes, and at the end a `verdict` or a `problem`."""
    told: Place | None = None
    told_at = 0.0
    while not visit.check.done():
        place = visitors.place_of(visit, client.forecast_s())
        now = asyncio.get_running_loop().time()
        is_next = told is None or place.stage != told.stage or now - told_at >= TELL_EVERY_S
        if is_next and place != told:
            yield ServerSentEvent(event="place", data=place)
            told, told_at = place, now
        await visit.news()
    error = visit.check.exception()
    if isinstance(error, DetectError):
        yield ServerSentEvent(event="problem", data=problem_of(error))
    else:
        yield ServerSentEvent(event="verdict", data=visit.check.result())


# For programs


class Portrait(BaseModel):
    """What a program sends."""

    url: Annotated[str, Form(max_length=MOST_URL_CHARACTERS)]


@app.post("/portraits", responses=problems() | UNREAD)
async def check(portrait: Portrait, request: Request, client: Detector) -> Verdict:
    """Return the verdict, or 503 at once where the line is longer than five seconds."""
    return await checked(portrait.url, request, client)


@app.post("/portraits/file", responses=problems() | UNREAD)
async def check_file(file: UploadFile, request: Request, client: Detector) -> Verdict:
    """Return the verdict on an uploaded portrait; what can't pass is refused without being sent.

    It goes through the vendor's temporary store, which is meant for development and testing: in
    production put the file where you host images, and check its address.
    """
    return await checked(await portrait_of(file=file), request, client)


async def checked(image: str | bytes, request: Request, client: Detector) -> Verdict:
    """Return the verdict, as long as the visitor waits for it."""
    checking = client.check(image, max_wait_s=LONGEST_BLIND_WAIT_S, give_up_after_s=GIVE_UP_AFTER_S)
    return await while_present(request, checking)


# To try it


def main() -> None:
    """Serve the page by several workers, which ask one emulator."""
    from s2v_detect.emulator import Emulator  # noqa: PLC0415  # an extra, and not for production

    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 lets a phone reach it")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    with (
        TemporaryDirectory() as folder,
        Emulator.run_in_thread(counting="sliding", latency_s=(0.4, 1.2)) as emulator,
    ):
        os.environ |= {
            "DASHSCOPE_API_KEY": emulator.api_key,
            "DASHSCOPE_BASE_URL": emulator.base_url,
            "S2V_DETECT_STATE_DIR": folder,
            "WEB_APP_LEDGER": str(Path(folder, "portraits.db")),
        }
        uvicorn.run(
            "web_app:app",
            app_dir=str(HERE),
            host=options.host,
            port=options.port,
            workers=options.workers,
            timeout_worker_healthcheck=60,  # a busy machine takes its time to start a worker
        )
        print(f"The emulator was asked {emulator.requests} times: {dict(emulator.statuses)}.")


if __name__ == "__main__":
    main()
