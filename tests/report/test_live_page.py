"""The page of a run that goes on, in a real Chromium: one browser and one server for all of it."""

import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from anyio.from_thread import start_blocking_portal
from playwright.sync_api import Browser, Page, expect
from tests.chromium import Shown

from s2v_detect.report import Going, LivePage, write_report
from s2v_detect.report import Page as ReportPage
from s2v_detect.report._serving import Server, Update, is_refused
from s2v_detect.report._tally import Tally

HOSTILE = "</script><script>document.title='owned'</script><img src=x onerror=alert(1)>\u202e"
PHOTOGRAPHS = Path(__file__).parents[2] / "examples" / "photographs"
PARTS = ("#result", "#chart", "#reasons", "#listed", "#gallery", "#count")


def record(number: int, **fields: Any) -> dict[str, Any]:
    """A passed row."""
    return {
        "line": number + 1,
        "image": f"oss://bucket/{number}/face.jpg",
        "kind": "checked",
        "check_pass": True,
        "billed": "yes",
        "cost": 0.004,
        "cost_at_most": 0.004,
        "attempts": 1,
        "at": f"2026-11-23T12:00:{number % 60:02}.000+00:00",
        **fields,
    }


def rejected(number: int, code: str = "InvalidFile.NoHuman", **fields: Any) -> dict[str, Any]:
    """A rejected row."""
    return record(number, check_pass=False, code=code, **fields)


@pytest.fixture(scope="module")
def live() -> Iterator[LivePage]:
    """One page that is served."""
    page = ReportPage("portraits.jsonl", "of the emulator", "portraits.jsonl", 20.0)
    with LivePage(page, beside=[PHOTOGRAPHS], every_s=0.05) as live:
        yield live


@pytest.fixture(scope="module")
def shown(browser: Browser, live: LivePage) -> Shown:
    """It, in the browser: opened before anything is known."""
    return Shown(browser, live.url)


def test_it_shows_what_comes_while_the_run_goes_on(live: LivePage, shown: Shown) -> None:
    """Progress, numbers, rate, reasons and images; the latest image first."""
    live.show(Going(2, 8, ["2 of 8  25 %", "1.0/s of 20"]))
    live.sent([1_000.0, 1_001.0])
    live.add([record(0), rejected(1)])
    expect(shown.page.locator("#count")).to_have_text("2 of 2")
    expect(shown.page.locator("#progress")).to_contain_text("2 of 8 25 %")
    assert shown.page.locator("progress").evaluate("bar => bar.position") == 0.25
    assert "1.00/s of 20" in shown.text("#result")
    assert "of the emulator" in shown.text("#result")
    assert "20/s" in shown.text("#chart")
    assert "No person was found" in shown.text("#reasons")
    assert shown.text(".tile .caption span") == "1/face.jpg"  # as much of the end as is different
    live.add([record(2)])
    expect(shown.page.locator(".tile .caption span").first).to_have_text("2/face.jpg")
    assert shown.problems == []


def test_what_somebody_has_chosen_stays_chosen(live: LivePage, shown: Shown) -> None:
    """A reason, the focus on it, and words: what comes is shown where it fits."""
    page = shown.page
    page.click('[data-reason="InvalidFile.NoHuman"]')
    expect(page.locator(".tile")).to_have_count(1)
    live.add([record(3), rejected(4)])
    expect(page.locator(".tile")).to_have_count(2)
    assert page.get_attribute('[data-reason="InvalidFile.NoHuman"]', "aria-pressed") == "true"
    assert page.evaluate("document.activeElement.dataset.reason") == "InvalidFile.NoHuman"
    page.click('[data-reason="InvalidFile.NoHuman"]')
    expect(page.locator(".tile")).to_have_count(5)


def test_nothing_is_replaced_under_a_finger(live: LivePage, shown: Shown) -> None:
    """A button that is pressed for a while is the one that was pressed."""
    page = shown.page
    button = page.locator('[data-reason="InvalidFile.NoHuman"]')
    box = button.bounding_box()
    assert box
    page.mouse.move(box["x"] + 9, box["y"] + 9)
    page.mouse.down()
    live.add([rejected(5)])
    expect(page.locator(".tile")).to_have_count(6)
    page.mouse.up()
    expect(page.locator(".tile")).to_have_count(3)  # the click was heard
    button.click()


def test_hostile_values_stay_text(live: LivePage, shown: Shown) -> None:
    """In an address, a message, a reason, a column, and in what the run tells."""
    live.show(Going(7, 8, [HOSTILE]))
    live.add([rejected(6, HOSTILE, message=HOSTILE, image=HOSTILE, **{HOSTILE: HOSTILE})])
    expect(shown.page.locator(".tile")).to_have_count(7)
    expect(shown.page.locator("#progress")).to_contain_text("<img src=x")
    assert shown.count("img") == 0
    assert shown.page.title() == "portraits.jsonl"
    assert shown.problems == []


def test_a_file_is_shown_by_its_thumbnail(live: LivePage, shown: Shown) -> None:
    """Its folder is not served."""
    live.add([record(7, image="portrait.jpg")])
    picture = shown.page.locator(".tile img")
    expect(picture).to_have_count(1)
    assert picture.evaluate("img => img.decode().then(() => img.naturalWidth)") == 240
    assert not [url for url in shown.requests if not url.startswith((live.url, "data:"))]


REQUESTS = [
    ("GET", "", {}, 200),
    ("GET", "", {"Host": "localhost:9999"}, 200),  # a port that is forwarded
    ("GET", "", {"Host": "rebound.example"}, 403),
    ("GET", "events", {"Host": "rebound.example"}, 403),
    ("GET", "events", {"Origin": "https://evil.example"}, 403),
    ("GET", "", {"Origin": "null"}, 403),
    ("GET", "../", {}, 404),
    ("GET", "../AAAAAAAAAAAAAAAAAAAAAA/", {}, 404),
    ("GET", "portrait.jpg", {}, 404),
    ("GET", "%2e%2e/%2e%2e/etc/passwd", {}, 404),
    ("POST", "", {}, 405),
    ("PUT", "events", {}, 405),
]


@pytest.mark.parametrize(("method", "path", "headers", "status"), REQUESTS)
def test_who_is_answered(
    live: LivePage, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    """Whoever has the address, at a name of this machine, and not for a page of another site."""
    with httpx.Client(trust_env=False) as web:
        answer = web.request(method, live.url + path, headers=headers)
    assert answer.status_code == status
    if status == 200:
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert "connect-src &#39;self&#39;" in answer.text


@pytest.mark.parametrize(
    ("host", "origin", "is_one_of_another_site"),
    [
        ("127.0.0.1:8080", None, False),
        ("LOCALHOST", None, False),
        ("[::1]:8080", "http://[::1]:8080", False),
        ("127.0.0.1:8080", "http://127.0.0.1:8080", False),
        ("127.0.0.1:8080", "http://127.0.0.1:8081", True),
        ("127.0.0.1:8080", "https://127.0.0.1:8080", True),
        ("127.0.0.1.nip.io:8080", None, True),
        ("localhost.evil.example", None, True),
        ("evil@127.0.0.1.example", None, True),
        ("192.168.0.7:8080", None, True),
        ("[::1", None, True),
        ("", None, True),
        (None, None, True),
    ],
)
def test_what_a_page_of_another_site_sends(
    host: str | None, origin: str | None, *, is_one_of_another_site: bool
) -> None:
    """By two headers that it can't choose."""
    assert is_refused(host, origin) is is_one_of_another_site


def of_parts(page: Page) -> list[str]:
    """Return what is read in each part that a report has too."""
    return [page.inner_text(part) for part in PARTS]


def test_the_last_state_is_the_report(browser: Browser, tmp_path: Path) -> None:
    """A page that was open, one that is opened now, and the page of the same records: alike."""
    rows = [record(n) if n % 3 else rejected(n, "InvalidFile.FacePose") for n in range(130)]
    times = [n / 5 for n in range(130)]
    page = ReportPage("portraits.jsonl", "of the emulator", "portraits.jsonl", 20.0)
    with LivePage(page, every_s=0.05) as live:
        live.show(Going(0, 130, []))
        open_one = Shown(browser, live.url)
        live.add(rows)
        live.sent([0.0])
        live.end(["Every image was answered."], times)
        expect(open_one.page.locator("#progress")).to_contain_text("The run has ended.")
        late_one = Shown(browser, live.url)
    path = tmp_path / "report.html"
    write_report(
        rows,
        path,
        title="portraits.jsonl",
        note="of the emulator",
        source="portraits.jsonl",
        sent_at=times,
        line_per_s=20.0,
    )
    report = of_parts(Shown(browser, path).page)
    assert of_parts(open_one.page) == report
    assert of_parts(late_one.page) == report
    assert "Every image was answered." in open_one.text("#progress")
    assert open_one.problems == late_one.problems == []


class Killed:
    """A run that never comes to its end."""

    def __init__(self) -> None:
        self._figures = Tally(Path(), []).figures()

    def whole(self, events: str) -> tuple[Update, str]:
        """Return the page."""
        page = ReportPage("portraits.jsonl", events=events)
        return self.update(), page.whole(self._figures, [], {}, Going(1, 2, ["1 of 2"]))

    def update(self) -> Update:
        """Return nothing."""
        return Update("[]", "{}")

    def last(self) -> None:
        """Return that it goes on."""


def test_a_run_that_is_gone_is_told_of(browser: Browser) -> None:
    """What was known stays on the page, with the time; a late answer is not waited for."""
    bound = socket.create_server(("127.0.0.1", 0))
    server = Server(Killed(), bound, "token")
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(server):
        shown = Shown(browser, f"http://127.0.0.1:{bound.getsockname()[1]}/token/")
    lost = shown.page.locator(".lost")
    expect(lost).to_contain_text(re.compile(r"can't be reached.* \d\d:\d\d:\d\d"))
    assert "1 of 2" in shown.text("#progress")
