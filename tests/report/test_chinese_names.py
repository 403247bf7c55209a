"""Names of Chinese files and columns through the page, in a real Chromium."""
# ruff: noqa: RUF001  # full-width letters are what is tried here

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page
from tests.chromium import Shown

from s2v_detect.report import write_report

PHOTOGRAPH = Path(__file__).parents[2] / "examples" / "photographs" / "portrait.jpg"

FILES = [
    # What a file is called, what somebody types to find it alone, and its caption.
    ("张三 的照片.jpg", "张三 的", "张三 的照片.jpg"),
    ("谁的？.jpg", "谁的？", "谁的？.jpg"),
    ("何人?.jpg", "何人?.jpg", "何人?.jpg"),
    ("再见？#1.jpg", "再见?#1", "再见？#1.jpg"),  # typed in half width
    ("ＡＢＣ１２３.jpg", "abc123", "ＡＢＣ１２３.jpg"),
    ("half456.jpg", "ｈａｌｆ４５６", "half456.jpg"),
    ("Zoe\u0308 半身.jpg", "zo\u00eb", "Zoe\u0308 半身.jpg"),  # as macOS writes it, as it is typed
    ("が行.jpg", "か\u3099行", "が行.jpg"),
    ("小明👨\u200d👩\u200d👧.jpg", "👨\u200d👩\u200d👧", "小明👨\u200d👩\u200d👧.jpg"),
    ("龘𠮷野.jpg", "𠮷", "龘𠮷野.jpg"),
    ("100%折扣.jpg", "100%折", "100%折扣.jpg"),
    ("%E4%BA%BA.jpg", "%e4%ba", "%E4%BA%BA.jpg"),
    ('引"号"\\反.jpg', '引"号"\\反', '引"号"\\反.jpg'),
    ("李四/正面.jpg", "李四/", "李四/正面.jpg"),
    ("王五/正面.jpg", "王五/", "王五/正面.jpg"),
    # A long name is cut at its beginning, and between two letters as they are read.
    ("长" * 70 + ".jpg", "长长", "…" + "长" * 55 + ".jpg"),
    ("a" + "e\u0301" * 64 + ".jpg", "\u00e9" * 9, "…" + "e\u0301" * 55 + ".jpg"),
    (
        "b" + "👩\u200d🚀" * 18 + "x" * 41 + ".jpg",
        "🚀",
        "…" + "👩\u200d🚀" * 14 + "x" * 41 + ".jpg",
    ),
]
COLUMNS = ["结果", "图片", "错误码", "客户 姓名（全称）", "ＶＩＰ", "备注\n二", "😀", "消息"]


@pytest.fixture(scope="module")
def page(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Page:
    """A report of those files, in a folder beside theirs."""
    folder = tmp_path_factory.mktemp("十一月 报告？#")
    rows: list[dict[str, Any]] = []
    for number, (name, *_) in enumerate(FILES):
        file = folder / "照片 集？" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PHOTOGRAPH, file)
        own = dict.fromkeys(COLUMNS, f"值{number}")
        fields = {"kind": "checked", "check_pass": True, "attempts": 1, "billed": "yes"}
        rows.append({"line": number + 1, "image": str(file), **fields, **own})
    fields = {"kind": "skipped", "error": "ImageSkipped"}
    for number, why in enumerate(("its host is 10.0.0.1, an address that is not public", "odd")):
        rows.append({"image": f"http://10.0.0.1/{number}", **fields, "message": why})
    rows[-1] |= {f"第 {number} 列": "长" * 900 for number in range(4)}
    path = folder / "页面 一.html"
    write_report(rows, path, title="十一月 人像.xlsx · 工作表 1", language="zh")
    shown = Shown(browser, path)
    assert shown.problems == []
    return shown.page


SEARCHED = """texts => texts.map((text) => {
    search.value = text;
    search.dispatchEvent(new Event("input"));
    return [...document.querySelectorAll(".caption span")].map((each) => each.textContent);
})"""
OPENED = """async (count) => {
    const seen = [];
    for (const row of rows.slice(0, count)) {
        open(row);
        const image = body.querySelector("img");
        await image.decode();
        seen.push([image.naturalWidth, decodeURIComponent(body.querySelector("a").pathname)]);
        detail.close();
    }
    return seen;
}"""
WIDTHS = """() => {
    const images = [...document.querySelectorAll(".tile img")];
    for (const img of images) img.loading = "eager";
    return Promise.all(images.map((img) => img.decode().then(() => img.naturalWidth)));
}"""


def found(page: Page, *texts: str) -> list[list[str]]:
    """Return the captions of the images that somebody finds by each text."""
    captions: list[list[str]] = page.evaluate(SEARCHED, [*texts, ""])
    return captions[:-1]


def test_each_name_is_shown_and_found(page: Page) -> None:
    """In whatever width it is typed, and however its accents are composed."""
    captions = [caption for *_, caption in FILES]
    assert found(page, *(typed for _, typed, _ in FILES)) == [[caption] for caption in captions]
    assert found(page, "照片 集？", "客户 姓名") == [captions, captions]
    assert found(page, "值3") == [[captions[3]]]
    assert found(page, "地址不在公网") == [["0"]]  # as its tile calls the reason


def test_each_file_is_linked_and_has_its_thumbnail(page: Page) -> None:
    """From beside the page, whatever is in its name."""
    folder = Path(page.evaluate("decodeURIComponent(location.pathname)")).parent / "照片 集？"
    assert page.evaluate(WIDTHS) == [240] * len(FILES)
    seen = page.evaluate(OPENED, len(FILES))
    assert seen == [[512, str(folder / name)] for name, *_ in FILES]


def test_an_own_column_hides_nothing_of_the_page(page: Page) -> None:
    """Called as the page calls something in Chinese: both are there."""
    page.locator(".tile").first.click()
    names = page.locator("#detail-body th").all_text_contents()
    values = page.locator("#detail-body td").all_text_contents()
    page.keyboard.press("Escape")
    lines = list(zip(names, values, strict=True))
    assert lines[:2] == [("结果", "通过"), ("行号", "1")]
    assert lines[2] == ("图片", values[2])
    assert values[2].endswith("张三 的照片.jpg")
    assert [name for name, value in lines if value == "值0"] == COLUMNS


def test_filters_and_reasons_find_the_same_rows_in_chinese(page: Page) -> None:
    """They go by names that nobody reads."""
    for name, count in {"passed": len(FILES), "skipped": 2, "failed": 0, "unknown bill": 0}.items():
        page.click(f'[data-filter="{name}"]')
        assert page.locator(".tile").count() == count
    button = page.locator('[data-reason="Unreachable address"]')
    assert "地址不在公网" in button.inner_text()
    button.click()
    assert page.inner_text("#count") == f"1 / {len(FILES) + 2}"
    assert page.inner_text(".tile b") == "地址不在公网"
    button.click()


HIDDEN = """[...document.querySelectorAll("[data-none], [aria-label], [placeholder]")]
    .map((each) => [each.dataset.none, each.ariaLabel, each.placeholder].join(" ")).join()"""


def test_no_english_is_seen_on_it(page: Page) -> None:
    """The script's words too: what is left are names, codes and what the library says."""
    page.locator(".tile").last.click()
    detail = page.inner_text("#detail-body")
    assert "其他列\t太长，本页未收录" in detail
    page.keyboard.press("Escape")
    names = "|".join(re.escape(caption) for *_, caption in FILES)
    codes = r"wan2\.2-s2v-detect|s2v-detect \S+|UTC|xlsx|ImageSkipped|10\.0\.0\.1|http\S+|odd"
    text = re.sub(f"{names}|{codes}", "", page.inner_text("body") + detail)
    assert re.findall(r"[A-Za-z]+", text) == []
    hidden = page.evaluate(HIDDEN)
    assert hidden
    assert re.findall(r"[A-Za-z]+", hidden) == []


def test_a_chinese_page_has_its_fonts_and_fits_a_telephone(page: Page) -> None:
    """An English one has none of them."""
    fonts = page.evaluate("getComputedStyle(document.querySelector('#search')).fontFamily")
    assert "PingFang SC" in fonts
    assert "Microsoft YaHei" in fonts
    page.evaluate("document.documentElement.lang = 'en'")
    fonts = page.evaluate("getComputedStyle(document.querySelector('#search')).fontFamily")
    assert "PingFang SC" not in fonts
    page.evaluate("document.documentElement.lang = 'zh-CN'")
    before = page.viewport_size
    for width in (360, 390, 1200):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert before
    page.set_viewport_size(before)
