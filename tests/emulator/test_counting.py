"""The four ways of counting, with a clock that is handed in."""

from collections.abc import Callable

import pytest

from s2v_detect.emulator._counting import (
    Admission,
    Bucket,
    Counting,
    Fixed,
    Sliding,
    Spaced,
    Unlimited,
    counted,
)

RATED: list[Callable[..., Admission]] = [Sliding, Fixed, Bucket, Spaced]


def admitted(admission: Admission, *times: float) -> str:
    """Return what became of arrivals: `+` within the rate, `-` over it."""
    return "".join("+" if admission.admit(at) else "-" for at in times)


@pytest.mark.parametrize(
    ("admission", "times", "expected"),
    [
        pytest.param(Sliding(), [0.0] * 6, "+++++-", id="sliding: five at once, no sixth"),
        pytest.param(Sliding(), [0.9] * 5 + [1.1], "+++++-", id="sliding: the edge is no excuse"),
        pytest.param(Sliding(), [0.0] * 5 + [0.999, 1.0], "+++++-+", id="sliding: a second later"),
        pytest.param(Fixed(), [0.9] * 5 + [1.1] * 6, "++++++++++-", id="fixed: ten at an edge"),
        pytest.param(Fixed(), [0.0] * 5 + [0.999, 1.0], "+++++-+", id="fixed: the next second"),
        pytest.param(Bucket(), [0.0] * 6, "+++++-", id="bucket: five tokens"),
        pytest.param(Bucket(), [0.0] * 5 + [0.1, 0.2, 0.3], "+++++-+-", id="bucket: one in 200 ms"),
        pytest.param(Bucket(), [9.0] * 5 + [99.0] * 6, "+++++" + "+++++-", id="bucket: never six"),
        pytest.param(Spaced(), [0.0, 0.0, 0.179, 0.181], "+--+", id="spaced: 20 ms early"),
        pytest.param(Spaced(), [0.0, 0.18, 0.36], "++-", id="spaced: early once is no habit"),
        pytest.param(Spaced(), [0.0, 0.5, 0.69, 0.87], "+++-", id="spaced: late is no credit"),
    ],
)
def test_what_is_within_the_rate(admission: Admission, times: list[float], expected: str) -> None:
    """Each way of counting admits what its definition says, to the millisecond."""
    assert admitted(admission, *times) == expected


@pytest.mark.parametrize(
    ("kind", "times", "forgiving", "counting"),
    [
        pytest.param(
            Sliding, [0.0] * 5 + [0.5] * 5 + [1.1], "+++++-----+", "+++++------", id="sliding"
        ),
        pytest.param(Bucket, [0.0] * 5 + [0.15, 0.25], "+++++-+", "+++++--", id="bucket"),
        pytest.param(Spaced, [0.0, 0.1, 0.2], "+-+", "+--", id="spaced"),
    ],
)
def test_rejected_requests_may_count_too(
    kind: Callable[..., Admission], times: list[float], forgiving: str, counting: str
) -> None:
    """With `rejected_count_too`, knocking while over the rate keeps one over the rate."""
    assert admitted(kind(), *times) == forgiving
    assert admitted(kind(rejected_count_too=True), *times) == counting


@pytest.mark.parametrize("kind", RATED)
@pytest.mark.parametrize("rate", [0.5, 2.5, 5.0, 50.0])
def test_the_rate_holds_in_the_long_run(kind: Callable[..., Admission], rate: float) -> None:
    """Whoever knocks without pause gets the rate, and at most one burst more."""
    admission = kind(rate)
    knocks = 200_000
    seconds = 100 / rate
    got = sum(admission.admit(seconds * knock / knocks) for knock in range(knocks))
    assert 100 <= got <= 100 + max(1, rate)


@pytest.mark.parametrize("kind", RATED)
def test_requests_exactly_at_the_rate_are_all_admitted(kind: Callable[..., Admission]) -> None:
    """Sums of 0.2 drift by some 1e-12: no way of counting trips over that."""
    admission = kind()
    at = 0.0
    for _ in range(10_000):
        assert admission.admit(at)
        at += 0.2


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("none", Unlimited),
        ("sliding", Sliding),
        ("fixed", Fixed),
        ("bucket", Bucket),
        ("spaced", Spaced),
    ],
)
def test_every_way_has_its_name(name: Counting, kind: type[Admission]) -> None:
    """`counting=` takes the names of the documentation."""
    assert type(counted(name)) is kind


def test_no_limit_admits_everything() -> None:
    """A thousand requests at one instant are within no limit."""
    assert all(Unlimited().admit(0.0) for _ in range(1_000))


def test_an_unknown_way_is_refused() -> None:
    """A mistyped name raises, and says which names there are."""
    with pytest.raises(ValueError, match="none, sliding, fixed, bucket, spaced"):
        counted("slidign")  # type: ignore[arg-type]  # what a user may type


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan")])
def test_a_rate_is_more_than_nothing(rate: float) -> None:
    """A rate under which nothing is ever admitted raises at once."""
    with pytest.raises(ValueError, match="more than 0"):
        counted("sliding", rate)
