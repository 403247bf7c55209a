"""The calls to Redis: by a client of our own in a thread, or by one that was given.

Both are bounded, try once, and end whoever waits. redis-py 8 retries ten times by default, and one
call to a frozen server can take 50 s; so our own client is told to try once.
"""

import asyncio
import re
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import cache
from hashlib import sha1
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from urllib.parse import urlsplit

from s2v_detect._version import missing
from s2v_detect._waiting import task_of
from s2v_detect.errors import ConfigurationError
from s2v_detect.limiters._redis._script import FIGURES, Heard, OtherLayout

if TYPE_CHECKING:
    from redis.asyncio import Redis, RedisCluster

BOUND_S = 0.3
"""Of one call."""
_DATABASE = re.compile("(/[0-9]*)?")
_AGEING = 1.1  # of the shortest way: it may be longer tomorrow


class Answer(NamedTuple):
    """What the script said, and when the call began and ended on this process's clock."""

    reply: list[bytes | str]
    began: float
    ended: float


@cache
def script() -> tuple[str, str]:
    """Return the script, and what Redis calls a script that it has. Read at the first line."""
    from importlib.resources import files  # noqa: PLC0415  # for this limiter alone

    text = FIGURES + files(__package__).joinpath("line.lua").read_text(encoding="utf-8")
    return text, sha1(text.encode(), usedforsecurity=False).hexdigest()


class ServerTime:
    """The server's clock against ours, and how long a call is on its way."""

    def __init__(self) -> None:
        self.ahead_s = 0.0
        self.way_s = 0.0
        self._is_known = False

    def measure(self, answer: Answer, server_time: float) -> None:
        """Learn from a call: the shortest way tells the time best, until a clock was set."""
        way_s = answer.ended - answer.began
        ahead_s = server_time - (answer.began + answer.ended) / 2
        was_set = abs(ahead_s - self.ahead_s) > (way_s + self.way_s) / 2
        if way_s <= self.way_s or was_set or not self._is_known:
            self._is_known = True
            self.ahead_s, self.way_s = ahead_s, way_s
        else:
            self.way_s *= _AGEING


Answers = Future[Answer] | asyncio.Future[Answer]


class Server(Protocol):
    """One way to a server."""

    def call(self, key: str, said: list[str], clock: Callable[[], float]) -> Answers:
        """Run the script. Calls end in the order in which they were made."""


def server_of(redis: "str | Redis | RedisCluster") -> Server:
    """Return the way to a server. Raises `ConfigurationError`."""
    try:
        from redis import asyncio as clients  # noqa: PLC0415  # an extra, for this limiter alone
    except ImportError as error:
        words = missing("RedisLimiter", "redis")
        what, _, do = words.partition(". ")
        raise ConfigurationError(f"{what}.", do=do) from error
    if isinstance(redis, str):
        return _Own(redis)
    if isinstance(redis, clients.Redis | clients.RedisCluster):
        return _Given(redis)
    raise ConfigurationError(
        f"redis is of type {type(redis).__name__}, no URL and no client of redis.asyncio.",
        do='Give "redis://host:6379/0", say, or a redis.asyncio.Redis.',
    )


def refuse_setup_fault(fault: BaseException | None, *, is_known: bool) -> None:
    """Raise `ConfigurationError` for what no waiting mends.

    That is another event loop than the client's; and, of a server that never did what it was asked,
    a user or password that is refused. Later a password is one that was changed: it may come back.
    """
    if isinstance(fault, ConfigurationError):
        raise fault
    from redis import exceptions  # noqa: PLC0415  # as above

    refused = (
        exceptions.AuthenticationError,
        exceptions.AuthenticationWrongNumberOfArgsError,
        exceptions.AuthorizationError,
        exceptions.NoPermissionError,
    )
    # What a server says to so long a command of one who gave no password, before RESP3.
    is_refused = isinstance(fault, refused) or "unauthenticated" in str(fault)
    if not is_known and is_refused:
        raise ConfigurationError(
            f"Redis refuses this user: {str(fault).rstrip('.')}.",
            do="Give the right user and password; the user may run EVALSHA and EVAL, and in them"
            " HMGET, HSET, PEXPIRE and TIME on keys like {s2v-detect:*}.",
        ) from fault


def fault_in_words(fault: BaseException | None) -> str:
    """Return why a call came to nothing."""
    if isinstance(fault, OtherLayout):
        return "another release of s2v-detect uses it"
    if fault is None or isinstance(fault, TimeoutError):
        return f"there was no answer within {BOUND_S} s"
    return str(fault).rstrip(".") or type(fault).__name__


def _refuse_no_database(url: str) -> None:
    """Raise `ValueError` where a URL names a database by no number: redis-py takes the first."""
    parts = urlsplit(url)
    if parts.scheme != "unix" and not _DATABASE.fullmatch(parts.path):
        raise ValueError(url)


class _Own:
    """A client of our own, in a thread of our own: for any event loop and thread.

    An executor of the standard library takes locks as it is handed work, one of them shared by all
    executors of the process. The garbage collector may have work for us while its thread holds
    that: a `SimpleQueue` is made to be put into even then.
    """

    def __init__(self, url: str) -> None:
        from redis import Redis  # noqa: PLC0415  # as above
        from redis.backoff import NoBackoff  # noqa: PLC0415  # as above
        from redis.retry import Retry  # noqa: PLC0415  # as above

        try:
            _refuse_no_database(url)
            self._client = Redis.from_url(
                url,
                socket_timeout=BOUND_S,
                socket_connect_timeout=BOUND_S,
                retry=Retry(NoBackoff(), 0),
            )
        except ValueError as error:  # the URL may hold a password, and so may the error
            raise ConfigurationError(
                "redis is no URL of a Redis.",
                do='Give "redis://host:6379/0", say, or rediss:// for TLS.',
            ) from error
        self._asked: SimpleQueue[_Asked | None] = SimpleQueue()
        self._has_thread = False
        weakref.finalize(self, self._asked.put, None)

    def call(self, key: str, said: list[str], clock: Callable[[], float]) -> Answers:
        asked = _Asked(Future(), key, said, clock)
        try:
            self._have_thread()
        except RuntimeError as error:  # the interpreter ends
            return _failed(error)
        self._asked.put(asked)
        return asked.answer

    def _have_thread(self) -> None:
        if not self._has_thread:
            given = (
                self._client,
                self._asked,
            )  # not ourselves: the thread ends when we are let go of
            Thread(target=_answer_all, args=given, name="s2v-detect-redis", daemon=True).start()
            self._has_thread = True


class _Asked(NamedTuple):
    """A call that is to be made."""

    answer: Future[Answer]
    key: str
    said: list[str]
    clock: Callable[[], float]


def _answer_all(client: Any, asked: "SimpleQueue[_Asked | None]") -> None:
    """Make the calls one after the other, until there will be no more."""
    while (one := asked.get()) is not None:
        try:
            one.answer.set_result(_answer(client, one.key, one.said, one.clock))
        except Exception as error:  # noqa: BLE001  # whoever asked is told
            one.answer.set_exception(error)
        del one  # who has gone is not kept while nobody asks
    client.close()


def _answer(client: Any, key: str, said: list[str], clock: Callable[[], float]) -> Answer:
    from redis.exceptions import NoScriptError  # noqa: PLC0415  # as above

    began = clock()
    try:
        reply = client.evalsha(script()[1], 1, key, *said)
    except NoScriptError:
        reply = client.eval(script()[0], 1, key, *said)
    return Answer(reply, began, clock())


class _Given:
    """A client that was given, in its own event loop. It is never closed here."""

    def __init__(self, client: "Redis | RedisCluster") -> None:
        self._client: Any = client
        self._loop: asyncio.AbstractEventLoop | None = None
        self._one_by_one = asyncio.Lock()

    def call(self, key: str, said: list[str], clock: Callable[[], float]) -> Answers:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError as error:  # a turn that another thread tells of
            return _failed(error)
        if self._loop is None:
            self._loop = loop
        if self._loop is not loop:
            return _failed(
                ConfigurationError(
                    "a client of redis.asyncio belongs to the event loop that used it first, and"
                    " this is another one.",
                    do="Give RedisLimiter the URL: then any event loops may share the limiter.",
                )
            )
        return task_of(self._answer(key, said, clock), "s2v-detect line in Redis")

    async def _answer(self, key: str, said: list[str], clock: Callable[[], float]) -> Answer:
        from redis.exceptions import NoScriptError  # noqa: PLC0415  # as above

        async with self._one_by_one, asyncio.timeout(BOUND_S):
            began = clock()
            try:
                reply = await self._client.evalsha(script()[1], 1, key, *said)
            except NoScriptError:
                reply = await self._client.eval(script()[0], 1, key, *said)
            return Answer(reply, began, clock())


def _failed(error: Exception) -> Answers:
    future: Future[Answer] = Future()
    future.set_exception(error)
    return future


class Call:
    """One call to the server: what it came to, and whether anybody waits for it."""

    def __init__(self, future: Answers, began_at: float, lane: int, *, is_back: bool) -> None:
        self.future = future
        self.ended: Future[None] = Future()
        """Done once what it came to is known here, which is a moment after the call itself."""
        self.began_at = began_at
        self.lane = lane
        self.is_back = is_back
        self.is_left = False
        self.heard: Heard | None = None
        self.fault: BaseException | None = None
        self.then: Callable[[Heard], None] | None = None

    async def wait(self, patience_s: float) -> None:
        """Return when it has ended, or after so long. Its end does not depend on the caller."""
        loop = asyncio.get_running_loop()
        ended = loop.create_future()

        def wake() -> None:
            if not ended.done():
                ended.set_result(None)

        def tell(_: object) -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(wake)

        self.ended.add_done_callback(tell)
        await asyncio.wait([ended], timeout=patience_s)
