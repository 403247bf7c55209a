"""What the tests of uploads share: images, and a network with somebody in between."""

import io
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from s2v_detect import DetectClient, RetryPolicy, ServiceUnavailable
from s2v_detect.emulator import Emulator, Error

FAST = RetryPolicy(max_attempts=2, first_wait_s=0.01, longest_wait_s=0.01)


NO_CREDENTIAL = httpx.Response(503, json={"code": "ServiceUnavailable"})


OK = httpx.Response(200)


def picture(seed: int = 0, form: str = "JPEG", size: tuple[int, int] = (420, 410)) -> bytes:
    """Return an image that no other seed gives."""
    file = io.BytesIO()
    shade = random.Random(seed).randbytes(3)
    Image.new("RGB", size, tuple(shade)).save(file, form)
    return file.getvalue()


class Between(httpx.AsyncHTTPTransport):
    """The network, with somebody in between who sees each request, and may answer it himself."""

    def __init__(self, meet: Callable[[httpx.Request], Awaitable[httpx.Response | None]]) -> None:
        super().__init__()
        self._meet = meet

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Let it go on unless it was answered."""
        return await self._meet(request) or await super().handle_async_request(request)


@asynccontextmanager
async def through(
    emulator: Emulator,
    meet: Callable[[httpx.Request], Awaitable[httpx.Response | None]],
    **options: Any,
) -> AsyncIterator[DetectClient]:
    """Open a client of an emulator behind such a network."""
    async with (
        httpx.AsyncClient(transport=Between(meet)) as http,
        emulator.client(http_client=http, **options) as client,
    ):
        yield client


def is_credential(request: httpx.Request) -> bool:
    """Whether it asks for a credential."""
    return request.method == "GET"


def is_upload(request: httpx.Request) -> bool:
    """Whether it goes to the store."""
    return request.url.path == "/store"


def xml(status: int, code: str) -> httpx.Response:
    """Return a refusal of the store."""
    return httpx.Response(status, text=f"<Error><Code>{code}</Code><Message>No.</Message></Error>")


def failing(*answers: httpx.Response | Exception, at: Callable[[httpx.Request], bool]) -> Any:
    """Return somebody in between who gives these answers there, the last of them again and again.

    An `ok` lets that request go on. `failing.met` counts them.
    """
    waiting = list(answers)

    async def meet(request: httpx.Request) -> httpx.Response | None:
        if not at(request):
            return None
        meet.met += 1  # type: ignore[attr-defined]  # a count beside the function
        answer = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        if isinstance(answer, Exception):
            raise answer
        return None if answer is OK else answer

    meet.met = 0  # type: ignore[attr-defined]  # as above
    return meet


async def upload_first(emulator: Emulator, ledger: Path, *pages: bytes) -> None:
    """Leave uploads behind, of images that got no answer."""
    emulator.when("*", Error(500, "InternalError"))
    async with emulator.client(ledger=ledger, retry=RetryPolicy(max_attempts=1)) as client:
        for page in pages:
            with pytest.raises(ServiceUnavailable):
                await client.check(page)
    emulator.reset()


class Odd(os.PathLike[str]):
    """A path of a user's own class."""

    def __init__(self, path: Callable[[], Any]) -> None:
        self._path = path

    def __fspath__(self) -> str:
        return self._path()  # type: ignore[no-any-return]  # that is what is odd
