"""A way to ask the emulator that is not our own client: plain httpx, one request, no retry."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from s2v_detect._service import CHECK_PATH, MODEL
from s2v_detect.emulator import Emulator

Ask = Callable[..., Awaitable[httpx.Response]]

IMAGE = "http://a.example/face.jpg"


@pytest.fixture
async def ask() -> AsyncIterator[Ask]:
    """Ask an emulator for a check; keyword arguments replace parts of the request."""
    async with httpx.AsyncClient(timeout=5.0) as http:

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
def examples() -> Path:
    """The folder with the example photographs in it."""
    return Path(__file__).parents[2] / "examples"
