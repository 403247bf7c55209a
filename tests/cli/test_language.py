"""`--lang`: the command in English and in Chinese, on terminals of any width."""

import json
import re
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from tests.cli.test_ignores_no_option import IDLE
from tests.cli.test_progress import Clock, Watched

from s2v_detect import Event, NotSent, Spend
from s2v_detect.bulk import RunSummary, Sample, Tally
from s2v_detect.cli import main
from s2v_detect.cli._exits import Exit, meaning_of
from s2v_detect.cli._findings import Heard, of_key, of_line, of_service
from s2v_detect.cli._language import usual_language
from s2v_detect.cli._progress import Progress
from s2v_detect.cli._summary import print_summary
from s2v_detect.cli._wrapping import WrappingConsole
from s2v_detect.emulator import Emulator, Reject
from s2v_detect.languages import speaking
from s2v_detect.tables import Row, read_records

Command = Callable[..., Any]
WORDS = re.compile(r"(?<![-\w])[A-Za-z]+ [a-z]{2,}")
"""Of English: two words, of which the second is no name."""
MISSING = ("run", "missing.txt", "-o", "out.jsonl")
OUTPUT = "一月的结果.csv"
CHANGES: list[dict[str, Any]] = [
    {},
    {"ended_by": "max_time", "has_ledger": True},
    {"given_per_s": None, "processes_met": 0, "has_ledger": True, "spend_in_all": None},
    {"spend": Spend(billed=1), "fault": None, "ended_by": None, "interrupted": True},
    {"fault": None, "ended_by": None, "input_error": None, "output_error": None},
    {"tally": Tally(passed=1), "fault": None, "ended_by": None, "is_placed": True},
]
ENGLISH, CHINESE = "can't be read", "无法读取"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in.csv").write_text("url\nhttp://a.example/1.jpg\n")
    (tmp_path / "photos").mkdir()
    (tmp_path / "none").mkdir()
    (tmp_path / "photos" / "1.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(100))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "1000")


@pytest.mark.parametrize(
    ("words", "environment", "said"),
    [
        (MISSING, {}, ENGLISH),
        (("--lang", "zh", *MISSING), {}, CHINESE),
        ((*MISSING, "--lang", "zh"), {}, CHINESE),
        ((*MISSING, "--lang=zh"), {}, CHINESE),
        (("run", "--lang", "zh", *MISSING[1:]), {}, CHINESE),
        (("run", "--lang=zh", *MISSING[1:]), {}, CHINESE),
        (("run", "-o", "x", "--lang", "zh", "--", "missing.txt"), {}, CHINESE),
        ((*MISSING, "--live", "--lang", "zh"), {}, CHINESE),
        ((*MISSING, "--retry-failed", "--lang=zh"), {}, CHINESE),
        (MISSING, {"LANGUAGE": "zh_CN:en", "LC_ALL": "en_US.UTF-8"}, CHINESE),
        (MISSING, {"LANGUAGE": "", "LANG": "zh_CN.UTF-8"}, CHINESE),
        (MISSING, {"LANGUAGE": "", "LANG": "zh_CN.GB18030"}, CHINESE),
        (MISSING, {"LANGUAGE": "", "LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, ENGLISH),
        (("run", "in.csv", "-o", "in.csv", "--lang", "zh"), {}, "in.csv 既是输入又是输出"),
        (("run", "in.csv", "-o", "x", "--column", "y", "--lang", "zh"), {}, "输入没有 'y' 这一列"),
        (
            ("run", "in.csv", "-o", "x", "--sheet", "y", "--lang", "zh"),
            {},
            "只有 Excel 文件才有工作表",
        ),
        (("run", "none", "-o", "x", "--lang", "zh"), {}, "none 里没有图片"),
        ((*MISSING, "--lang", "en"), {"LANGUAGE": "zh", "LC_ALL": "en_US.UTF-8"}, ENGLISH),
        ((*MISSING, "--lang", "de"), {}, 'Invalid value "de" for --lang. Choose from: "en", "zh"'),
        ((*MISSING, "--lang"), {}, "--lang needs a value behind it"),
        ((*MISSING, "--lang"), {"LANGUAGE": "zh", "LC_ALL": "en_US.UTF-8"}, "--lang 后面缺少值"),
        (
            ("ledger", "prune", "x", "--lang", "zh"),
            {},
            "`s2v-detect ledger prune` 缺少 --older-than",
        ),
        ((*MISSING, "--max-cost", "x", "--lang", "zh"), {}, "请给出以元为单位的金额"),
        (
            ("report", "missing.jsonl", "-o", "r.html", "--lang", "zh"),
            {},
            "无法为 missing.jsonl 生成报告",
        ),
    ],
)
def test_the_option_or_else_the_locale_says_the_language(
    words: tuple[str, ...],
    environment: dict[str, str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Before or behind the command's name; of all commands; a wrong value names the right ones."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert main(words) == Exit.USAGE
    assert said in capfd.readouterr().err


@pytest.mark.parametrize(
    ("encoding", "language"),
    [("utf-8", "zh"), ("gbk", "zh"), ("gb18030", "zh"), ("ascii", "en"), ("cp1252", "en")],
)
def test_a_terminal_without_chinese_characters_is_spoken_to_in_english(
    encoding: str, language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the locale says: nobody reads escapes."""
    monkeypatch.setenv("LANGUAGE", "zh_CN")
    monkeypatch.setenv("LC_ALL", "en_US.UTF-8")
    monkeypatch.setattr(sys, "stderr", TextIOWrapper(BytesIO(), encoding=encoding))
    assert usual_language() == language


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
@pytest.mark.parametrize("words", [MISSING, ("estimate", "missing.txt"), ("check", "in.csv")])
def test_chinese_that_can_not_be_shown_is_told_of_and_english(
    encoding: str, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once; it was escapes, where `--lang zh` was asked for."""
    told = BytesIO()
    stderr = TextIOWrapper(told, encoding=encoding, errors="backslashreplace")
    monkeypatch.setattr(sys, "stderr", stderr)
    main(["--lang", "zh", *words])
    stderr.flush()
    text = told.getvalue().decode(encoding)
    assert "\\u" not in text
    assert text.count(f"stderr takes {encoding}") == (encoding != "utf-8")
    assert bool(re.search("[\u4e00-\u9fff]", text)) is (encoding == "utf-8")


@pytest.mark.parametrize("command", ["run", "check", "report", "ledger show", "doctor", ""])
def test_every_help_names_the_option(command: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Of a command, and of the program."""
    assert main([*command.split(), "--help"]) == 0
    assert "--lang" in capfd.readouterr().out


def test_every_refusal_of_an_option_is_whole_in_chinese(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """All that would do nothing: no English word but names and options."""
    for words in IDLE:
        main([*words, "--lang", "zh"])
        told = capfd.readouterr().err
        assert not WORDS.search(told), (words, told)
        assert "。" in told, words


@pytest.mark.parametrize(
    "words",
    [
        *(("run", *words) for words in ((), ("--foo",), ("a", "b", "c", "-o", "d"))),
        *(("run", "a", *words) for words in (("-o",), ("--otu", "b"), ("-o", "--b"))),
        *(
            ("run", "a", "-o", "b", *words)
            for words in (
                ("-o", "c"),
                ("--foo",),
                ("--formt", "csv"),
                ("-xyz",),
                ("--api-key", "sk-1"),
                ("--rate",),
                ("--retry-failed=Slow",),
                ("--retry-failed=",),
                ("--summary", "-"),
            )
        ),
        *(
            ("run", "a", "-o", "b", f"{option}={value}")
            for option, values in {
                "--rate": ("x", "", "0", "-1", "nan"),
                "--sample": ("x", "0", "-3"),
                "--live": ("x", "-1", "65536"),
                "--timeout-s": ("inf",),
                "--max-cost": ("x",),
                "--max-outage": ("x",),
                "--until": ("x",),
                "--max-time": ("x",),
                "--quiet": ("x",),
                "--format": ("cvs", "x"),
                "--on-unknown": ("kep",),
            }.items()
            for value in values
        ),
        ("check",),
        ("chekc", "x"),
        ("ledger", "shwo", "l.db"),
        ("ledger", "prune", "l.db", "--older", "3d"),
        ("ledger", "prune", "l.db", "--older-than=x"),
        ("emulator", "--port", "65536"),
        ("completion", "tcsh"),
        ("doctor", "--probe", "0"),
    ],
)
def test_a_mistake_in_the_command_is_told_in_chinese(
    words: tuple[str, ...], capfd: pytest.CaptureFixture[str]
) -> None:
    """With its title, and what was meant: names and values alone are none of it."""
    assert main([*words, "--lang", "zh"] if "=" in words[-1] else ["--lang", "zh", *words]) == 2
    title, *told = capfd.readouterr().err.splitlines()
    assert "错误" in title
    sentences = " ".join(line.strip("│ ") for line in told if "例如：" not in line)
    assert not WORDS.search(re.sub("`.+?`", "", sentences)), sentences
    assert re.search("[。？]", sentences)


# What is made of values


def summary(**changed: Any) -> RunSummary:
    """Return the summary of a run that met everything at once."""
    spend = Spend(billed=40, unknown=3, refused=2)
    tally = Tally(passed=30, rejected=10, skipped=2, failed=3, known=5, sent=43, answered=40)
    tally.throttled, tally.outages, tally.ended_outages_s = 4, 2, 724.0
    tally.unseen, tally.unwritten = 1, 2
    tally.rejected_by_code = Counter({"": 3, "InvalidFile.NoHuman": 7})
    tally.failed_by_error = Counter({f"错误{number}": 1 for number in range(9)})
    long = "这张图片太大了，太大了，太大了，太大了，太大了"
    tally.skips.add(long, line=None, image="照片/张三的一张很大很大的照片.jpg")
    tally.skips.add("它不是地址", line=7, image="李四")
    tally.skips.add("它不是地址", line=9, image="王五")
    fields: dict[str, Any] = {
        "tally": tally,
        "spend": spend,
        "spend_in_all": Spend(billed=90, unknown=9),
        "elapsed_s": 61.0,
        "interrupted": False,
        "processes_met": 2,
        "given_per_s": 2.4,
        "is_placed": False,
        "fault": NotSent("连不上。", do="请重试。"),
        "input_error": OSError(5, "Input/output error"),
        "output_error": OSError(28, "No space left on device"),
        "ended_by": "until",
    }
    return RunSummary(**(fields | changed))


async def _none() -> AsyncIterator[list[Row]]:
    yield []


def printed(width: int, language: str = "zh", **changed: Any) -> str:
    """Return what the summary prints on a terminal of so many columns."""
    told, sample = StringIO(), Sample(_none(), 5, 0)
    sample.rows_in_all = 4711
    with speaking(language):  # type: ignore[arg-type]  # one of the two
        print_summary(
            WrappingConsole(file=told, width=width),
            summary(**changed),
            output=OUTPUT,
            emulated=False,
            sample=sample,
        )
    return told.getvalue()


def characters(text: str) -> Counter[str]:
    """Return what is printed, wherever the lines end."""
    return Counter(text) - Counter({" ": len(text), "\n": len(text)})


@pytest.mark.parametrize("width", [40, 59, 60, 79, 80, 81, 100])
def test_the_summary_fits_the_terminal_and_loses_nothing(width: int) -> None:
    """A Chinese character is two cells wide; no line is longer than the terminal, none is cut."""
    Path(OUTPUT).write_text("image\n")
    told = printed(width)
    assert max(map(cell_len, told.splitlines())) <= width
    assert characters(told) == characters(printed(1000))
    assert "…" not in told


def test_the_estimate_loses_nothing_at_any_width(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Where rich cut what wraps: Chinese and English words are in one line."""
    (tmp_path / "名单.csv").write_text("url\nftp://a.example/1.jpg\n不是地址\n", encoding="utf-8")
    for width in (52, 65, 76):
        monkeypatch.setenv("COLUMNS", str(width))
        assert main(["estimate", "名单.csv", "--lang", "zh"]) == 0
        told = capfd.readouterr().out
        assert max(map(cell_len, told.splitlines())) <= width
        assert "…" not in told


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_a_narrow_terminal_cuts_no_date_and_no_figure_in_two(
    language: str,
    emulator: Emulator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Of a statement and of an image; a time is one to the second, and JSON has the rest of it."""
    async with emulator.client(ledger=tmp_path / "账本.db") as client:
        for number in range(12):
            await client.check(f"http://a.example/{number}.jpg")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    shown, told = ("show", "账本.db", "http://a.example/1.jpg"), ""
    zone = re.compile(r"\(UTC\).*\(UTC\)|（UTC）.*（UTC）", re.DOTALL)
    for width in (40, 50, 60, 80, 100, 140):
        monkeypatch.setenv("COLUMNS", str(width))
        assert main(["ledger", *shown, "--lang", language]) == 0
        told = re.sub(r"\x1b\[[0-9;]*m", "", capfd.readouterr().out)
        assert len(re.findall(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d( |$)", told, re.MULTILINE)) == 2
        assert zone.search(told)
        assert main(["ledger", "statement", "账本.db", "--lang", language]) == 0
        told = re.sub(r"\x1b\[[0-9;]*m", "", capfd.readouterr().out)
        assert re.search(r"^20\d\d-\d\d-\d\d ", told, re.MULTILINE), told
        assert len(re.findall(r" 12 +12 +0 +0\.048 +0\.048$", told, re.MULTILINE)) == 2, told
        assert max(map(cell_len, told.splitlines())) <= width
    assert {"en": "unknown", "zh": "计费不明"}[language] in told
    assert main(["ledger", *shown, "--json"]) == 0
    assert re.search(r'"sent_at": "[-0-9]+T[:0-9]+\.\d{3}\+00:00"', capfd.readouterr().out)


@pytest.mark.parametrize("source", ["模拟服务自身", "DASHSCOPE_API_KEY"])
@pytest.mark.parametrize("others", range(3))
def test_no_space_stands_between_two_chinese_words(source: str, others: int) -> None:
    """Where a name that is put in may be a Chinese one."""
    place = "服务（经由代理）"
    heard = [
        Heard(status, is_credential, is_answer, None, place, 0.1)
        for status, is_credential, is_answer in (
            (200, True, True), (400, False, True), (404, False, False), (502, False, False)
        )
    ]  # fmt: skip
    with speaking("zh"):
        findings = [of_key(source, each) for each in (None, *heard)]
        findings += [of_service(each) for each in heard]
        findings.append(of_line("/a", others + 1, None))
    wide = r"[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]"
    assert not [each.found for each in findings if re.search(f"{wide} {wide}", each.found)]
    assert ("没有其他进程" in findings[-1].found) is (others == 0)
    assert " 0 " not in findings[-1].found


def test_the_figures_of_the_summary_stand_below_each_other() -> None:
    """However wide the words before them are."""
    for language, words in (("zh", ("费用", "合计", "输出")), ("en", ("cost", "in all", "output"))):
        lines = [line for line in printed(120, language).splitlines() if line.startswith("  ")]
        of = {word: line for line in lines for word in words if line.strip().startswith(f"{word} ")}
        begins = {
            cell_len(line) - cell_len(line.split(word, 1)[1].lstrip()) for word, line in of.items()
        }
        assert (set(of), len(begins)) == (set(words), 1)


@pytest.mark.parametrize("changed", CHANGES)
def test_the_summary_is_whole_in_chinese(changed: dict[str, Any]) -> None:
    """All that a run may have met: no English word but names, codes and options."""
    Path(OUTPUT).write_text("image\n")
    told = printed(1000, **changed)
    assert not WORDS.search(told), told


@pytest.mark.parametrize(("language", "note"), [("en", "free images"), ("zh", "免费额度")])
@pytest.mark.parametrize("billed", [0, 1])
def test_the_free_images_are_told_of_where_something_was_billed(
    language: str, note: str, billed: int
) -> None:
    """A run that asked for nothing has no bill that they could make smaller."""
    told = printed(200, language, spend=Spend(billed=billed, known=3), fault=None)
    assert (note in told) is bool(billed)


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ("of them skipped", "images known from the ledger")),
        ("zh", ("其中跳过", "账本里已知的图片")),
    ],
)
def test_the_estimate_calls_rows_as_the_run_does(
    language: str,
    words: tuple[str, ...],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A row that is skipped may well be an image; without a request nothing is free."""
    (tmp_path / "in.csv").write_text("url\nhttp://localhost/1.jpg\nhttp://10.0.0.1/2.jpg\n")
    assert main(["estimate", "in.csv", "--lang", language]) == 0
    told = capfd.readouterr().out
    assert all(word in told for word in words)
    assert not re.search("free images|免费额度", told)
    (tmp_path / "in.csv").write_text("url\nhttps://a.example/1.jpg\n")
    assert main(["estimate", "in.csv", "--lang", language]) == 0
    assert re.search("free images|免费额度", capfd.readouterr().out)


def test_every_exit_code_has_its_meaning_in_chinese() -> None:
    """As a sentence of its own."""
    with speaking("zh"):
        meanings = [meaning_of(code) for code in Exit]
    assert len(set(meanings)) == len(Exit)
    assert all(each.endswith("。") and not WORDS.search(each) for each in meanings)


@pytest.mark.parametrize("width", [60, 80])
@pytest.mark.parametrize("total", [None, 1_234_567])
def test_the_progress_fits_the_terminal_and_is_whole_in_chinese(
    width: int, total: int | None
) -> None:
    """The picture, the plain line, and the sentences of the live page."""
    now = datetime.now(UTC)
    begun = Event(kind="outage", at=now - timedelta(minutes=12), image="x", lane="bulk")
    begun = begun.model_copy(update={"where": "服务", "message": "连不上。"})
    later = begun.model_copy(update={"where": "上传", "until": now + timedelta(days=2)})
    tally = Tally(passed=9000, rejected=99, known=3, sent=9102, answered=9100, throttled=4)
    watched = Watched(tally, Spend(billed=9, unknown=1), total, processes=3)
    watched.tally.out = {"a": begun, "b": later}
    console, clock = WrappingConsole(file=StringIO(), width=width), Clock()
    with speaking("zh"):
        progress = Progress(watched, console, rate=5.0, quiet=True, clock=clock)
        clock.now += 4000
        with console.capture() as capture:
            console.print(progress.picture())
        sentences = [str(progress.line()), *progress.sentences()]
    lines = capture.get().splitlines()
    assert max(map(cell_len, lines)) <= width
    assert not [each for each in [*lines, *sentences] if WORDS.search(each) or "…" in each]


@pytest.mark.parametrize("width", [50, 60, 70, 80])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_progress_breaks_its_lines_between_two_fields(width: int, language: str) -> None:
    """A count stays beside its word, and a time beside what it is of."""
    tally = Tally(passed=900, rejected=99, skipped=7, failed=3, known=64, sent=1020, answered=1002)
    tally.throttled = 3
    watched = Watched(Tally(), Spend(billed=999, unknown=3), 1_234_567, processes=1)
    console, clock = WrappingConsole(file=StringIO(), width=width), Clock()
    with speaking(language):  # type: ignore[arg-type]  # one of the two
        progress = Progress(watched, console, rate=5.0, quiet=True, clock=clock)
        vars(watched.tally).update(vars(tally))
        clock.now += 400
        with console.capture() as capture:
            console.print(progress.picture())
        line = str(progress.line())
    lines = capture.get().splitlines()
    assert max(map(cell_len, lines)) <= width
    for field in line.split(" · "):
        assert any(field in each for each in lines), field
    assert not [each for each in lines[1:] if each.strip().startswith("·")]


def test_the_picture_is_made_in_the_language_of_its_run() -> None:
    """Its drawer calls from a thread of its own, which has another language."""
    with speaking("zh"):
        progress = Progress(Watched(), WrappingConsole(file=StringIO()), rate=5.0, quiet=True)
    live = progress._live()  # noqa: SLF001  # what rich is given
    with WrappingConsole(file=StringIO(), width=80).capture() as _:
        drawn = WrappingConsole(file=StringIO(), width=80)
        with drawn.capture() as capture:
            drawn.print(live.get_renderable())  # type: ignore[attr-defined]  # rich's Live
    assert "通过" in capture.get()


# What programs read, and what people call their files


def test_json_is_the_same_in_both_languages(
    called: Command, emulator: Emulator, tmp_path: Path
) -> None:
    """Keys and values: what reads them knows one language."""
    emulator.when("*/2.jpg", Reject("InvalidFile.NoHuman"))
    (tmp_path / "in.csv").write_text("url\nhttp://a.example/1.jpg\nhttp://a.example/2.jpg\nno\n")
    told = []
    for language in ("en", "zh"):
        of = ("--lang", language)
        run = (f"{language}.jsonl", "--summary", "s.json", "--fresh", "--quiet", "--rate", "1000")
        called("run", "in.csv", "-o", *run, "--ordered", *of)
        kept = json.loads((tmp_path / "s.json").read_text(encoding="utf-8"))
        lines = [
            json.loads(line)
            for words in (
                ("estimate", "in.csv", "--json"),
                ("ledger", "show", f"{language}.jsonl.ledger", "--json"),
                ("doctor", "--json"),
                ("check", "no", "--json"),
            )
            for line in called(*words, *of).stdout.splitlines()
        ]
        rows = (tmp_path / f"{language}.jsonl").read_text(encoding="utf-8").splitlines()
        told.append(json.dumps([kept, lines, [json.loads(row) for row in rows]]))
    changing = re.compile(r'"request_id": "[^"]*"|-?[0-9.]+|en|zh')
    assert changing.sub("", told[0]) == changing.sub("", told[1])


@pytest.mark.parametrize(
    ("encoding", "words"),
    [
        ("utf-8", ("名单.csv", "-o", "结果.xlsx")),
        ("utf-8", ("名单.csv", "-o", "结果.csv", "--column", "图片", "--identity-column", "姓名")),
        ("gb18030", ("名单.csv", "-o", "结果.tsv", "--encoding", "gb18030", "--excel")),
        ("gbk", ("名单.csv", "-o", "结果.jsonl", "--ledger", "账本.db", "--report", "报告.html")),
        ("utf-16", ("名单.csv", "-o", "结果.parquet", "--summary", "小结.json")),
    ],
)
def test_chinese_names_go_through(
    encoding: str, words: tuple[str, ...], called: Command, tmp_path: Path
) -> None:
    """Of lists, columns, outputs, ledgers and reports; and they are said as they are."""
    rows = "图片,姓名\nhttp://a.example/张三.jpg,张三\nhttp://a.example/李四.jpg,李　四\n"
    (tmp_path / "名单.csv").write_text(rows, encoding=encoding)
    done = called("run", *words, "--quiet", "--rate", "1000", "--lang", "zh")
    assert done.returncode == 0, done.stderr
    assert words[2] in done.stderr
    assert all((tmp_path / word).exists() for word in words if "." in word)
    records = list(read_records(tmp_path / words[2]))
    assert [record["姓名"] for record in records] == ["张三", "李　四"]
