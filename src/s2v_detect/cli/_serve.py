"""`s2v-detect emulator`: the stand-in for the service, until somebody stops it."""

import asyncio
from pathlib import Path
from typing import Any, Literal

from s2v_detect.cli._account import Answering, emulator_for
from s2v_detect.cli._exits import Exit
from s2v_detect.cli._screening import Unusable
from s2v_detect.cli._signals import heeding_signals
from s2v_detect.cli._terminal import counted, stderr_console

Counting = Literal["sliding", "fixed", "bucket", "spaced", "none"]


def serve(
    answer: Answering, *, port: int, counting: Counting, rate: float, folder: Path | None
) -> Exit:
    """Serve until a signal, and print to stdout the lines that send a shell's clients here."""
    line = "no limit" if counting == "none" else f"{rate:g} requests a second, {counting}"
    verdicts = "Its verdicts are estimates." if answer == "look" else "Every image passes, unseen."
    try:
        emulator = emulator_for(answer, port=port, counting=counting, rate=rate, folder=folder)
        asyncio.run(_serve(emulator, f"({line}). {verdicts}"))
    except OSError as error:
        why = error.strerror or str(error)
        raise Unusable(
            f"The emulator can't open: {why}. Give another --port or --folder."
        ) from error
    stderr_console().print(_counted(emulator))
    return Exit.DONE


async def _serve(emulator: Any, about: str) -> None:
    stop = asyncio.Event()
    async with emulator:
        with heeding_signals(stop.set, stop.set):
            print(f"export DASHSCOPE_BASE_URL={emulator.base_url}")  # noqa: T201  # data, to stdout
            print(f"export DASHSCOPE_API_KEY={emulator.api_key}", flush=True)  # noqa: T201  # as above
            stderr_console().print(
                f"The emulator listens at {emulator.base_url} {about} Ctrl-C ends it."
            )
            await stop.wait()


def _counted(emulator: Any) -> str:
    """Return what came while it was open, to lay beside what its clients say."""
    statuses = ", ".join(
        f"{count:,} x {status}" for status, count in sorted(emulator.statuses.items())
    )
    requests = counted(emulator.requests, "request", "requests")
    return (
        f"The emulator counted {requests}{statuses and f' ({statuses})'}, at most"
        f" {emulator.busiest_second:,} within a second, and"
        f" {counted(emulator.billed, 'billed image', 'billed images')} (CNY {emulator.cost}) of"
        f" {counted(len(emulator.bills), 'different image', 'different images')}."
    )
