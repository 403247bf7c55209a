"""The key is in no error, in none of its causes, and in no variable of a frame."""

import asyncio
import logging
import os
import pickle
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from s2v_detect import (
    ConfigurationError,
    DetectClient,
    DetectError,
    OutcomeUnknown,
    RetryPolicy,
    check_all,
)
from s2v_detect._redaction import bare
from s2v_detect.emulator import Cut, Emulator, Error, HalfBody, Pass, Silent

KEY = "sk-5f3a9c0d1e2b4a6f8c7d"
IMAGE = "https://images.example/face.jpg"
ONCE = RetryPolicy(max_attempts=1)
_DEEP = 5


def texts_in(value: object, deep: int, seen: set[int]) -> Iterator[str]:
    """Yield all that a collector of errors could show of a value, and what lies in it."""
    if isinstance(value, SecretStr) or id(value) in seen:
        return
    seen.add(id(value))
    yield repr(value)
    if isinstance(value, str | bytes | type) or not deep:
        return
    inner: list[object] = []
    if isinstance(value, dict):
        inner = [*value.keys(), *value.values()]
    elif isinstance(value, list | tuple | set | frozenset):
        inner = [*value]
    elif isinstance(value, httpx.Headers):
        inner = list(value.raw)
    elif not callable(value) or type(value).__module__.startswith(("s2v_detect", "http", "h11")):
        inner = [
            *getattr(value, "__dict__", {}).values(),
            *(getattr(value, name, None) for name in getattr(type(value), "__slots__", ())),
        ]
    for each in inner:
        yield from texts_in(each, deep - 1, seen)


def frames(traceback: TracebackType | None) -> Iterator[Any]:
    """Yield the frames of a traceback but those of this file and of the interpreter's own."""
    while traceback:
        name = traceback.tb_frame.f_code.co_filename
        if name != __file__ and "site-packages/_pytest" not in name:
            yield traceback.tb_frame
        traceback = traceback.tb_next


def assert_shows_no_key(error: BaseException) -> None:
    """Look into an error, its causes and contexts, their attributes and their frames."""
    left: list[BaseException | None] = [error]
    met: set[int] = set()
    seen: set[int] = {id(sys.modules), id(os.environ)}  # everybody's
    while left:
        each = left.pop()
        if each is None or id(each) in met:
            continue
        met.add(id(each))
        left += [each.__cause__, each.__context__]
        held = [str(each), repr(each), each.args, vars(each)]
        for frame in frames(each.__traceback__):
            held.append(dict(frame.f_locals))
        for text in texts_in(held, _DEEP + 2, seen):
            assert KEY not in text


async def nothing_there() -> str:
    """Return an address where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}/api/v1"


BAD: list[tuple[str, dict[str, Any]]] = [
    ("model", {"model": ""}),
    ("base URL", {"base_url": "nonsense"}),
    ("base URL", {"base_url": "https://a.example:port/"}),
    ("base URL", {"base_url": "https://[::1"}),
    ("base URL", {"base_url": "http://a.example/api/v1"}),
    ("base URL", {"base_url": "https://" + "ü" * 70 + ".example/api/v1"}),
    ("workspace", {"workspace": "a.b"}),
    ("timeout_s", {"timeout_s": 0}),
    ("max_in_flight", {"max_in_flight": 0}),
    ("max_cost", {"max_cost": "much"}),
    ("preflight", {"preflight": "yes"}),
    ("API key", {"api_key": KEY + " x"}),
    ("API key", {"api_key": KEY + "\n\x00"}),
]


@pytest.mark.parametrize(("told", "options"), BAD, ids=str)
@pytest.mark.parametrize("make", [DetectClient, lambda **options: check_all([IMAGE], **options)])
def test_a_client_that_can_not_be_made_holds_the_key_nowhere(
    told: str, options: dict[str, Any], make: Callable[..., object]
) -> None:
    """Given or of the environment: in no frame, no cause and no pickle."""
    with pytest.raises(ConfigurationError, match=told) as raised:
        make(**{"api_key": KEY, **options})
    assert_shows_no_key(raised.value)
    assert KEY.encode() not in pickle.dumps(raised.value)


def test_a_key_of_the_environment_or_a_file_is_held_nowhere_either(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A file that is no text: the error of its decoding would hold its bytes."""
    monkeypatch.setenv("DASHSCOPE_API_KEY", KEY)
    with pytest.raises(ConfigurationError) as raised:
        DetectClient(base_url="http://a.example/")
    assert_shows_no_key(raised.value)
    monkeypatch.delenv("DASHSCOPE_API_KEY")
    (tmp_path / "key").write_bytes(KEY.encode() + b"\xff\xfe")
    monkeypatch.setenv("DASHSCOPE_API_KEY_FILE_PATH", str(tmp_path / "key"))
    with pytest.raises(ConfigurationError, match="can't be read") as raised:
        DetectClient()
    assert_shows_no_key(raised.value)


def test_a_client_that_was_not_made_has_a_repr() -> None:
    """What gathers errors shows `self`, too."""
    client = DetectClient.__new__(DetectClient)
    assert repr(client) == "<DetectClient not made, not open>"


def test_no_value_of_a_client_shows_the_key() -> None:
    """Itself, its settings, and whatever it holds."""
    client = DetectClient(KEY)
    for text in texts_in(client, _DEEP, set()):
        assert KEY not in text
    assert DetectClient(SecretStr(KEY)).spend.billed == 0


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    """One that asks for the key."""
    async with Emulator(api_key=KEY) as emulator:
        emulator.when("*/cut.jpg", Cut())
        emulator.when("*/half.jpg", HalfBody())
        emulator.when("*/silent.jpg", Silent())
        emulator.when("*/echo.jpg", Error(400, "InvalidParameter", f"no {KEY}, Bearer {KEY}"))
        emulator.when("*/denied.jpg", Error(401, "InvalidApiKey", f"Incorrect API key: {KEY}"))
        yield emulator


@pytest.mark.parametrize("name", ["cut", "half", "silent", "echo", "denied"])
async def test_a_check_that_fails_holds_the_key_nowhere(
    name: str, emulator: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor do the logs of the HTTP libraries, at their most talkative; nor the outcome's line."""
    caplog.set_level(logging.DEBUG)
    async with emulator.client(timeout_s=0.5, retry=ONCE, on_unknown="keep") as client:
        with pytest.raises(DetectError) as raised:
            await client.check(f"https://images.example/{name}.jpg")
        assert_shows_no_key(raised.value)
        assert KEY.encode() not in pickle.dumps(raised.value)
        if name != "denied":
            async for outcome in client.aiter_check([f"https://images.example/{name}.jpg"]):
                assert KEY not in outcome.model_dump_json()
                assert KEY not in repr(outcome)
    assert emulator.requests
    assert KEY not in caplog.text


async def test_a_connection_that_can_not_be_made_shows_no_key() -> None:
    """Refused, by a proxy that is none, and for an upload's credential."""
    elsewhere = await nothing_there()
    async with DetectClient(KEY, base_url=elsewhere, retry=ONCE) as client:
        for image in (IMAGE, Path(__file__).parents[2] / "examples/photographs/portrait.jpg"):
            with pytest.raises(DetectError) as raised:
                await client.check(image)
            assert raised.value.__cause__ is not None
            assert_shows_no_key(raised.value)
    proxy = elsewhere.removesuffix("/api/v1")
    async with (
        httpx.AsyncClient(proxy=proxy) as http,
        DetectClient(KEY, retry=ONCE, http_client=http) as client,
    ):
        with pytest.raises(DetectError) as raised:
            await client.check(IMAGE)
        assert_shows_no_key(raised.value)


class _Broken(httpx.AsyncByteStream):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b'{"output"'
        raise httpx.ReadError("broken")


@pytest.mark.parametrize(
    ("kind", "error"),
    [("body", OutcomeUnknown), ("write", OutcomeUnknown), ("foreign", RuntimeError)],
)
async def test_a_transport_that_fails_with_the_request_in_hand_shows_no_key(
    kind: str, error: type[Exception]
) -> None:
    """Errors of httpx carry the request, whose headers a repr hides and the values do not."""

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["Authorization"] == f"Bearer {KEY}"
        if kind == "write":
            raise httpx.WriteError("broken", request=request)
        if kind == "foreign":
            raise RuntimeError("a fault of somebody's transport")
        return httpx.Response(200, stream=_Broken())

    async with (
        httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http,
        DetectClient(KEY, retry=ONCE, http_client=http, on_unknown="keep") as client,
    ):
        with pytest.raises(error) as raised:
            await client.check(IMAGE)
    assert_shows_no_key(raised.value)


async def test_a_cancelled_check_shows_no_key(emulator: Emulator) -> None:
    """What came of the cancellation is chained, frames and all."""
    async with emulator.client(timeout_s=0.2) as client:
        with pytest.raises(DetectError) as raised:
            await client.check("https://images.example/silent.jpg", give_up_after_s=0.1)
        assert_shows_no_key(raised.value)
        task = asyncio.ensure_future(client.check("https://images.example/silent.jpg"))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as cancelled:
            await task
        assert_shows_no_key(cancelled.value)


async def test_a_key_that_is_a_part_of_words_spoils_no_answer(
    urls: Callable[[int], list[str]],
) -> None:
    """Tests have such keys; an answer is cleared of real ones alone."""
    for key in ("k", "check_pass", "sk-1"):
        async with Emulator(api_key=key, answer=Pass()) as emulator, emulator.client() as client:
            assert (await client.check(urls(1)[0])).check_pass


def test_an_error_made_bare_has_no_frames_however_it_is_nested() -> None:
    """Its causes, contexts and the members of its groups; what they say stays."""
    with pytest.raises(OSError, match="first") as first:
        open("/nowhere/first")  # noqa: PTH123, SIM115  # for its error
    with pytest.raises(ExceptionGroup) as raised:
        raise ExceptionGroup("both", [ValueError("second"), first.value]) from first.value
    group = raised.value
    assert bare(group) is group
    assert group.__traceback__ is None
    assert group.exceptions[1].__traceback__ is None
    assert "first" in str(group.__cause__)
