"""Rules, and the answers that they give: values in, values out."""

import json
import random

import pytest

from s2v_detect.emulator import (
    Answer,
    Cut,
    Error,
    HalfBody,
    Html,
    Pass,
    Raw,
    Reject,
    Silent,
    Throttle,
    Trickle,
    mix,
)
from s2v_detect.emulator._script import Script, drawn_s

A, B = "http://a.example/1.jpg", "http://a.example/2.jpg"


def test_the_newest_rule_that_fits_decides() -> None:
    """A test overrides what was said before it by saying more."""
    script = Script(otherwise=Pass())
    script.when("*", Error(500, "InternalError"))
    script.when("*/1.*", Cut())
    assert script.answer(A) == Cut()
    assert script.answer(B) == Error(500, "InternalError")


def test_a_rule_of_the_same_pattern_is_replaced() -> None:
    """Saying `when` again about a pattern starts its answers anew."""
    script = Script()
    script.when("*", Cut(), Pass())
    script.answer(A)
    script.when("*", Silent(), Pass())
    assert [script.answer(A), script.answer(A)] == [Silent(), Pass()]


def test_every_image_goes_through_the_answers_by_itself() -> None:
    """With `each="image"` each image is cut once, and the last answer stays."""
    script = Script()
    script.when("*", Cut(), Pass())
    assert [script.answer(A) for _ in range(3)] == [Cut(), Pass(), Pass()]
    assert script.answer(B) == Cut()


def test_requests_may_take_the_answers_as_they_come() -> None:
    """With `each="request"` the first request is cut, whichever image it is for."""
    script = Script()
    script.when("*", Cut(), Pass(), each="request")
    assert [script.answer(A), script.answer(B)] == [Cut(), Pass()]


def test_where_no_rule_fits_the_fallback_answers() -> None:
    """`otherwise` is an answer, a callable of the URL, or nothing: then the image is looked at."""
    assert Script().answer(A) is None
    assert Script(Pass()).answer(A) == Pass()
    assert Script(lambda image: Reject(message=image)).answer(A) == Reject(message=A)


def test_clearing_forgets_the_rules_and_keeps_the_fallback() -> None:
    """After `clear` the script is as it was made."""
    script = Script(Pass())
    script.when("*", Cut())
    script.clear()
    assert script.answer(A) == Pass()


def test_a_query_is_matched_as_it_is_written() -> None:
    """The shell's `?` fits a question mark as well, so a signed URL fits itself."""
    script = Script(Pass())
    script.when("http://a.example/1.jpg?sign=x", Cut())
    assert script.answer("http://a.example/1.jpg?sign=x") == Cut()
    assert script.answer("http://a.example/1.jpg") == Pass()


def test_a_rule_says_something() -> None:
    """A rule without an answer, or with an unknown `each`, is a mistake and raises."""
    with pytest.raises(ValueError, match="no answer"):
        Script().when("*")
    with pytest.raises(ValueError, match="each must be"):
        Script().when("*", Pass(), each="url")  # type: ignore[arg-type]  # what a user may type


@pytest.mark.parametrize(
    ("answer", "status", "billed", "breaks_after", "then"),
    [
        (Pass(), 200, True, None, "close"),
        (Reject(), 200, True, None, "close"),
        (Reject(shape="400"), 400, False, None, "close"),
        (Error(500, "InternalError"), 500, False, None, "close"),
        (Error(504, "", billed=True), 504, True, None, "close"),
        (Throttle(), 429, False, None, "close"),
        (Cut(), 200, True, "request", "close"),
        (Cut(billed=False, after="half body", reset=True), 200, False, "half body", "reset"),
        (Silent(after="headers"), 200, True, "headers", "silence"),
        (HalfBody(), 200, True, None, "close"),
        (Trickle(), 200, True, None, "close"),
        (Html(), 200, False, None, "close"),
        (Html(502, billed=True), 502, True, None, "close"),
        (Raw(204), 204, False, None, "close"),
    ],
)
def test_what_an_answer_comes_to(
    answer: Answer, status: int, *, billed: bool, breaks_after: str | None, then: str
) -> None:
    """Status, bill and where the line breaks are as the answer's fields say."""
    reply = answer.reply("id", "200")
    assert (reply.status, reply.billed) == (status, billed)
    assert (reply.breaks_after, reply.then) == (breaks_after, then)


def body(answer: Answer, shape: str = "200") -> object:
    """Return an answer's JSON."""
    return json.loads(answer.reply("id", "400" if shape == "400" else "200").content)


def test_a_pass_is_the_page_s_own_example() -> None:
    """Output, usage and request id, as the API page shows them."""
    assert body(Pass()) == {
        "output": {"check_pass": True, "humanoid": True},
        "usage": {"image_count": 1},
        "request_id": "id",
    }
    assert "usage" not in body(Pass(usage=False))  # type: ignore[operator]  # it is a dict


def test_a_reject_has_two_shapes() -> None:
    """The page's has no `humanoid` unless told; the other has its code at top level."""
    reject = Reject("InvalidFile.NoHuman", "none")
    assert body(reject) == {
        "output": {"check_pass": False, "code": "InvalidFile.NoHuman", "message": "none"},
        "usage": {"image_count": 1},
        "request_id": "id",
    }
    assert body(reject, "400") == {
        "code": "InvalidFile.NoHuman",
        "message": "none",
        "request_id": "id",
    }
    assert body(Reject(shape="200", humanoid=False), "400") == {
        "output": {"check_pass": False, "humanoid": False, "code": "", "message": ""},
        "usage": {"image_count": 1},
        "request_id": "id",
    }


@pytest.mark.parametrize(
    ("retry_after_s", "headers"),
    [
        (None, {}),
        (3, {"Retry-After": "3"}),
        (0.25, {"Retry-After": "1", "retry-after-ms": "250"}),
    ],
)
def test_a_throttle_may_say_when_to_come_back(
    retry_after_s: float | None, headers: dict[str, str]
) -> None:
    """`Retry-After` is in whole seconds, rounded up; the rest is in `retry-after-ms`."""
    assert Throttle(retry_after_s).reply("id", "200").headers == headers


def test_half_a_body_is_no_json() -> None:
    """The HTTP answer is whole and its JSON is not."""
    with pytest.raises(json.JSONDecodeError):
        body(HalfBody())


def test_a_mix_is_the_same_every_time_and_near_its_shares() -> None:
    """The URL alone decides, so that a demonstration can be repeated."""
    images = [f"http://a.example/{number}.jpg" for number in range(5_000)]
    answers = [mix(1, rejects=0.3, unusable=0.1)(image) for image in images]
    assert answers == [mix(1, rejects=0.3, unusable=0.1)(image) for image in images]
    assert answers != [mix(2, rejects=0.3, unusable=0.1)(image) for image in images]
    assert sum(isinstance(answer, Reject) for answer in answers) == pytest.approx(1500, rel=0.1)
    assert sum(isinstance(answer, Error) for answer in answers) == pytest.approx(500, rel=0.2)


def test_a_latency_is_seconds_or_drawn_from_a_range() -> None:
    """A range is drawn from with the emulator's own seed."""
    chance = random.Random(1)  # latencies are no secret
    assert drawn_s(0.5, chance) == 0.5
    drawn = [drawn_s((0.1, 0.2), chance) for _ in range(50)]
    assert all(0.1 <= seconds <= 0.2 for seconds in drawn)
    assert len(set(drawn)) == 50
