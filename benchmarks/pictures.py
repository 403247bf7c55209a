"""The README's pictures: of a run its progress, its live page and its report; the web example.

    python benchmarks/pictures.py
    python benchmarks/pictures.py web

A real run against the emulator at five a second, over the example photographs and addresses that
it rejects or can't fetch. Needs Chromium, and a Chinese font. Writes progress.png, live.png (and in
Chinese live.zh.png), report.png and web.png beside pace.png.
"""

import argparse
import asyncio
import functools
import http.server
import io
import shutil
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import Browser, async_playwright
from rich.console import Console

from _web_picture import web_page
from s2v_detect import DetectClient, Event, Ledger, LocalLimiter, Spend
from s2v_detect.bulk import Run, Tally, open_output
from s2v_detect.cli._live import ShownOutput
from s2v_detect.cli._progress import Progress
from s2v_detect.emulator import Emulator, Error, mix
from s2v_detect.languages import LANGUAGES, speaking, spoken
from s2v_detect.report import Going, LivePage, Page, write_report
from s2v_detect.tables import Row, read_records

HERE = Path(__file__).parent
PHOTOGRAPHS = HERE.parent / "examples" / "photographs"
PORTRAITS = ("portrait.jpg", "portrait.png", "portrait.webp")
OTHERS = ("cat.jpg", "coffee.jpg")
ROWS = 160
SEEN_AFTER = 90


@dataclass
class Watched:
    """What progress looks at."""

    tally: Tally
    client: DetectClient
    total: int = ROWS
    processes: int = 1

    @property
    def spend(self) -> Spend:
        """What was paid so far."""
        return self.client.spend


@contextmanager
def photographs() -> Iterator[str]:
    """Give the address of a server of the example photographs, on this machine."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Nothing."""

    handler = functools.partial(Quiet, directory=str(PHOTOGRAPHS))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


async def rows(base: str) -> AsyncIterator[list[Row]]:
    """Give portraits, and in every fifth place something else."""
    for n in range(ROWS):
        name = OTHERS[n // 5 % 2] if n % 5 == 4 else PORTRAITS[n % 3]  # every fifth
        yield [Row(n + 1, f"{base}/{name}?{n}")]


async def picture_of(browser: Browser, page: str, target: Path, width: int, height: int) -> None:
    """Take a screenshot."""
    shown = await browser.new_page(
        viewport={"width": width, "height": height}, device_scale_factor=1.5
    )
    await shown.goto(page)
    if page.startswith("file:"):
        await shown.wait_for_load_state("networkidle")  # the events of a live page never end
    else:
        await shown.wait_for_timeout(3_000)
    await shown.screenshot(path=str(target))


async def make(folder: Path, base: str, live: LivePage, browser: Browser) -> None:
    """Run, and draw: in Chinese the live page alone, which stands in the Chinese README."""
    pictures, in_english = HERE / "pictures", spoken() == "en"
    picture = pictures / ("live.png" if in_english else "live.zh.png")
    ledger, out = Ledger(folder / "screening.db", name="verdicts.jsonl"), folder / "verdicts.jsonl"
    tally = Tally()

    def watch(event: Event) -> None:
        tally.watch(event)
        if event.kind == "sent":
            live.sent([event.at.timestamp()])

    async with (
        Emulator(answer=mix(rejects=0.0, unusable=0.0), latency_s=(0.2, 0.6)) as emulator,
        DetectClient(
            emulator.api_key,
            base_url=emulator.base_url,
            ledger=ledger,
            limiter=LocalLimiter(),
            on_event=watch,
        ) as client,
    ):
        emulator.when(f"{base}/cat*", mix(rejects=1.0, unusable=0.0))
        emulator.when(f"{base}/coffee*", Error(400, "InvalidURL"))
        output = ShownOutput(open_output(out, columns=list), live)
        run = Run(client, output, tally, ledger=ledger)
        console = Console(record=True, width=92, file=io.StringIO(), force_terminal=True)
        progress = Progress(Watched(tally, client), console, rate=5, quiet=True)
        running = asyncio.ensure_future(run.finish(rows(base)))
        while tally.done < SEEN_AFTER:
            await asyncio.sleep(0.25)
            progress.picture()  # the pace is that of the last ten seconds of looking
            live.show(Going(tally.done, ROWS, progress.sentences()))
        console.print(progress.picture())
        console.save_svg(str(folder / "progress.svg"), title="s2v-detect run")
        taken = asyncio.ensure_future(picture_of(browser, live.url, picture, 1000, 1180))
        while not taken.done():
            await asyncio.sleep(0.25)
            live.show(Going(tally.done, ROWS, progress.sentences()))
        await taken
        await running
        output.close()
    times = list(ledger.request_times())
    write_report(read_records(out), folder / "report.html", title=out.name, sent_at=times)
    ledger.close()
    if not in_english:
        return
    svg = (folder / "progress.svg").as_uri()
    await picture_of(browser, svg, pictures / "progress.png", 1140, 205)
    page = (folder / "report.html").as_uri()
    await picture_of(browser, page, pictures / "report.png", 1000, 1180)


async def make_all(folder: Path, base: str) -> None:
    """Draw with one browser."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        for language in LANGUAGES:
            place = folder / language
            place.mkdir()
            with speaking(language), LivePage(Page("verdicts.jsonl", language=language)) as live:
                await make(place, base, live, browser)
        await browser.close()


async def make_web(folder: Path) -> None:
    """Draw the web example."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        await web_page(browser, folder, HERE / "pictures" / "web.png")
        await browser.close()


def main() -> int:
    """Make all, or those that are named."""
    assert __doc__
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", nargs="*", choices=["run", "web"], default=["run", "web"])
    wanted = parser.parse_args().pictures
    with tempfile.TemporaryDirectory() as name, photographs() as base:
        if "run" in wanted:
            asyncio.run(make_all(Path(name), base))
        if "web" in wanted:
            asyncio.run(make_web(Path(name)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
