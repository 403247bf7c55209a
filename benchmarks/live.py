"""The live page and the report at their largest: what they cost, and what a browser makes of them.

    python benchmarks/live.py [--rows 50000] [--report-rows 200000]

A run of `s2v-detect run --live` at a lifted rate, with its ledger and its output, in a process of
its own. Its service is a transport in that process that answers at once: so the run costs less CPU
than any real one, and the share of the page is the largest there is. Three pages of a Chromium, in
another process, look at it from its first second on. Then a report of many rows is made and opened.
Needs Chromium. It takes some two minutes.
"""

import argparse
import json
import math
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, Page, sync_playwright

from s2v_detect import DetectClient, LocalLimiter
from s2v_detect.cli._account import Account, Sending
from s2v_detect.cli._plan import Plan
from s2v_detect.cli._run import screen_file
from s2v_detect.report import LivePage, _serving, write_report
from s2v_detect.report._serving import Server

PAGES = 3
PASS = b'{"output": {"check_pass": true, "humanoid": true}, "usage": {"image_count": 1}}'
REJECT = b'{"code": "InvalidFile.NoHuman", "message": "no person", "request_id": "r"}'
DRAWN = "document.querySelectorAll('.tile').length > 0"


# The run, in a process of its own


class InProcess(httpx.AsyncBaseTransport):
    """A service that answers at once; one image in ten is rejected."""

    def __init__(self) -> None:
        self._asked = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Return a verdict."""
        assert request.method == "POST"
        self._asked += 1
        is_rejected = self._asked % 10 == 0
        return httpx.Response(400 if is_rejected else 200, content=REJECT if is_rejected else PASS)


class Lifted(Account):
    """An account of that service."""

    @asynccontextmanager
    async def client(self, sending: Sending, **options: Any) -> AsyncIterator[DetectClient]:
        """Open a client."""
        kept = {name: options[name] for name in ("on_event", "ledger")}
        async with (
            httpx.AsyncClient(transport=InProcess()) as http,
            DetectClient(
                "sk-benchmark",
                base_url="https://service.example/api/v1",
                limiter=LocalLimiter(math.inf),
                max_in_flight=sending.max_in_flight,
                http_client=http,
                **kept,
            ) as client,
        ):
            yield client


def counted(spent: dict[str, float], name: str, work: Callable[..., Any]) -> Callable[..., Any]:
    """Return the same work, whose CPU in the thread of the run is added up."""
    main = threading.main_thread()

    def told(*arguments: Any) -> Any:
        if threading.current_thread() is not main:
            return work(*arguments)
        began = time.thread_time()
        try:
            return work(*arguments)
        finally:
            spent[name] += time.thread_time() - began

    return told


def run(folder: Path) -> None:
    """Screen the list of a folder, and print what it cost as JSON."""
    spent = {"page": 0.0, "telling": 0.0}
    for name in ("add", "sent", "show", "end"):
        setattr(LivePage, name, counted(spent, "telling", getattr(LivePage, name)))

    close = Server.__aexit__

    async def closed(server: Server, *error: object) -> None:
        await close(server, *error)
        spent["page"] = time.thread_time()  # of the thread of the page, from its beginning

    vars(_serving)["Server"].__aexit__ = closed
    began, cpu = time.monotonic(), time.process_time()
    code = screen_file(
        str(folder / "in.txt"),
        str(folder / "out.jsonl"),
        Lifted(),
        Plan(live=0),
        Sending(rate=math.inf, quiet=True),
    )
    cost = {"cpu": time.process_time() - cpu, "elapsed": time.monotonic() - began, **spent}
    print(json.dumps({"code": code, **cost}))


# The browsers, in another


def look(url: str) -> None:
    """Open the pages, wait for the end of the run, and print what they have as JSON."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        pages = [browser.new_context().new_page() for _ in range(PAGES)]
        for page in pages:
            page.goto(url)
        print("open", flush=True)
        for page in pages:
            page.wait_for_selector("#progress .note", timeout=150_000)
        told = [
            {"rows": rows_in(page), "listed": page.inner_text("#count"), "note": note_in(page)}
            for page in pages
        ]
        heaps = [heap_bytes(page) for page in pages]
        print(json.dumps({"pages": told, "heaps": heaps, "private": private_bytes(browser)}))
        browser.close()


def rows_in(page: Page) -> int:
    """Return how many rows a page says there are."""
    return int(page.locator(".facts dd").nth(2).inner_text().replace(",", ""))


def note_in(page: Page) -> int:
    """Return how many rows it lists, and says to have left out, together."""
    numbers = re.findall(r"([\d,]+) (?:of|\w+ images are left out)", page.inner_text("#listed"))
    return sum(int(number.replace(",", "")) for number in numbers)


def heap_bytes(page: Page) -> int:
    """Return what its script holds."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    return int(session.send("Runtime.getHeapUsage")["usedSize"])


def private_bytes(browser: Browser) -> list[int]:
    """Return the memory of each page's process that no other process shares."""
    session = browser.new_browser_cdp_session()
    processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
    pids = [process["id"] for process in processes if process["type"] == "renderer"]
    texts = [Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii") for pid in pids]
    found = [re.findall(r"^Private_\w+:\s+(\d+) kB", text, re.MULTILINE) for text in texts]
    return sorted((1024 * sum(map(int, each)) for each in found), reverse=True)[:PAGES]


# The table


def measured_run(rows: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what the run says, and what the browsers say of it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        urls = (f"https://images.example/2026/11/{n}/portrait.jpg\n" for n in range(rows))
        (folder / "in.txt").write_text("".join(urls), encoding="utf-8")
        words = [sys.executable, __file__]
        with (
            subprocess.Popen(  # noqa: S603  # ourselves
                [*words, "--run", name], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            ) as running,
        ):
            assert running.stderr
            assert running.stdout
            url = re.search(r"http\S+", running.stderr.readline())
            assert url
            with subprocess.Popen(  # noqa: S603  # ourselves
                [*words, "--look", url[0]], stdout=subprocess.PIPE, text=True
            ) as looking:
                assert looking.stdout
                assert looking.stdout.readline() == "open\n"
                seen: dict[str, Any] = json.loads(looking.stdout.read())
            cost: dict[str, Any] = json.loads(running.stdout.read())
        lines = (folder / "out.jsonl").read_text(encoding="utf-8").splitlines()
        cost["written"] = len({json.loads(line)["image"] for line in lines})
        assert len(lines) == cost["written"]
    return cost, seen


def records(count: int) -> Iterator[dict[str, Any]]:
    """Yield rows as an output has them."""
    began = datetime(2026, 11, 1, tzinfo=UTC)
    for n in range(count):
        yield {
            "customer": f"customer {n}",
            "line": n + 1,
            "image": f"https://images.example/2026/11/{n}/portrait.jpg?Signature={n:032x}",
            "kind": "checked",
            "check_pass": n % 10 > 0,
            "code": "" if n % 10 else "InvalidFile.NoHuman",
            "request_id": f"{n:032x}",
            "billed": "yes",
            "cost": 0.004,
            "cost_at_most": 0.004,
            "attempts": 1,
            "at": (began + timedelta(seconds=n / 5)).isoformat(),
        }


def opened_report(rows: int) -> tuple[int, float, float]:
    """Return the bytes of a report, the seconds to make it, and those to open it."""
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        path = Path(name) / "report.html"
        began = time.monotonic()
        write_report(records(rows), path, title="Many", source="out.jsonl")
        made_s = time.monotonic() - began
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page()
        began = time.monotonic()
        page.goto(path.as_uri(), wait_until="load")
        assert page.evaluate(DRAWN)
        opened_s = time.monotonic() - began
        browser.close()
        return path.stat().st_size, made_s, opened_s


def main() -> int:
    """Measure, and print the table."""
    assert __doc__
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--report-rows", type=int, default=200_000)
    parser.add_argument("--run", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--look", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.run:
        run(chosen.run)
        return 0
    if chosen.look:
        look(chosen.look)
        return 0
    cost, seen = measured_run(chosen.rows)
    live = cost["page"] + cost["telling"]
    size, made_s, opened_s = opened_report(chosen.report_rows)
    pages, listed = [page["rows"] for page in seen["pages"]], seen["pages"][0]["listed"]
    heap, private = max(seen["heaps"]) / 1e6, max(seen["private"]) / 1e6
    print(
        f"A run of {chosen.rows:,} rows in {cost['elapsed']:.0f} s, {cost['cpu']:.1f} s of CPU;"
        f" {PAGES} pages open\n"
        f"  CPU of the page       {live / cost['cpu']:7.1%}   goal: 5 %   (its thread"
        f" {cost['page']:.2f} s, telling it {cost['telling']:.2f} s)\n"
        f"  rows written          {cost['written']:7,}   goal: all\n"
        f"  rows that pages tell  {min(pages):7,}   goal: all   (listed: {listed})\n"
        f"  memory of a page      {private:7.0f} MB   goal: 100 MB   (its script {heap:.0f} MB)\n"
        f"A report of {chosen.report_rows:,} rows, made in {made_s:.1f} s\n"
        f"  size                  {size / 1e6:7.1f} MB   goal: 5 MB\n"
        f"  opened                {opened_s:7.1f} s    goal: 3 s"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
