"""What a process says to the script of a line in Redis, and what it hears: values in, values out.

The script (`line.lua`) is the rule of `_waiting_list`: it says who may go, and when the others
look again. What a pacer *learns* is computed here, by the one `Pacer` that there is: whoever hears
that requests left counts them, and says with its next call what follows for the pace. All who
count the same requests come to the same result, so the first one is taken and the others are passed
over. The pace lags behind by one call, and no call is made for it. A 429 alone is a call of its
own; where two processes tell of one at one time, the second counts again from where the first was.
"""

from hashlib import sha256
from typing import NamedTuple

from s2v_detect.limiters._pacing import LEARNT, LONGEST_RETRY_AFTER_S, Pacer
from s2v_detect.limiters._waiting_list import (
    AHEAD_S,
    BULK,
    CLAIM_S,
    EARLY_S,
    IDLE_S,
    MOST_COUNTED,
    MOST_PASSED,
    OVERDUE_GAPS,
    OVERDUE_S,
    SHORTEST_OVERDUE_S,
    Claim,
    Member,
    Shared,
    WaitingList,
    Wish,
)

LAYOUT = f"2/{len(LEARNT)}"
"""Another first number for every change of the hash, of the script, or of what a pacer learns."""
# A fleet whose processes make one call each never says what it learnt.
_MOST_UNLEARNT = 256
_MOST_KEPT_S = 1e9
_FIGURES = {
    "AHEAD_S": AHEAD_S,
    "BULK": BULK,
    "CLAIM_S": CLAIM_S,
    "EARLY_S": EARLY_S,
    "IDLE_S": IDLE_S,
    "LONGEST_RETRY_AFTER_S": LONGEST_RETRY_AFTER_S,
    "MOST_COUNTED": MOST_COUNTED,
    "MOST_KEPT_S": _MOST_KEPT_S,
    "MOST_PASSED": MOST_PASSED,
    "MOST_UNLEARNT": _MOST_UNLEARNT,
    "OVERDUE_GAPS": OVERDUE_GAPS,
    "OVERDUE_S": OVERDUE_S,
    "SHORTEST_OVERDUE_S": SHORTEST_OVERDUE_S,
}
FIGURES = "".join(f"local {name} = {figure!r}\n" for name, figure in _FIGURES.items())
"""What stands before the script's text, so that a figure is said once."""

_FRESH = Pacer(1.0)  # what nobody has learnt yet: it is so for any rate
_LARGE = 1e300  # what stands for infinity: not every server's numbers know that
_NOW = -1.0  # a place that the server's clock says


class Lesson(NamedTuple):
    """What a pacer learnt from the first so many requests of a line."""

    lessons: int
    """How many 429s were told before: a lesson counts only where nobody told another one since."""
    learnt_at: int
    spacing: tuple[float, float, float]
    learnt: tuple[float, ...]


class Heard(NamedTuple):
    """What a call came to, and the line as it is then."""

    start: float | None
    wish: Wish | None
    """The wish that stays on the list."""
    id: str
    """Another one when the line begins anew."""
    calls: int
    over_at: float
    sent: int
    lessons: int
    learnt_at: int
    shared: Shared


class OtherLayout(Exception):
    """A line of another release of this package."""


def key_of(name: str) -> str:
    """Return the key of a line: a hash in braces, so that a cluster has the line in one place."""
    return f"{{s2v-detect:{sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}}}"


def arguments(
    me: Member, known: Heard | None, *work: object, is_back: bool, clock: float | None = None
) -> list[str]:
    """Return the script's arguments. `work` is what the call is for.

    Args:
        me: this process; its `seen_at` is the server's to say.
        known: the line as it was heard of last.
        work: `look` with the values of `look`; `leave`, lane; `left`, the claim's start, when;
            `withdrawn`, the claim's start; `learn` with a `Lesson`; `view`.
        is_back: this process paced alone until now.
        clock: a test's; else the server's own.
    """
    lesson = work[1] if work[0] == "learn" else _lesson(me, known)
    assert isinstance(lesson, Lesson)  # noqa: S101  # for the type checker
    seen = ("", 0, 0.0) if known is None else (known.id, known.calls, known.over_at)
    said: list[object] = [
        LAYOUT,
        *me[:3],
        "" if clock is None else clock,
        *seen,
        "back" if is_back else "",
        _text(_FRESH.spacing),
        *lesson[:2],
        _text(lesson.spacing),
        _text(lesson.learnt),
        *(work[:1] if work[0] == "learn" else work),
    ]
    return [_number(each) if isinstance(each, float) else str(each) for each in said]


def look(wish: Wish, not_before: float, following: Wish | None) -> tuple[object, ...]:
    """Return the work of a look; see `WaitingList.look`."""
    behind: tuple[object, ...] = (0, _NOW)
    if following is not None:
        behind = following.waiting, _place(following)
    due = max(wish.due, -_LARGE)
    own = wish.lane, wish.waiting, _place(wish), due, wish.passed
    return ("look", *own, not_before, *behind)


def heard(reply: list[bytes | str], owner: int, lane: int = BULK) -> Heard:
    """Return what the script said. Raises `OtherLayout`."""
    words = [each.decode() if isinstance(each, bytes) else each for each in reply]
    if words[0] == "other":
        raise OtherLayout
    now, start, wish = float(words[1]), words[2], _floats(words[3])
    _, id_, _, calls, _, over_at, sent, lessons, learnt_at, _, learnt, *lists = words[4:]
    lefts, members, wishes, claims = map(_floats, lists)
    shared = Shared(
        now,
        _floats(learnt) or _FRESH.state()[0],
        lefts,
        tuple(Member(int(each[0]), *each[1:]) for each in _records(members, 4)),
        tuple(
            Wish(int(each[0]), int(each[1]), int(each[2]), each[3], each[4], int(each[5]))
            for each in _records(wishes, 6)
        ),
        tuple(Claim(int(each[0]), each[1]) for each in _records(claims, 2)),
    )
    return Heard(
        float(start) if start else None,
        Wish(owner, lane, int(wish[0]), wish[1], wish[2], int(wish[3])) if wish else None,
        id_,
        int(calls),
        float(over_at),
        int(sent),
        int(lessons),
        int(learnt_at),
        shared,
    )


def lesson_of_a_429(me: Member, known: Heard, at: float, retry_after_s: float | None) -> Lesson:
    """Return what follows from a 429, and from what left before it."""
    return _lesson(me, known, throttled=(at, retry_after_s))


def _lesson(
    me: Member, known: Heard | None, throttled: tuple[float, float | None] | None = None
) -> Lesson:
    if known is None:
        return Lesson(0, 0, _FRESH.spacing, _FRESH.state()[0])
    lefts = known.shared.lefts
    counted = max(0, len(lefts) - (known.sent - known.learnt_at))
    before = known.shared._replace(lefts=lefts[:counted], claims=())
    line = WaitingList(before, me._replace(seen_at=known.shared.used_at))
    for at in lefts[counted:]:
        line.left(Claim(me.owner, at), at)
    if throttled is not None:
        line.throttled(*throttled)
    return Lesson(known.lessons, known.sent, line.spacing, line.shared().learnt)


def _place(wish: Wish) -> float:
    return wish.place if wish.place > -_LARGE else _NOW


def _floats(text: str) -> tuple[float, ...]:
    return tuple(map(float, text.split()))


def _text(numbers: tuple[float, ...]) -> str:
    return " ".join(_number(each) for each in numbers)


def _number(number: float) -> str:
    return repr(float(max(-_LARGE, min(number, _LARGE))))


def _records(flat: tuple[float, ...], size: int) -> list[tuple[float, ...]]:
    return [flat[first : first + size] for first in range(0, len(flat), size)]
