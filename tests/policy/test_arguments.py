"""What is given where something else is meant: one sentence at once, and nothing is billed."""

import asyncio
import inspect
import io
import os
import traceback
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from decimal import Decimal
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, NotRequired, get_type_hints

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import trio

from s2v_detect import (
    Budget,
    ClientOptions,
    ConfigurationError,
    DetectClient,
    LocalLimiter,
    Outcome,
    RetryPolicy,
    check_all,
    check_one,
)
from s2v_detect.emulator import Emulator, Pass, Reject
from s2v_detect.integrations.frames import acheck_frame, check_frame

URL = "http://a.example/1.jpg"
ROWS = {"url": [URL]}
SENTENCES = r"^[^.]+\. [A-Z].*[^.]\.$"


async def late() -> list[str]:
    """Return addresses, to whoever awaits them."""
    return [URL]


async def later() -> AsyncIterator[str]:
    """Yield addresses, to whoever calls it."""
    yield URL


NO_ITEMS: dict[str, tuple[Callable[[], Any], str]] = {
    "a str": (lambda: URL, "give one to `check`"),
    "a file of addresses": (lambda: "list.txt", "give one to `check`"),
    "bytes": (lambda: b"\xff\xd8", "give one to `check`"),
    "a bytearray": (lambda: bytearray(b"\xff\xd8"), "give one to `check`"),
    "a memoryview": (lambda: memoryview(b"\xff\xd8"), "give one to `check`"),
    "a path": (lambda: Path("face.jpg"), "give one to `check`"),
    "a pure path": (lambda: PurePosixPath("face.jpg"), "give one to `check`"),
    "a dict": (lambda: {"url": URL}, "items.values()"),
    "the environment": (lambda: os.environ, "items.values()"),
    "None": (lambda: None, "can't be iterated"),
    "a number": (lambda: 5, "can't be iterated"),
    "an exception": (lambda: ValueError("x"), "can't be iterated"),
    "a function": (lambda: later, "can't be iterated"),
    "a coroutine": (late, "Await it first"),
    "a file in text": (lambda: io.StringIO(f"{URL}\n"), "image=str.strip"),
    "a file in bytes": (lambda: io.BytesIO(f"{URL}\n".encode()), "image=str.strip"),
    "pandas": (lambda: pd.DataFrame(ROWS), 'items.to_dict("records")'),
    "an empty frame": (pd.DataFrame, 'items.to_dict("records")'),
    "polars": (lambda: pl.DataFrame(ROWS), "items.to_dicts()"),
    "a lazy frame": (lambda: pl.LazyFrame(ROWS), "items.collect().to_dicts()"),
    "pyarrow": (lambda: pa.table(ROWS), "items.to_pylist()"),
    "a batch": (lambda: pa.record_batch(ROWS), "items.to_pylist()"),
    "a column of pyarrow": (lambda: pa.table(ROWS)["url"], "items.to_pylist()"),
    "an array of pyarrow": (lambda: pa.array([URL]), "items.to_pylist()"),
    "a reader of batches": (lambda: pa.table(ROWS).to_reader(), "a list of dicts"),
}


@pytest.mark.parametrize("name", NO_ITEMS)
async def test_what_is_no_stream_of_images_is_told_at_once(name: str, emulator: Emulator) -> None:
    """By the stream and by `check_all`; before a request, and before a ledger is made."""
    make, told = NO_ITEMS[name]
    async with emulator.client() as client:
        with pytest.raises(TypeError, match=SENTENCES) as raised:
            client.aiter_check(make())
    assert told in str(raised.value)
    with pytest.raises(TypeError, match=SENTENCES):
        check_all(make(), api_key="sk-x", base_url=emulator.base_url, ledger="/nowhere/l.db")
    assert emulator.requests == 0


class OldSequence:
    """A sequence of the kind that Python had before iterators."""

    def __getitem__(self, index: int) -> str:
        return [URL][index]


class Result:
    """As that of a database: it has columns, and its iteration gives rows."""

    columns = ("url",)
    schema = "public"

    def __iter__(self) -> Iterator[str]:
        return iter([URL])


@pytest.mark.parametrize(
    "make",
    [
        lambda: [URL],
        lambda: (URL for _ in range(1)),
        lambda: {URL},
        {"a": URL}.values,
        later,
        OldSequence,
        Result,
        lambda: pd.Series([URL]),
        lambda: pd.DataFrame(ROWS)["url"],
        lambda: pl.Series([URL]),
        lambda: pl.DataFrame(ROWS)["url"],
        pa.table(ROWS)["url"].to_pylist,
    ],
)
async def test_what_gives_images_is_taken(make: Callable[[], Any], emulator: Emulator) -> None:
    """A column among it, of whatever library."""
    async with emulator.client() as client:
        kinds = [outcome.kind async for outcome in client.aiter_check(make())]
    assert kinds == ["checked"]


@pytest.mark.parametrize(
    ("rows", "image"),
    [
        (lambda: pd.DataFrame(ROWS).to_dict("records"), "url"),
        (lambda: pl.DataFrame(ROWS).to_dicts(), "url"),
        (lambda: pl.LazyFrame(ROWS).collect().to_dicts(), "url"),
        (pa.table(ROWS).to_pylist, "url"),
        (lambda: io.StringIO(f"{URL}\n"), str.strip),
        ({"Ada": URL}.items, lambda pair: pair[1]),
    ],
)
async def test_what_the_sentence_says_helps(
    rows: Callable[[], Any], image: Any, emulator: Emulator
) -> None:
    """The rows of each kind of table, as its own library gives them."""
    async with emulator.client() as client:
        kinds = [outcome.kind async for outcome in client.aiter_check(rows(), image=image)]
    assert kinds == ["checked"]


@pytest.mark.parametrize("image", [0, 5.0, ["url"], b"url", object()])
async def test_an_image_of_neither_key_nor_function_is_told_at_once(
    image: Any, emulator: Emulator
) -> None:
    """Each row would be skipped for it."""
    async with emulator.client() as client:
        with pytest.raises(TypeError, match=r"^image is .* a function\.$"):
            client.aiter_check([(URL,)], image=image)


async def watch_later(event: object) -> None:
    """Never be awaited."""


WRONG: list[tuple[str, Any]] = [
    ("limiter", 2.5),
    ("limiter", 0),
    ("limiter", "5/s"),
    ("limiter", LocalLimiter),
    ("limiter", asyncio.Semaphore),
    ("retry", 3),
    ("retry", None),
    ("retry", RetryPolicy),
    ("timeout_s", "60"),
    ("timeout_s", None),
    ("timeout_s", float("nan")),
    ("max_in_flight", "300"),
    ("max_in_flight", 2.5),
    ("max_in_flight", 0),
    ("on_unknown", "resnd"),
    ("on_unknown", None),
    ("model", 5),
    ("model", ""),
    ("preflight", True),
    ("ledger", 5),
    ("ledger", b"books.db"),
    ("max_cost", "abc"),
    ("max_cost", float("nan")),
    ("max_cost", -1),
    ("max_cost", "12,50"),
    ("max_cost", Budget(per_day=2)),
    ("on_event", "print"),
    ("on_event", watch_later),
    ("api_key", 5),
    ("api_key", b"sk-x"),
]


@pytest.mark.parametrize(("name", "value"), WRONG, ids=[f"{n}={v!r:.20}" for n, v in WRONG])
def test_an_argument_of_another_kind_is_told_at_once(name: str, value: Any) -> None:
    """When the client is made, by the argument's name and in two sentences."""
    options: Mapping[str, Any] = {"api_key": "sk-x", name: value}
    with pytest.raises(ConfigurationError) as raised:
        DetectClient(**options)
    assert name in raised.value.what or name in ("model", "api_key")
    assert raised.value.do[0].isupper()


RATE = "Give limiter=HostLimiter(5), if that is meant."
UNKNOWN: list[tuple[str, str]] = [
    *((word, RATE) for word in ("rate", "ratee", "Rate", "qps", "rps", "rate_limit", "qps_limit")),
    *((word, "Give retry=RetryPolicy(max_attempts=3),") for word in ("retries", "max_retries")),
    ("retry_policy", "Give retry"),
    ("timeout", "Give timeout_s,"),
    ("timeout_ms", "Give timeout_s,"),
    ("max_concurrency", "Give max_in_flight,"),
    ("concurrency", "Give max_in_flight,"),
    ("max_workers", "Give max_in_flight,"),
    ("max_in_fligth", "Give max_in_flight,"),
    ("apikey", "Give api_key,"),
    ("key", "Give api_key,"),
    ("url", "Give base_url,"),
    ("endpoint", "Give base_url,"),
    ("baseurl", "Give base_url,"),
    ("modle", "Give model,"),
    ("budget", "Give max_cost,"),
    ("max_costs", "Give max_cost,"),
    ("max_cost_per_day", "Give max_cost=Budget(per_day=2),"),
    ("per_month", "Give max_cost=Budget(per_day=2),"),
    ("max_outage", "Give max_outage_s,"),
    ("ledgers", "Give ledger,"),
    ("cache", "Give ledger,"),
    ("proxies", "Give http_client,"),
    ("callback", "Give on_event,"),
    ("on_events", "Give on_event,"),
    ("pre_flight", "Give preflight,"),
    ("zzz", "It has api_key, base_url, "),
]


@pytest.mark.parametrize(("name", "told"), UNKNOWN)
def test_an_argument_that_there_is_not_says_which_one_is_meant(name: str, told: str) -> None:
    """By the words that other clients have; the value, which may be a key, is held nowhere."""
    makes: list[tuple[str, Callable[..., Any]]] = [
        ("DetectClient", DetectClient),
        ("check_all", partial(check_all, [URL])),
        ("check_one", partial(check_one, URL)),
    ]
    for of, make in makes:
        with pytest.raises(TypeError, match=SENTENCES) as raised:
            make(**{"api_key": "sk-x", name: "sk-secret"})
        message = str(raised.value)
        assert message.startswith(f"{of} has no argument {name!r}. ")
        assert told.replace("It has ", "") in message
        frames = traceback.walk_tb(raised.value.__traceback__)
        ours = [frame.f_locals for frame, _ in frames if "src" in frame.f_code.co_filename]
        assert "sk-secret" not in repr(ours)


NO_SECONDS: list[Any] = ["20", "", -1, -0.5, float("nan"), True, [], object(), Decimal(1)]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("give_up_after_s", NO_SECONDS),
        ("max_wait_s", NO_SECONDS),
        ("lane", ["urgent", "open", "Bulk", None, 5, []]),
    ],
)
async def test_a_bound_of_one_check_that_is_none_is_told_at_once(
    name: str, values: list[Any], emulator: Emulator
) -> None:
    """Before anything is sent."""
    async with emulator.client() as client:
        for value in values:
            wrong: Any = {name: value}
            with pytest.raises(ConfigurationError, match=f"^{name} is "):
                await client.check(URL, **wrong)
    assert emulator.requests == 0


@pytest.mark.parametrize(
    ("name", "told"),
    [("column", "image"), ("img", "image"), ("id", "identity"), ("order", "ordered")],
)
def test_check_all_has_arguments_of_its_own(name: str, told: str) -> None:
    """Which a client has not."""
    wrong: Any = {name: "x"}
    with pytest.raises(TypeError, match=f"Give {told}, if that is meant"):
        check_all([URL], **wrong)
    with pytest.raises(TypeError, match=f"DetectClient has no argument '{name}'"):
        DetectClient(**wrong)


WHOLE = ("max_time_s", "max_time", "max_times", "deadline", "max_duration")
AROUND = "asyncio.timeout(…) around it"


@pytest.mark.parametrize("word", [*WHOLE, "total_timeout"])
def test_a_bound_on_the_whole_is_told_by_what_bounds_the_whole(word: str) -> None:
    """Where a call has none of its own it is awaited, and bounded from outside."""
    frame = pd.DataFrame(ROWS)
    calls: list[tuple[Callable[..., Any], str]] = [
        (partial(check_all, [URL]), "max_time_s"),
        (partial(check_frame, frame), "max_time_s"),
        (partial(check_one, URL), "give_up_after_s"),
        (lambda **wrong: asyncio.run(acheck_frame(frame, **wrong)), AROUND),
        (lambda **wrong: asyncio.run(frame.s2v.acheck(**wrong)), AROUND),
        (DetectClient, AROUND),
    ]
    for call, told in calls:
        if word == told:
            continue  # it has that argument
        with pytest.raises(TypeError, match=SENTENCES) as raised:
            call(**{word: 5})
        assert str(raised.value).endswith(f"Give {told}, if that is meant.")


def test_a_bound_on_each_image_is_told_by_the_retries_where_there_is_no_other() -> None:
    """An awaited call of many images, and a client."""
    wrong: Any = {"give_up_after_s": 5}
    told = r"Give retry=RetryPolicy\(give_up_after_s=20\), if that is meant\.$"
    with pytest.raises(TypeError, match=told):
        asyncio.run(acheck_frame(pd.DataFrame(ROWS), **wrong))
    with pytest.raises(TypeError, match=told):
        DetectClient(**wrong)


@pytest.mark.parametrize(
    "step",
    ["nope", None, 5, b"x", {"check_pass": True}, [Pass()], (Pass(), Pass()), Pass, Reject, True],
)
async def test_an_answer_that_is_none_is_told_at_once(step: Any, emulator: Emulator) -> None:
    """Not when the request comes; the rules are as they were."""
    with pytest.raises(TypeError, match=r"is no answer\.|and no answer\. Give \w+\(…\)\."):
        emulator.when("*", Pass(), step)
    async with emulator.client() as client:
        assert (await client.check(URL)).check_pass
    if step is not None:
        with pytest.raises(TypeError, match="no answer"):
            Emulator(answer=step)


def test_trio_is_told_that_it_can_not_be_used() -> None:
    """By the first thing that is awaited."""

    async def under_trio() -> None:
        with pytest.raises(ConfigurationError, match=r"trio has loops of its own"):
            async with DetectClient("sk-x"):
                pass

    trio.run(under_trio)


async def test_without_a_loop_a_stream_is_told_at_once(emulator: Emulator) -> None:
    """As in another thread than the client's."""
    async with emulator.client() as client:
        with pytest.raises(ConfigurationError, match="no event loop of asyncio"):
            await asyncio.to_thread(client.aiter_check, [URL])


def test_check_all_under_trio_is_as_anywhere(s2v_emulator: Emulator) -> None:
    """It has a loop of its own."""

    async def under_trio() -> list[Outcome]:
        await trio.lowlevel.checkpoint()
        return check_all([URL], api_key=s2v_emulator.api_key, base_url=s2v_emulator.base_url)

    assert [outcome.kind for outcome in trio.run(under_trio)] == ["checked"]


def test_the_options_are_the_client_s_own_arguments() -> None:
    """Name for name, with their types: `check_all` and the emulator's `client` take them."""
    arguments = dict(inspect.signature(DetectClient.__init__).parameters)
    del arguments["self"]
    assert list(ClientOptions.__annotations__) == list(arguments)
    hints = get_type_hints(DetectClient.__init__)
    assert get_type_hints(ClientOptions) == {name: hints[name] for name in arguments}
    assert ClientOptions.__required_keys__ == frozenset()
    assert NotRequired not in get_type_hints(ClientOptions, include_extras=True).values()


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: DetectClient("sk-x"), r"DetectClient is opened by `async with`. .* `check_all"),
        (Emulator, r"Emulator is opened by `async with`. .* `Emulator.run_in_thread\(\)`\."),
    ],
)
def test_with_in_place_of_async_with_is_told(make: Callable[[], Any], told: str) -> None:
    """By what code that is not async uses."""
    with pytest.raises(TypeError, match=told), make():
        pytest.fail("it is open")
