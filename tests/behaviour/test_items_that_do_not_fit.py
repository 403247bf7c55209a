"""A run whose items fit none of its arguments is a fault of the set-up; one odd item is data."""

import asyncio
import io
import sqlite3
from collections import namedtuple
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import httpx
import pandas as pd
import polars as pl
import pytest
from pydantic import BaseModel, HttpUrl

from s2v_detect import Checked, ConfigurationError, ImageSkipped, Ledger, check_all
from s2v_detect.emulator import Emulator, Pass

URL = "http://a.example/1.jpg"
FRAME = pd.DataFrame({"id": [7, 8], "url": [URL, URL]})
Place = namedtuple("Place", "id url")  # noqa: PYI024  # what older code and pandas make


class Named(NamedTuple):
    """A typed tuple."""

    id: int
    url: str


@dataclass
class Record:
    """Of a dataclass."""

    id: int
    url: str


@dataclass(slots=True)
class Slotted:
    """One without a `__dict__`."""

    id: int
    url: str


class Model(BaseModel):
    """Of pydantic."""

    id: int
    url: str


class Linked(BaseModel):
    """With an address that is no text."""

    id: int
    url: HttpUrl


def of_sqlite() -> list[Any]:
    """Rows of a database."""
    with closing(sqlite3.connect(":memory:")) as database:
        database.row_factory = sqlite3.Row
        return database.execute("SELECT 7 AS id, ? AS url", (URL,)).fetchall()


ROWS: list[dict[str, Any]] = [{"id": 7, "url": URL, "name": "Ada"}] * 3
MANY = [{f"column {number}": number for number in range(30)}]

# items, image, identity; what the sentences say of it, in their order
MISFITS: dict[str, tuple[Callable[[], Any], Any, Any, list[str]]] = {
    "a mistyped key": (
        lambda: ROWS,
        "uri",
        None,
        [
            "image= is 'uri', a key that each of the first 3 items lacks. ",
            "Give image=\"url\", for the first item is a dict with 'id', 'url', 'name'.",
        ],
    ),
    "one row": (lambda: ROWS[:1], "uri", None, ["that the first item lacks", 'Give image="url"']),
    "another case": (lambda: ROWS, "URL", None, ['Give image="url"']),
    "a space": (lambda: ROWS, " url ", None, ['Give image="url"']),
    "nothing like it": (lambda: ROWS, "photograph", None, ['Give image="url"']),
    "like what is none": (lambda: ROWS, "nam", None, ['Give image="url"']),
    "an empty key": (lambda: ROWS, "", None, ['Give image="url"']),
    "no address at all": (
        lambda: MANY,
        "url",
        None,
        ["Say with image= which key holds the image", "'column 0'", "'column 9' and 20 more"],
    ),
    "only something like it": (lambda: [{"photo": ""}], "foto", None, ['Give image="photo"']),
    "empty rows": (lambda: [{}, {}], "url", None, ["Say with image= which key", "is a dict."]),
    "keys that are no text": (lambda: [{1: URL}], "url", None, ["image=lambda item: item[1],"]),
    "a long key": (lambda: [{"x" * 999: 1}], "url", None, [f"'{'x' * 39}…"]),
    "addresses": (lambda: [URL, URL], "url", None, ["image= is 'url'", "Leave image= out"]),
    "paths": (lambda: [Path("a.jpg")], "url", None, ["Leave image= out"]),
    "nothing": (lambda: [None], "url", None, ["the first item is nothing (None)"]),
    "tuples": (lambda: [(7, URL)], "url", None, ["image=lambda item: item[1]", "a tuple of 2"]),
    "lists": (lambda: [[URL, 7]], "url", None, ["image=lambda item: item[0]", "a list of 2"]),
    "a namedtuple": (lambda: [Place(7, URL)], "url", None, ["image=lambda item: item.url,"]),
    "a typed tuple": (lambda: [Named(7, URL)], "uri", None, ["lambda item: item.url", "'id', "]),
    "a dataclass": (lambda: [Record(7, URL)], "url", None, ["image=lambda item: item.url,"]),
    "with slots": (lambda: [Slotted(7, URL)], "url", None, ["image=lambda item: item.url,"]),
    "a model": (lambda: [Model(id=7, url=URL)], "url", None, ["image=lambda item: item.url,"]),
    "a namespace": (lambda: [SimpleNamespace(url=URL)], "url", None, ["lambda item: item.url,"]),
    "pandas' tuples": (FRAME.itertuples, "url", None, ["lambda item: item.url,", "a Pandas with"]),
    "pandas' pairs": (FRAME.iterrows, "url", None, ['image=lambda item: item[1]["url"],']),
    "pandas' pieces": (lambda: [FRAME], "url", None, ["what image= gets from the first item is"]),
    "pandas' records": (lambda: FRAME.to_dict("records"), "uri", None, ['Give image="url"']),
    "polars' tuples": (pl.DataFrame(FRAME).iter_rows, "url", None, ["lambda item: item[1],"]),
    "polars' dicts": (pl.DataFrame(FRAME).to_dicts, "uri", None, ['Give image="url"']),
    "a database's": (of_sqlite, "uri", None, ['Give image="url"', "a Row with 'id', 'url'"]),
    "pairs with rows": ({"a": ROWS[0]}.items, "url", None, ['item[1]["url"]']),
    "a function": (
        lambda: ROWS,
        lambda row: row["uri"],
        None,
        ["image= raised KeyError ('uri') on each of the first 3 items. ", 'Give image="url"'],
    ),
    "one of attributes": (
        lambda: [Record(7, URL)],
        lambda row: row.uri,
        None,
        ["image= raised AttributeError", "image=lambda item: item.url,"],
    ),
    "one of a place": (lambda: [(URL,)], lambda row: row[4], None, ["IndexError", "item[0]"]),
    "one with a slip": (lambda: ROWS, lambda row: row.no.no, None, ["raised AttributeError"]),
    "one that gives a row": (
        lambda: [{"photo": {"url": URL}}],
        "photo",
        None,
        ["what image= gets from the first item is no image", 'item["photo"]["url"]'],
    ),
    "dicts without image=": (
        lambda: ROWS,
        None,
        None,
        ["each of the first 3 items is no image, but a dict", 'Give image="url"'],
    ),
    "dicts without an image": (lambda: MANY, None, None, ["Say with image= which key holds"]),
    "tuples without image=": (lambda: iter([(7, URL)]), None, None, ["lambda item: item[1],"]),
    "objects without image=": (lambda: [Record(7, URL)], None, None, ["lambda item: item.url,"]),
    "rows of an array": (FRAME.to_numpy, None, None, ["no image, but", "lambda item: item[1],"]),
    "deep ones": (lambda: [{"urls": [URL]}], None, None, ['lambda item: item["urls"][0],']),
    "addresses of pydantic": (lambda: [HttpUrl(URL)], None, None, ["Give image=str, for "]),
    "addresses of httpx": (lambda: [httpx.URL(URL)], None, None, ["Give image=str, for "]),
    "addresses of models": (
        lambda: [Linked(id=7, url=HttpUrl(URL))],
        None,
        None,
        ["image=lambda item: str(item.url),"],
    ),
    "buffers": (lambda: [bytearray(b"\xff\xd8")], None, None, ["Give image=bytes, for "]),
    "open files": (lambda: [io.BytesIO(b"\xff\xd8")], None, None, ["lambda item: item.read(),"]),
    "objects": (lambda: [object()], None, None, ["no image, but an object", "give a function"]),
    "classes": (lambda: [Record], None, None, ["is no image, but a type"]),
    "an identity": (
        lambda: ROWS,
        "url",
        "key",
        [
            "identity= is 'key', a key that each of the first 3 items lacks. ",
            "Say with identity= which key holds what you know the image by",
        ],
    ),
    "an identity like it": (lambda: ROWS, "url", "Id", ['Give identity="id", for ']),
    "an identity of a function": (
        lambda: ROWS,
        "url",
        lambda row: row["ID"],
        ["identity= raised KeyError ('ID') on each", 'Give identity="id"'],
    ),
    "an identity of addresses": (lambda: [URL], None, "id", ["identity= is 'id'", "is a str."]),
    "both": (lambda: ROWS, "uri", "key", ["image= is 'uri'"]),
}


@pytest.mark.parametrize("name", MISFITS)
async def test_what_fits_no_item_is_told_at_once(name: str, emulator: Emulator) -> None:
    """In two sentences that show what was meant. Nothing is sent."""
    make, image, identity, told = MISFITS[name]
    async with emulator.client() as client:
        with pytest.raises(ConfigurationError, match=r"^[^.]+\. [A-Z].*[^.]\.$") as raised:
            [o async for o in client.aiter_check(make(), image=image, identity=identity)]
        assert client.spend.skipped == 0
    for part in told:
        assert part in str(raised.value)
    assert emulator.requests == 0


ODD: dict[str, tuple[list[Any], Any, Any]] = {
    "a row without the key, first": ([{}, *ROWS], "url", None),
    "a row without the key, later": ([*ROWS, {"uri": URL}], "url", None),
    "another kind of row": ([*ROWS, None], "url", None),
    "an empty cell": ([*ROWS, {"url": None}], "url", None),
    "a row among addresses": ([{"url": URL}, URL], None, None),
    "a function that raises": ([{}, *ROWS], lambda row: row["url"], None),
    "an identity that is not there": ([{"url": URL}, *ROWS], "url", "id"),
    "an image that is not there": ([{"id": 8}, *ROWS], "url", "id"),
    "an identity that is empty": ([{"url": URL, "id": ""}, *ROWS], "url", "id"),
    "each lacks something": ([{"id": 8}, {"url": URL}], "url", "id"),
    "the only cell is empty": ([None], None, None),
    "the only row's is empty": ([{"url": None}], "url", None),
    "numbers": ([1, 2.5, True], None, None),
    "texts that are no address": (["face.jpg"], None, None),
    "a key that holds no address": (ROWS, "name", None),
}


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("ordered", [False, True])
async def test_one_odd_item_is_data(name: str, ordered: bool, emulator: Emulator) -> None:  # noqa: FBT001  # a table
    """It is skipped with its reason, wherever it stands; each item has its outcome."""
    items, image, identity = ODD[name]
    async with emulator.client() as client:
        stream = client.aiter_check(items, image=image, identity=identity, ordered=ordered)
        outcomes = [outcome async for outcome in stream]
    assert sorted(outcome.index for outcome in outcomes) == list(range(len(items)))
    assert all(outcome.item is items[outcome.index] for outcome in outcomes)
    if ordered:
        assert [outcome.index for outcome in outcomes] == list(range(len(items)))
    assert any(outcome.kind == "skipped" for outcome in outcomes)


async def test_a_function_that_skips_is_asked_once_an_item(emulator: Emulator) -> None:
    """It may change the row; what it raises on purpose is no fault of the set-up."""
    rows = [{"urls": [URL]} for _ in range(5)]
    async with emulator.client() as client:
        outcomes = [o async for o in client.aiter_check(rows, image=lambda row: row["urls"].pop())]
        assert {outcome.kind for outcome in outcomes} == {"checked"}

        def skip(row: object) -> str:
            raise ImageSkipped("it is not mine", image=row)

        outcomes = [o async for o in client.aiter_check(rows, image=skip)]
    assert [outcome.kind for outcome in outcomes] == ["skipped"] * 5


async def test_no_more_than_the_window_is_read_for_it(emulator: Emulator) -> None:
    """Of an input of any length, also an async one."""
    read = 0

    async def endless() -> AsyncIterator[dict[str, str]]:
        nonlocal read
        while True:
            read += 1
            yield {"url": URL}

    async with emulator.client(max_in_flight=4) as client:
        with pytest.raises(ConfigurationError, match="each of the first 4 items lacks"):
            [o async for o in client.aiter_check(endless(), image="uri")]
    assert read == 4


async def test_the_input_s_own_fault_is_told_and_no_other(emulator: Emulator) -> None:
    """What was read before it was not yet known to fit, and gets no outcome."""

    def breaking() -> Iterator[dict[str, str]]:
        yield {"url": URL}
        raise OSError("the disk")

    async with emulator.client() as client:
        with pytest.raises(OSError, match="the disk"):
            [o async for o in client.aiter_check(breaking(), image="uri")]


async def test_a_stream_that_is_left_lets_go_of_what_it_held(emulator: Emulator) -> None:
    """While the input gives no more, by `stop` and by closing."""
    asked = asyncio.Event()

    async def waiting() -> AsyncIterator[dict[str, str]]:
        yield {"url": URL}
        asked.set()
        await asyncio.Event().wait()

    async with emulator.client() as client:
        async with client.aiter_check(waiting(), image="uri") as stream:
            await asked.wait()
            stream.stop()
            assert [outcome async for outcome in stream] == []
    assert emulator.requests == 0


def test_check_all_tells_it_too(tmp_path: Path) -> None:
    """With no outcomes and nothing in the ledger; the corrected call does as the sentence said."""
    with Emulator.run_in_thread(answer=Pass()) as emulator:
        account: dict[str, Any] = {"api_key": emulator.api_key, "base_url": emulator.base_url}
        with pytest.raises(ConfigurationError, match='Give image="url"') as raised:
            check_all(ROWS, image="uri", ledger=tmp_path / "l.db", **account)
        assert raised.value.outcomes == ()
        with Ledger(tmp_path / "l.db") as ledger:
            assert list(ledger.all_entries()) == []
        assert all(isinstance(o, Checked) for o in check_all(ROWS, image="url", **account))


@pytest.mark.parametrize(
    ("make", "getter"),
    [
        (FRAME.itertuples, lambda item: item.url),
        (FRAME.iterrows, lambda item: item[1]["url"]),
        (pl.DataFrame(FRAME).iter_rows, lambda item: item[1]),
        (lambda: [HttpUrl(URL)], str),
        (lambda: [Linked(id=7, url=HttpUrl(URL))], lambda item: str(item.url)),
        (of_sqlite, "url"),
    ],
)
async def test_what_the_sentences_say_helps(
    make: Callable[[], Any], getter: Any, emulator: Emulator
) -> None:
    """Each kind of row, as the sentence says to get its image."""
    async with emulator.client() as client:
        kinds = {outcome.kind async for outcome in client.aiter_check(make(), image=getter)}
    assert kinds == {"checked"}


async def later(row: dict[str, str]) -> str:
    """Be a function that must be awaited."""
    return row["url"]


@pytest.mark.parametrize(
    ("getter", "told"),
    [(0, r"`lambda item: item\[0\]`"), (-1, r"item\[-1\]`"), (later, "nobody would await it")],
)
@pytest.mark.parametrize("name", ["image", "identity"])
async def test_what_can_get_nothing_is_told_before_the_first_item(
    name: str, getter: Any, told: str, emulator: Emulator
) -> None:
    """A place in a tuple, and an async function."""
    options: dict[str, Any] = {name: getter}
    async with emulator.client() as client:
        with pytest.raises(TypeError, match=told) as raised:
            client.aiter_check([(URL,)], **options)
    assert str(raised.value).startswith(name)
