"""The script in Redis and the rule in Python: the same values through both."""

import math
import random
from collections.abc import Sequence
from typing import Any

import pytest
import redis

from s2v_detect.limiters._pacing import Pacer
from s2v_detect.limiters._redis._calls import script
from s2v_detect.limiters._redis._script import (
    LAYOUT,
    Heard,
    arguments,
    heard,
    key_of,
    lesson_of_a_429,
    look,
)
from s2v_detect.limiters._waiting_list import (
    Claim,
    Member,
    Shared,
    WaitingList,
    Wish,
)

BULK = 2
NOW = 1_700_000_000.25


class ScriptedLine:
    """One line in a real Redis, on a clock of numbers."""

    def __init__(self, client: redis.Redis, name: str) -> None:
        self.client: Any = client
        self.key = key_of(name)
        self.client.delete(self.key)

    def call(
        self,
        me: Member,
        known: Heard | None,
        *work: object,
        is_back: bool = False,
        lane: int = BULK,
    ) -> Heard:
        """Return what one process hears at the time at which it is seen."""
        said = arguments(me, known, *work, is_back=is_back, clock=me.seen_at)
        return heard(self.client.eval(script()[0], 1, self.key, *said), me.owner, lane)

    def write(self, shared: Shared, me: Member) -> None:
        """Put a state there, as if processes had come to it."""
        line = WaitingList(shared, me)
        lists: dict[str, Sequence[Any]] = {
            "members": shared.members,
            "wishes": shared.wishes,
            "claims": shared.claims,
        }
        fields = {name: joined(sum(map(tuple, each), ())) for name, each in lists.items()}
        fields |= {"layout": LAYOUT, "id": "1", "is_empty": "0", "calls": "7"}
        fields |= {"used_at": repr(shared.used_at), "sent": "100", "lessons": "0"}
        fields |= {"learnt_at": "100", "spacing": joined(line.spacing)}
        fields |= {"learnt": joined(shared.learnt), "lefts": joined(shared.lefts)}
        self.client.hset(self.key, mapping=fields)


def joined(numbers: Sequence[float]) -> str:
    """Return numbers as the hash has them."""
    return " ".join(repr(max(-1e300, min(float(each), 1e300))) for each in numbers)


@pytest.fixture
def line(redis_client: redis.Redis, request: pytest.FixtureRequest) -> ScriptedLine:
    """A line of its own for each test."""
    return ScriptedLine(redis_client, request.node.nodeid)


def a_pacer(chance: random.Random, rate: float, until: float, *, learns: bool) -> Pacer:
    """Return a pacer that has been through something, whose last request left lately."""
    pacer = Pacer(rate)
    requests = chance.choice([0, 3, 40, 400]) if learns else 400
    at = until - requests / rate - chance.uniform(0, 1 / rate)
    until -= chance.choice([0, 0.2, 0.6])
    while at < until:
        pacer.left(at)
        if learns and chance.random() < 0.04:
            pacer.throttled(at, chance.choice([None, None, 0.5]))
        at = max(at, pacer.start_at(at)) + chance.choice([0, 0, 0.01])
    return pacer


def a_state(chance: random.Random, *, learns: bool) -> tuple[Shared, Member]:
    """Return a line that may be, and one of its processes."""
    owners = [chance.randrange(1, 2**52) for _ in range(chance.randint(1, 5))]
    rates = [chance.choice([5.0, 5.0, 5.0, 2.5, 0.5, 40.0, 1.5]) for _ in owners]
    pacer = a_pacer(chance, max(rates), NOW, learns=learns)
    learnt, lefts = pacer.state()
    members, wishes, claims = [], [], []
    for owner, rate in zip(owners, rates, strict=True):
        members.append(Member(owner, rate, 1.0, NOW - chance.choice([0, 1, 1, 1, 70])))
        for lane in range(3):
            if chance.random() < 0.3:
                due = NOW + chance.choice([-0.2, -0.03, 0.004, 0.006, 0.2, 0.2, 0.4, 0.4, 0.6, 1.0])
                place = NOW - chance.uniform(0, 3)
                wishes.append(Wish(owner, lane, 1, place, due, chance.randint(0, 2)))
        if chance.random() < 0.1:
            claims.append(Claim(owner, NOW - chance.choice([0.5, 0.2, 0.05, 0.0, -0.004])))
    used_at = NOW - chance.choice([0.0, 0.0, 0.3, 5.0])
    shared = Shared(used_at, learnt, lefts, tuple(members), tuple(wishes), tuple(claims))
    me = chance.randrange(len(owners))
    return shared, Member(owners[me], rates[me], 1.0, NOW)


def near(found: Any, wanted: Any, part: float = 0.0) -> bool:
    """Whether two values, or all in them, are the same; times to such a part of the way there."""
    if isinstance(wanted, tuple) and isinstance(found, tuple):
        return all(near(*pair, part) for pair in zip(found, wanted, strict=True))
    if isinstance(wanted, float) and isinstance(found, float):
        return found == wanted or abs(found - wanted) <= 1e-6 + part * abs(wanted - NOW)
    return bool(found == wanted)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("learns", "part"), [(False, 0.0), (True, 0.2)])
def test_the_script_says_what_the_rule_says(
    line: ScriptedLine, seed: int, *, learns: bool, part: float
) -> None:
    """A thousand lines: who is granted which start, who waits until when, and what is kept.

    Of a line that still learns, the rule foresees how the pace changes in the next starts. The
    script does not: it is told with the next call.
    """
    chance = random.Random(seed)
    granted = 0
    for _ in range(80):
        shared, me = a_state(chance, learns=learns)
        lane = chance.randrange(3)
        own = [each for each in shared.wishes if (each.owner, each.lane) == (me.owner, lane)]
        wish = own[0] if own else Wish(me.owner, lane, 1, NOW, -math.inf)
        following = chance.choice([None, Wish(me.owner, lane, 3, NOW + 0.001, -math.inf)])
        not_before = chance.choice([-math.inf, -math.inf, NOW + 0.1])
        line.write(shared, me)
        rule = WaitingList(shared, me, late_s=0.0)
        start, kept = rule.look(wish, not_before=not_before, following=following)
        said = line.call(me, None, *look(wish, not_before, following), lane=lane)
        if learns and (said.start is None) != (start is None):
            continue  # one is granted a moment before the other
        granted += start is not None
        after = rule.shared()
        assert near(said.start, start, part)
        assert near(said.wish, kept, part)
        assert near(said.shared.members, after.members)
        assert near(said.shared.wishes, after.wishes, part)
        assert near(said.shared.claims, after.claims, part)
        assert near(said.shared.lefts[-len(after.lefts) :], after.lefts)
    assert 5 < granted < 75


@pytest.mark.parametrize("seed", range(3))
def test_what_a_line_learns_in_redis_is_what_a_pacer_learns(line: ScriptedLine, seed: int) -> None:
    """Two processes take turns and meet 429s: the pace is that of one pacer which saw it all."""
    chance = random.Random(seed)
    pacer, told = Pacer(5.0), 0
    both: list[Heard | None] = [None, None]
    now = NOW
    for number in range(400):
        which = number % 2
        me = Member(which + 1, 5.0, 1.0, now)
        said = line.call(me, both[which], *look(Wish(which + 1, BULK, 1, now), -math.inf, None))
        both[which] = said
        if said.start is None:
            assert said.wish is not None
            now = said.wish.due
            continue
        pacer.left(said.start)
        now = said.start + 0.11  # settled by the next call
        if chance.random() < 0.05:
            me = me._replace(seen_at=now)
            known = line.call(me, said, "view")
            lesson = lesson_of_a_429(me, known, now, None)
            told_of = line.call(me, known, "learn", lesson)
            assert told_of.start is not None
            both[which] = told_of
            pacer.throttled(now, None)
            told += 1
        else:
            line.call(me._replace(seen_at=now), said, "view")
    assert told >= 2
    me = Member(1, 5.0, 1.0, now)
    known = line.call(me, line.call(me, both[0], "view"), "view")
    known = line.call(me, known, "view")
    assert known.learnt_at == known.sent
    assert known.shared.learnt == pytest.approx(
        [max(-1e300, float(each)) for each in pacer.state()[0]]
    )
