"""Inputs that fail: at every place, of every form; closed clients; lists with damaged gzip."""

import asyncio
import gzip
import json
import ssl
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx

from _attacks.command import FAST, account, called
from _attacks.found import Found, Try
from s2v_detect import ConfigurationError, Outcome
from s2v_detect.emulator import Emulator, Pass


class Gone(Exception):
    """What an input raises."""


class Strange(BaseException):
    """The same, and no `Exception`."""


FAULTS: tuple[type[BaseException], ...] = (Gone, OSError, ValueError, KeyError, EOFError, Strange)
TRUSTED = ssl.create_default_context()  # made once: it takes longer than such a stream
SKIPPED = "no address"
EARLIER = 500


def of_a_generator(items: list[str], fault: type[BaseException]) -> Iterator[str]:
    """Give the items, then raise."""
    yield from items
    raise fault


async def of_an_async_generator(items: list[str], fault: type[BaseException]) -> AsyncIterator[str]:
    """The same without a step of the loop between."""
    for item in items:
        yield item
    raise fault


async def with_pauses(items: list[str], fault: type[BaseException]) -> AsyncIterator[str]:
    """The same, with steps of the loop between."""
    for item in items:
        await asyncio.sleep(0)
        yield item
    await asyncio.sleep(0)
    raise fault


class OfAClass:
    """An iterator by hand; it raises again whenever it is asked."""

    def __init__(self, items: list[str], fault: type[BaseException]) -> None:
        self._items = iter(items)
        self._fault = fault

    def __iter__(self) -> "OfAClass":
        return self

    def __next__(self) -> str:
        item = next(self._items, None)
        if item is None:
            raise self._fault
        return item


INPUTS = (of_a_generator, of_an_async_generator, with_pauses, OfAClass)


def attack(found: Found, tries: int) -> None:
    """Of twenty tries one closes the client, one has a damaged list, the others' inputs raise."""
    with (
        tempfile.TemporaryDirectory() as name,
        Emulator.run_in_thread(answer=Pass()) as emulator,
        account(emulator, Path(name)),
    ):
        for one in found.tries(tries, "lost", "as whole", "traceback", "hung"):
            before = emulator.billed
            match one.number % 20:
                case 18:
                    one.attack = "the client is closed"
                    one.run(_closed(one, emulator), ConfigurationError)
                case 19:
                    one.attack = "a list with damaged gzip"
                    _damaged_list(one, Path(name))
                case number:
                    one.attack = INPUTS[number % 4].__name__.replace("_", " ")
                    fault = one.chance.choice(FAULTS)
                    one.run(_failing(one, emulator, INPUTS[number % 4], fault), fault)
            one.counts["bills"] += emulator.billed - before


def _drawn(one: Try) -> list[str]:
    """Draw images, with rows between that are none, and often at the end."""
    items = [f"https://images.example/{n}.jpg" for n in range(one.chance.randrange(12))]
    for _ in range(one.chance.randrange(4)):
        items.insert(one.chance.randrange(len(items) + 1), SKIPPED)
    items += [SKIPPED] * one.chance.randrange(3)
    one.counts["images"] += len(items)
    return items


async def _failing(one: Try, emulator: Emulator, make: Any, fault: type[BaseException]) -> None:
    items, outcomes = _drawn(one), list[Outcome]()
    size, ordered = one.chance.choice((1, 2, 5, 300)), one.chance.random() < 0.5
    async with (
        httpx.AsyncClient(verify=TRUSTED) as http,
        emulator.client(http_client=http, max_in_flight=size) as client,
    ):
        try:
            async for outcome in client.aiter_check(make(items, fault), ordered=ordered):
                outcomes.append(outcome)
        finally:
            if sorted(outcome.index for outcome in outcomes) != list(range(len(items))):
                one.breaks("lost", f"{len(outcomes)} outcomes of {len(items)} items read")
    one.breaks("as whole", f"{make.__name__} raised {fault.__name__}, the stream did not")


async def _closed(one: Try, emulator: Emulator) -> None:
    """Close the client under its stream, after some steps of the loop."""
    items, outcomes = _drawn(one) or [SKIPPED], list[Outcome]()
    client = emulator.client(max_in_flight=3)
    await client.aopen()
    stream = client.aiter_check(items)
    outcomes.append(await anext(stream))
    closing = asyncio.create_task(client.aclose())
    for _ in range(one.chance.randrange(15)):
        await asyncio.sleep(0)
    try:
        async for outcome in stream:
            outcomes.append(outcome)
    finally:
        await closing
    if len(outcomes) < len(items):
        one.breaks("as whole", f"{len(outcomes)} outcomes of {len(items)} items")


def _damaged_list(one: Try, folder: Path) -> None:
    """An earlier output that holds more must stay; exit code 2."""
    out, source = folder / "out.jsonl", folder / "in.txt.gz"
    for old in folder.glob("out.jsonl*"):
        old.unlink()
    address = f"https://images.example/{one.chance.random()}.jpg\n"
    source.write_bytes(gzip.compress((f"{SKIPPED}\n" * EARLIER + address).encode(), mtime=0))
    run = ("run", "in.txt.gz", "-o", "out.jsonl", *FAST)
    with one.ends_with():
        assert called(folder, *run).code == 1
        before = out.read_bytes()
        rows = [
            one.chance.choice((SKIPPED, f"https://images.example/{one.chance.random()}.jpg"))
            if one.chance.random() < 0.02
            else SKIPPED
            for _ in range(one.chance.randrange(1, EARLIER))
        ]
        content = bytearray(gzip.compress("\n".join(rows).encode(), mtime=0))
        cut = one.chance.randrange(12, len(content) - 1)
        source.write_bytes(content[:cut])
        one.counts["images"] += len(rows)
        code = called(folder, *run).code
        one.counts["said"] += code != 0
        if code != 2:
            one.breaks("as whole", f"exit code {code} for a list that was cut at {cut}")
        after = [json.loads(line) for line in out.read_text().splitlines()]
        if out.read_bytes() != before and len(after) <= EARLIER:
            one.breaks("lost", f"the earlier output, for one of {len(after)} rows")
