"""The examples of telemetry print and serve what the page says."""

import asyncio
import re
import runpy
import socket
from pathlib import Path
from typing import Any

import httpx
import pytest

from s2v_detect.emulator import Emulator, Pass, Throttle

EXAMPLES = Path(__file__).parents[2] / "examples"
PAGE = (EXAMPLES / "README.md").read_text(encoding="utf-8")


def main_of(name: str) -> Any:
    """Return what an example runs."""
    return runpy.run_path(str(EXAMPLES / name))["main"]


async def test_the_trace_on_the_page_is_what_is_printed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One visitor's check through a retry, to the letter."""
    await main_of("telemetry.py")()
    (shown,) = re.findall(r"^```text\n(SERVER .*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert capsys.readouterr().out == shown
    assert [line.split()[0] for line in shown.splitlines()] == [
        *("SERVER", "INTERNAL", "CLIENT", "*", "*", "CLIENT"),
    ]


async def test_prometheus_reads_every_metric_of_the_page(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the port that the example opens, while the screening goes on."""
    monkeypatch.setenv("DASHSCOPE_API_KEY", emulator.api_key)
    monkeypatch.setenv("DASHSCOPE_BASE_URL", emulator.base_url)
    emulator.when("*/1.jpg", Throttle(retry_after_s=0.0), Pass())
    emulator.when("*/last.jpg", Pass(latency_s=30))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    urls = ["https://images.example/1.jpg", "https://images.example/last.jpg", "no url"]
    screening = asyncio.create_task(main_of("prometheus.py")(urls, port))
    async with httpx.AsyncClient() as http:
        while emulator.requests < 3:
            await asyncio.sleep(0.01)
        page = (await http.get(f"http://127.0.0.1:{port}/metrics")).text
    screening.cancel()
    await asyncio.wait([screening])
    names = set(re.findall(r"^# TYPE (s2v_detect_\w+) ", page, re.MULTILINE))
    assert names == {
        "s2v_detect_check_duration_seconds",
        "s2v_detect_outcomes_total",
        "s2v_detect_line_wait_time_seconds",
        "s2v_detect_line_length",
        "s2v_detect_line_margin",
        "s2v_detect_throttled_total",
        "s2v_detect_billed_total",
        "s2v_detect_cost_total",
    }
    rows = [line for line in PAGE.splitlines() if line.startswith("| `s2v_detect.")]
    told = re.findall(r"`(s2v_detect\.[a-z_.]+)`", "".join(rows))
    assert len(told) == len(names)
    assert all(any(each.startswith(name.replace(".", "_")) for each in names) for name in told)
    assert re.search(r'^s2v_detect_line_length\{.*"bulk"\} 0.0$', page, re.MULTILINE)
    assert re.search(r"^s2v_detect_throttled_total\{.*\} 1.0$", page, re.MULTILINE)
