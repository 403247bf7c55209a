"""Times on the page: those of the reader's zone by its script, and UTC for whoever has none."""

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect
from tests.chromium import Shown

from s2v_detect.report import Going, LivePage, write_report
from s2v_detect.report import Page as ReportPage

AT = 1_795_708_799.0  # 2026-11-26T15:59:59Z: the last second of a day in China
ROW = {"line": 2, "image": "oss://b/1.jpg", "kind": "checked", "check_pass": True, "attempts": 1}
ZONES = [
    ("en", "Asia/Shanghai", "26 Nov", "26 November 2026", "23:59:59", "00:00:09", "GMT+8"),
    ("zh", "Asia/Shanghai", "11月26日", "2026年11月26日", "23:59:59", "00:00:09", "GMT+8"),
    ("zh", "UTC", "11月26日", "2026年11月26日", "15:59:59", "16:00:09", "UTC"),
    ("en", "Asia/Kolkata", "26 Nov", "26 November 2026", "21:29:59", "21:30:09", "GMT+5:30"),
    ("en", "America/New_York", "26 Nov", "26 November 2026", "10:59:59", "11:00:09", "GMT-5"),
]
BARS = "[...document.querySelectorAll('rect.bar title')].map((each) => each.textContent)"
TICKS = "[...document.querySelectorAll('.ticks span')].map((each) => each.textContent)"
MOMENTS = "[...document.querySelectorAll('[data-at]')].map((each) => each.dataset.at)"
AT_OF_ROW = "#detail tr:has(th:text-matches('^(at|时间)$')) td"
BOXES = """[...document.querySelectorAll(".ticks span")]
    .filter((each) => each.checkVisibility())
    .map((each) => each.getBoundingClientRect())
    .map((box) => [box.left, box.right])"""


def row(at: str = "2026-11-26T15:59:59.250+00:00") -> dict[str, Any]:
    """A row that was settled then."""
    return {**ROW, "at": at}


def written(folder: Path, language: Any, *rows: dict[str, Any]) -> Path:
    """Write a report of two requests."""
    path = folder / "report.html"
    write_report(rows, path, title="P", language=language, sent_at=[AT, AT + 10])
    return path


def detail(shown: Shown, nth: int = 0) -> str:
    """Return when the image was answered, as its enlargement says."""
    shown.page.locator(".tile").nth(nth).click()
    told = shown.page.locator(AT_OF_ROW).inner_text()
    shown.page.keyboard.press("Escape")
    return told


@pytest.mark.parametrize("expected", ZONES)
def test_a_reader_sees_the_times_of_his_zone(
    browser: Browser, tmp_path: Path, expected: tuple[str, ...]
) -> None:
    """Which is named; a day begins where his does, and what a program reads stays UTC."""
    language, zone, day, date, time, later, name = expected
    shown = Shown(browser, written(tmp_path, language, row()), timezone_id=zone)
    assert re.match(f"{day} {time} {re.escape(name)}[:：] ?1 ", shown.page.evaluate(BARS)[0])
    last = shown.page.evaluate(TICKS)[-1]
    assert last.split()[-1] == later
    assert (" " in last) is (later == "00:00:09")
    assert shown.page.evaluate(MOMENTS)[0] == "2026-11-26T15:59:59Z"
    assert detail(shown) == f"{date} {time} {name}"
    assert shown.page.locator(AT_OF_ROW).get_attribute("title") == row()["at"]
    made = shown.page.locator("time")
    assert made.inner_text().endswith(f" {name}")
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT[\d:]{8}\+00:00", made.get_attribute("datetime") or "")
    assert shown.problems == []


def test_without_a_script_times_are_in_utc(browser: Browser, tmp_path: Path) -> None:
    """And say so."""
    path = written(tmp_path, "zh", row())
    shown = Shown(browser, path, timezone_id="Asia/Shanghai", java_script_enabled=False)
    assert re.fullmatch(r"20\d\d-\d\d-\d\d \d\d:\d\d UTC", shown.page.locator("time").inner_text())
    assert ">11-26 15:59:59 UTC：1 个请求" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("at", ["2026-11-26T15:59:59", "yesterday", "2026-11-26", "99-99T99+08:00"])
def test_a_time_without_a_zone_stays_as_it_is(browser: Browser, tmp_path: Path, at: str) -> None:
    """Somebody has changed the file: nobody knows which zone is meant."""
    path = written(tmp_path, "en", row(at))
    assert detail(Shown(browser, path, timezone_id="Asia/Shanghai")) == at


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_live_page_has_the_times_of_the_written_one(
    browser: Browser, tmp_path: Path, language: Any
) -> None:
    """While the run goes on, and when it has ended."""
    page = ReportPage("P", language=language)
    with LivePage(page, every_s=0.05) as live:
        shown = Shown(browser, live.url, timezone_id="Asia/Shanghai")
        live.show(Going(1, 2, []))
        live.sent([AT, AT + 10])
        live.add([row()])
        expect(shown.page.locator(".tile")).to_have_count(1)
        expect(shown.page.locator("rect.bar")).to_have_count(2)
        while_it_goes = shown.page.evaluate(BARS), shown.page.evaluate(TICKS), detail(shown)
        live.end([])
        expect(shown.page.locator("progress")).to_have_count(0)
        at_its_end = shown.page.evaluate(BARS), shown.page.evaluate(TICKS), detail(shown)
    report = Shown(browser, written(tmp_path, language, row()), timezone_id="Asia/Shanghai").page
    assert report.evaluate(BARS) == while_it_goes[0] == at_its_end[0]
    assert report.evaluate(TICKS) == while_it_goes[1] == at_its_end[1]
    assert while_it_goes[2] == at_its_end[2]


def test_times_in_chinese_do_not_overlap(browser: Browser, tmp_path: Path) -> None:
    """A day of two ideographs is as wide as one of three letters."""
    path = tmp_path / "report.html"
    times = [AT + 60 * n for n in range(4_000)]
    write_report([row()], path, title="P", language="zh", sent_at=times)
    page = Shown(browser, path, timezone_id="Asia/Shanghai").page
    for width in (360, 999, 1000, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        ends = page.evaluate(BOXES)
        assert all(end <= begin for (_, end), (begin, _) in pairwise(ends))
        assert ends[-1][1] <= width
