"""The page in Chinese as in English: all that it says, and nothing that finds a row."""

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest

from s2v_detect import DetectError, ServiceError
from s2v_detect.emulator import REJECT_CODES
from s2v_detect.images._addresses import private_reason
from s2v_detect.images._header import Foreign, refusal
from s2v_detect.languages import LANGUAGES, Language, speaking
from s2v_detect.report import Going, LivePage, Page, write_report
from s2v_detect.report._advice import NONE, OTHER, advice_for, names_in, skip_of
from s2v_detect.report._chart import chart_of
from s2v_detect.report._pictures import Pictures
from s2v_detect.report._sample import Kept, Row
from s2v_detect.report._tally import SHOWN, Tally
from s2v_detect.report._words import ENGLISH, FIELDS, fields_in, words_in

EXAMPLE = Path(__file__).parents[2] / "examples" / "web_page" / "static" / "words.js"
HAN = re.compile(r"[\u4e00-\u9fff]")
SKIPPED = {
    "it is 300 x 200 pixels; both sides must have 400 to 7000": "Size in pixels",
    "it is a GIF image; JPEG, PNG, BMP and WEBP are taken": "Format",
    "its server answered 404: it is not there": "Missing",
    "its host is 10.0.0.1, an address that is not public": "Unreachable address",
    "it is no http, https or oss URL": "No address",
    "it is an address in a bucket: give a signed https address of it": "In a bucket",
    "the address can't be read: its host or its port is malformed": "Faulty address",
    "the address is empty": "Empty address",
    "the address goes on behind the ','; put the address in quotes": "Cut address",
    "the line has 3 cells, and the header 2": "Faulty row",
    "two addresses in one cell; give each its own row": "Two addresses",
    "a quote in it never closes; put a cell with a quote in it between quotes": "Stray quote",
    "the column '照片' holds no text": "No text",
    "the column 'url' holds a formula whose value is not saved": "Formula without a value",
    "the line is not JSON": "No JSON object",
    "the item is longer than 1048576 bytes": "Too long",
    "two files were joined in the middle of the line": "Joined files",
    "the line is not UTF-8 text (it may be GB18030: give --encoding)": "Not decoded",
    "the line holds a NUL byte": "Damaged row",
    "its identity is empty: give a text or a whole number in the column 'id'": "Faulty identity",
    "it is a folder: `s2v-detect run a -o verdicts.jsonl`": "Folder",
    "it changed while it was read": "Changed file",
    "it has 30 MB, and the store takes 20": "File too large",
    "it is a file of the run itself": "File of the run",
    "it is empty": "Empty file",
    "the file can't be read: Permission denied": "Unreadable file",
    "the folder can't be read: Permission denied": "Unreadable file",
    "it is a folder or a device, not a file": "Unreadable file",
}


class Read(HTMLParser):
    """What a person reads in a page, or hears: its texts, and the attributes that are shown."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.scripts: dict[str, Any] = {}
        self.buttons: list[dict[str, str | None]] = []
        self.tag = ""
        self._in = ""
        self._id = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take what is shown of an element."""
        values = dict(attrs)
        self._in, self._id = tag, values.get("id") or ""
        self.tag = values.get("lang") or self.tag
        self.texts += [values.get(name) or "" for name in ("aria-label", "placeholder", "title")]
        if tag == "button":
            self.buttons.append(values)

    def handle_endtag(self, tag: str) -> None:
        """Leave it."""
        self._in = ""

    def handle_data(self, data: str) -> None:
        """Take a text."""
        if self._in == "script" and self._id:
            self.scripts[self._id] = json.loads(data)
        elif self._in not in {"script", "style"}:
            self.texts.append(data)

    def reasons(self) -> list[tuple[str | None, str | None]]:
        """Return the group and the reason that each button finds."""
        return [
            (each["data-group"], each["data-reason"])
            for each in self.buttons
            if "data-reason" in each
        ]


def record(number: int, **fields: Any) -> dict[str, Any]:
    """A passed row."""
    return {
        "line": number + 1,
        "image": f"oss://桶/{number}",
        "kind": "checked",
        "check_pass": True,
        "billed": "yes",
        "cost": 0.004,
        "cost_at_most": 0.008,
        "attempts": 1,
        "at": f"2026-11-2{3 + number % 2}T12:00:{number % 60:02}.000+00:00",
        **fields,
    }


def rejected(number: int, code: str) -> dict[str, Any]:
    """A rejected row."""
    return record(number, check_pass=False, code=code)


def skipped(number: int, message: str) -> dict[str, Any]:
    """A skipped row, as a run's output has it."""
    row = {"kind": "skipped", "check_pass": None, "error": "ImageSkipped", "message": message}
    return record(number, **row, attempts=0)


def records() -> Iterator[dict[str, Any]]:
    """Yield rows of every group, every code, every usual skip and every error."""
    yield from map(record, range(3))
    yield from (rejected(n, code) for n, code in enumerate((*REJECT_CODES, "", "InvalidFile.New")))
    yield from (skipped(n, message) for n, message in enumerate((*SKIPPED, "it is odd")))
    for n, name in enumerate(errors()):
        yield record(n, kind="failed", check_pass=None, error=name, billed="unknown")


def errors() -> list[str]:
    """Return the names of all errors that an image can end with."""
    kinds, left = [], [DetectError]
    while left:
        kinds += (below := left.pop().__subclasses__())
        left += below
    return sorted(
        {kind.__name__ for kind in kinds if kind.__module__ == "s2v_detect.errors"}
        - {ServiceError.__name__}
    )


def pages(folder: Path, language: Language) -> Iterator[str]:
    """Yield a page in each of its states."""
    tally = Tally(folder, [], None)
    for each in records():
        tally.add(each)
    page = Page("十一月人像", "模拟服务", "人像.表", language=language)
    goes_on = Going(1, 9, ["第一张"])
    for rate in (5.0, float("inf")):
        for going in (None, goes_on, Going(9, None, ["完成"], has_ended=True)):
            shown = Page(page.title, page.note, page.source, rate, language=language)
            yield shown.whole(tally.figures(), [], {"passed": 7, "failed": 1}, going)
    yield page.whole(Tally(folder, [], None).figures(), [], {}, None)


NAMES = re.compile(
    # What is no sentence: the model, the program and what is typed, codes, units and formats.
    r"wan2\.2-s2v-detect"
    r"|s2v-detect (?:ledger reconcile|doctor|run|report OUT -o report\.html|\d[\w.+]*)"
    r"|https?|oss|Invalid(?:File|Image)[.\w]*"
    r"|--[a-z]+(?:-[a-z]+)*|UTC|MB|JSON|Excel|API Key|JPEG、PNG、BMP 或 WEBP"
)
ENGLISH_WORD = re.compile(r"[A-Za-z]+")


def test_nothing_in_the_chinese_page_is_english(tmp_path: Path) -> None:
    """Whatever state it is in: a word of the template beside `say` would be found here."""
    codes = re.compile("|".join(sorted(errors(), reverse=True)))
    for page in pages(tmp_path, "zh"):
        read = Read(page)
        assert read.tag == "zh-CN"
        text = codes.sub("", NAMES.sub("", "\n".join(read.texts)))
        assert ENGLISH_WORD.findall(text) == []


def test_nothing_in_the_english_page_is_chinese(tmp_path: Path) -> None:
    """No Chinese word of ours is in it."""
    for page in pages(tmp_path, "en"):
        read = Read(page)
        assert read.tag == "en"
        given = re.compile("十一月人像|模拟服务|人像.表|第一张|完成")
        assert HAN.findall(given.sub("", "\n".join(read.texts))) == []


def test_each_sentence_has_another_in_chinese() -> None:
    """Where there is a word in it; and the labels are those of what a row shows."""
    chinese_of_fields = fields_in("zh")
    pairs = [(name, text, words_in("zh")[name]) for name, text in ENGLISH.items()]
    pairs += [(name, text, chinese_of_fields[name]) for name, text in FIELDS.items()]
    for name, text, chinese in pairs:
        is_a_word = ENGLISH_WORD.search(re.sub(r"\{[^}]*\}|%\w", "", text))
        assert HAN.search(chinese) or not is_a_word or name in {"count", "made_at"}, name
    assert set(FIELDS) == set(SHOWN)


def told(kind: str, code: str, error: str | None, language: Language) -> str:
    """Return an advice as one text."""
    advice = advice_for(kind, code, error, language)
    assert advice != advice_for(kind, "unheard", "unheard", language) or kind == "skipped"
    assert "{" not in "".join(advice)
    return " ".join(advice)


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("checked", REJECT_CODES),
        ("failed", [*errors(), "asked", "sent", "unknown", "not sent"]),
        ("skipped", [*SKIPPED.values(), "ImageSkipped"]),
    ],
)
def test_each_reason_has_its_own_advice_in_both_languages(kind: str, names: list[str]) -> None:
    """It is mailed to the photographer: no code is left with "look at its message" alone."""
    for name in names:
        english, chinese = (told(kind, name, name, language) for language in LANGUAGES)
        assert not HAN.search(english)
        assert HAN.search(chinese)
        assert re.search("请|再次运行", chinese), name
        words = ENGLISH_WORD.findall(NAMES.sub("", chinese))
        assert words == [], name


def test_the_vendors_facts_are_in_the_advice_of_both_languages() -> None:
    """From their table; a list of formats is joined as its language does."""
    assert "400 to 7,000" in advice_for("checked", "InvalidFile.Resolution", None).do
    assert "400 到 7,000" in advice_for("checked", "InvalidFile.Resolution", None, "zh").do
    assert "JPEG, PNG, BMP or WEBP" in advice_for("checked", "InvalidImageFormat", None).do
    assert "JPEG、PNG、BMP 或 WEBP" in advice_for("checked", "InvalidImageFormat", None, "zh").do
    assert "免费额度" in " ".join(advice_for("failed", "", "OutOfCredit", "zh"))
    assert "业务空间" in " ".join(advice_for("failed", "", "AccessDenied", "zh"))
    assert "限流" in " ".join(advice_for("failed", "", "RateLimited", "zh"))


def test_the_web_example_gives_the_same_advice() -> None:
    """A reader who has seen the report page meets no second sentence for one reason."""
    example = EXAMPLE.read_text(encoding="utf-8")
    pairs = dict(re.findall(r'\{\s*en: "([^"]*)",\s*zh: "([^"]*)",?\s*\}', example))
    for code in REJECT_CODES:
        english, chinese = (advice_for("checked", code, None, language) for language in LANGUAGES)
        assert [pairs.get(text) for text in english] == list(chinese), code


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_skip_is_known_by_its_english_message_in_either_language(language: Language) -> None:
    """What the library raises stays English, whatever is spoken where it raises."""
    with speaking(language):
        messages = {
            **SKIPPED,
            refusal(Foreign("a GIF image")): "Format",
            private_reason("http://10.0.0.1/a.jpg"): "Unreachable address",
        }
        assert {message: skip_of(message) for message in messages} == messages
    named = names_in(language)["skipped"]
    assert set(named) == {*SKIPPED.values(), OTHER, NONE}
    assert len(set(named.values())) == len(named)


HOSTILE = [
    *(
        "\u202egnp",
        "a\u200bb",
        "\ud800",
        "\x07",
        "a\rb",
        "a\nb",
        "\x85",
        "é",
        "é",
        "\uff1f",
        "👨\u200d👩",
    ),
    *('"onclick="alert(1)', "<b>", "&lt;", "</script>", "x" * 300, "[U+202E]", "__proto__"),
    *("constructor", "Format", "other reasons", "Signature=aB3xyz0", "https://a.example/?sig=1"),
]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_button_finds_the_rows_of_its_reason(language: Language, tmp_path: Path) -> None:
    """By the same text, in the same language: of hostile codes and of reasons of our own."""
    rows = [rejected(n, code) for n, code in enumerate((*HOSTILE, ""))]
    rows += [skipped(n, message) for n, message in enumerate(SKIPPED)]
    path = tmp_path / "page.html"
    write_report(rows, path, title="P", language=language)
    read = Read(path.read_bytes().decode())
    found = {(row["group"], row["reason"]) for row in read.scripts["rows"]}
    assert found == set(read.reasons())
    assert ("skipped", "Size in pixels") in found
    assert ("rejected", "\\ud800") not in found
    names = read.scripts["words"]["reasons"]
    assert names == names_in(language)
    assert "Format" not in names["rejected"]  # a code of that name stays one


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_name_in_a_sentence_is_isolated_and_escaped(language: Language, tmp_path: Path) -> None:
    """A translated sentence is ours, and safe; what is put into it is not."""
    page = Page("<i>t</i>", "<i>n</i>", "<i>s</i>&{x}</bdi>", language=language)
    figures = Tally(tmp_path, [], None).figures()
    text = page.whole(figures, [], {"passed": 1}, None)
    assert "<bdi>&lt;i&gt;s&lt;/i&gt;&amp;{x}&lt;/bdi&gt;</bdi>" in text
    assert "<i>" not in text
    going = Going(0, 1, ["<i>g</i>"])
    assert "<bdi>&lt;i&gt;g&lt;/i&gt;</bdi>" in page.parts(figures, 0, {}, going)["progress"]


@pytest.mark.parametrize(
    ("language", "spoken", "words"),
    [("zh", "en", "运行提前结束"), ("en", "zh", "The run has ended early")],
)
def test_a_live_page_speaks_its_own_language(
    language: Language, spoken: Language, words: str
) -> None:
    """Its thread inherits nothing: what is spoken around it is another language."""
    with speaking(spoken), httpx.Client(trust_env=False) as web:
        live = LivePage(Page("\ud800", language=language))  # half a letter: no page can hold it
        with live:
            live.add([rejected(1, "InvalidFile.NoHuman"), rejected(2, "\ud800")])
            first = Read(web.get(live.url).text)
            served = live._state  # noqa: SLF001  # what its thread reads once it is closed
    last = json.loads(str(served.last()))["parts"]
    for text in (
        "".join(first.texts),
        last["reasons"],
        json.loads(served.update().parts)["reasons"],
    ):
        assert ("没有检测到人" in text) is (language == "zh")
        assert ("No person was found" in text) is (language == "en")
    assert words in last["progress"]


def test_a_date_is_written_as_its_language_does() -> None:
    """In numbers in Chinese; once where the day does not change."""
    times = [1_800_000_000.0 + second for second in range(5)]
    english, chinese = (chart_of(times, 5.0, words_in(each)["day"]) for each in LANGUAGES)
    assert english
    assert chinese
    assert [tick.label for tick in english.ticks[:2]] == ["15 Jan 08:00:00", "08:00:01"]
    assert [tick.label for tick in chinese.ticks[:2]] == ["01-15 08:00:00", "08:00:01"]
    assert chinese.bars[0].at == "01-15 08:00:00"


def test_what_has_no_thumbnail_is_not_remembered(tmp_path: Path) -> None:
    """A live page of days had a place for each file that is none."""
    file = tmp_path / "照片.jpg"
    file.write_text("no picture")
    pictures = Pictures()
    rows = [Kept(0.0, place, Row("failed", "{}", file)) for place in range(20)]
    pictures.take(rows)
    assert not pictures._by_place  # noqa: SLF001  # what is held
    assert pictures.row_of(rows[0]) == "{}"
