"""A run with a real client, over a real socket."""

import asyncio
import errno
import json
import os
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

from s2v_detect import OutOfCredit
from s2v_detect.bulk import Input, Run, Tally, open_output
from s2v_detect.emulator import Cut, Emulator, Error, Pass, Reject, Throttle
from s2v_detect.tables import Record, Row


class Kept:
    """An output in memory, which takes no more after `room` records."""

    def __init__(self, room: int = 1_000_000) -> None:
        self.records: list[Record] = []
        self._room = room

    async def write(self, records: Sequence[Record]) -> None:
        """Keep them, or be full."""
        if len(self.records) + len(records) > self._room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.records += records

    async def finish(self, *, is_complete: bool) -> bool:
        """It is all there."""
        return is_complete

    def close(self) -> None:
        """Nothing is open."""


async def lines(*texts: str) -> AsyncGenerator[list[Row]]:
    """Rows that come at once."""
    yield [Row(number, text) for number, text in enumerate(texts, start=1)]


def urls(count: int) -> list[str]:
    """Different images."""
    return [f"http://a.example/{number}.jpg" for number in range(count)]


async def test_every_line_is_counted_once(emulator: Emulator) -> None:
    """Passed, rejected by code, skipped, failed and unknown add up to the input."""
    emulator.when("*/0.jpg", Reject("InvalidFile.NoHuman"))
    emulator.when("*/1.jpg", Reject())
    emulator.when("*/2.jpg", Cut())
    emulator.when("*/3.jpg", Error(400, "InvalidURL"))
    emulator.when("*/4.jpg", Throttle(retry_after_s=0.001), Pass())
    tally, output = Tally(), Kept()
    async with emulator.client(on_event=tally.watch, on_unknown="keep") as client:
        run = Run(client, output, tally)
        await run.finish(lines(*urls(8), "no url"))
    assert (tally.passed, tally.rejected, tally.skipped, tally.failed) == (4, 2, 1, 2)
    assert tally.done == len(output.records) == 9
    assert tally.unknown == 1
    assert tally.rejected_by_code == {"InvalidFile.NoHuman": 1, "": 1}
    assert tally.failed_by_error == {"OutcomeUnknown": 1, "ImageUnusable": 1}
    assert sorted(each.count for each in tally.failures.ranked) == [1, 1]
    assert all(each.reason for each in tally.failures.ranked)
    assert (tally.sent, tally.awaited, tally.throttled) == (9, 0, 1)
    assert run.summary.spend.billed == emulator.billed - 1
    assert run.summary.spend.unknown == 1
    assert run.summary.is_complete


async def test_a_faulty_line_is_skipped_in_the_words_of_its_fault(tmp_path: Path) -> None:
    """It has its number and its beginning, and the lines after it are asked for."""
    source = tmp_path / "urls.txt"
    source.write_bytes(b"http://a.example/\xff.jpg\nhttp://a.example/2.jpg\n")
    out = tmp_path / "out.jsonl"
    async with Emulator(answer=Pass()) as emulator, emulator.client() as client:
        await Run(client, open_output(out, columns=list), Tally(), ordered=True).finish(
            Input.open(source).batches()
        )
    bad, good = [json.loads(line) for line in out.read_text().splitlines()]
    assert (bad["line"], bad["kind"], bad["billed"]) == (1, "skipped", "no")
    assert bad["message"].startswith("the line is not UTF-8 text (it may be ")
    assert bad["image"] == "http://a.example/\\xff.jpg"
    assert (good["line"], good["check_pass"]) == (2, True)
    assert emulator.requests == 1


async def test_ordered_writes_in_the_order_of_the_input(emulator: Emulator) -> None:
    """Also when the first is the slowest."""
    emulator.when("*/0.jpg", Pass(latency_s=0.1))
    output = Kept()
    async with emulator.client() as client:
        await Run(client, output, Tally(), ordered=True).finish(lines(*urls(5)))
    assert [record["index"] for record in output.records] == [0, 1, 2, 3, 4]


async def test_a_full_output_stops_the_sending_and_all_that_was_sent_is_counted(
    emulator: Emulator,
) -> None:
    """What it did not take is counted as unwritten; the books agree with the bill."""
    output = Kept(room=3)
    async with emulator.client(max_in_flight=4) as client:
        run = Run(client, output, Tally())
        await run.finish(lines(*urls(500)))
    summary = run.summary
    assert summary.output_error is not None
    assert summary.tally.unwritten == summary.tally.done - len(output.records) > 0
    assert summary.spend.billed == emulator.billed < 500
    assert not summary.is_complete


async def test_a_stop_writes_what_was_sent_and_sends_no_more(emulator: Emulator) -> None:
    """Every bill has its outcome in the output, though the input would go on."""
    emulator.when("*", Pass(latency_s=0.05))
    first_sent = asyncio.Event()
    tally, output = Tally(), Kept()

    async with emulator.client(max_in_flight=4, on_event=tally.watch) as client:
        run = Run(client, output, tally)

        async def endless() -> AsyncGenerator[list[Row]]:
            number = 0
            while True:
                number += 1
                yield [Row(number, f"http://a.example/{number}.jpg")]
                if tally.sent:
                    first_sent.set()

        finishing = asyncio.ensure_future(run.finish(endless()))
        await first_sent.wait()
        run.stop()
        await finishing
    assert run.summary.interrupted
    assert len(output.records) == emulator.billed == run.summary.spend.billed >= 1


async def test_a_stop_before_the_start_sends_nothing(emulator: Emulator) -> None:
    """A signal may come while the client opens."""
    async with emulator.client() as client:
        run = Run(client, Kept(), Tally())
        run.stop()
        await run.finish(lines(*urls(3)))
    assert emulator.requests == 0
    assert run.summary.interrupted


async def test_a_fault_of_the_account_ends_the_run(emulator: Emulator) -> None:
    """What was answered before is in the output; the fault is in the summary, not raised."""
    emulator.when("*/3.jpg", Error(400, "Arrearage"))
    output = Kept()
    async with emulator.client(max_in_flight=1) as client:
        run = Run(client, output, Tally())
        await run.finish(lines(*urls(10)))
    assert isinstance(run.summary.fault, OutOfCredit)
    assert len(output.records) == 3
    assert not run.summary.is_complete


async def test_an_input_that_breaks_off_is_told_after_what_was_asked(emulator: Emulator) -> None:
    """The lines before it have their outcomes."""

    async def broken() -> AsyncGenerator[list[Row]]:
        yield [Row(1, "http://a.example/1.jpg")]
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    output = Kept()
    async with emulator.client() as client:
        run = Run(client, output, Tally())
        await run.finish(broken())
    assert len(output.records) == 1
    assert run.summary.input_error is not None
    assert not run.summary.is_complete


async def test_an_output_that_can_not_be_finished_is_told(emulator: Emulator) -> None:
    """A disk may refuse what it had taken."""

    class Unfinished(Kept):
        async def finish(self, *, is_complete: bool) -> bool:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    async with emulator.client() as client:
        run = Run(client, Unfinished(), Tally())
        await run.finish(lines(*urls(1)))
    assert run.summary.output_error is not None
