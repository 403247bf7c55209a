"""What the page says of one is no plural."""

from pathlib import Path
from typing import Any

import pytest
from tests.records import record

from s2v_detect.languages import LANGUAGES
from s2v_detect.report import write_report
from s2v_detect.report._words import counted_in


@pytest.mark.parametrize(
    ("sent_at", "said"), [(None, "1 answer, 1.00 a second"), ([1.0], "1 request, 1.00 a second")]
)
def test_a_bar_of_one_says_so(tmp_path: Path, sent_at: list[float] | None, said: str) -> None:
    """In the chart of answers, and in that of requests."""
    page = tmp_path / "page.html"
    write_report([record(at="2026-01-15T08:00:00.000+00:00")], page, title="t", sent_at=sent_at)
    assert f"UTC: {said}</title>" in page.read_text()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_sentence_of_a_count_is_there_for_one_and_for_many(language: Any) -> None:
    """With the same names in braces."""
    say = counted_in(language)
    values = {"at": "8:00", "per_s": 1.0, "group": "passed"}
    for name in ("bar of answers", "bar of requests", "left_out"):
        one, two = (say(name, count).format(count=count, **values) for count in (1, 2))
        assert one != two
        assert ("s," in one or "images" in one) is False
        assert ("1" in one, "2" in two) == (True, True)
