"""What the package logs: standard records with extra keys, documented in one table."""

import ast
import asyncio
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.outages import images, virtually

import s2v_detect
from s2v_detect import Failed, HostLimiter, LocalLimiter
from s2v_detect._logging import RECORDS, log
from s2v_detect.checks._line import Line
from s2v_detect.emulator import Emulator, Error, Pass, Throttle
from s2v_detect.limiters import Sharing

ROOT = Path(s2v_detect.__file__).parent
GUIDE = ROOT.parents[1] / "examples" / "README.md"
NAMES_OF_LOGGING = set(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
KEYS_OF_THE_BREAKER = {"where", "error", "cause", "lasted_s"}


def documented() -> dict[str, tuple[str, tuple[str, ...]]]:
    """Return each record of the table: its level, and its extra keys."""
    rows = re.findall(
        r"^\| `(\w+)` \| (\w+) \| [^|]+ \| ([^|]*) \|$", GUIDE.read_text(), re.MULTILINE
    )
    return {
        name: (level, tuple(re.findall(r"`s2v_(\w+)`", keys)))
        for name, level, keys in rows
        if level in ("INFO", "WARNING", "ERROR")
    }


def test_the_table_is_what_is_logged() -> None:
    """Each record with its level and its keys, and no other."""
    known = {
        name: (logging.getLevelName(record.level), record.keys) for name, record in RECORDS.items()
    }
    assert documented() == known


def calls() -> Iterator[tuple[str, str, set[str]]]:
    """Yield each record that the source logs: the file, the record's name and its keys."""
    for path in sorted(ROOT.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        logs = "_logging import" in text or path.name == "_logging.py"
        for node in ast.walk(ast.parse(text)) if logs else ():
            if not isinstance(node, ast.Call) or not node.args:
                continue
            function, first = node.func, node.args[0]
            name = function.attr if isinstance(function, ast.Attribute) else ""
            is_own = isinstance(function, ast.Name) and function.id == "log"
            if (is_own or name == "_log") and isinstance(first, ast.Constant):
                own = KEYS_OF_THE_BREAKER if name == "_log" else set()
                given = {each.arg for each in node.keywords if each.arg}
                yield path.name, str(first.value), (given | own) - {"exc_info"}


def test_each_record_has_its_keys_wherever_it_is_logged() -> None:
    """A name that the table has not, a key too many or too few: none is in the source."""
    found = list(calls())
    assert {name for _, name, _ in found} == set(RECORDS)
    for file, name, keys in found:
        assert keys == set(RECORDS[name].keys), f"{file}: {name}"


def test_nothing_is_logged_past_the_table() -> None:
    """One module alone makes records; a logger may be given to a library of others."""
    makes = re.compile(r"\b_?log(?:ger)?\.(?:debug|info|warning|error|exception|critical|log)\(")
    made_in = [path.name for path in ROOT.rglob("*.py") if makes.search(path.read_text("utf-8"))]
    assert made_in == ["_logging.py"]


def as_json(record: logging.LogRecord) -> dict[str, Any]:
    """Return a record as a JSON formatter writes it: everything that is not logging's own."""
    more = {key: value for key, value in vars(record).items() if key not in NAMES_OF_LOGGING}
    read: dict[str, Any] = json.loads(json.dumps({"message": record.getMessage(), **more}))
    return read


@pytest.mark.parametrize("name", RECORDS)
def test_each_record_can_be_written_as_json(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """Its keys are logging's own nowhere, and its sentence has all that it names."""
    record = RECORDS[name]
    caplog.set_level(logging.DEBUG, "s2v_detect")
    named = set(re.findall(r"%\((\w+)\)", record.text))
    values: dict[str, Any] = dict.fromkeys(record.keys, 1.5)
    lasted = {key.removesuffix("_s") for key in record.keys if key.endswith("_s")}
    log(name, dict.fromkeys(named - set(record.keys) - lasted, 2.5), **values)
    (told,) = caplog.records
    assert as_json(told).keys() == {"message", "s2v_event", *(f"s2v_{key}" for key in record.keys)}
    assert told.name == record.logger
    assert told.levelno == record.level
    assert told.funcName == "test_each_record_can_be_written_as_json"


def test_a_value_shows_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    """Neither in the sentence nor among the extra keys, whoever logs it."""
    log("line_not_shared", cause="no https://a.example/1.jpg?Signature=abcdef sk-0123456789abcdef")
    told = json.dumps(as_json(caplog.records[0]))
    assert "a.example" in told
    for secret in ("Signature", "abcdef"):
        assert secret not in told


async def test_all_is_quiet_while_all_is_well(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Passes, a reject, a stream, a ledger, the machine's line: no record at WARNING."""
    caplog.set_level(logging.WARNING)
    line = HostLimiter(1e4, name="team", directory=tmp_path)
    async with (
        Emulator(answer=Pass()) as emulator,
        emulator.client(limiter=line, ledger=tmp_path / "l.db") as client,
    ):
        await client.check("https://images.example/1.jpg")
        urls = [f"https://images.example/{number}.jpg" for number in range(20)]
        async with client.aiter_check(urls) as outcomes:
            assert len([outcome async for outcome in outcomes]) == 20
    assert not caplog.records


def test_an_outage_is_logged_with_its_cause(caplog: pytest.LogCaptureFixture) -> None:
    """At its beginning and at its end, with what a dashboard needs."""

    async def main() -> None:
        async with (
            Emulator(answer=Error(503, "ServiceUnavailable")) as emulator,
            emulator.client(max_outage_s=600.0, max_in_flight=5) as client,
        ):
            async with client.aiter_check(images()) as outcomes:
                first = asyncio.ensure_future(anext(outcomes))
                await asyncio.sleep(100)
                emulator.when("*", Pass())
                await first

    caplog.set_level(logging.WARNING, "s2v_detect")
    virtually(main)
    told = [as_json(record) for record in caplog.records]
    assert [each["s2v_event"] for each in told] == [
        "outage_begun",
        "outage_still_on",
        "outage_ended",
    ]
    for each in told:
        assert each["s2v_where"].startswith("the service at http://127.0.0.1:")
        assert each["s2v_error"] == "ServiceUnavailable"
        assert "503" in each["s2v_cause"]
    assert told[0]["s2v_max_outage_s"] == 600.0
    assert told[1]["s2v_lasted_s"] == 60.0
    assert 90 < told[2]["s2v_lasted_s"] < 110


async def test_a_margin_that_grew_is_logged_once_for_an_episode(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """At INFO: it is what the line does by itself, and well."""
    caplog.set_level(logging.INFO, "s2v_detect")
    async with (
        Emulator(answer=Pass(), counting="none") as emulator,
        emulator.client(limiter=LocalLimiter(1000.0)) as client,
    ):
        urls = [f"https://images.example/{number}.jpg" for number in range(60)]
        emulator.when(urls[50], Throttle(), Pass())
        async with client.aiter_check(urls) as outcomes:
            assert not [each async for each in outcomes if isinstance(each, Failed)]
        margin = client.statistics().line.margin
    (told,) = [as_json(record) for record in caplog.records]
    assert told["s2v_event"] == "margin_grown"
    assert told["s2v_limiter"] == "LocalLimiter"
    assert told["s2v_rate_per_s"] == 1000.0
    assert told["s2v_margin_before"] < told["s2v_margin"] == round(told["s2v_margin"], 4)
    assert margin == pytest.approx(told["s2v_margin"], abs=0.01)
    assert re.search(r"starts \d+\.\d % slower", told["message"])


class Given(LocalLimiter):
    """A line that the account gives less and less of, or the whole again."""

    given: float | None = None

    def throttled(self, retry_after_s: float | None = None) -> None:
        """Nothing; the test says what is given."""

    def sharing(self) -> Sharing:
        """Return what is given."""
        return Sharing(given_per_s=self.given)


async def test_a_rate_that_the_account_no_longer_gives_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Each time that it falls after a 429: not while it stays, and not when it comes back."""
    caplog.set_level(logging.INFO, "s2v_detect")
    limiter = Given()
    line = Line(limiter)
    for given in (None, 4.0, 4.0, 3.0, 4.0, None, 2.0):
        line.throttled(None)
        limiter.given = given
        line.log_what_it_learnt()
        line.log_what_it_learnt()  # by the next turn: it is told once
    told = [as_json(record) for record in caplog.records]
    assert [each["s2v_given_per_s"] for each in told] == [4.0, 3.0, 2.0]
    assert {each["s2v_event"] for each in told} == {"rate_lowered"}
    assert "gives 4 requests a second now, of the line's 5: others" in told[0]["message"]


def test_a_line_that_is_lost_and_found_says_both(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The limiter that fell back, and that shares the rate again: each once."""
    caplog.set_level(logging.INFO, "s2v_detect")
    folder = tmp_path / "lines"
    folder.mkdir()
    line = HostLimiter(1e4, name="team", directory=folder)

    async def turns() -> None:
        for _ in range(3):
            (await line.turn()).left()

    asyncio.run(turns())
    away = folder.rename(tmp_path / "away")
    asyncio.run(turns())
    away.rename(folder)
    asyncio.run(turns())
    told = [as_json(record) for record in caplog.records]
    assert [each["s2v_event"] for each in told] == ["line_lost", "line_shared"]
    assert {each["s2v_limiter"] for each in told} == {"HostLimiter"}
    assert "No such file" in told[0]["s2v_cause"]
