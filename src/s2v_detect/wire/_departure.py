"""When one request's bytes leave this machine, and whether they did.

httpx's trace events tell that (measured right in every case tried), and stamp the turn at the
instant the bytes leave: the pace that counts is the one on the wire. A user's own transport may
emit no events; then some exceptions tell, and the rest is unknown.

They tell of one thing more: an answer that is read in no step of the event loop was in the
connection's buffer already, behind the answer before. It is not this image's: httpcore hands it out
all the same (seen with 1.0.9). To read from a socket takes a step at the least.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import httpx

from s2v_detect.errors import ConfigurationError
from s2v_detect.limiters import GRACE_S, Turn
from s2v_detect.wire._reach import Route

LONGEST_AFTERTIME_S = 2.0
"""Three hundred answers that wait in their sockets are read in half a second."""

_NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
    ConfigurationError,
)


class PoolQueue:
    """Lets requests into httpx's pool one after another.

    The pool gives one idle connection to all that ask in the same step of the event loop; all but
    one then ask again, each with a scan of the whole pool. Measured at 50 in flight: 4.9 ms of
    CPU a request without the queue, 1.0 with it. The first trace event of a request tells that it
    has its connection; a transport that has no events has no such pool, and needs no queue.
    """

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self.is_needed = True

    async def enter(self) -> Callable[[], None]:
        """Return when the way is free, with what to call once the request has its connection."""
        if not self.is_needed:
            return _nothing
        await self._lock.acquire()
        return self._lock.release


def _nothing() -> None:
    pass


class Departure:
    """Knows whether one request's bytes have left, and tells its turn.

    A connection that is not open within a short grace gives its turn back, so that the line goes
    on, and takes a new one before its bytes; the trace hook is awaited, so it can hold them.
    """

    def __init__(
        self, turn: Turn, retake: Callable[[], Awaitable[Turn]], on_left: Callable[[], None]
    ) -> None:
        self._turn: Turn | None = turn
        self._retake = retake
        self._on_left = on_left
        self._leave_queue = _nothing
        self._has_begun = False
        self._deadline: asyncio.Timeout | None = None
        self._timeout_s = 0.0
        self._grace: asyncio.TimerHandle | None = None
        self._end_of_time: asyncio.TimerHandle | None = None
        self._extensions: dict[str, Any] = {}
        self._was_here_before = False
        self.route = Route()
        self.has_events = False
        self.left = False
        """Whether the bytes have left, or must be taken to have."""

    async def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Httpx's `trace` extension."""
        if not self.has_events:
            self.has_events = True
            self.left = False  # if it was taken to have left, it had been waiting in the pool
            self._pass_queue()
        self.route.note(event, info)
        # A proxy's CONNECT has the same event; only the POST's own counts.
        if event.endswith(".send_request_headers.started") and info["request"].method == b"POST":
            if self._turn is None:
                self._turn = await self._retake()
            self._depart()
            self._extensions = getattr(info["request"], "extensions", {})
            # The deadline bounds all that follows. A bound of the transport's own would fire first
            # in a process that was suspended, and throw away what has come meanwhile.
            self._extensions.pop("timeout", None)
        elif self.left and event == "http11.receive_response_headers.started":
            self._was_here_before = True
            asyncio.get_running_loop().call_soon(self._has_waited)
        elif self.left and event == "http11.receive_response_headers.complete":
            # Nothing more is to be learned, and each further event would cost 5 µs.
            self._extensions.pop("trace", None)
            if self._was_here_before:
                raise httpx.RemoteProtocolError("the answer was here before its request")

    def _has_waited(self) -> None:
        self._was_here_before = False

    async def start(self, queue: PoolQueue, deadline: asyncio.Timeout, timeout_s: float) -> None:
        """Go through the queue and begin the grace; the deadline is when the bytes have left."""
        self._leave_queue = await queue.enter()
        self._has_begun = True
        self._deadline, self._timeout_s = deadline, timeout_s
        self._grace = asyncio.get_running_loop().call_later(GRACE_S, self._grace_over)

    def answered(self) -> None:
        """Settle the turn after an answer; of a transport without events it is stamped now."""
        self._stamp()
        self._end()

    def failed(self, error: BaseException) -> None:
        """Settle the turn after an error, and `left` with it."""
        if not self._has_begun or isinstance(error, _NEVER_SENT):
            self.left = False
            self._withdraw()
        elif self.has_events and not self.left:
            self._withdraw()
        else:
            self._stamp()
        self._end()

    def _end(self) -> None:
        self._pass_queue()
        self._stop_grace()
        self._stop_time()

    def _pass_queue(self) -> None:
        leave, self._leave_queue = self._leave_queue, _nothing
        leave()

    def _depart(self) -> None:
        self._stamp()
        self._stop_time()
        loop = asyncio.get_running_loop()
        due = loop.time() + self._timeout_s
        self._end_of_time = loop.call_at(due, self._time_is_over, due)

    def _time_is_over(self, due: float) -> None:
        """Give up, but first read what came while the loop was away: it may be a paid answer.

        A process that is continued after a stop hears of its timers and its sockets at once.
        """
        loop = asyncio.get_running_loop()
        away_s = min(loop.time() - due, LONGEST_AFTERTIME_S)
        self._end_of_time = loop.call_later(away_s, self._give_up)

    def _stop_time(self) -> None:
        if self._end_of_time is not None:
            self._end_of_time.cancel()

    def _give_up(self) -> None:
        if self._deadline is not None:
            self._deadline.reschedule(asyncio.get_running_loop().time())

    def _stamp(self) -> None:
        turn, self._turn = self._turn, None
        if turn is not None:
            self.left = True
            turn.left()
            self._stop_grace()
            on_left, self._on_left = self._on_left, _nothing  # told once
            on_left()

    def _withdraw(self) -> None:
        turn, self._turn = self._turn, None
        if turn is not None:
            turn.withdrawn()

    def _stop_grace(self) -> None:
        if self._grace is not None:
            self._grace.cancel()

    def _grace_over(self) -> None:
        if self.has_events:
            self._withdraw()
        else:
            # A transport without events may be sending by now: the slot must count as used.
            self._depart()
