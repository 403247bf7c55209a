"""The emulator itself: its lifetime, its address, and what a test asks of it."""

import asyncio
import math
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from decimal import Decimal
from hashlib import sha256
from os import PathLike
from pathlib import Path
from typing import Any, Literal, Self, Unpack, cast, get_args

from aiohttp import web
from anyio.from_thread import start_blocking_portal

from s2v_detect import ClientOptions, DetectClient, LocalLimiter, Preflight
from s2v_detect._waiting import AsyncOnly
from s2v_detect.emulator._counting import Counting, counted
from s2v_detect.emulator._door import Door
from s2v_detect.emulator._folder import Folder, url_of
from s2v_detect.emulator._looking import Looking
from s2v_detect.emulator._report import Arrival, Report
from s2v_detect.emulator._script import Latency, RejectShape, Script, Step
from s2v_detect.emulator._serving import BASE_PATH, Account, Serving
from s2v_detect.emulator._store import Store
from s2v_detect.options import is_number

_GRACE_S = 0.1  # for answers that are on their way when the emulator closes


class Emulator(AsyncOnly):
    """A local stand-in for the service, on a real socket, while its `async with` is open.

    It asks for `api_key`, keeps the account's rate, bills, and answers by the script of `when`;
    where no rule fits it gives `answer`, or, without one, looks at the image for real. What it
    then says of the image is an estimate: a frontal face found by a small cascade, not the
    service's own judgement. It says so in the message and in the header `X-Emulator`.

    Args:
        host: Where to listen. It fetches any URL that it is given, so leave it on this machine.
        port: 0 takes a free one.
        api_key: The key it asks for.
        counting: How the rate is counted: "sliding" (any trailing second), "fixed" (seconds of
            the clock), "bucket", "spaced", or "none": no limit, since `client()` has none either.
        rate: Requests a second that the account may make.
        rejected_count_too: Whether requests that got a 429 count in the rate.
        free_images: How many images cost nothing; they are used first.
        stop_when_free_used_up: Whether the account refuses to pay when they are used up.
        reject_shape: "200" as the page has it, billed; "400" as others have seen it, free.
        answer: What an image gets that no rule fits: an answer, or a callable of its URL (`mix`).
            None looks at the image.
        folder: A folder whose files are images under `url_of(name)`.
        latency_s: Seconds before an answer that has no latency of its own, or a range of them.
        seed: Makes latencies drawn from a range the same in every run.
        fetch_timeout_s: Seconds an image's host may take.
        clock: Seconds that never run backwards, by which the rate is counted.

    Example:
        >>> import asyncio
        >>> from s2v_detect.emulator import Emulator, Pass, Reject
        >>> async def main() -> bool:
        ...     async with Emulator(answer=Pass()) as emulator, emulator.client() as client:
        ...         emulator.when("*/blurred-*", Reject("InvalidFile.FullFace"))
        ...         return (await client.check("http://a.example/blurred-1.jpg")).check_pass
        >>> asyncio.run(main())
        False
    """

    _without_async = "`Emulator.run_in_thread()`"

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        api_key: str = "sk-emulator",
        counting: Counting = "none",
        rate: float = 5.0,
        rejected_count_too: bool = False,
        free_images: int = 0,
        stop_when_free_used_up: bool = False,
        reject_shape: RejectShape = "200",
        answer: Step | None = None,
        folder: str | PathLike[str] | None = None,
        latency_s: Latency = 0.0,
        seed: int = 0,
        fetch_timeout_s: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        _refuse_texts(host=host, api_key=api_key)
        if reject_shape not in get_args(RejectShape):
            raise ValueError(f'reject_shape is {reject_shape!r}. Give "200" or "400".')
        if not callable(clock):
            raise TypeError(f"clock is {clock!r}. Give a function that returns seconds.")
        _refuse_numbers(
            port=port, rate=rate, free_images=free_images, fetch_timeout_s=fetch_timeout_s
        )
        for each in latency_s if isinstance(latency_s, tuple) else (latency_s,):
            _refuse_numbers(latency_s=each)
        self.host = host
        self.port = port
        self.api_key = api_key
        self.report = Report(free_images=free_images)
        self.store = Store(clock)
        self._script = Script(answer)
        self._account = Account(
            api_key=api_key,
            admission=counted(counting, rate, rejected_count_too=rejected_count_too),
            stop_when_free_used_up=stop_when_free_used_up,
            reject_shape=reject_shape,
            latency_s=latency_s,
            chance=random.Random(seed),  # noqa: S311  # latencies are no secret
        )
        self._folder = None if folder is None else Folder(Path(folder))
        self._fetch_timeout_s = fetch_timeout_s
        self._clock = clock
        self._closing: AsyncExitStack | None = None

    async def __aenter__(self) -> Self:
        if self._closing is not None:
            raise RuntimeError("This emulator is open already.")
        async with AsyncExitStack() as stack:
            await self._open(stack)
            self._closing = stack.pop_all()
        return self

    async def _open(self, stack: AsyncExitStack) -> None:
        self._loop = asyncio.get_running_loop()
        self._closed = asyncio.Event()
        looking = Looking(timeout_s=self._fetch_timeout_s)
        serving = Serving(
            self._account,
            self._script,
            self.report,
            looking,
            self._folder,
            self.store,
            self._clock,
        )
        stack.push_async_callback(serving.close)
        runner = web.AppRunner(
            serving.application(),
            access_log=None,
            handler_cancellation=True,  # a silent answer ends when its client leaves
            shutdown_timeout=_GRACE_S,
        )
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        protocols = cast("Callable[[], asyncio.BaseProtocol]", runner.server)  # None before setup()
        self._door = Door(self.host, self.port, protocols)
        stack.push_async_callback(self._door.close)
        self.port = self._door.port
        serving.origin = self.origin

    async def __aexit__(self, *_: object) -> None:
        if self._closing is not None:
            closing, self._closing = self._closing, None
            self._closed.set()
            await closing.aclose()

    async def wait(self) -> None:
        """Return when the emulator is closed."""
        await self._closed.wait()

    @classmethod
    @contextmanager
    def run_in_thread(cls, **options: Any) -> Iterator["Emulator"]:
        """Run an emulator in a thread of its own, with a loop of its own, inside the block.

        For code that is not async, or that has its own event loop. The options are the class's.

        Example:
            >>> from s2v_detect import check_all
            >>> from s2v_detect.emulator import Emulator, Pass
            >>> with Emulator.run_in_thread(answer=Pass()) as emulator:
            ...     outcomes = check_all(
            ...         ["https://example.com/face.jpg"],
            ...         api_key=emulator.api_key,
            ...         base_url=emulator.base_url,
            ...     )
            >>> outcomes[0].kind
            'checked'
        """
        with (
            start_blocking_portal() as portal,
            portal.wrap_async_context_manager(cls(**options)) as emulator,
        ):
            yield emulator

    @property
    def origin(self) -> str:
        """The address of the server, without a path."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @property
    def base_url(self) -> str:
        """What a client takes as `base_url`."""
        return self.origin + BASE_PATH

    def url_of(self, name: str) -> str:
        """Return the image URL of a file in the emulator's folder."""
        return url_of(name)

    def client(self, **options: Unpack[ClientOptions]) -> DetectClient:
        """Return a client for this emulator, not yet open, with the limit lifted.

        The options are the client's own and go before: a `limiter` puts a limit back.
        """
        given: ClientOptions = {
            "api_key": self.api_key,
            "base_url": self.base_url,
            "limiter": LocalLimiter(math.inf),
            **options,
        }
        preflight = given.get("preflight")
        if isinstance(preflight, Preflight):  # its images may be on this machine, as it is
            given["preflight"] = preflight.model_copy(update={"allow_private": True})
        return DetectClient(**given)

    def when(
        self,
        pattern: str | PathLike[str] | bytes,
        *answers: Step,
        each: Literal["image", "request"] = "image",
    ) -> None:
        """Give images whose URL fits `pattern` these answers, one after another; the last stays.

        The pattern is of the shell's kind; the newest that fits decides, and one of the same
        pattern is replaced. A file or bytes stand for what is uploaded with the same content. With
        `each="image"` every image goes through the answers by itself, with `each="request"`
        requests take them as they come.
        """
        if isinstance(pattern, PathLike):
            pattern = Path(pattern).read_bytes()
        if isinstance(pattern, bytes):
            pattern = f"sha256:{sha256(pattern).hexdigest()}"
        self._script.when(pattern, *answers, each=each)

    def reset(self) -> None:
        """Forget every request, bill and rule. The rate goes on counting."""
        self.report.reset()
        self._script.clear()

    @asynccontextmanager
    async def not_accepting(self) -> AsyncIterator[None]:
        """Leave new connections unanswered inside the block: connecting is slow, or times out.

        Connections that are open work on. Afterwards a connection that is still waited for opens
        when the kernel knocks again, by its own clock: a second later, then three. This rests on
        how Linux treats a full queue; where a system accepts all the same it is a RuntimeError.
        May be used from another event loop than the emulator's.
        """
        shut = self._door.shut()
        await self._in_own_loop(shut.__aenter__())
        try:
            yield
        finally:
            await self._in_own_loop(shut.__aexit__(None, None, None))

    async def _in_own_loop(self, work: Coroutine[Any, Any, Any]) -> None:
        running = asyncio.run_coroutine_threadsafe(work, self._loop)
        await asyncio.shield(asyncio.wrap_future(running))

    @property
    def arrivals(self) -> list[Arrival]:
        """The last 10,000 requests, oldest first, with their headers and bodies."""
        return self.report.arrivals

    @property
    def requests(self) -> int:
        """How many requests came, whatever they got."""
        return self.report.requests

    @property
    def statuses(self) -> Counter[int]:
        """How many requests got which status."""
        return self.report.statuses

    @property
    def bills(self) -> Counter[str]:
        """How often each image was billed: the service knows no image twice."""
        return self.report.bills

    @property
    def billed(self) -> int:
        """How many images were answered and billed, the free ones among them."""
        return self.report.billed

    @property
    def free_used(self) -> int:
        """How many of the free images are used up."""
        return self.report.free_used

    @property
    def cost(self) -> Decimal:
        """CNY to pay: every billed image that was not free."""
        return self.report.cost

    @property
    def throttled(self) -> int:
        """How many requests got a 429."""
        return self.report.throttled

    @property
    def busiest_second(self) -> int:
        """How many requests came within any one second, at most; 429s among them."""
        return self.report.busiest_second

    @property
    def in_flight(self) -> int:
        """How many requests are being answered now."""
        return self.report.in_flight

    @property
    def most_in_flight(self) -> int:
        """How many requests were being answered at one time, at most."""
        return self.report.most_in_flight


def _refuse_texts(**texts: object) -> None:
    for name, text in texts.items():
        if not isinstance(text, str) or not text:
            raise TypeError(f"{name} is {text!r}. Give a str, or leave it out.")


def _refuse_numbers(**numbers: object) -> None:
    """Raise `ValueError` for what is no number, or below 0; 0 may mean something."""
    for name, number in numbers.items():
        if not is_number(number) or number < 0:
            raise ValueError(f"{name} is {number!r}. Give a number, 0 or more.")
