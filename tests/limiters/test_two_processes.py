"""Two processes of one account, which nobody told anything: over real sockets."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from s2v_detect import DetectClient, Event, HostLimiter
from s2v_detect.emulator import Emulator, Pass


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """An emulator of a sliding second of five."""
    with Emulator.run_in_thread(answer=Pass(), counting="sliding") as emulator:
        yield emulator


@pytest.fixture
def environment(tmp_path: Path, emulator: Emulator) -> dict[str, str]:
    """An environment with an account, and a machine whose lines are the test's own."""
    return {
        **os.environ,
        "S2V_DETECT_LINE": "machine",
        "S2V_DETECT_STATE_DIR": str(tmp_path / "state"),
        "DASHSCOPE_API_KEY": emulator.api_key,
        "DASHSCOPE_BASE_URL": emulator.base_url,
        "WEB_APP_LEDGER": str(tmp_path / "portraits.db"),
    }


@pytest.mark.real_time
def test_two_runs_keep_the_account_s_rate_together_and_say_so(
    tmp_path: Path, emulator: Emulator, environment: dict[str, str]
) -> None:
    """Not one 429, both are served in turn, and both summaries say that the line was shared."""
    runs = []
    for name in "ab":
        urls = [f"https://images.example/{name}-{number}.jpg\n" for number in range(12)]
        (tmp_path / f"{name}.txt").write_text("".join(urls))
        words = ["run", f"{name}.txt", "-o", f"{name}.jsonl", "--summary", f"{name}.json"]
        run = subprocess.Popen(  # noqa: S603  # our own command
            [sys.executable, "-m", "s2v_detect.cli", *words],
            cwd=tmp_path,
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        runs.append(run)
    told = [run.communicate()[1] for run in runs]
    assert [run.returncode for run in runs] == [0, 0]
    assert emulator.statuses == {200: 24}
    asked = [json.loads(arrival.body)["input"]["image_url"] for arrival in emulator.arrivals]
    shared = [url.split("/")[-1][0] for url in asked][4:20]
    assert 4 <= shared.count("a") <= 16
    for text in told:
        assert re.search(r"shared +1 +other process used the account's rate at the same", text)
    summaries = [json.loads((tmp_path / f"{name}.json").read_text()) for name in "ab"]
    assert [summary["processes_met"] for summary in summaries] == [1, 1]


async def test_the_forecast_counts_those_who_wait_for_another_s_ledger(
    tmp_path: Path, emulator: Emulator
) -> None:
    """With a ledger one of a lane stands in the line, and the others behind that one."""
    lines = [HostLimiter(name="team", directory=tmp_path) for _ in range(2)]
    options = {"base_url": emulator.base_url, "limiter": lines[0]}
    client = DetectClient(emulator.api_key, **options, ledger=tmp_path / "ledger.db")  # type: ignore[arg-type]  # as given
    async with client:
        urls = [f"https://images.example/{number}.jpg" for number in range(12)]
        checks = [asyncio.create_task(client.check(url)) for url in urls]
        async with asyncio.timeout(10):
            while len(emulator.arrivals) < 2:  # of the emulator's thread
                await asyncio.sleep(0.02)
        to_come, told = len(urls) - len(emulator.arrivals), []
        for _ in range(10):  # between a turn and the next one's `sent` nobody stands in the line
            told.append(lines[1].forecast_s("interactive"))
            await asyncio.sleep(0.02)
        assert (to_come - 4) * 0.2 < max(told) < (to_come + 2) * 0.25
        await asyncio.wait(checks)
        assert lines[1].forecast_s("interactive") < 0.5
    assert emulator.statuses == {200: 12}


async def test_checks_of_two_ledgers_go_in_the_order_in_which_they_came(
    tmp_path: Path, emulator: Emulator
) -> None:
    """With a ledger one of a process stands in the line: the others came when they came, too."""
    asked: list[str] = []

    def watch(event: Event) -> None:
        if event.kind == "turn":
            asked.append(event.image.rpartition("/")[2])

    def client_of(name: str) -> DetectClient:
        line = HostLimiter(name="team", directory=tmp_path)  # a disk is faster than that
        options = {"base_url": emulator.base_url, "limiter": line, "on_event": watch}
        return DetectClient(emulator.api_key, **options, ledger=tmp_path / name)  # type: ignore[arg-type]  # as given

    async with client_of("a.db") as first, client_of("b.db") as second:
        crowd = [first.check(f"https://images.example/a{number}") for number in range(6)]
        checking = asyncio.gather(*crowd)
        while not asked:
            await asyncio.sleep(0)
        await second.check("https://images.example/b")
        await checking
    assert asked.index("b") >= 5
