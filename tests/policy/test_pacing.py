"""When the next request may leave, and what a 429 changes about it."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s2v_detect.emulator._counting import Admission, Counting, counted
from s2v_detect.limiters._pacing import LONGEST_RETRY_AFTER_S, Pacer

ROUNDING_S = 1e-6
SETTLED_REQUESTS = 100


def obeyed(pacer: Pacer, requests: int, *, began_at: float = 0.0) -> list[float]:
    """Return when so many requests leave, each as early as it may."""
    lefts = []
    now = began_at
    for _ in range(requests):
        now = max(now, pacer.start_at(now))
        pacer.left(now)
        lefts.append(now)
    return lefts


def settled(rate: float = 5.0) -> tuple[Pacer, float]:
    """Return a pacer whose opening is over, and when its last request left."""
    pacer = Pacer(rate)
    return pacer, obeyed(pacer, SETTLED_REQUESTS)[-1]


def gap_and_span(pacer: Pacer, now: float) -> tuple[float, float]:
    """Return the smallest gap between neighbours, and span of five, of the requests after `now`."""
    lefts = obeyed(pacer, 20, began_at=now + 60)
    gaps = [after - before for before, after in pairwise(lefts)]
    spans = [after - before for before, after in zip(lefts, lefts[5:], strict=False)]
    return min(gaps), min(spans)


def refused_wide() -> tuple[Pacer, float]:
    """Return a pacer that met a 429 while its window was still wide, and when."""
    pacer = Pacer(5.0)
    now = obeyed(pacer, 10)[-1] + 0.05
    pacer.throttled(now)
    return pacer, now


def test_the_first_request_may_leave_at_once() -> None:
    """There is nothing to keep a distance from."""
    assert Pacer(5.0).start_at(3.0) <= 3.0


def test_neighbours_are_a_fifth_of_a_second_apart() -> None:
    """A service that spaces requests takes the second request."""
    pacer = Pacer(5.0)
    pacer.left(10.0)
    assert pacer.start_at(10.0) == pytest.approx(10.2)


def test_asking_reserves_nothing() -> None:
    """A turn that is withdrawn must cost nothing: only what left counts."""
    pacer = Pacer(5.0)
    pacer.left(10.0)
    assert [pacer.start_at(10.0) for _ in range(3)] == [pacer.start_at(10.0)] * 3


def test_a_line_that_was_idle_starts_at_once() -> None:
    """Old requests decide nothing."""
    pacer, now = settled()
    assert pacer.start_at(now + 30) <= now + 30


def test_the_line_is_measured_from_when_bytes_left_and_not_from_when_they_were_due() -> None:
    """A request that leaves late moves those after it: nothing is caught up."""
    pacer, now = settled()
    late = pacer.start_at(now) + 0.5
    pacer.left(late)
    assert pacer.start_at(late) >= late + 0.2 - ROUNDING_S


def test_it_opens_carefully_and_settles_at_98_percent() -> None:
    """The first windows are 1.15 s wide, later ones 1.02 s: that margin holds 20 ms of jitter."""
    lefts = obeyed(Pacer(5.0), 200)
    spans = [after - before for before, after in zip(lefts, lefts[5:], strict=False)]
    assert spans[0] == pytest.approx(1.15)
    assert spans[-1] == pytest.approx(1.02)
    assert all(later <= earlier + ROUNDING_S for earlier, later in pairwise(spans))


def test_the_opening_costs_under_a_second() -> None:
    """A short run is not much slower than a long one."""
    assert obeyed(Pacer(5.0), 100)[-1] < 99 * 0.204 + 1.0


@pytest.mark.parametrize(
    ("rate", "per_s", "gap_s"),
    [
        (5.0, 1.0, 0.2),
        (0.5, 1.0, 2.0),
        (1000.0, 1.0, 0.001),
        (300.0, 60.0, 0.2),
        (7.5, 1.0, 2 / 15),
    ],
)
def test_any_rate_is_kept_and_nearly_reached(rate: float, per_s: float, gap_s: float) -> None:
    """From one in two seconds to a thousand a second: at most the rate, and 95 % of it."""
    requests = 20_000
    lefts = obeyed(Pacer(rate, per_s), requests)
    mean_gap_s = lefts[-1] / (requests - 1)
    assert gap_s <= mean_gap_s < gap_s / 0.95


def test_the_gap_for_forecasts_is_the_mean_gap() -> None:
    """Ten thousand in line are told when they go to within a percent."""
    pacer, now = settled()
    told_s = pacer.gap_s
    assert (obeyed(pacer, 1000, began_at=now)[-1] - now) / 1000 == pytest.approx(told_s, rel=0.01)


def test_a_429_pauses_the_line_for_a_gap() -> None:
    """The slot that was thrown away is not followed by another."""
    pacer, now = settled()
    pacer.throttled(now + 0.15)
    assert pacer.start_at(now + 0.15) >= now + 0.35 - ROUNDING_S


def test_a_429_later_widens_the_window_by_the_slack_that_was_refused() -> None:
    """1.02 s were refused, so the jitter is more than 20 ms: 1.056 s hold up to 50 ms."""
    pacer, now = settled()
    pacer.throttled(now + 0.05)
    gap_s, span_s = gap_and_span(pacer, now)
    assert span_s == pytest.approx(1.056, abs=1e-4)
    assert gap_s == pytest.approx(0.2, abs=1e-4)


def test_a_429_under_a_wide_window_widens_the_gap() -> None:
    """A window that was wide enough was not the reason: 231 ms hold 50 ms where 180 are asked."""
    gap_s, span_s = gap_and_span(*refused_wide())
    assert gap_s == pytest.approx(0.231, abs=1e-4)
    assert span_s == pytest.approx(5 * 0.231, abs=1e-3)


def test_the_429s_of_one_episode_count_once() -> None:
    """Twenty requests were on their way when the first answer came: nothing is learnt twice."""
    once, now = settled()
    often, _ = settled()
    once.throttled(now + 0.05)
    for step in range(20):
        often.throttled(now + 0.05 + step * 0.04)
    assert often.start_at(now + 0.9) == once.start_at(now + 0.9)
    assert often.gap_s == once.gap_s


def test_the_next_episode_counts_again() -> None:
    """A second 429 after the pause says that the margin is still too small."""
    pacer, now = settled()
    pacer.throttled(now)
    now = obeyed(pacer, 10, began_at=now)[-1]
    gap_s = pacer.gap_s
    pacer.throttled(now)
    assert pacer.gap_s > gap_s


def test_endless_429s_slow_the_line_to_a_tenth_and_no_further() -> None:
    """Somebody else has the account: ours takes half a slot in a wide window, and never stops."""
    pacer, now = settled()
    for _ in range(50):
        now = obeyed(pacer, 5, began_at=now)[-1] + 0.05
        pacer.throttled(now)
    assert pacer.gap_s == pytest.approx(2 * 1.15, abs=1e-3)
    assert pacer.share == pytest.approx(0.1)


def test_what_was_learnt_stays_small_enough_to_be_shared() -> None:
    """Days of 429s double no number beyond what other processes can read."""
    pacer = Pacer(5.0)
    now = obeyed(pacer, 500)[-1]
    for _ in range(2000):
        now = obeyed(pacer, 2, began_at=now)[-1] + 0.05
        pacer.throttled(now)
    assert all(abs(float(value)) <= now + 10 for value in pacer.state()[0])
    assert pacer.share == pytest.approx(0.1)


def asked(
    pacer: Pacer, admission: Admission, since: float, until: float, others: list[float]
) -> tuple[int, int, float]:
    """Return how many were sent and refused, and when the last left; others ask meanwhile."""
    sent = refused = 0
    now = since
    while (now := max(now, pacer.start_at(now))) < until:
        while others and others[0] <= now:
            admission.admit(others.pop(0))
        pacer.left(now)
        sent += 1
        if not admission.admit(now):
            refused += 1
            pacer.throttled(now + 0.04)
    return sent, refused, now


COUNTINGS: list[Counting] = ["sliding", "fixed", "bucket"]


@pytest.mark.parametrize("counting", COUNTINGS)
@pytest.mark.parametrize(("a_second", "stay_s"), [(1.0, 40.0), (1.0, 600.0), (2.5, 600.0)])
def test_a_line_that_a_stranger_left_has_its_rate_within_15_seconds(
    counting: Counting, a_second: float, stay_s: float
) -> None:
    """At most 6 requests of 100 are refused while the stranger is there."""
    pacer, admission = Pacer(5.0), counted(counting, 5.0)
    *_, now = asked(pacer, admission, 0.0, 60.0, [])
    others = [60.07 + number / a_second for number in range(int(stay_s * a_second))]
    sent, refused, now = asked(pacer, admission, now, 60 + stay_s, others)
    assert refused <= 0.06 * sent
    *_, now = asked(pacer, admission, now, now + 15, others)
    sent, refused, _ = asked(pacer, admission, now, now + 20, [])
    assert sent - refused >= 0.9 * 5 * 20


@pytest.mark.parametrize("counting", [*COUNTINGS, "spaced"])
def test_the_pace_sinks_and_rises_with_the_rate_that_the_vendor_gives(counting: Counting) -> None:
    """Most of the rate is used, and the share says what it is: in whole requests a second.

    The last column is how many of 100 are refused: a try comes each ten seconds at the latest.
    """
    pacer = Pacer(5.0)
    now = obeyed(pacer, 300)[-1]
    for rate, slots, most in (
        (4.0, 4, 5),
        (3.0, 3, 6),
        (2.5, 2, 8),
        (1.0, 1, 12),
        (0.5, 0.5, 20),
        (1.0, 1, 12),
        (2.5, 2, 8),
        (4.0, 4, 5),
    ):
        admission = counted(counting, rate)
        *_, now = asked(pacer, admission, now, now + 30, [])
        shares = []
        sent = refused = 0
        for _ in range(17):
            more, no, now = asked(pacer, admission, now, now + 10, [])
            sent, refused = sent + more, refused + no
            shares.append(pacer.share * 5)
        assert refused <= most / 100 * sent
        assert sent - refused >= 0.68 * rate * 170
        assert sorted(shares)[len(shares) // 2] == pytest.approx(slots)
    asked(pacer, counted(counting, 5.0), now, now + 20, [])
    assert pacer.share == 1


STRANGERS = {
    "five at once, each 5 s": [60.07 + 5 * (number // 5) for number in range(40)],
    "five at once, each 2 s": [60.07 + 2 * (number // 5) for number in range(100)],
    "1/s and 1/s": sorted([60.07 + number for number in range(40)] * 2),
    "1/s and 2.5/s": sorted(60.07 + n / rate for rate in (1, 2.5) for n in range(int(40 * rate))),
    "all there is": [60.07 + number / 20 for number in range(800)],
}


@pytest.mark.parametrize("counting", [*COUNTINGS, "spaced"])
@pytest.mark.parametrize("stranger", STRANGERS)
def test_a_line_finds_out_within_15_seconds_that_any_stranger_has_gone(
    counting: Counting, stranger: str
) -> None:
    """However they ask and however the service counts: no try comes later than ten seconds."""
    pacer, admission, others = Pacer(5.0), counted(counting, 5.0), STRANGERS[stranger].copy()
    *_, now = asked(pacer, admission, 0.0, 100.0, others)
    *_, now = asked(pacer, admission, now, 116.0, others)
    sent, refused, _ = asked(pacer, admission, now, now + 20, [])
    assert sent - refused >= 0.9 * 5 * 20


@pytest.mark.parametrize("rate", [2.5, 5.0, 7.5, 20.0, 1000.0])
def test_what_was_learnt_of_the_share_holds_for_another_rate(rate: float) -> None:
    """A faster process joins the line of this machine, or leaves it."""
    pacer = Pacer(5.0)
    now = obeyed(pacer, 200)[-1]
    for _ in range(3):
        pacer.throttled(now)
        now = obeyed(pacer, 1, began_at=now + 2)[-1]
    other = Pacer.from_state(rate, 1.0, *pacer.state())
    assert other.share == pacer.share < 1
    obeyed(other, max(100, int(20 * rate)), began_at=now)
    assert other.share == 1


def test_a_margin_that_was_learnt_holds_for_a_thousand_requests() -> None:
    """Else each thousand would pay for the lesson with a 429 again."""
    pacer, now = settled()
    pacer.throttled(now + 0.05)
    obeyed(pacer, 1000, began_at=now)
    assert gap_and_span(pacer, 1e4)[1] > 1.05


@pytest.mark.parametrize(
    ("retry_after_s", "pause_s"),
    [(0.5, 0.5), (30.0, 30.0), (120.0, 120.0), (1e6, 120.0), (0.01, 0.2)],
)
def test_retry_after_pauses_the_line_within_bounds(retry_after_s: float, pause_s: float) -> None:
    """It is kept from one gap to two minutes; a million seconds are somebody's mistake."""
    pacer, now = settled()
    later = now + 10
    pacer.throttled(later, retry_after_s)
    assert pacer.start_at(later) == pytest.approx(later + pause_s)


@pytest.mark.parametrize("nonsense", [math.nan, math.inf, -math.inf, -1.0, 0.0])
def test_a_retry_after_that_is_no_time_is_as_good_as_none(nonsense: float) -> None:
    """It neither freezes the line nor hastens it."""
    told, now = settled()
    plain, _ = settled()
    told.throttled(now, nonsense)
    plain.throttled(now)
    assert told.start_at(now) == plain.start_at(now)


def test_a_longer_retry_after_in_the_same_episode_is_kept() -> None:
    """The service's own wish goes before the rule that an episode counts once."""
    pacer, now = settled()
    pacer.throttled(now)
    pacer.throttled(now + 0.1, 7.0)
    assert pacer.start_at(now + 0.1) == pytest.approx(now + 7.1)


def test_a_shorter_retry_after_does_not_end_a_pause() -> None:
    """The longest wish counts."""
    pacer, now = settled()
    pacer.throttled(now, 7.0)
    pacer.throttled(now + 0.1, 0.5)
    assert pacer.start_at(now + 0.1) == pytest.approx(now + 7.0)


def test_429s_during_a_pause_belong_to_its_episode() -> None:
    """Nothing was sent since, so they tell nothing new."""
    pacer, now = settled()
    pacer.throttled(now, 60.0)
    gap_s = pacer.gap_s
    pacer.throttled(now + 50.0)
    assert pacer.gap_s == gap_s


def test_a_429_before_anything_left_is_no_failure() -> None:
    """A line that another client used may be told of a 429 first."""
    pacer = Pacer(5.0)
    pacer.throttled(10.0)
    assert 10.0 < pacer.start_at(10.0) <= 10.2 + ROUNDING_S


def test_a_clock_that_ran_back_does_not_freeze_the_line() -> None:
    """An hour back costs no hour: the requests go back with it, and the pace is kept."""
    pacer, now = settled()
    back = now - 3600
    assert back < pacer.start_at(back) <= back + 1.02 + ROUNDING_S
    lefts = obeyed(pacer, 20, began_at=back)
    assert lefts[-1] - lefts[0] < 20 * 0.21


def test_a_stamp_from_a_clock_that_ran_back_does_not_freeze_the_line() -> None:
    """The same, where the jump came between the start and the bytes."""
    pacer, now = settled()
    pacer.left(now - 3600)
    assert pacer.start_at(now - 3600) <= now - 3600 + 1.02 + ROUNDING_S


def test_a_pause_goes_back_with_the_clock() -> None:
    """Also where nothing had left yet."""
    used, now = settled()
    used.throttled(now, 60.0)
    unused = Pacer(5.0)
    unused.throttled(now, 60.0)
    for pacer in (used, unused):
        assert pacer.start_at(now - 3600) <= now - 3600 + LONGEST_RETRY_AFTER_S


def test_a_429_after_the_clock_ran_back_counts() -> None:
    """The end of an earlier episode lies in a future that will not come."""
    pacer = Pacer(5.0)
    pacer.throttled(10_000.0)
    gap_s = pacer.gap_s
    pacer.throttled(10.0)
    assert pacer.gap_s > gap_s


def test_a_clock_that_leapt_forward_starts_the_line_at_once() -> None:
    """The machine slept for a day: nobody owes a day's requests, and nobody waits."""
    pacer, now = settled()
    assert pacer.start_at(now + 86_400) <= now + 86_400
    assert pacer.start_at(now) <= now + 1.02 + ROUNDING_S


def test_two_threads_may_hand_in_their_instants_out_of_order() -> None:
    """A microsecond's disorder changes the pace by no more than that."""
    pacer, now = settled()
    in_order, _ = settled()
    for at in (now + 0.3, now + 0.3 - 1e-6):
        pacer.left(at)
    for at in (now + 0.3 - 1e-6, now + 0.3):
        in_order.left(at)
    told = pacer.start_at(now + 0.3 - 1e-6)
    assert told == pytest.approx(in_order.start_at(now + 0.3), abs=1e-5)


waits_s = st.floats(min_value=0.0, max_value=3.0)
rates = st.sampled_from([0.5, 1.0, 2.5, 5.0, 20.0, 100.0])


@given(rates, st.lists(st.tuples(waits_s, st.booleans()), max_size=60))
def test_no_window_ever_holds_more_than_the_rate(
    rate: float, story: list[tuple[float, bool]]
) -> None:
    """However late requests come and whatever is refused, five never leave within a second."""
    pacer = Pacer(rate)
    counted = max(1, math.floor(rate))
    now = 100.0
    lefts = []
    for wait_s, refused in story:
        now = max(now + wait_s, pacer.start_at(now + wait_s))
        pacer.left(now)
        lefts.append(now)
        if refused:
            pacer.throttled(now)
    spans = [after - before for before, after in zip(lefts, lefts[counted:], strict=False)]
    gaps = [after - before for before, after in pairwise(lefts)]
    assert all(span >= counted / rate - ROUNDING_S for span in spans)
    assert all(gap >= 1 / rate - ROUNDING_S for gap in gaps)


any_float = st.floats(allow_nan=True, allow_infinity=True)
instants = st.floats(min_value=-1e9, max_value=1e9)
calls = st.one_of(
    st.tuples(st.just("start_at"), instants, st.none()),
    st.tuples(st.just("left"), instants, st.none()),
    st.tuples(st.just("throttled"), instants, st.one_of(st.none(), any_float)),
)


@given(rates, st.lists(calls, max_size=40), instants)
def test_no_story_freezes_the_line(
    rate: float, story: list[tuple[str, float, float | None]], now: float
) -> None:
    """Whatever the clock and the service say, the next request leaves within two minutes or so."""
    pacer = Pacer(rate)
    for name, at, retry_after_s in story:
        if name == "start_at":
            pacer.start_at(at)
        elif name == "left":
            pacer.left(at)
        else:
            pacer.throttled(at, retry_after_s)
    slowest_window_s = 12.5 * max(1.0, 1 / rate)
    assert pacer.start_at(now) <= now + max(LONGEST_RETRY_AFTER_S, slowest_window_s) + 0.001
    assert 1 / rate <= pacer.gap_s <= slowest_window_s + ROUNDING_S
