"""A way to ask the emulator that is not our own client: plain httpx, one request, no retry."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from s2v_detect._service import CHECK_PATH, MODEL
from s2v_detect.emulator import Emulator

Ask = Callable[..., Awaitable[httpx.Response]]

IMAGE = "http://a.example/face.jpg"


@pytest.fixture(scope="session")
def tls() -> ssl.SSLContext:
    """What httpx would make anew for every client, in most of a test's time."""
    return ssl.create_default_context()


@pytest.fixture
async def ask(tls: ssl.SSLContext) -> AsyncIterator[Ask]:
    """Ask an emulator for a check; keyword arguments replace parts of the request."""
    async with httpx.AsyncClient(timeout=5.0, verify=tls) as http:

        async def asked(
            emulator: Emulator,
            image: str = IMAGE,
            *,
            model: str = MODEL,
            headers: dict[str, str] | None = None,
            **replaced: Any,
        ) -> httpx.Response:
            request: dict[str, Any] = {
                "headers": {"Authorization": f"Bearer {emulator.api_key}", **(headers or {})},
                "json": {"model": model, "input": {"image_url": image}},
            }
            return await http.post(emulator.base_url + CHECK_PATH, **{**request, **replaced})

        yield asked


@pytest.fixture
def until() -> Callable[[Callable[[], object]], Awaitable[None]]:
    """Wait until something is so; fail after a while."""

    async def wait(is_so: Callable[[], object]) -> None:
        async with asyncio.timeout(5):
            while not is_so():  # the emulator's counts announce nothing
                await asyncio.sleep(0.001)

    return wait


@pytest.fixture
def examples() -> Path:
    """The folder with the example photographs in it."""
    return Path(__file__).parents[2] / "examples"
