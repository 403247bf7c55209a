"""Whose turn it is, where many processes have one line: values in, values out.

The theory. Every process has one *wish* for each lane in which somebody waits, and everybody sees
all wishes. A wish has a *place* in its lane and a *due* time: the instant at which its owner looks
at the list again. Whoever looks hears one of two things: that the turn is granted, or when to look
again. Nobody is woken by another one, and nobody polls.

* **Order.** Lanes go in their order. Interactive wishes go by the arrival of their check, over all
  processes. A bulk wish joins the end of the round, and a process has one: that is round robin.
* **A turn is bound when it is claimed, not before.** A visitor has the next start, however many
  streams wait. The bulk wish whose start a visitor took joins the end of the round, so that the
  others keep their times: one process more wakes up, and not all. That happens to a wish twice at
  most: visitors that come in step with the round would otherwise starve one process.
* **Who is asleep blocks nobody.** A wish is in the way of a later one only when its owner is about
  to look. So a turn that was given back is used by whoever looks next.
* **Who does not come is passed over.** Its owner alone sets the due time of a wish. A little after
  that time the wish is dropped by whoever looks. A process that was only late comes back with the
  place that it had. So a killed process costs one start at most. Whoever looks may ask whether the
  next one (`next_owner`) lives: `without` a dead one its start is foreseen to be free, and is used.
* **What left counts.** A claim counts as left at its start until the owner says when the bytes
  left, or that they will not. An owner that says nothing has left.
* **One line, several rates.** The pace is the largest rate among the living processes. A slower
  process says before which instant it does not want to go.

The same rule can be said in one script of a server: `look` claims and joins again in one call.

All times are seconds on one monotonic clock, which all processes share and which is handed in.
"""

import math
from collections.abc import Sequence
from operator import attrgetter
from typing import NamedTuple

from s2v_detect.limiters._pacing import Pacer
from s2v_detect.models import LANES

EARLY_S = 0.005
"""How long before its start a turn may be claimed: a timer is that exact, and rests until then."""

_LATE_S = 0.0025
"""So late after its start a turn's bytes leave, mostly: a timer wakes up a millisecond or two late.

Whoever foresees those before it on time comes too early, claims, and sleeps once more. Simulated
with timers that are 2 ms late on average, four processes wake up 1.15 times a turn so, and 1.08
times with this; seven 1.68 and 1.19 times. More than is true would cost rate: 0.001 more costs
0.04 % of seven processes' rate where timers are exact; and a fast line has no such time.
"""
_LATE_GAPS = 1 / 80

BULK = LANES.index("bulk")
# A loaded machine keeps a process from its timer for so long. More would cost a start where a
# process was killed: the next one looks a gap later.
OVERDUE_S = 0.05
SHORTEST_OVERDUE_S = 0.005
OVERDUE_GAPS = 0.25
# The grace for a connection is 0.03 s: an owner that is silent for so long says nothing any more.
# It is less than a gap, so that the claim has its place before whoever leaves next.
CLAIM_S = 0.1
MOST_PASSED = 2
_MOMENT_S = 4e-3  # less than any time after which somebody is passed over
IDLE_S = 60.0
"""A line that nobody used for so long begins anew, its pauses and margins too."""
AHEAD_S = 1.0
"""A time so far ahead is of another clock."""
MOST_COUNTED = 60
"""More requests are not counted in one window: the window is shortened by as much. A shorter window
with the same share of margin keeps the longer one as well, and its times fit on a page."""


class Member(NamedTuple):
    """One process (exactly: one limiter object) that uses the line."""

    owner: int
    rate: float
    per_s: float
    seen_at: float

    @property
    def gap_s(self) -> float:
        """Seconds between two starts at its rate."""
        return self.per_s / self.rate


class Wish(NamedTuple):
    """One process wants a turn in one lane."""

    owner: int
    lane: int
    """The lane's index in `LANES`."""
    waiting: int
    """How many wait in the lane in that process."""
    place: float
    """Within the lane the lowest goes first: the arrival of a check, or when bulk joined."""
    due: float = math.inf
    """When the owner looks again."""
    passed: int = 0
    """How often somebody of a better lane took its start."""

    @property
    def order(self) -> tuple[int, float, int]:
        """Who has less goes first."""
        return self.lane, self.place, self.owner


class Claim(NamedTuple):
    """A turn that was granted; nobody said yet when its bytes left."""

    owner: int
    at: float


class Shared(NamedTuple):
    """All that the processes of a line share: plain values."""

    used_at: float
    learnt: tuple[float, ...]
    lefts: tuple[float, ...]
    members: tuple[Member, ...] = ()
    wishes: tuple[Wish, ...] = ()
    claims: tuple[Claim, ...] = ()


class WaitingList:
    """The line of one account at one instant, as one process sees and changes it."""

    def __init__(
        self, shared: Shared | None, me: Member, *, is_new: bool = False, late_s: float = _LATE_S
    ) -> None:
        """Go on where others left off. Turns count as left so late after their starts, mostly.

        Without their state: `is_new` says that nobody has used this line yet. Else who left in the
        last window is not known, and the next may leave when that window is over.
        """
        now = me.seen_at
        if shared is not None and _is_over(shared, now):
            shared, is_new = None, True
        elif shared is not None and _is_ahead(shared, now):
            shared = None
        self.now = self._made_at = now
        self.owner = me.owner
        self._own_gap_s = me.gap_s
        self._late_s = late_s
        known = shared or Shared(now, *Pacer(1.0).state())
        self._members = [me]
        fastest, self.gap_s = me, me.gap_s
        for member in known.members:
            if member.owner == me.owner or not _is_here(member, known, now):
                continue
            self._members.append(member)
            if member.per_s < self.gap_s * member.rate:
                fastest, self.gap_s = member, member.gap_s
        counted = min(fastest.rate, MOST_COUNTED)
        self._pace = counted, counted * self.gap_s
        self._pacer = Pacer.from_state(*self._pace, known.learnt, known.lefts)
        if shared is None and not is_new:
            self.assume_others()
        overdue_s = min(OVERDUE_S, max(SHORTEST_OVERDUE_S, OVERDUE_GAPS * self.gap_s))
        self._wishes = [wish for wish in known.wishes if now <= wish.due + overdue_s]
        self._claims = list(known.claims)
        self._settle()

    @property
    def spacing(self) -> tuple[float, float, float]:
        """What decides the next start, beside who left when: that of the pacer."""
        return self._pacer.spacing

    def shared(self) -> Shared:
        """Return what the next process goes on with."""
        return Shared(
            self.now,
            *self._pacer.state(),
            tuple(self._members),
            tuple(self._wishes),
            tuple(self._claims),
        )

    def go_on(self, now: float) -> bool:
        """Be the list of a moment later. False after more, when somebody may be overdue."""
        if not self.now <= now < self._made_at + _MOMENT_S:
            return False
        self.now = now
        return True

    @property
    def given_per_s(self) -> float | None:
        """Requests a second that the account gives, where they are fewer than the line's rate."""
        return None if self._pacer.share >= 1 else self._pacer.share / self.gap_s

    def look(
        self, wish: Wish, *, not_before: float = -math.inf, following: Wish | None = None
    ) -> tuple[float | None, Wish | None]:
        """Ask for the turn. Return its start, or None; and the wish that stays on the list.

        Granted, the wish is gone, and `following` (the next of the same lane) has joined: when the
        caller is granted a turn, it may have to wait up to `EARLY_S` for its start. Not granted,
        the caller looks again at the `due` of the wish that is returned.
        """
        now = self.now
        self._forget(wish)
        pacer = self._foreseen() if self._claims else self._pacer
        start = max(pacer.start_at(self._from()), not_before)
        is_before = [each for each in self._wishes if each.order < wish.order]
        about_to_look = [each for each in is_before if each.due <= now + EARLY_S]
        if not about_to_look and start <= now + EARLY_S:
            start = max(now, start)
            self._claims.append(Claim(self.owner, start))
            is_slower = self._own_gap_s > self.gap_s
            not_before = start + self._own_gap_s if is_slower else -math.inf
            return start, None if following is None else self._join(following, not_before)
        if self._was_taken(wish, start, about_to_look):
            wish = wish._replace(place=now, passed=wish.passed + 1)
        return None, self._join(wish, not_before)

    def assume_others(self) -> None:
        """Count the last window as used up: others may have gone, and nobody knows when."""
        counted = max(1, math.floor(self._pace[0]))
        learnt, _ = self._pacer.state()
        self._pacer = Pacer.from_state(*self._pace, learnt, [self.now] * counted)

    def at_present(self) -> tuple[float, float, float]:
        """Return the start that is next, when the last one left, and the gap between two."""
        last_left_at = self._pacer.last_left_at
        anchor = last_left_at if last_left_at > -math.inf else 0.0
        start = self._pacer.start_at(self._from())
        return start, anchor, max(self._own_gap_s, self._pacer.gap_s)

    def next_owner(self) -> int | None:
        """Return whose wish is due next, of those who are asleep; None where nobody else waits."""
        whose, soonest = None, math.inf
        for owner, _, _, _, due, _ in self._wishes:
            if self.now < due < soonest and owner != self.owner:
                whose, soonest = owner, due
        return whose

    def without(self, owner: int) -> None:
        """Drop what a dead process wished. One that lives after all comes back with its place."""
        self._wishes = [each for each in self._wishes if each.owner != owner]
        self._members = [each for each in self._members if each.owner != owner]

    def leave(self, wish: Wish) -> None:
        """Nobody waits in that lane of that process any more."""
        self._forget(wish)

    def left(self, claim: Claim, at: float) -> None:
        """Count a granted turn at the instant when its bytes left."""
        if claim in self._claims:
            self._claims.remove(claim)
        # Later than its neighbours if it was told later: never a clock that runs back.
        self._pacer.left(max(at, self._pacer.last_left_at))

    def withdrawn(self, claim: Claim) -> None:
        """Give a granted turn back: whoever looks next may have it."""
        if claim in self._claims:
            self._claims.remove(claim)

    def throttled(self, at: float, retry_after_s: float | None) -> None:
        """Slow the account's line, once for all 429s of an episode, whichever process met them."""
        self._pacer.throttled(at, retry_after_s)

    def forecast_s(self, lane: int, own_waiting: Sequence[int]) -> float:
        """Return the seconds that one joining this lane of this process now would wait.

        `own_waiting` says how many wait in each lane of this process.
        """
        ahead = sum(own_waiting[: lane + 1])
        rounds = own_waiting[lane] + 1
        for wish in self._wishes:
            if wish.owner != self.owner and wish.lane <= lane:
                # Of a stream no more go first than this process has turns in the meantime.
                ahead += wish.waiting if wish.lane < BULK else min(wish.waiting, rounds)
        pacer = self._foreseen()
        pause_s = max(0.0, pacer.start_at(self._from()) - self.now)
        return pause_s + ahead * pacer.gap_s

    def _settle(self) -> None:
        """Count the claims as left whose owners say nothing any more."""
        for claim in sorted(self._claims, key=attrgetter("at")):
            if self.now - claim.at > CLAIM_S:
                self.left(claim, claim.at)

    def _forget(self, wish: Wish) -> None:
        whose = wish.owner, wish.lane
        self._wishes = [each for each in self._wishes if (each.owner, each.lane) != whose]

    def _was_taken(self, wish: Wish, start: float, about_to_look: list[Wish]) -> bool:
        """Whether the start of a bulk wish went to a better lane, and it may not mind."""
        if wish.lane < BULK or wish.passed == MOST_PASSED or wish.due > self.now + EARLY_S:
            return False
        is_late = start - wish.due > self.gap_s / 2
        return is_late or any(each.lane < BULK for each in about_to_look)

    def _join(self, wish: Wish, not_before: float) -> Wish:
        """Put a wish on the list, due when its place comes to a start."""
        late_s = min(self._late_s, _LATE_GAPS * self.gap_s)
        pacer = self._foreseen(late_s)
        start = pacer.start_at(max(self._from(), pacer.last_left_at))
        is_before = (each for each in self._wishes if each.order < wish.order)
        for each in sorted(is_before, key=attrgetter("due")):
            if start + EARLY_S < each.due:
                break  # there is a start to spare before that one looks
            at = max(start, each.due) + late_s
            pacer.left(at)
            start = pacer.start_at(at)
        wish = wish._replace(due=max(start, not_before, self.now))
        self._wishes.append(wish)
        return wish

    def _foreseen(self, late_s: float = 0.0) -> Pacer:
        """Return the pace as if all claims had left at their starts, or so late after them."""
        pacer = self._pacer.copy()
        for claim in sorted(self._claims, key=attrgetter("at")):
            pacer.left(max(claim.at + late_s, pacer.last_left_at))
        return pacer

    def _from(self) -> float:
        """Return now, or the latest start that was granted: that may be a little ahead."""
        latest = max(self.now, self._pacer.last_left_at)
        return max(latest, *[claim.at for claim in self._claims]) if self._claims else latest


def margin_of(line: Pacer | WaitingList, *, is_whole: bool) -> float:
    """Return by how much a line is slower than its rate, or than its part where it is not whole."""
    gaps, windows, _ = line.spacing
    return round((max(gaps, windows) if is_whole else windows) - 1, 4)  # 1.15 - 1 has a tail


def _is_here(member: Member, shared: Shared, now: float) -> bool:
    """Whether a process uses the line: it did lately, or it sleeps to a far start."""
    if now - member.seen_at <= IDLE_S:
        return True
    return any(wish.owner == member.owner and wish.due >= now - IDLE_S for wish in shared.wishes)


def _is_over(shared: Shared, now: float) -> bool:
    """Whether nobody uses the line any more. Whoever sleeps to a far start does."""
    if now <= shared.used_at + IDLE_S:
        return False
    until = max((wish.due for wish in shared.wishes), default=0.0) + IDLE_S
    slowest_s = max((member.gap_s for member in shared.members), default=0.0)
    return now > max([until, *(at + 2 * slowest_s for at in shared.lefts[-1:])])


def _is_ahead(shared: Shared, now: float) -> bool:
    return shared.used_at > now + AHEAD_S
