"""From the flight's task to the transport: few frames of ours, on every attempt."""

import inspect
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import FrameType

import httpx
import pytest

import s2v_detect
from s2v_detect import DetectClient, RetryPolicy
from s2v_detect.emulator import Emulator

MOST = 5
OURS = str(Path(s2v_detect.__file__).parent)
IMAGE = "https://images.example/face.jpg"
QUICK = RetryPolicy(first_wait_s=0.001, longest_wait_s=0.001)


class Counting(httpx.AsyncBaseTransport):
    """A transport that throttles some requests, then answers; it counts the frames above it."""

    def __init__(self, throttled: int) -> None:
        self.frames: list[list[str]] = []
        self._throttled = throttled

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer, and remember which functions of ours stand above."""
        found, frame = [], inspect.currentframe()
        while frame is not None:
            if frame.f_code.co_filename.startswith(OURS):
                found.append(_name(frame))
            frame = frame.f_back
        self.frames.append(found)
        if len(self.frames) <= self._throttled:
            return httpx.Response(429, json={"code": "Throttling", "message": "slower"})
        told = {"output": {"check_pass": True}, "usage": {"image_count": 1}}
        return httpx.Response(200, json=told)


def _name(frame: FrameType) -> str:
    return f"{Path(frame.f_code.co_filename).stem}.{frame.f_code.co_name}"


async def check(client: DetectClient) -> None:
    """Check one image."""
    await client.check(IMAGE)


async def stream(client: DetectClient) -> None:
    """Check one image in a stream."""
    assert len([outcome async for outcome in client.aiter_check([IMAGE])]) == 1


@pytest.mark.parametrize("use", [check, stream])
@pytest.mark.parametrize("throttled", [0, 1, 3])
async def test_few_frames_of_ours_stand_above_the_transport(
    emulator: Emulator, use: Callable[[DetectClient], Awaitable[None]], throttled: int
) -> None:
    """The flight, the check, its request, the endpoint's post and its exchange."""
    transport = Counting(throttled)
    http = httpx.AsyncClient(transport=transport)
    async with http, emulator.client(http_client=http, retry=QUICK) as client:
        await use(client)
    assert len(transport.frames) == throttled + 1
    for found in transport.frames:
        assert 0 < len(found) <= MOST, found
