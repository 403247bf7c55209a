"""One line for every machine that reaches the same Redis or Valkey.

The theory. How a process waits is told in `_turns`, and who goes first in `_waiting_list`; Redis
runs that rule as a script, on its own clock (`_script`). A look claims a turn and puts the
next wish on the list in one call. A turn counts from its claim: only bytes that leave later than
`_LATE_S` are told, by a second call.

No caller's cancellation reaches a call (`_calls`), and each is bounded. The call of one who
has gone is heard all the same: a turn that it was granted is given back.

**Alone.** Where a call fails or hangs, this process is alone. It goes at its own starts among those
of all processes that were seen in the last 10 s before. Those starts are on Redis' clock as it was
known last, so that they are nobody else's; the first is a gap after the failing call began, for
until then the others may have had turns. While somebody waits, the server is tried four times a
second. Whoever comes back says so, and then nobody goes for a whole window: the server does not
know who left meanwhile. The same is so where the server has forgotten the line, or its last writes.

Killed on any line: the wish is passed over, and a claim counts as left.
"""

import math
import secrets
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Self

from s2v_detect._logging import log
from s2v_detect._service import REQUESTS_PER_S
from s2v_detect.errors import ConfigurationError
from s2v_detect.limiters._alone import Alone
from s2v_detect.limiters._redis._calls import (
    BOUND_S,
    Call,
    Server,
    ServerTime,
    fault_in_words,
    refuse_setup_fault,
    server_of,
)
from s2v_detect.limiters._redis._script import (
    Heard,
    OtherLayout,
    arguments,
    heard,
    key_of,
    lesson_of_a_429,
    look,
)
from s2v_detect.limiters._turns import SharedLine
from s2v_detect.limiters._waiting_list import EARLY_S, Claim, Member, Shared, WaitingList, Wish
from s2v_detect.models import LANES, Lane

if TYPE_CHECKING:
    from redis.asyncio import Redis, RedisCluster

_LATE_S, _TRY_EVERY_S, _SEEN_S = 0.01, 0.25, 10.0
_WIDER, _TRIES = 1.05, 5
_NOBODY = 0  # has the claims that a process gave itself


class RedisLimiter(SharedLine):
    """A line that all processes share which reach the same Redis or Valkey, on any machine.

    Together they start at most `rate` requests in any `per_s` seconds; where their rates differ,
    the line has the largest, and none goes over its own. Checks of all of them go before all
    streams; streams take turns, process by process. A turn costs one call. Needs the extra `redis`.

    Where the server does not answer within 0.3 s, each process goes on alone with its part of the
    rate, and says so once in the log; nothing is raised. A process that has never reached the
    server knows of no others, and has the whole rate. A process that can't reach a server which
    the others reach adds its part to their rate: `on_lost="stop"` waits instead. Only a server
    that refuses the user or the password at the first call is a `ConfigurationError`, of the
    first check.

    Args:
        redis: a URL (`redis://`, `rediss://` for TLS, `unix://`; user and password in it), or a
            client of `redis.asyncio`, as Sentinel and clusters have. A client belongs to one event
            loop, and is never closed here; with a URL, any loops and threads may share the limiter.
        rate: requests in `per_s` seconds; at `math.inf` there is no line.
        per_s: seconds.
        name: which line. Default: that of the client's account (base URL, model and key).
            Two keys of one account need a name. Redis has a hash of it as the key.
        on_lost: `"share"` goes on alone without the server; `"stop"` waits for the server.

    Raises:
        ConfigurationError: no such rate, no such URL or client; or the extra is missing.

    Example:
        >>> RedisLimiter("redis://cache.example:6379/0", 2.5, name="team")
        RedisLimiter(2.5, per_s=1, name='team')
    """

    def __init__(
        self,
        redis: "str | Redis | RedisCluster",
        rate: float = REQUESTS_PER_S,
        per_s: float = 1.0,
        *,
        name: str | None = None,
        on_lost: Literal["share", "stop"] = "share",
        clock: Callable[[], float] | None = None,
    ) -> None:
        if on_lost not in ("share", "stop"):
            raise ConfigurationError(
                f"on_lost is {on_lost!r}.", do='Give "share", or "stop" to wait for Redis.'
            )
        self._redis = redis
        self._test_clock = clock
        self.on_lost = on_lost
        super().__init__(rate, per_s, name, clock or time.monotonic)

    def __repr__(self) -> str:
        named = "" if self.name is None else f", name={self.name!r}"
        return f"RedisLimiter({self.rate:g}, per_s={self.per_s:g}{named})"

    def throttled(self, retry_after_s: float | None = None) -> None:
        """Slow the line of all processes once; further 429s of the same episode change nothing."""
        if math.isinf(self.rate):
            return
        with self._mutex:
            at = self._now()
            self._alone.own.throttled(at, retry_after_s)
            self._teach(at, retry_after_s, _TRIES)

    def _made_of(self, name: str | None) -> "partial[Self]":
        more: dict[str, Any] = {"on_lost": self.on_lost, "clock": self._test_clock}
        return partial(type(self), self._redis, self.rate, self.per_s, name=name, **more)

    def _begin(self) -> None:
        super()._begin()
        self._server: Server = server_of(self._redis)
        self._key = key_of("" if self.name is None else self.name)
        self._owner = secrets.randbits(52) + 1  # exact in a script's numbers
        self._seen: Heard | None = None
        self._seen_at: dict[int, float] = {}
        self._met: set[int] = set()
        self._opened_at = -math.inf
        self._time = ServerTime()
        self._alone = Alone(self.rate, self.per_s)
        self.lost = ""  # why this process paces by itself
        self._alone_from = -math.inf
        self._trial: Call | None = None

    def _now(self) -> float:
        return self._clock() + self._time.ahead_s

    def _look_at(self, wish: Wish) -> float:
        # A look may arrive EARLY_S before: half of that is for the timer.
        way_s = 0.0 if self.lost else self._time.way_s
        return wish.due - EARLY_S / 2 - way_s / 2

    def _me(self) -> Member:
        return Member(self._owner, self.rate, self.per_s, self._now())

    async def _look(self, lane: Lane, who: object) -> Claim | None:
        if self.lost:
            self._try_the_server()
            return self._look_alone(lane, who)
        with self._mutex:
            call = self._call(*self._wanted(lane, who), lane=lane)
        try:
            await call.wait(BOUND_S)
        except BaseException:
            self._leave_call(call)
            raise
        if call.heard is None:
            self._lose(call)
            self._leave_call(call)
            return self._look_alone(lane, who)
        with self._mutex:
            self._wishes[lane] = call.heard.wish
            if call.heard.start is None:
                return None
            del self._waiting[lane][who]
            return Claim(self._owner, call.heard.start)

    def _look_alone(self, lane: Lane, who: object) -> Claim | None:
        with self._mutex:
            living, now = self._living(), self._now()
            wish = Wish(self._owner, LANES.index(lane), 1, now)
            if self.on_lost == "share":
                gap_s = self._gap_s()
                place, after = living.index(self._owner), max(now, self._alone_from)
                start = self._alone.start(after, 0.0, gap_s, place=place, of=len(living))
                later = self._wish_alone(self._owner, lane, start, gap_s * len(living))
                if later is None:
                    self._alone.use()
                    self._wishes[lane] = None
                    del self._waiting[lane][who]
                    return Claim(_NOBODY, start)
                wish = later
            self._wishes[lane] = wish._replace(due=min(wish.due, now + _TRY_EVERY_S))
            return None

    def _wanted(self, lane: Lane, who: object) -> tuple[object, ...]:
        """Return the work of a look. The caller holds the mutex."""
        wish, following = self._wishes_now(lane, who, self._new_wish)
        not_before = -math.inf
        if self._gap_s() < self.per_s / self.rate:
            not_before = self._alone.own.start_at(self._now())
        return look(wish, not_before, following)

    def _new_wish(self, lane: Lane, who: object, waiting: int) -> Wish:
        place = -math.inf if lane == "bulk" else self._arrived_at(lane, who)
        return Wish(self._owner, LANES.index(lane), waiting, place, -math.inf)

    def _arrived_at(self, lane: Lane, who: object) -> float:
        """Return when one came, on the server's clock: that of now, where that is not known."""
        return -math.inf if self._seen is None else self._waiting[lane][who] + self._time.ahead_s

    def _leave(self, lane: Lane) -> None:
        self._wishes[lane] = None
        self._tell("leave", LANES.index(lane))

    def _tell_left(self, claim: Claim, at: float) -> None:
        self._alone.left(at)
        if claim.owner != _NOBODY and at - claim.at > _LATE_S:
            self._tell("left", claim.at, at)

    def _tell_withdrawn(self, claim: Claim) -> None:
        if claim.owner != _NOBODY:
            self._tell("withdrawn", claim.at)

    def _tell(self, *work: object) -> None:
        """Say it to the server, where it is there. The caller holds the mutex."""
        if self._seen is not None and not self.lost:
            self._call(*work)

    def _teach(self, at: float, retry_after_s: float | None, tries: int) -> None:
        """Have the line know of a 429. Where another process was first, count again after it.

        The caller holds the mutex.
        """

        def again(said: Heard) -> None:
            if said.start is None and tries > 1:
                self._teach(at, retry_after_s, tries - 1)

        if self._seen is not None and not self.lost:
            lesson = lesson_of_a_429(self._me(), self._seen, at, retry_after_s)
            self._call("learn", lesson).then = again

    def _call(self, *work: object, lane: Lane = "bulk") -> Call:
        """Make a call, whose answer is heard whoever waits for it. The caller holds the mutex."""
        clock, began_at = self._test_clock and self._test_clock(), self._now()
        said = arguments(self._me(), self._seen, *work, is_back=bool(self.lost), clock=clock)
        future = self._server.call(self._key, said, self._clock)
        call = Call(future, began_at, LANES.index(lane), is_back=bool(self.lost))
        # In whichever thread it ends: if it has ended, once the mutex is free.
        future.add_done_callback(lambda _: self._mutex.do(partial(self._hear, call)))
        return call

    def _hear(self, call: Call) -> None:
        """Know what a call came to, and then tell who waits. The caller holds the mutex."""
        try:
            self._take(call)
        except (OtherLayout, ValueError, IndexError) as error:
            call.fault = error
        call.ended.set_result(None)
        if call.is_left:
            self._give_back(call)
        elif call.then is not None and call.heard is not None:
            call.then(call.heard)

    def _take(self, call: Call) -> None:
        if call.future.cancelled():
            return
        call.fault = call.future.exception()
        if call.fault is not None:
            return
        answer = call.future.result()
        known = heard(answer.reply, self._owner, call.lane)
        if self._seen is None:
            self._opened_at = known.shared.used_at
        is_back = call.is_back and bool(self.lost)
        self._remember(known.shared, is_back=is_back)
        self._seen = known
        self._time.measure(answer, known.shared.used_at)
        if is_back:
            self.lost = ""
            log("line_shared", {"of": "in Redis"}, limiter="RedisLimiter")
        call.heard = known

    def _remember(self, shared: Shared, *, is_back: bool) -> None:
        """Keep who was seen when: a server that was started again forgets those who are alone."""
        now, seen_at = shared.used_at, self._seen_at
        since = now if is_back else -math.inf
        seen_at.update({owner: max(at, since) for owner, at in seen_at.items()})
        for member in shared.members:
            seen_at[member.owner] = max(member.seen_at, seen_at.get(member.owner, -math.inf))
        seen_at.update(dict.fromkeys([wish.owner for wish in shared.wishes], now))
        self._seen_at = {
            owner: min(at, now) for owner, at in seen_at.items() if at >= now - _SEEN_S
        }
        opened_at = self._opened_at
        self._met.update([each.owner for each in shared.members if each.seen_at >= opened_at])

    def _leave_call(self, call: Call) -> None:
        """Give the turn back that a call was granted, or will be: nobody waits for it any more."""

        def leave() -> None:
            call.is_left = True
            self._give_back(call)

        self._mutex.do(leave)

    def _give_back(self, call: Call) -> None:
        if call.heard is not None and call.heard.start is not None:
            self._tell("withdrawn", call.heard.start)

    def _lose(self, call: Call) -> None:
        """Be alone. Raises `ConfigurationError` for what no waiting mends."""
        refuse_setup_fault(call.fault, is_known=self._seen is not None)
        with self._mutex:
            if self.lost:
                return
            self.lost = fault_in_words(call.fault)
            self._alone_from = call.began_at + _WIDER * self._gap_s()
        words = {"of": "in Redis", "goes_on": self._goes_on}
        log("line_lost", words, limiter="RedisLimiter", cause=self.lost)

    @property
    def _goes_on(self) -> str:
        never = "has never reached it, and goes at the whole rate, whatever others do,"
        alone = never if self._seen is None else "keeps to its share of the rate"
        return alone if self.on_lost == "share" else "waits"

    def _try_the_server(self) -> None:
        with self._mutex:
            if self._trial is None or self._trial.ended.done():
                fault = None if self._trial is None else self._trial.fault
                refuse_setup_fault(fault, is_known=self._seen is not None)
                self._trial = self._call("view")

    def _gap_s(self) -> float:
        """Return the seconds between two starts of the line, as far as known: its rate's."""
        members = () if self._seen is None else self._seen.shared.members
        return min((member.gap_s for member in members), default=self.per_s / self.rate)

    def _view(self) -> WaitingList:
        """Return the list as it was heard of last."""
        return WaitingList(self._seen.shared if self._seen else None, self._me(), is_new=True)

    def _others_met(self) -> int:
        return len(self._met - {self._owner})

    def _living(self) -> list[int]:
        """Return the owners that were seen lately, or sleep to a far turn, in the order of all."""
        return sorted({self._owner, *self._seen_at})
