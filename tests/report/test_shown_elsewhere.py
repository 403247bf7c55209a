"""The report in a mail, on paper, on a telephone: what tells images apart, and how much it is."""

import base64
import io
import re
import sys
import zlib
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser
from tests.chromium import Shown

from s2v_detect.report import write_report
from s2v_detect.report._chart import WIDTH, chart_of
from s2v_detect.report._page import in_need
from s2v_detect.report._pictures import MOST_BYTES_IN_ALL, Pictures
from s2v_detect.report._sample import Kept, Row

PHOTOGRAPHS = Path(__file__).parents[2] / "examples" / "photographs"


def record(number: int, image: str, **fields: Any) -> dict[str, Any]:
    """A row without an outcome of interest."""
    at = f"2026-11-23T12:{number // 60 % 60:02}:{number % 60:02}.000+00:00"
    row = {"line": number + 1, "image": image, "kind": "checked", "check_pass": True}
    return row | {"attempts": 1, "at": at, **fields}


def page_of(images: list[str], folder: Path, **options: Any) -> Path:
    """Write the report of these images."""
    path = folder / "report.html"
    write_report([record(n, image) for n, image in enumerate(images)], path, title="P", **options)
    return path


LONG = "https://a-bucket.oss-cn-beijing.aliyuncs.example/uploads/2026/11/batch-17/portraits"
CAPTIONS = [
    # One name is enough where no other image has it.
    (["https://a.example/x/1.jpg", "https://a.example/x/2.jpg"], ["1.jpg", "2.jpg"]),
    ([f"{LONG}/{n}/face.jpg" for n in (1000, 1001)], ["1000/face.jpg", "1001/face.jpg"]),
    (["oss://b/1/a/face.jpg", "oss://b/2/a/face.jpg"], ["1/a/face.jpg", "2/a/face.jpg"]),
    (["oss://b/1/face.jpg", "oss://b/2.jpg"], ["face.jpg", "2.jpg"]),
    (["oss://b/1/f.jpg", "oss://c/1/f.jpg"], ["b/1/f.jpg", "c/1/f.jpg"]),
    # The same image twice is told apart by its line alone.
    (["oss://b/1.jpg", "oss://b/1.jpg"], ["1.jpg", "1.jpg"]),
    # What signs an address is not shown, and tells nothing apart.
    (["https://a.example/1.jpg?sig=a", "https://a.example/1.jpg?sig=b"], ["1.jpg?…", "1.jpg?…"]),
    # A name that is long is cut at its beginning.
    ([f"oss://b/{'x' * 90}-{n}.jpg" for n in (1, 2)], [f"…{'x' * 53}-{n}.jpg" for n in (1, 2)]),
    (["oss://b/脸/一.jpg", "oss://b/脸/二.jpg"], ["一.jpg", "二.jpg"]),
    (["no address at all", "oss://b/"], ["no address at all", "oss://b/"]),
]


@pytest.fixture(scope="module")
def shown(browser: Browser) -> Callable[..., Shown]:
    """Open a page."""
    return lambda path, **options: Shown(browser, path, **options)


def test_captions_differ_as_the_ends_of_the_addresses_do(
    shown: Callable[..., Shown], tmp_path: Path
) -> None:
    """Seen was the beginning of an address, which all have in common."""
    page = shown(page_of(CAPTIONS[1][0], tmp_path)).page
    assert page.locator(".caption span").all_inner_texts() == CAPTIONS[1][1]
    assert page.locator(".tile .line").all_inner_texts() == ["line 1", "line 2"]
    captions_of = """images => {
        tails.clear();
        return images.map((image) => completed({ image, group: "passed" })).map(caption);
    }"""
    assert [page.evaluate(captions_of, images) for images, _ in CAPTIONS] == [
        captions for _, captions in CAPTIONS
    ]


@pytest.mark.parametrize(
    ("rate", "told", "line"),
    [(5.0, "1.00/s of 5", "5/s"), (0.5, "1.00/s of 0.5", "0.5/s"), (200.0, "of 200", "200/s")],
)
def test_the_rate_stands_against_the_one_that_was_asked_for(
    shown: Callable[..., Shown], tmp_path: Path, rate: float, told: str, line: str
) -> None:
    """It was always five; the line of a rate that is not reached is in the chart all the same."""
    images = [f"oss://b/{n}.jpg" for n in range(50)]
    page = shown(page_of(images, tmp_path, line_per_s=rate, sent_at=range(50))).page
    assert told in page.inner_text(".facts")
    assert page.inner_text(".plot .limit") == line
    frame, drawn = page.locator("svg.share + dl"), page.locator(".plot line.limit")
    assert frame.count() == 1
    box, plot = drawn.bounding_box(), page.locator(".plot").bounding_box()
    assert box
    assert plot
    assert plot["y"] <= box["y"] <= plot["y"] + plot["height"]


def test_a_lifted_rate_has_no_line(shown: Callable[..., Shown], tmp_path: Path) -> None:
    """And no "of inf"."""
    page = shown(
        page_of(
            ["oss://b/1.jpg", "oss://b/2.jpg"], tmp_path, line_per_s=float("inf"), sent_at=[0, 1]
        )
    ).page
    assert page.locator(".limit").count() == 0
    assert "inf" not in page.inner_text("main")
    assert "1.00/s" in page.inner_text(".facts")


def test_times_of_answers_are_no_rate(shown: Callable[..., Shown], tmp_path: Path) -> None:
    """Answers that come at once are no breach of the line: only a ledger knows the requests."""
    page = shown(page_of(["oss://b/1.jpg", "oss://b/2.jpg"], tmp_path)).page
    assert page.locator("#chart h2").inner_text() == "Answers a second"
    assert page.locator(".limit").count() == 0
    assert "/s" not in page.inner_text(".facts")


ENDS = """[...document.querySelectorAll(".ticks span")]
    .filter((each) => each.checkVisibility())
    .map((each) => each.getBoundingClientRect())
    .map((box) => [box.left, box.right])"""


@pytest.mark.parametrize("count", [1, 7, 4_000])
def test_the_chart_fits_and_its_times_do_not_overlap(
    shown: Callable[..., Shown], tmp_path: Path, count: int
) -> None:
    """It was 600 pixels wide at least, and a telephone saw half of it."""
    images = [f"oss://b/{n}.jpg" for n in range(count)]
    page = shown(page_of(images, tmp_path)).page
    for width in (360, 390, 768, 999, 1000, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        ends = page.evaluate(ENDS)
        assert ends
        assert all(end <= begin for (_, end), (begin, _) in pairwise(ends))
        assert ends[-1][1] <= width


def test_the_day_stands_where_it_changes() -> None:
    """Times of one day have it once."""
    chart = chart_of(range(1_800_000_000, 1_800_000_000 + 86_400 * 2, 60), 5.0)
    assert chart
    days = [
        tick.label for tick in chart.ticks if not tick.label[:2].isdecimal() or " " in tick.label
    ]
    assert 2 <= len(days) <= 3
    assert chart.ticks[0].label in days
    assert all(tick.x <= WIDTH for tick in chart.ticks)


def sheets(pdf: bytes) -> list[int]:
    """Return how many bytes of drawing each sheet of Chromium's PDF has."""
    streams = {}
    for number, body in re.findall(rb"\n(\d+) 0 obj\n(.*?)\nendobj", pdf, re.DOTALL):
        found = re.search(rb"stream\r?\n(.*?)\r?\nendstream", body, re.DOTALL)
        streams[number] = zlib.decompress(found[1]) if found and b"Flate" in body else b""
    pages = re.findall(rb"/Type /Page\b.*?/Contents (\d+) 0 R|/Contents (\d+) 0 R", pdf, re.DOTALL)
    return [len(streams[first or second]) for first, second in pages]


@pytest.mark.parametrize(("count", "most"), [(1, 1), (12, 2), (2_000, 8)])
def test_no_sheet_of_paper_is_empty(
    shown: Callable[..., Shown], tmp_path: Path, count: int, most: int
) -> None:
    """A section that was kept whole left a sheet before it empty; and paper is white."""
    path = page_of([f"oss://b/{n}/face.jpg" for n in range(count)], tmp_path)
    page = shown(path, color_scheme="dark").page
    drawn = sheets(page.pdf(format="A4", margin={"top": "1cm", "bottom": "1cm"}))
    assert 1 <= len(drawn) <= most
    assert min(drawn) > 1_000
    page.emulate_media(media="print", color_scheme="dark")
    ink = page.evaluate("getComputedStyle(document.body).color")
    assert ink == "rgb(28, 31, 36)"


def picture_in(page: Path) -> Image.Image:
    """Return the first thumbnail of a page."""
    found = re.search(r'"picture":"data:image/jpeg;base64,([^"]+)"', page.read_text())
    assert found
    return Image.open(io.BytesIO(base64.b64decode(found[1])))


def test_a_thumbnail_is_made_of_the_pixels_alone(tmp_path: Path) -> None:
    """Upright as a camera meant it, and without what the camera wrote: where, when, with what."""
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    exif[0x010F] = "a maker"
    exif.get_ifd(0x8825)[1] = "N"
    Image.new("RGB", (1200, 600), "red").save(tmp_path / "a.jpg", exif=exif, comment=b"private")
    thumbnail = picture_in(page_of(["a.jpg"], tmp_path, beside=[tmp_path]))
    assert thumbnail.size == (120, 240)
    assert not thumbnail.getexif()
    assert "comment" not in thumbnail.info
    red, green, _ = thumbnail.convert("RGB").getpixel((60, 120))  # type: ignore[misc]  # of RGB
    assert red > 200
    assert green < 50


def saved(kind: str, folder: Path) -> Path:
    """Return a file of that kind."""
    path = folder / kind.replace(" ", "-")
    if kind in ("portrait.jpg", "portrait.png", "portrait.webp", "portrait.bmp"):
        return PHOTOGRAPHS / kind
    content = (PHOTOGRAPHS / "portrait.jpg").read_bytes()
    if kind == "transparent":
        Image.new("RGBA", (500, 500), (0, 0, 0, 0)).save(path, "PNG")
    elif kind == "palette":
        Image.new("P", (500, 500)).save(path, "PNG", transparency=0)
    elif kind == "grey and deep":
        Image.new("I;16", (500, 500)).save(path, "PNG")
    elif kind == "CMYK":
        Image.new("CMYK", (500, 500)).save(path, "JPEG")
    elif kind == "too large":
        Image.new("1", (20_000, 20_000)).save(path, "PNG", compress_level=1)
    elif kind == "GIF":
        Image.new("RGB", (500, 500)).save(path, "GIF")
    else:
        path.write_bytes({"cut": content[:5_000], "empty": b"", "text": b"<svg onload=a()>"}[kind])
    return path


@pytest.mark.parametrize(
    ("kind", "has_one"),
    [
        *[(f"portrait.{ending}", True) for ending in ("jpg", "png", "webp", "bmp")],
        *[(kind, True) for kind in ("transparent", "palette", "grey and deep", "CMYK")],
        *[(kind, False) for kind in ("too large", "GIF", "cut", "empty", "text")],
    ],
)
def test_what_is_an_image_has_its_thumbnail(tmp_path: Path, kind: str, *, has_one: bool) -> None:
    """What is none, or damaged, has none; nothing raises, and each is small."""
    page = page_of([str(saved(kind, tmp_path))], tmp_path)
    assert ('"picture":"' in page.read_text()) is has_one
    if has_one:
        assert max(picture_in(page).size) == 240
        assert page.stat().st_size < 60_000


def test_all_thumbnails_together_are_bounded_and_failed_ones_come_first(tmp_path: Path) -> None:
    """So that the page can be mailed, whatever it is of."""
    noise = tmp_path / "noise.jpg"
    Image.effect_noise((240, 240), 18).save(noise)
    groups = ["passed"] * 500 + ["failed"] * 100 + ["rejected"] * 100
    rows = [Kept(0.0, n, Row(group, "{}", noise)) for n, group in enumerate(groups)]
    made = Pictures()
    made.take(in_need(rows))
    texts = [made.row_of(each) for each in rows]
    assert 0.95 * MOST_BYTES_IN_ALL < sum(map(len, texts)) < MOST_BYTES_IN_ALL + 30 * len(rows)
    seen = [group for group, text in zip(groups, texts, strict=True) if len(text) > 2]
    assert seen.count("failed") == seen.count("rejected") == 100
    assert 0 < seen.count("passed") < 500


def test_a_page_without_pillow_has_no_thumbnails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is made all the same, and shows files from where they lie."""
    monkeypatch.setitem(sys.modules, "PIL", None)
    text = page_of([str(PHOTOGRAPHS / "portrait.jpg")], tmp_path).read_text()
    assert '"picture"' not in text.partition('id="rows"')[2].partition("</script>")[0]
    assert "portrait.jpg" in text
