"""A run: lines → client → output, until the input ends, somebody stops it, or nothing helps."""

import time
from collections.abc import AsyncIterable, Callable
from dataclasses import dataclass
from typing import Any

from s2v_detect import (
    Checked,
    DetectClient,
    DetectError,
    Failed,
    ImageSkipped,
    Skipped,
    Spend,
)
from s2v_detect.bulk.inputs import Line
from s2v_detect.bulk.outputs import Output
from s2v_detect.bulk.tally import Tally


@dataclass(frozen=True)
class RunSummary:
    """How a run ended, and what it came to."""

    tally: Tally
    spend: Spend
    elapsed_s: float
    interrupted: bool
    fault: DetectError | None
    """What ended the run for every image: a key, a bill, a setting."""
    input_error: OSError | None
    output_error: OSError | None

    @property
    def is_complete(self) -> bool:
        """Whether every line of the input has its outcome in the output."""
        return not (self.interrupted or self.fault or self.input_error or self.output_error)


class Run:
    """One pass over an input with an open client.

    `tally` is live. It counts requests too, where the client was made with
    `on_event=tally.watch`.
    """

    def __init__(
        self,
        client: DetectClient,
        output: Output,
        tally: Tally,
        *,
        ordered: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.tally = tally
        self._client = client
        self._output = output
        self._ordered = ordered
        self._clock = clock
        self._started_at = clock()
        self._elapsed_s: float | None = None
        self._stream: Any = None
        self._interrupted = False
        self._fault: DetectError | None = None
        self._input_error: OSError | None = None
        self._output_error: OSError | None = None

    async def finish(self, lines: AsyncIterable[Line]) -> None:
        """Take the input to its end, or as far as it goes; `summary` says which."""
        self._started_at = self._clock()
        try:
            await self._stream_all(lines)
        except DetectError as error:
            self._fault = error
        except OSError as error:
            self._input_error = error
        await self._finish_output()
        self._elapsed_s = self._clock() - self._started_at

    def stop(self) -> None:
        """Send no more. What was sent is still settled and written, then `finish` returns."""
        self._interrupted = True
        self._send_no_more()

    @property
    def summary(self) -> RunSummary:
        """The run as it stands; the spend is final once the client is closed."""
        elapsed_s = self._elapsed_s
        return RunSummary(
            tally=self.tally,
            spend=self._client.spend,
            elapsed_s=self._clock() - self._started_at if elapsed_s is None else elapsed_s,
            interrupted=self._interrupted,
            fault=self._fault,
            input_error=self._input_error,
            output_error=self._output_error,
        )

    async def _stream_all(self, lines: AsyncIterable[Line]) -> None:
        stream = self._client.aiter_check(lines, image=_image, ordered=self._ordered)
        async with stream:
            self._stream = stream
            if self._interrupted:
                self._send_no_more()
            async for outcome in stream:
                await self._take(outcome)

    async def _take(self, outcome: Checked | Skipped | Failed) -> None:
        self.tally.add(outcome)
        if not self._output_error:
            try:
                await self._output.write(outcome)
            except OSError as error:
                # Nothing more is asked that could not be told; what is on its way is counted.
                self._output_error = error
                self._send_no_more()
        self.tally.unwritten += self._output_error is not None

    async def _finish_output(self) -> None:
        try:
            await self._output.finish()
        except OSError as error:
            self._output_error = self._output_error or error

    def _send_no_more(self) -> None:
        if self._stream is not None:
            self._stream.stop()


def _image(line: Line) -> str:
    """Return what is to be checked, or raise `ImageSkipped` for a line that can be no image."""
    if line.fault:
        raise ImageSkipped(line.fault, image=line.text)
    return line.text
