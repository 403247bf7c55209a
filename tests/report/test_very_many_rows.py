"""A page of very many rows is small, opens quickly, and says what is not in it."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.chromium import chromium

from s2v_detect.report import write_report
from s2v_detect.report._chart import Timeline, chart_of
from s2v_detect.report._sample import MOST_BYTES, Row, Sample

pytestmark = pytest.mark.real_time

BEGAN = datetime(2026, 11, 23, 12, tzinfo=UTC)
REJECTED: dict[str, Any] = {"check_pass": False, "code": "InvalidFile.NoHuman"}
FAILED: dict[str, Any] = {"kind": "failed", "check_pass": None, "error": "OutcomeUnknown"}


def records(count: int, **fields: Any) -> Iterator[dict[str, Any]]:
    """Yield passed rows, five a second, as a run's output has them."""
    for number in range(count):
        yield {
            "line": number + 1,
            "image": f"https://images.example/{number}.jpg?Signature=S3CR3T",
            "kind": "checked",
            "check_pass": True,
            "message": "",
            "cost": 0.004,
            "cost_at_most": 0.004,
            "attempts": 1,
            "at": (BEGAN + timedelta(seconds=number / 5)).isoformat(),
            "customer": f"customer {number}",
            "notes": "a column of somebody's " * 15,
            **fields,
        }


def rows_in(page: Path) -> list[dict[str, Any]]:
    """Return the rows that a page lists."""
    found = re.search(r'id="rows">(.*?)</script>', page.read_text(), re.DOTALL)
    assert found
    rows: list[dict[str, Any]] = json.loads(found[1])
    return rows


@pytest.mark.parametrize("fields", [{}, REJECTED, FAILED], ids=["passed", "rejected", "failed"])
def test_a_page_is_small_whatever_its_rows_are(fields: dict[str, Any], tmp_path: Path) -> None:
    """Rejected ones were all in it: 200,000 made 43 MB."""
    page = tmp_path / "page.html"
    sent_at = [BEGAN.timestamp() + number / 5 for number in range(12_000)]
    rows = records(12_000, **fields)
    write_report(rows, page, title="Many", source="out.jsonl", sent_at=sent_at)
    text = page.read_text()
    assert page.stat().st_size < 5_000_000
    listed = len(rows_in(page))
    assert 5_000 < listed < 12_000
    assert f"{listed:,} of 12,000 images" in text
    assert f"{12_000 - listed:,} " in text
    assert "All of them are in <bdi>out.jsonl</bdi>" in text
    assert "<dd>12,000</dd>" in text  # the rows, and the requests
    assert "5.00/s" in text


def test_failed_rows_come_first_and_no_group_is_left_empty(tmp_path: Path) -> None:
    """A hundred failures among rejects without end are all there, and so are some that passed."""
    page = tmp_path / "page.html"

    def mixed() -> Iterator[dict[str, Any]]:
        yield from records(6_000)
        yield from records(12_000, **REJECTED)
        yield from records(100, **FAILED)

    write_report(mixed(), page, title="Many")
    rows = rows_in(page)
    groups = Counter(row["group"] for row in rows)
    assert groups["failed"] == 100
    assert groups["rejected"] > 10 * groups["passed"] > 1000
    assert [row["group"] for row in rows[:101]] == ["failed"] * 100 + ["rejected"]
    text = page.read_text()
    for group, count in (("passed", 6_000), ("rejected", 12_000)):
        assert f"{count - groups[group]:,} {group} images are left out" in text
    assert "failed images are left out" not in text


def test_a_run_that_fits_is_listed_whole_and_in_its_order(tmp_path: Path) -> None:
    """Nothing is said then of what is left out."""
    page = tmp_path / "page.html"
    write_report([*records(2), *records(1, **FAILED), *records(1)], page, title="Few")
    assert [row["group"] for row in rows_in(page)] == ["passed", "passed", "failed", "passed"]
    assert "left-out" not in page.read_text()


def test_hostile_rows_make_no_large_page_either(tmp_path: Path) -> None:
    """Rows of a megabyte, a reason of its own for each, years between them, no time at all."""
    page = tmp_path / "page.html"

    def hostile() -> Iterator[dict[str, Any]]:
        for number, row in enumerate(records(3_000)):
            long = "ü" * 1_000_000 if number % 100 == 0 else "x"
            at = BEGAN.replace(year=1 + number % 9_000).isoformat() if number % 7 else "never"
            row |= {"kind": "failed", "error": f"{long}{number}", "message": long, "own": long}
            yield row | {"image": f"https://a.example/{number}/{long}", "at": at}

    write_report(hostile(), page, title="Hostile")
    assert page.stat().st_size < 5_000_000
    text = page.read_text()
    assert text.count('class="reason failed"') == 101
    assert "other reasons" in text


def test_what_is_held_while_it_is_made_is_bounded() -> None:
    """A sample is uniform over its group, in whatever order the rows come."""
    sample = Sample()
    size = 2_000
    made = 0

    def row_of(number: int) -> Row:
        nonlocal made
        made += 1
        return Row("passed", f"{number:05}".ljust(size))

    for number in range(20_000):
        sample.add("passed", partial(row_of, number))
    assert made < 10_000  # what can't stay is not made
    rows, left_out = sample.chosen()
    texts = [kept.row.text for kept in rows]
    assert sum(map(len, texts)) <= MOST_BYTES
    assert left_out == {"passed": 20_000 - MOST_BYTES // size}
    numbers = [int(text) for text in texts]
    assert numbers == sorted(numbers)
    assert 9_500 < sum(numbers) / len(numbers) < 10_500


def test_the_rate_stays_exact_as_the_times_become_many() -> None:
    """Three runs of a day each at 5 a second, a week between them, told backwards."""
    times = [
        start + second + part / 5
        for start in (0, 604_800, 1_209_600)
        for second in range(0, 86_400, 40)
        for part in range(5)
    ]
    timeline = Timeline(reversed(times))
    assert len(timeline.bins) <= 5_000
    assert timeline.step_s > 1
    span_s, gaps = timeline.busy_s()
    assert gaps == len(times) - 3
    assert span_s == pytest.approx(3 * (86_400 - 40 + 0.8))
    chart = chart_of(timeline, 5.0)
    assert chart
    assert len(chart.folds) == 2
    assert len(chart.bars) <= 480


def test_a_request_every_other_minute_for_a_year_has_a_chart_that_can_be_drawn() -> None:
    """All of the time is idle, and none of it can be left out."""
    chart = chart_of(range(0, 31_536_000, 120), 5.0)
    assert chart
    assert 100 < len(chart.bars) <= 480


def test_a_page_of_very_many_rows_can_be_used(tmp_path: Path) -> None:
    """In Chromium: what is left out is said, and what is in it is found."""
    page_file = tmp_path / "page.html"
    write_report(records(12_000, **REJECTED), page_file, title="Many", source="out.jsonl")
    with chromium() as browser:
        page = browser.new_page()
        page.goto(page_file.as_uri())
        row = rows_in(page_file)[-1]
        page.fill("#search", row["more"]["customer"])
        assert page.inner_text("#count").endswith(f" of {len(rows_in(page_file)):,}")
        assert "out.jsonl" in page.inner_text("#left-out")
        assert "S3CR3T" not in page.inner_text("body")
