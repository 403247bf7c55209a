"""`s2v-detect emulator`: the stand-in for the service, until somebody stops it."""

import asyncio
from pathlib import Path
from typing import Any, Literal

from s2v_detect.cli._account import Answering, emulator_for
from s2v_detect.cli._exits import Exit
from s2v_detect.cli._screening import Unusable
from s2v_detect.cli._signals import heeding_signals
from s2v_detect.cli._terminal import joined, stderr_console, why_closed
from s2v_detect.languages import _, ngettext

Counting = Literal["sliding", "fixed", "bucket", "spaced", "none"]


def serve(
    answer: Answering, *, port: int, counting: Counting, rate: float, folder: Path | None
) -> Exit:
    """Serve until a signal, and print to stdout the lines that send a shell's clients here."""
    line = _("no limit")
    if counting != "none":
        told = ngettext(
            "{rate:g} request a second, {counting}",
            "{rate:g} requests a second, {counting}",
            1 if rate == 1 else 2,
        )
        line = told.format(rate=rate, counting=counting)
    verdicts = _("Its verdicts are estimates.")
    if answer == "pass":
        verdicts = _("Every image passes, unseen.")
    try:
        emulator = emulator_for(answer, port=port, counting=counting, rate=rate, folder=folder)
        asyncio.run(_serve(emulator, line, verdicts))
    except OSError as error:
        told = _("The emulator can't open: {why}. Give another --port or --folder.")
        raise Unusable(told.format(why=why_closed(error))) from error
    stderr_console().print(_counted(emulator))
    return Exit.DONE


async def _serve(emulator: Any, line: str, verdicts: str) -> None:
    stop = asyncio.Event()
    async with emulator:
        with heeding_signals(stop.set, stop.set):
            print(f"export DASHSCOPE_BASE_URL={emulator.base_url}")  # noqa: T201  # data, to stdout
            print(f"export DASHSCOPE_API_KEY={emulator.api_key}", flush=True)  # noqa: T201  # as above
            listens = _("The emulator listens at {url} ({line}).")
            listens = listens.format(url=emulator.base_url, line=line)
            stderr_console().print(joined(listens, verdicts, _("Ctrl-C ends it.")))
            await stop.wait()


def _counted(emulator: Any) -> str:
    """Return what came while it was open, to lay beside what its clients say."""
    statuses = ", ".join(
        f"{count:,} x {status}" for status, count in sorted(emulator.statuses.items())
    )
    requests = ngettext("{count:,} request", "{count:,} requests", emulator.requests)
    billed = ngettext("{count:,} billed image", "{count:,} billed images", emulator.billed)
    different = len(emulator.bills)
    images = ngettext("{count:,} different image", "{count:,} different images", different)
    requests = requests.format(count=emulator.requests)
    if statuses:
        requests = _("{requests} ({statuses})").format(requests=requests, statuses=statuses)
    told = _(
        "The emulator counted {requests}, at most {busiest:,} within a second, and {billed}"
        " (CNY {cost}) of {images}."
    )
    return told.format(
        requests=requests,
        busiest=emulator.busiest_second,
        billed=billed.format(count=emulator.billed),
        cost=emulator.cost,
        images=images.format(count=different),
    )
