"""Records on their way out: in groups, in the background, and in the input's order if asked."""

import asyncio
from collections.abc import Callable, Sequence

from s2v_detect.bulk.outputs import Output
from s2v_detect.tables import Record

_MOST_WAITING = 2000
"""Records: whoever brings more waits until the output has taken these."""


class Writer:
    """Hands records to an output, one group after another."""

    def __init__(self, output: Output, on_error: Callable[[], None], *, ordered: bool) -> None:
        self._output = output
        self._on_error = on_error
        self._ordered = ordered
        self._early: dict[int, Record] = {}
        self._next = 0
        self._ready: list[Record] = []
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._is_ending = False
        self.error: OSError | None = None
        self.unwritten = 0
        """Records that the output did not take."""
        self._task = asyncio.create_task(self._write(), name="s2v-detect writer")

    async def put(self, records: Sequence[Record]) -> None:
        """Take records in, and wait while too many are on their way."""
        if self._ordered:
            self._sort_in(records)
        else:
            self._ready += records
        self._news.set()
        await self._room_for(lambda: len(self._ready))

    async def catch_up(self) -> None:
        """Wait while too many records are here before their turn in the input's order."""
        await self._room_for(lambda: len(self._early))

    async def _room_for(self, waiting: Callable[[], int]) -> None:
        while waiting() > _MOST_WAITING and not self._task.done():
            self._room.clear()
            await self._room.wait()

    async def drained(self, *, is_complete: bool) -> bool:
        """Write the rest and put the output in its place; return whether it was."""
        self._ready += [self._early.pop(index) for index in sorted(self._early)]
        self._is_ending = True
        self._news.set()
        await self._task
        try:
            return await self._output.finish(is_complete=is_complete and self.error is None)
        except OSError as error:
            self.error = self.error or error
            return False

    def _sort_in(self, records: Sequence[Record]) -> None:
        for record in records:
            self._early[record["index"]] = record
        while (next_one := self._early.pop(self._next, None)) is not None:
            self._ready.append(next_one)
            self._next += 1

    async def _write(self) -> None:
        while not (self._is_ending and not self._ready):
            await self._news.wait()
            self._news.clear()
            records, self._ready = self._ready, []
            self._room.set()
            if records:
                await self._write_group(records)
            if self._is_ending:
                self._news.set()

    async def _write_group(self, records: list[Record]) -> None:
        if self.error is None:
            try:
                await self._output.write(records)
            except OSError as error:
                # Nothing more is asked that could not be told; what is on its way is counted.
                self.error = error
                self._on_error()
            else:
                return
        self.unwritten += len(records)
