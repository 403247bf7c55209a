"""What a status means stands in one table: its rows, and a default for those without one."""

import json

import pytest

from s2v_detect import DetectError, RateLimited, ServiceUnavailable
from s2v_detect._service import STATUS_MEANINGS, Meaning
from s2v_detect.checks._again import Seen, may_follow, slows_the_line
from s2v_detect.wire import Answer, decode
from s2v_detect.wire._answers import meaning_of


def error_of(status: int) -> DetectError:
    """Return the error of an answer whose code is in no table."""
    body = json.dumps({"code": "Overloaded", "message": "too many", "request_id": "r"})
    with pytest.raises(DetectError) as raised:
        decode(Answer(status, {}, body.encode()))
    return raised.value


def test_a_status_is_what_its_row_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """529 as a throttle is one row: it slows the line, and no line of logic has to change."""
    assert type(error_of(529)) is ServiceUnavailable
    assert not slows_the_line(error_of(529))
    monkeypatch.setitem(STATUS_MEANINGS, 529, Meaning.THROTTLED)
    error = error_of(529)
    assert type(error) is RateLimited
    assert slows_the_line(error)
    assert may_follow(error, Seen())
    assert type(error_of(528)) is ServiceUnavailable


def test_every_status_has_a_meaning() -> None:
    """Its row, else the one of its range: exactly one of them."""
    for status in range(100, 1000):
        ranges = [row for row in STATUS_MEANINGS if isinstance(row, range) and status in row]
        usual = Meaning.FAULT if status >= 500 else Meaning.BAD_REQUEST
        assert len(ranges) == 1, status
        assert meaning_of(status, "", "") is STATUS_MEANINGS.get(status, usual), status
