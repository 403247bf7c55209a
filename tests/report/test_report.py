"""The page, in a real Chromium."""

import http.server
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser
from tests.chromium import Shown

from s2v_detect.report import write_report
from s2v_detect.report._advice import advice_for
from s2v_detect.report._chart import chart_of

PHOTOGRAPH = Path(__file__).parents[2] / "examples" / "photographs" / "portrait.jpg"
HOSTILE = "</script><script>document.title='owned'</script><img src=x onerror=alert(1)>\u202e\x07"


def record(index: int, **fields: Any) -> dict[str, Any]:
    """A passed row."""
    return {
        "line": index + 1,
        "index": index,
        "image": f"http://127.0.0.1:9/{index}.jpg",
        "kind": "checked",
        "check_pass": True,
        "code": "",
        "message": "",
        "error": None,
        "billed": "yes",
        "cost": 0.004,
        "cost_at_most": 0.004,
        "attempts": 1,
        "at": f"2026-11-23T12:00:{index % 60:02}.000+00:00",
        **fields,
    }


def rejected(index: int, code: str = "InvalidFile.NoHuman", **fields: Any) -> dict[str, Any]:
    """A rejected row."""
    return record(index, check_pass=False, code=code, **fields)


class Thumbnails:
    """A server on this machine that gives one photograph, and keeps who asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str | None]] = []
        asked = self.asked

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append((self.path, self.headers.get("Referer")))
                self.send_response(200)
                self.send_header("Content-Type", "image/jpeg")
                self.end_headers()
                self.wfile.write(PHOTOGRAPH.read_bytes())

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Let go of the socket."""
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def thumbnails() -> Iterator[Thumbnails]:
    """Where the images are."""
    server = Thumbnails()
    yield server
    server.close()


def test_it_loads_without_an_error_and_asks_for_thumbnails_alone(
    browser: Browser, thumbnails: Thumbnails, tmp_path: Path
) -> None:
    """And they are not told where they are shown."""
    path = tmp_path / "report.html"
    rows = [record(n, image=f"{thumbnails.url}/{n}.jpg?sig=secret") for n in range(4)]
    write_report(rows, path, title="Portraits")
    shown = Shown(browser, path)
    shown.page.wait_for_load_state("networkidle")  # the page forbids a script of ours to wait in it
    assert shown.problems == []
    assert shown.count(".tile img") == 4
    others = [url for url in shown.requests if not url.startswith(thumbnails.url)]
    assert others == [path.as_uri()]
    assert {referrer for _, referrer in thumbnails.asked} == {None}
    assert "secret" not in shown.page.inner_text("body")


def test_filters_reasons_and_search_choose_the_images(browser: Browser, tmp_path: Path) -> None:
    """Each says how many are left."""
    path = tmp_path / "report.html"
    rows = [record(0, customer="Ann"), rejected(1), rejected(2, "InvalidFile.MultiHuman")]
    rows.append(record(3, kind="failed", check_pass=None, error="OutcomeUnknown", billed="unknown"))
    rows.append(record(4, kind="skipped", check_pass=None, error="ImageSkipped", image="no url"))
    write_report(rows, path, title="Portraits")
    page = Shown(browser, path).page
    assert page.inner_text("#count") == "5 of 5"
    for name, count in {"passed": 1, "rejected": 2, "failed": 1, "skipped": 1, "all": 5}.items():
        page.click(f'[data-filter="{name}"]')
        assert page.locator(".tile").count() == count
    page.click('[data-filter="unknown bill"]')
    assert page.inner_text(".tile b") == "OutcomeUnknown"
    page.click('[data-reason="InvalidFile.MultiHuman"]')
    assert page.inner_text("#count") == "1 of 5"
    page.click('[data-reason="InvalidFile.MultiHuman"]')
    page.fill("#search", "ann")
    assert page.inner_text("#count") == "1 of 5"


def test_an_image_is_enlarged_with_all_that_is_known_of_it(
    browser: Browser, thumbnails: Thumbnails, tmp_path: Path
) -> None:
    """Escape closes it again."""
    path = tmp_path / "report.html"
    write_report([rejected(0, customer="Ann", image=f"{thumbnails.url}/1.jpg")], path, title="P")
    page = Shown(browser, path).page
    page.click(".tile")
    told = page.inner_text("#detail-body")
    assert "Ann" in told
    assert "InvalidFile.NoHuman" in told
    assert page.locator("#detail-body img").count() == 1
    page.keyboard.press("Escape")
    assert not page.locator("#detail").is_visible()


def test_a_file_is_shown_from_where_it_lies(browser: Browser, tmp_path: Path) -> None:
    """Skipped ones too, by their names; what does not lie there has no picture."""
    folder = tmp_path / "my photos #1"
    folder.mkdir()
    shutil.copy(PHOTOGRAPH, folder / "a%20b.jpg")
    (folder / "page.jpg").write_text("<script>alert(1)</script>")
    rows = [
        record(0, image=str(folder / "a%20b.jpg")),
        record(
            1,
            image=str(folder / "page.jpg"),
            kind="skipped",
            check_pass=None,
            message="it is an HTML page; JPEG, PNG, BMP and WEBP are taken",
        ),
        record(2, image=str(folder / "none.jpg")),
    ]
    (tmp_path / "pages").mkdir()
    path = tmp_path / "pages" / "report.html"
    write_report(rows, path, title="Portraits", note="of the emulator")
    shown = Shown(browser, path)
    shown.page.wait_for_load_state("networkidle")
    assert shown.problems == []
    assert shown.count(".tile img") == 1
    assert shown.page.evaluate("document.querySelector('.tile img').naturalWidth") == 240
    assert shown.page.inner_text(".tile:nth-child(2)").split("\n")[-2:] == ["Format", "page.jpg"]
    assert "of the emulator" in shown.page.inner_text("dl")
    shown.page.click(".tile")
    assert shown.page.locator("#detail-body img").evaluate("img => img.decode()") is None
    assert shown.page.locator("#detail-body img").evaluate("img => img.naturalWidth") == 512
    allowed = {path.as_uri(), *((folder / name).as_uri() for name in ("a%20b.jpg", "page.jpg"))}
    assert set(shown.requests) <= allowed


def test_hostile_rows_show_as_text(browser: Browser, tmp_path: Path) -> None:
    """No markup, no script, no script address, nothing that turns the reading direction."""
    path = tmp_path / "report.html"
    rows = [
        record(0, message=HOSTILE, image=HOSTILE),
        rejected(1, code=HOSTILE, image="oss://b/k", **{HOSTILE: HOSTILE}),
        record(2, image="javascript:alert(1)"),
        record(3, image="data:text/html,<script>alert(1)</script>"),
    ]
    write_report(rows, path, title=HOSTILE)
    shown = Shown(browser, path)
    for place in range(4):
        shown.page.locator(".tile").nth(place).click()
        assert shown.count("#detail-body a") == 0
        shown.page.keyboard.press("Escape")
    assert shown.problems == []
    assert shown.count("img") == 0
    assert shown.page.title().startswith("</script>")
    assert "[U+202E]" in shown.page.inner_text("h1")
    assert "\u202e" not in path.read_text()


def test_ten_thousand_rows_are_drawn_a_page_at_a_time(browser: Browser, tmp_path: Path) -> None:
    """All of them can be found."""
    path = tmp_path / "report.html"
    rows = [record(n, image=f"oss://bucket/{n}.jpg") for n in range(10_000)]
    write_report(rows, path, title="Many")
    page = Shown(browser, path).page
    assert page.locator(".tile").count() <= 200
    page.fill("#search", "bucket/9999.jpg")
    assert page.inner_text("#count") == "1 of 10,000"
    page.fill("#search", "")
    page.click("#more")
    assert page.locator(".tile").count() <= 400


@pytest.mark.parametrize("rows", [[], [record(0)], [record(0, kind="skipped", attempts=0)]])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_telephone_in_light_and_dark(
    browser: Browser, tmp_path: Path, rows: list[dict[str, Any]], scheme: Any
) -> None:
    """An empty run too."""
    path = tmp_path / "report.html"
    write_report(rows, path, title="a-very-long-name-of-an-output-" * 4)
    options = {"viewport": {"width": 360, "height": 700}, "color_scheme": scheme}
    shown = Shown(browser, path, **options)
    assert shown.page.evaluate("document.documentElement.scrollWidth") <= 360
    dark = shown.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (dark == "rgb(20, 22, 26)") is (scheme == "dark")
    assert not [problem for problem in shown.problems if "Failed to load" not in problem]


def test_a_page_that_can_not_be_written_leaves_nothing(tmp_path: Path) -> None:
    """It is an OSError."""
    with pytest.raises(FileNotFoundError):
        write_report([], tmp_path / "missing" / "report.html", title="P")


def test_idle_hours_are_folded_in_the_chart() -> None:
    """Two busy minutes nine hours apart are both readable."""
    times = [n / 5 for n in range(300)] + [32_400 + n / 5 for n in range(300)]
    chart = chart_of(times, 5.0)
    assert chart
    assert len(chart.bars) >= 100
    assert len(chart.folds) == 1
    assert chart_of([], 5.0) is None


@pytest.mark.parametrize(
    ("kind", "code", "error", "words"),
    [
        ("checked", "InvalidFile.NoHuman", None, "No person"),
        ("checked", "InvalidImage.NoHumanFace", None, "No face"),
        ("checked", "InvalidImageFormat", None, "format"),
        ("checked", "InvalidFile.Unheard", None, "without a reason"),
        ("failed", "", "OutcomeUnknown", "may have been billed"),
        ("failed", "", "Unheard", "no verdict"),
        ("skipped", "", "ImageSkipped", "Never sent"),
    ],
)
def test_every_reason_has_its_advice(kind: str, code: str, error: str | None, words: str) -> None:
    """Unheard ones too."""
    advice = advice_for(kind, code, error)
    assert words in advice.meaning
    assert advice.do
