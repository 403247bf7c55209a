"""Whose turn it is on a line of several processes: tables of wishes, on a clock of numbers."""

import heapq
import math
import random
from collections import Counter
from itertools import pairwise
from typing import NamedTuple

import pytest

from s2v_detect.limiters._alone import alone_at
from s2v_detect.limiters._pacing import Pacer
from s2v_detect.limiters._waiting_list import (
    EARLY_S,
    IDLE_S,
    Claim,
    Member,
    Shared,
    WaitingList,
    Wish,
)

INTERACTIVE, BULK = 1, 2
FLIGHT_S = 0.0005  # from a turn to its bytes


class Ask(NamedTuple):
    """One turn that a process wants from an instant on."""

    at: float
    owner: int
    lane: int = BULK


class Left(NamedTuple):
    """One turn that was had."""

    at: float
    owner: int
    lane: int


class Machine:
    """Processes that sleep to the due times of their wishes; each lane has one asker at a time."""

    def __init__(
        self,
        *,
        rates: dict[int, float] | None = None,
        late_s: tuple[float, float] = (0, 0),
        sees_the_dead: object = False,
    ) -> None:
        """`late_s`: how late every timer is, and how late more, on average."""
        self._sees_the_dead = sees_the_dead
        self.shared: Shared | None = None
        self.lefts: list[Left] = []
        self.wakes = 0
        self._late_s = late_s
        self._chance = random.Random(1)
        self.rates = rates or {}
        self.own = {owner: Pacer(rate) for owner, rate in self.rates.items()}
        self.dead_from: dict[int, float] = {}
        self._events: list[tuple[float, int, Wish, Claim | None]] = []
        self._number = 0

    def ask(self, ask: Ask, *, waiting: int = 1) -> None:
        """Have a process want so many turns in a lane, one after another."""
        self._push(ask.at, Wish(ask.owner, ask.lane, waiting, ask.at))

    def run(self, until: float) -> None:
        """Let everybody look when it is due."""
        while self._events and self._events[0][0] <= until:
            now, _, wish, claim = heapq.heappop(self._events)
            if claim is not None:
                self._left(now, wish, claim)
            elif now < self.dead_from.get(wish.owner, math.inf):
                self._look(now, wish)

    def _push(self, at: float, wish: Wish, claim: Claim | None = None) -> None:
        self._number += 1
        heapq.heappush(self._events, (at, self._number, wish, claim))

    def _woken_at(self, at: float) -> float:
        always_s, more_s = self._late_s
        return at + always_s + (self._chance.expovariate(1 / more_s) if more_s else 0)

    def list_of(self, owner: int, now: float) -> WaitingList:
        """Return the list as a process sees it."""
        me = Member(owner, self.rates.get(owner, 5.0), 1.0, now)
        return WaitingList(self.shared, me, is_new=True)

    def _look(self, now: float, wish: Wish) -> None:
        self.wakes += wish.due < math.inf
        line = self.list_of(wish.owner, now)
        left = wish.waiting - 1
        following = Wish(wish.owner, wish.lane, left, now) if left else None
        own = self.own.get(wish.owner)
        following_owner = line.next_owner()
        if self._sees_the_dead and self.dead_from.get(following_owner or 0, math.inf) <= now:
            line.without(following_owner or 0)
        not_before = own.start_at(now) if own else -math.inf
        at, wish_left = line.look(wish, not_before=not_before, following=following)
        self.shared = line.shared()
        if wish_left is not None:
            self._push(self._woken_at(wish_left.due), wish_left)
        if at is not None:
            self.wakes += at > now
            start = self._woken_at(at) if at > now else now
            self._push(start + FLIGHT_S, wish, Claim(wish.owner, at))

    def _left(self, now: float, wish: Wish, claim: Claim) -> None:
        line = self.list_of(wish.owner, now)
        line.left(claim, now)
        self.shared = line.shared()
        self.lefts.append(Left(now, wish.owner, wish.lane))
        if wish.owner in self.own:
            self.own[wish.owner].left(now)


def spans(lefts: list[Left]) -> list[float]:
    """Return how long any six in a row took."""
    return [after.at - before.at for before, after in zip(lefts, lefts[5:], strict=False)]


@pytest.mark.parametrize("processes", [1, 2, 3, 4, 7, 16])
def test_streams_take_turns_at_the_pace_of_one(processes: int) -> None:
    """Together as fast as one process alone, round robin, and each wakes up once for a turn."""
    machine = Machine()
    for owner in range(processes):
        machine.ask(Ask(10.0 + owner / 1000, owner), waiting=400)
    machine.run(70)
    lefts = machine.lefts
    assert min(spans(lefts)) >= 1.02
    assert (len(lefts) - 1) / (lefts[-1].at - lefts[0].at) > 5 * 0.96
    counts = Counter(left.owner for left in lefts)
    assert max(counts.values()) - min(counts.values()) <= 2  # one is the first, and alone at first
    assert machine.wakes / len(lefts) <= 1.1


@pytest.mark.parametrize(
    ("late_s", "processes", "most_wakes"),
    [
        ((0.0006, 0.0), 4, 1.02),
        ((0.0006, 0.0), 7, 1.02),
        ((0.0006, 0.0), 16, 1.02),
        ((0.0005, 0.0015), 1, 1.02),
        ((0.0005, 0.0015), 2, 1.1),
        ((0.0005, 0.0015), 4, 1.1),
        ((0.0005, 0.0015), 7, 1.25),
        ((0.001, 0.004), 4, 1.45),
    ],
)
def test_timers_that_are_late_wake_nobody_twice(
    late_s: tuple[float, float], processes: int, most_wakes: float
) -> None:
    """Who waits foresees that those before it leave late too; a sleep to a start counts as well."""
    machine = Machine(late_s=late_s)
    for owner in range(processes):
        machine.ask(Ask(10.0 + owner / 1000, owner), waiting=1000)
    machine.run(310)
    lefts = [left for left in machine.lefts if left.at > 20]
    assert machine.wakes / len(machine.lefts) <= most_wakes
    assert min(spans(lefts)) >= 1.02
    assert (len(lefts) - 1) / (lefts[-1].at - lefts[0].at) > 5 * (0.976 - 2 * late_s[1])


@pytest.mark.parametrize("processes", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("every_s", [0.4, 0.6, 0.7, 0.82, 2.0])
def test_a_visitor_has_the_next_start_and_no_stream_starves(processes: int, every_s: float) -> None:
    """Whatever their beat is against the round; few more wake up."""
    machine = Machine()
    for owner in range(processes):
        machine.ask(Ask(10.0 + owner / 1000, owner), waiting=1000)
    visits = [15 + every_s * number for number in range(int(100 / every_s))]
    for at in visits:
        machine.ask(Ask(at, 99, INTERACTIVE))
    machine.run(115)
    waits = [
        left.at - at
        for at, left in zip(
            visits, [left for left in machine.lefts if left.lane == INTERACTIVE], strict=True
        )
    ]
    assert max(waits) <= 0.25 if every_s >= 0.6 else max(waits) <= 0.45
    counts = Counter(left.owner for left in machine.lefts if left.lane == BULK)
    assert min(counts.values()) >= 0.6 * max(counts.values())
    assert min(spans(machine.lefts)) >= 1.02
    assert machine.wakes / len(machine.lefts) <= (1.6 if every_s >= 0.6 else 2)


def test_visitors_of_all_processes_are_first_come_first_served() -> None:
    """By the arrival of the check, whichever process it came to."""
    machine = Machine()
    order = [3, 1, 2, 1, 3, 2, 2, 1]
    for number, owner in enumerate(order):
        machine.ask(Ask(10 + number / 100, owner * 100 + number, INTERACTIVE))
    machine.run(30)
    assert [left.owner // 100 for left in machine.lefts] == order


@pytest.mark.parametrize("victim", [0, 1, 2, 3])
@pytest.mark.parametrize("killed_at", [20.0, 20.05, 20.1, 20.15, 20.199])
def test_a_killed_process_costs_a_gap_at_most(victim: int, killed_at: float) -> None:
    """Its wish is passed over once it is overdue, however many look behind it."""
    machine = Machine()
    for owner in range(4):
        machine.ask(Ask(10.0 + owner / 1000, owner), waiting=400)
    machine.dead_from[victim] = killed_at
    machine.run(60)
    gaps = [after.at - before.at for before, after in pairwise(machine.lefts)]
    later = [left for left in machine.lefts if left.at > killed_at + 1]
    assert max(gaps[26:]) <= 0.46
    assert (len(later) - 1) / (later[-1].at - later[0].at) > 5 * 0.97
    assert all(wish.owner != victim for wish in (machine.shared or Shared(0, (), ())).wishes)


@pytest.mark.parametrize(("sees_the_dead", "most_lost"), [(False, 1.1), (True, 0.45)])
def test_the_start_of_a_dead_process_is_used_where_its_death_is_seen(
    sees_the_dead: object, most_lost: float
) -> None:
    """By whoever looks before that start; a kill just before it is seen too late."""
    lost = []
    for number in range(40):
        machine = Machine(sees_the_dead=sees_the_dead)
        for owner in range(4):
            machine.ask(Ask(10.0 + owner / 1000, owner + 1), waiting=400)
        machine.dead_from[1 + number % 4] = 20 + number * 0.041
        machine.run(40)
        lefts = [left.at for left in machine.lefts if left.at > 19]
        gaps = [after - before for before, after in pairwise(lefts)]
        lost.append(sum(gap > 0.3 for gap in gaps))
    assert sum(lost) / len(lost) <= most_lost


def test_the_line_has_the_largest_rate_and_none_goes_over_its_own() -> None:
    """One process of 1 a second beside one of 5: together 5, and the first has its one."""
    machine = Machine(rates={1: 1.0, 2: 5.0})
    machine.ask(Ask(10.0, 1), waiting=400)
    machine.ask(Ask(10.001, 2), waiting=400)
    machine.run(70)
    counts = Counter(left.owner for left in machine.lefts)
    assert 50 <= counts[1] <= 60
    assert sum(counts.values()) > 60 * 5 * 0.9
    assert min(spans(machine.lefts)) >= 1.02


def test_a_turn_that_is_given_back_is_had_by_whoever_looks_next() -> None:
    """Though others stand before it on the list: they are asleep."""
    first = WaitingList(None, Member(1, 5.0, 1.0, 10.0), is_new=True)
    at, _ = first.look(Wish(1, BULK, 1, 10.0))
    assert at == 10.0
    second = WaitingList(first.shared(), Member(2, 5.0, 1.0, 10.01))
    assert second.look(Wish(2, BULK, 1, 10.01))[0] is None
    back = WaitingList(second.shared(), Member(1, 5.0, 1.0, 10.03))
    back.withdrawn(Claim(1, 10.0))
    assert back.look(Wish(1, BULK, 1, 10.03))[0] == 10.03


def test_a_turn_may_be_claimed_a_little_before_its_start() -> None:
    """And then it is granted for its start, not for now."""
    line = WaitingList(None, Member(1, 5.0, 1.0, 10.0), is_new=True)
    line.look(Wish(1, BULK, 1, 10.0))
    early = WaitingList(line.shared(), Member(2, 5.0, 1.0, 10.2 - EARLY_S))
    at, _ = early.look(Wish(2, BULK, 1, 10.2))
    assert at == pytest.approx(10.2)


def test_a_claim_that_nobody_speaks_for_counts_at_its_start() -> None:
    """Its owner was killed between the turn and the bytes: that costs no start more."""
    line = WaitingList(None, Member(1, 5.0, 1.0, 10.0), is_new=True)
    line.look(Wish(1, BULK, 1, 10.0))
    for number in range(1, 4):
        at = 10.0 + number / 5
        line = WaitingList(line.shared(), Member(2, 5.0, 1.0, at))
        granted, _ = line.look(Wish(2, BULK, 1, at))
        assert granted == pytest.approx(at)
        line.left(Claim(2, granted or at), at)
    assert line.shared().lefts == pytest.approx((10.0, 10.2, 10.4, 10.6))


def used(at: float) -> Shared:
    """Return what a line of five a second leaves behind that used its second up."""
    pacer = Pacer(5.0)
    for number in range(5):
        pacer.left(at - 1 + number / 5)
    return Shared(at, *pacer.state())


@pytest.mark.parametrize(
    ("shared", "is_new", "waits_s"),
    [
        (None, True, 0.0),  # nobody has used it
        (None, False, 1.15),  # torn or foreign: nobody knows who left in the last second
        (used(10.0), False, 0.17),
        (used(10.0 - IDLE_S - 1), False, 0.0),  # begun anew
        (used(10.0 + 500), False, 1.15),  # another clock's
        (used(10.0)._replace(claims=(Claim(7, 8.0),)), False, 0.35),  # its owner says no more
    ],
)
def test_what_was_left_behind_decides_about_the_first_start(
    shared: Shared | None, is_new: object, waits_s: float
) -> None:
    """An unknown past is a used-up second; a long past is none."""
    line = WaitingList(shared, Member(1, 5.0, 1.0, 10.0), is_new=bool(is_new))
    at, wish = line.look(Wish(1, BULK, 1, 10.0))
    start = at if at is not None else wish.due if wish else 0.0
    assert start - 10.0 == pytest.approx(waits_s, abs=0.21 if waits_s == 0.35 else 0.03)


def test_a_429_of_one_process_slows_all_once() -> None:
    """Both tell it: one episode. A pause that others asked for outlives an idle minute."""
    line = WaitingList(used(10.0), Member(1, 5.0, 1.0, 10.0))
    line.throttled(10.0, 90.0)
    other = WaitingList(line.shared(), Member(2, 5.0, 1.0, 10.1))
    other.throttled(10.1, None)
    _, wish = other.look(Wish(2, BULK, 1, 10.1))
    assert wish is not None
    assert wish.due == pytest.approx(100.0)
    later = WaitingList(other.shared(), Member(3, 5.0, 1.0, 90.0))
    assert later.look(Wish(3, BULK, 1, 90.0))[0] is None


@pytest.mark.parametrize(
    ("lane", "own", "others", "ahead"),
    [
        (BULK, (0, 0, 0), (0, 0), 0),
        (BULK, (0, 0, 5), (0, 100), 5 + 6),  # a round for each of its own, and its own round
        (BULK, (0, 0, 5), (0, 2), 5 + 2),
        (BULK, (0, 3, 0), (4, 1), 3 + 4 + 1),
        (INTERACTIVE, (0, 3, 50), (4, 100), 3 + 4),
        (0, (0, 3, 50), (4, 100), 0),
    ],
)
def test_the_forecast_counts_those_of_the_other_processes(
    lane: int, own: tuple[int, ...], others: tuple[int, int], ahead: int
) -> None:
    """Of their streams only those who go in the meantime."""
    wishes = tuple(
        Wish(2, lane, waiting, 9.0, 10.1)
        for lane, waiting in zip((INTERACTIVE, BULK), others, strict=True)
        if waiting
    )
    line = WaitingList(used(10.0)._replace(wishes=wishes), Member(1, 5.0, 1.0, 10.0))
    pause_s = WaitingList(used(10.0), Member(1, 5.0, 1.0, 10.0)).forecast_s(0, (0, 0, 0))
    assert line.forecast_s(lane, own) - pause_s == pytest.approx(ahead * 0.225, rel=0.12)


@pytest.mark.parametrize("of", [1, 2, 3, 8])
def test_those_who_are_alone_never_meet(of: int) -> None:
    """Each keeps its own starts from an instant that all know: a little more than a gap apart."""
    starts: list[float] = []
    for place in range(of):
        at = 100.0 + place * 0.013
        for _ in range(20):
            at = alone_at(at, 99.9, 0.2, place=place, of=of)
            starts.append(at)
    starts.sort()
    assert min(after - before for before, after in pairwise(starts)) == pytest.approx(0.21)


def test_a_process_that_looks_all_the_time_passes_over_the_dead_too() -> None:
    """It goes on with the list of its last look for a moment, and never for two."""
    wish = Wish(2, BULK, 1, 9.0, 10.0)
    line = WaitingList(used(10.0)._replace(wishes=(wish,)), Member(1, 1000.0, 1.0, 10.0))
    looks = 0
    while line.go_on(line.now + 0.0005):
        looks += 1
    assert 1 <= looks <= 8
    later = WaitingList(line.shared(), Member(1, 1000.0, 1.0, 10.006))
    assert later.look(Wish(1, BULK, 1, 10.0))[0] is not None
