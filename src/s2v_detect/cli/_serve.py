"""`s2v-detect emulator`: the stand-in for the service, until somebody stops it."""

import asyncio
from pathlib import Path
from typing import Literal

from s2v_detect.cli._account import emulator_class
from s2v_detect.cli._exits import Exit
from s2v_detect.cli._screening import Unusable
from s2v_detect.cli._signals import heeding_signals
from s2v_detect.cli._terminal import stderr_console

Counting = Literal["sliding", "fixed", "bucket", "spaced", "none"]


def serve(*, port: int, counting: Counting, rate: float, folder: Path | None) -> Exit:
    """Serve until a signal, and print to stdout the lines that send a shell's clients here."""
    try:
        asyncio.run(_serve(port=port, counting=counting, rate=rate, folder=folder))
    except OSError as error:
        why = error.strerror or str(error)
        raise Unusable(
            f"The emulator can't open: {why}. Give another --port or --folder."
        ) from error
    return Exit.DONE


async def _serve(*, port: int, counting: Counting, rate: float, folder: Path | None) -> None:
    stop = asyncio.Event()
    emulator = emulator_class()(port=port, counting=counting, rate=rate, folder=folder)
    async with emulator:
        with heeding_signals(stop.set, stop.set):
            print(f"export DASHSCOPE_BASE_URL={emulator.base_url}")  # noqa: T201  # data, to stdout
            print(f"export DASHSCOPE_API_KEY={emulator.api_key}", flush=True)  # noqa: T201  # as above
            line = "no limit" if counting == "none" else f"{rate:g} requests a second, {counting}"
            stderr_console().print(
                f"The emulator listens at {emulator.base_url} ({line}). Its verdicts are estimates."
                " Ctrl-C ends it."
            )
            await stop.wait()
