"""Frames of each library: the same kind comes back, typed, and nothing is paid for twice."""

import importlib
import io
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import narwhals as nw
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from s2v_detect import (
    AccessDenied,
    ConfigurationError,
    DetectError,
    Event,
    Failed,
    Ledger,
    LocalLimiter,
    check_all,
)
from s2v_detect.emulator import Emulator, Error, Reject
from s2v_detect.images import SignedImage
from s2v_detect.integrations import _bar
from s2v_detect.integrations._columns import names
from s2v_detect.integrations.frames import acheck_frame, check_frame

OURS = names("s2v_")
URLS = [f"https://images.example/{number}.jpg" for number in range(5)]
# Passes, is rejected, has no image, fails, passes: in this order.
ROWS: dict[str, list[Any]] = {"id": [7, 8, 9, 10, 11], "url": [*URLS[:2], None, *URLS[3:]]}
PHOTOGRAPHS = Path(__file__).parents[2] / "examples" / "photographs"

MAKE: dict[str, Callable[[dict[str, Any]], Any]] = {
    "pandas": pd.DataFrame,
    "pandas in Arrow's types": lambda rows: pd.DataFrame(rows).convert_dtypes(
        dtype_backend="pyarrow"
    ),
    "pandas' nullable types": lambda rows: pd.DataFrame(rows).convert_dtypes(),
    "pandas' objects": lambda rows: pd.DataFrame(rows, dtype=object),
    "polars": pl.DataFrame,
    "pyarrow": pa.table,
    "narwhals": lambda rows: nw.from_native(pl.DataFrame(rows)),
    "narwhals of pandas": lambda rows: nw.from_native(pd.DataFrame(rows)),
}


def rows_of(frame: Any) -> list[dict[str, Any]]:
    """Return a frame's rows, with None for each value that is not there."""
    found = nw.from_native(frame, eager_only=True)
    columns = {
        name: [None if _is_none(value) else value for value in found[name].to_list()]
        for name in found.columns
    }
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _is_none(value: Any) -> bool:
    return value is None or value is pd.NA or value != value  # noqa: PLR0124  # a NaN


@pytest.fixture
def account(s2v_emulator: Emulator) -> dict[str, Any]:
    """Return the options of an emulator that rejects one image and fails for another."""
    s2v_emulator.when("*/1.jpg", Reject("InvalidFile.NoHuman"))
    s2v_emulator.when("*/3.jpg", Error(400, "InvalidURL"))
    return {
        "api_key": s2v_emulator.api_key,
        "base_url": s2v_emulator.base_url,
        "limiter": LocalLimiter(1000),
    }


@pytest.mark.parametrize("name", MAKE)
def test_the_same_kind_comes_back_with_typed_columns(
    name: str, account: dict[str, Any], s2v_emulator: Emulator
) -> None:
    """Rows and their order are kept; flags are flags, money is decimal, a time is in UTC."""
    frame = MAKE[name](ROWS)
    done = check_frame(frame, **account)
    assert type(done) is type(frame)
    rows = rows_of(done)
    assert list(rows[0]) == [*ROWS, *OURS]
    assert [row["id"] for row in rows] == ROWS["id"]
    assert [row["url"] for row in rows] == ROWS["url"]
    told = {key: [row[f"s2v_{key}"] for row in rows] for key in names("")}
    assert told["kind"] == ["checked", "checked", "skipped", "failed", "checked"]
    assert told["check_pass"] == [True, False, None, None, True]
    assert told["code"] == ["", "InvalidFile.NoHuman", "", "InvalidURL", ""]
    assert told["error"] == [None, None, "ImageSkipped", "ImageUnusable", None]
    assert told["cost"] == [Decimal(each) for each in ("0.004", "0.004", "0", "0", "0.004")]
    assert told["attempts"] == [1, 1, 0, 1, 1]
    assert told["message"][2] == "the cell is empty"
    now = datetime.now(UTC)
    assert all(0 <= (now - at).total_seconds() < 60 for at in told["at"])
    assert all(isinstance(each, Decimal) for each in told["cost_at_most"])
    assert s2v_emulator.requests == 4


TYPES: dict[str, dict[str, str]] = {
    "pandas": {
        **dict.fromkeys(("check_pass", "humanoid"), "boolean"),
        **dict.fromkeys(("cost", "cost_at_most"), "object"),
        "attempts": "Int64",
        "elapsed_s": "Float64",
        "at": "datetime64[us, UTC]",
        "": "string",
    },
    "pandas in Arrow's types": {
        **dict.fromkeys(("check_pass", "humanoid"), "bool[pyarrow]"),
        **dict.fromkeys(("cost", "cost_at_most"), "decimal128(12, 4)[pyarrow]"),
        "attempts": "int64[pyarrow]",
        "elapsed_s": "double[pyarrow]",
        "at": "timestamp[us, tz=UTC][pyarrow]",
        "": "string[pyarrow]",
    },
    "polars": {
        **dict.fromkeys(("check_pass", "humanoid"), "Boolean"),
        **dict.fromkeys(("cost", "cost_at_most"), "Decimal(precision=12, scale=4)"),
        "attempts": "Int64",
        "elapsed_s": "Float64",
        "at": "Datetime(time_unit='us', time_zone='UTC')",
        "": "String",
    },
    "pyarrow": {
        **dict.fromkeys(("check_pass", "humanoid"), "bool"),
        **dict.fromkeys(("cost", "cost_at_most"), "decimal128(12, 4)"),
        "attempts": "int64",
        "elapsed_s": "double",
        "at": "timestamp[us, tz=UTC]",
        "": "string",
    },
}
SHAPES: dict[str, list[Any]] = {"some": ["https://", None], "nulls alone": [None], "no row": []}


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_types_do_not_depend_on_what_came(name: str, shape: str, account: dict[str, Any]) -> None:
    """A frame without rows, and one of nulls alone, have those of the table in the docstring."""
    frame = MAKE[name]({"url": SHAPES[shape]})
    if name == "pandas in Arrow's types":
        frame = frame.astype(pd.ArrowDtype(pa.string()))
    done: Any = check_frame(frame, **account)
    types = done.schema if isinstance(done, pa.Table) else None
    told = {
        key: str(types.field(f"s2v_{key}").type if types else done[f"s2v_{key}"].dtype)
        for key in names("")
    }
    assert told == {key: TYPES[name].get(key, TYPES[name][""]) for key in names("")}


INDEXES: dict[str, Callable[[], Any]] = {
    "a range from elsewhere": lambda: range(40, 35, -1),
    "texts": lambda: list("abcde"),
    "duplicates": lambda: [1, 1, 2, 2, 1],
    "nothing among them": lambda: [1, None, 2, None, 3],
    "times": lambda: pd.date_range("2026-01-01", periods=5, tz="UTC"),
    "two levels": lambda: pd.MultiIndex.from_tuples(
        [(1, "a"), (1, "a"), (2, "b")] + [(3, "c")] * 2
    ),
    "categories": lambda: pd.CategoricalIndex(list("xyxyx")),
}


class OfAShop(pd.DataFrame):  # type: ignore[misc]  # pandas ships no types
    """A frame of somebody's own kind."""

    @property
    def _constructor(self) -> Any:
        return OfAShop


@pytest.mark.parametrize("index", INDEXES)
def test_pandas_keeps_its_index(index: str, account: dict[str, Any]) -> None:
    """Of any kind, with its names; the frame's own class and what it carries; the frame itself."""
    frame = OfAShop(ROWS, index=INDEXES[index]()).rename_axis(columns="of")
    frame.index.names = [f"level {number}" for number in range(frame.index.nlevels)]
    frame.attrs["source"] = "shop"
    before = frame.copy()
    done = check_frame(frame, **account)
    pd.testing.assert_index_equal(done.index, frame.index, exact=True)
    assert (type(done), done.attrs, done.columns.name) == (OfAShop, {"source": "shop"}, "of")
    assert list(done["s2v_check_pass"].fillna(value=False)) == [True, False, False, False, True]
    pd.testing.assert_frame_equal(frame, before)


NULLS: dict[str, Callable[[], Any]] = {
    "None": lambda: pd.DataFrame({"url": pd.Series([None, URLS[0]], dtype=object)}),
    "NaN": lambda: pd.DataFrame({"url": pd.Series([float("nan"), URLS[0]], dtype=object)}),
    "NA": lambda: pd.DataFrame({"url": pd.array([pd.NA, URLS[0]], dtype="string")}),
    "NaT": lambda: pd.DataFrame({"url": pd.Series([pd.NaT, URLS[0]], dtype=object)}),
    "pandas' own texts": lambda: pd.DataFrame({"url": [None, URLS[0]]}),
    "categories": lambda: pd.DataFrame({"url": pd.Categorical([None, URLS[0]])}),
    "polars": lambda: pl.DataFrame({"url": [None, URLS[0]]}),
    "polars' categories": lambda: pl.DataFrame({"url": [None, URLS[0]]}).cast(pl.Categorical),
    "pyarrow": lambda: pa.table({"url": [None, URLS[0]]}),
    "pyarrow's views": lambda: pa.table({"url": pa.array([None, URLS[0]], pa.string_view())}),
    "pyarrow's codes": lambda: pa.table({"url": pa.array([None, URLS[0]]).dictionary_encode()}),
    "pieces": lambda: pa.Table.from_batches(
        [pa.record_batch({"url": pa.array([each], pa.string())}) for each in (None, URLS[0])]
    ),
}


@pytest.mark.parametrize("name", NULLS)
def test_what_is_not_there_is_skipped(
    name: str, account: dict[str, Any], s2v_emulator: Emulator
) -> None:
    """However a library writes it; it is not sent."""
    kinds = [row["s2v_kind"] for row in rows_of(check_frame(NULLS[name](), **account))]
    assert kinds == ["skipped", "checked"]
    assert s2v_emulator.requests == 1


@pytest.mark.parametrize("label", [0, 7, ("a", "b"), 1.5])
def test_a_label_of_pandas_need_be_no_text(label: Any, account: dict[str, Any]) -> None:
    """A frame without a header has numbers; as a place of narwhals' a number would be a row."""
    frame = pd.DataFrame([[URLS[0], "x"]], columns=pd.Index([label, "other"], tupleize_cols=False))
    checked = check_frame(frame, label, progress=False, **account)
    assert list(checked["s2v_kind"]) == ["checked"]
    assert list(checked[label]) == [URLS[0]]


def test_images_may_be_bytes_and_paths(account: dict[str, Any], s2v_emulator: Emulator) -> None:
    """In one column too; the same content is one bill."""
    paths = [PHOTOGRAPHS / "portrait.jpg", PHOTOGRAPHS / "cat.jpg", PHOTOGRAPHS / "none.jpg"]
    images = [*paths, paths[0].read_bytes(), URLS[0], None]
    done = check_frame(pd.DataFrame({"photo": images}), "photo", **account)
    kinds = list(done["s2v_kind"])
    assert kinds == ["checked", "skipped", "skipped", "checked", "checked", "skipped"]
    binary = pl.DataFrame({"photo": [paths[0].read_bytes(), None]})
    assert check_frame(binary, "photo", **account)["s2v_kind"].to_list() == ["checked", "skipped"]
    assert s2v_emulator.billed == 3


@pytest.mark.parametrize("name", ["pandas", "polars", "pyarrow"])
def test_what_the_ledger_knows_is_answered_for_nothing(
    name: str, account: dict[str, Any], s2v_emulator: Emulator, tmp_path: Path
) -> None:
    """The rest is asked for; duplicates are one request; the columns of the first call go."""
    frame = MAKE[name]({"url": [*URLS[:2], None, "no url"]})
    account["ledger"] = tmp_path / "l.db"
    first = check_frame(frame, **account)
    assert s2v_emulator.billed == 2
    again = check_frame(first, **account)
    assert s2v_emulator.requests == 2
    rows = rows_of(again)
    assert list(rows[0]) == ["url", *OURS]
    assert [row["s2v_source"] for row in rows] == ["ledger", "ledger", None, None]
    assert [row["s2v_kind"] for row in rows] == ["checked", "checked", "skipped", "skipped"]
    assert sum(row["s2v_cost"] for row in rows) == 0
    for key in ("check_pass", "humanoid", "code", "message", "request_id"):
        assert [row[f"s2v_{key}"] for row in rows] == [row[f"s2v_{key}"] for row in rows_of(first)]
    more = MAKE[name]({"url": [URLS[4], URLS[0], URLS[4]]})
    rows = rows_of(check_frame(more, **account))
    assert s2v_emulator.requests == 3
    assert rows[1]["s2v_source"] == "ledger"
    assert sum(row["s2v_cost"] for row in rows) == Decimal("0.004")


def test_batch_and_stream_say_the_same_of_a_known_row(
    account: dict[str, Any], s2v_emulator: Emulator, tmp_path: Path
) -> None:
    """With a watcher all go through the stream, and the watcher is told of each."""
    frame = pd.DataFrame({"url": [*URLS, "HTTPS://images.example:443/0.jpg#a", None, 7.5]})
    account["ledger"] = tmp_path / "l.db"
    check_frame(frame, **account)
    kinds: list[str] = []

    def watch(event: Event) -> None:
        kinds.append(event.kind)

    batch = check_frame(frame, **account)
    stream = check_frame(frame, on_event=watch, **account)
    assert kinds.count("known") == 4  # one that failed is asked for again
    told = [name for name in OURS if name not in ("s2v_at", "s2v_elapsed_s", "s2v_request_id")]
    pd.testing.assert_frame_equal(batch[told], stream[told])


@pytest.mark.parametrize("batch", [1, 2, 5000])
def test_identities_are_what_the_ledger_goes_by(
    batch: int,
    account: dict[str, Any],
    s2v_emulator: Emulator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Addresses that change are known; a row without an identity, or an image, is skipped."""
    monkeypatch.setattr("s2v_detect.integrations._screening._BATCH", batch)
    account["ledger"] = Ledger(tmp_path / "l.db")
    signed = [f"https://images.example/0.jpg?Signature={number}" for number in range(6)]

    def frame_of(images: list[Any], keys: list[Any]) -> pd.DataFrame:
        return pd.DataFrame({"key": pd.Series(keys, dtype=object), "url": images})

    first = frame_of(signed[:3], [1, "b", 3.0])
    check_frame(first, identity="key", **account)
    again = frame_of([*signed[3:], signed[0], None, "no url"], [1.0, "b", "3", None, "b", "b"])
    done = check_frame(again, identity="key", **account)
    assert list(done["s2v_kind"]) == ["checked"] * 3 + ["skipped"] * 3
    assert list(done["s2v_source"][:3]) == ["ledger"] * 3
    assert s2v_emulator.requests == 3
    with account["ledger"] as ledger:  # the caller's own: it was left open, and can be asked
        assert len(ledger.known(["1", "b", "3"], by_identity=True)) == 3


def test_an_answer_that_is_too_old_is_asked_for_again(
    account: dict[str, Any], s2v_emulator: Emulator, tmp_path: Path
) -> None:
    """Whether an answer is fresh is for the ledger to say."""
    frame = pd.DataFrame({"url": URLS[:1]})
    for requests, options in ((1, {}), (1, {}), (2, {"refresh": True}), (3, {"max_age_s": 0})):
        with Ledger(tmp_path / "l.db", **options) as ledger:
            done = check_frame(frame, ledger=ledger, **account)
        assert s2v_emulator.requests == requests
        assert list(done["s2v_kind"]) == ["checked"]


NO_FRAMES: dict[str, tuple[Callable[[], Any], str]] = {
    "a lazy frame": (lambda: pl.LazyFrame(ROWS), "`frame.collect()`"),
    "a lazy one of narwhals": (lambda: nw.from_native(pl.LazyFrame(ROWS)), ".collect()"),
    "a scan": (lambda: pl.scan_ndjson(io.BytesIO(b'{"url": "x"}')), "`frame.collect()`"),
    "a series": (lambda: pd.Series(URLS), "frame is of type Series"),
    "a series of polars": (lambda: pl.Series(URLS), "frame is of type Series"),
    "a column": (lambda: pa.table(ROWS)["url"], "frame is of type ChunkedArray"),
    "a batch": (lambda: pa.record_batch(ROWS), "Give a pyarrow.Table: `pa.Table.from_batches"),
    "a list": (lambda: URLS, "frame is of type list"),
    "a dict": (lambda: ROWS, "frame is of type dict"),
    "nothing": (lambda: None, "frame is of type NoneType"),
    "a path": (lambda: Path("a.parquet"), "frame is of type PosixPath"),
}


@pytest.mark.parametrize("name", NO_FRAMES)
def test_what_is_no_frame_with_rows_is_told_at_once(name: str) -> None:
    """A sentence says what to give. No client is made: there is no key."""
    make, told = NO_FRAMES[name]
    with pytest.raises(TypeError, match=r"^[^.]+\. [A-Z].*\.$") as raised:
        check_frame(make())
    assert told in str(raised.value)


TEN = {f"column {number}": [number] for number in range(30)}
NO_COLUMNS: dict[str, tuple[Any, dict[str, Any], str]] = {
    "a mistyped column": (ROWS, {"column": "uri"}, "no column 'uri'. Give one that it has: 'id', "),
    "no such identity": (ROWS, {"identity": "key"}, "no column 'key'. Give one"),
    "very many columns": (TEN, {}, "'column 19' and 10 more."),
    "no column at all": ({}, {}, "Give one that it has: none."),
    "another column's images": (
        {"name": ["Ada", "Ben"], "url": URLS[:2]},
        {"column": "name"},
        "the first is a str, which is no address. Give a column with images: 'url'",
    ),
    "a bucket's objects": (
        {"url": [None, "s3://b/1.jpg?X-Amz-Signature=abc", "gs://b/2.jpg"]},
        {},
        "the first is a str, which is an address in a bucket. Give signed https addresses",
    ),
    "names of files": ({"url": ["", "/home/me/1.jpg"]}, {}, "of files give pathlib.Path objects"),
    "words": ({"url": ["Ada"]}, {}, "the first is a str, which is no address. Give http or https"),
    "both": ({"url": ["1.jpg", "s3://b/1.jpg"]}, {}, "s2v-detect run. Give signed https"),
    "numbers": ({"url": [1, 2]}, {}, "the first is an int. Give a column of addresses"),
    "lists": ({"url": [[URLS[0]]]}, {}, "the first is a list of 1. Give a column of addresses"),
    "flags": ({"url": [None, True]}, {}, "no image in any row"),
    "a column that is ours": ({"url": URLS[:1], "s2v_code": [""]}, {}, "Give another prefix"),
    "ours without the prefix": ({"url": URLS[:1], "code": [1]}, {"prefix": ""}, "another prefix"),
    "ours as the images": (
        {name: [URLS[0]] for name in OURS},
        {"column": "s2v_code"},
        "Give another prefix",
    ),
}


@pytest.mark.parametrize("name", NO_COLUMNS)
@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_a_column_that_does_not_fit_is_told_before_anything_is_sent(
    library: str, name: str
) -> None:
    """Before everything would be skipped, or something lost."""
    rows, options, told = NO_COLUMNS[name]
    with pytest.raises(ConfigurationError) as raised:
        check_frame(MAKE[library](rows), **options)
    assert told in str(raised.value)
    assert "abc" not in str(raised.value)


def test_two_columns_of_one_name_are_told() -> None:
    """Pandas alone has them."""
    with pytest.raises(ConfigurationError, match="Give each a name of its own"):
        check_frame(pd.DataFrame([URLS[:2]], columns=["url", "url"]))


@pytest.mark.parametrize(
    "texts",
    [
        ["https://"],
        ["face.jpg", " HTTPS://a.example/a b.jpg"],
        ["oss://bucket", "s3://b/1.jpg"],
        ["", " "],
        [None],
        [],
    ],
)
async def test_faulty_addresses_are_data(texts: list[Any], account: dict[str, Any]) -> None:
    """Where no other column has images, for a piece of a table may have no good row."""
    frame = pl.DataFrame(
        {"name": ["Ada"] * len(texts), "url": texts}, schema_overrides={"url": pl.String}
    )
    for done in (check_frame(frame, **account), await acheck_frame(frame, **account)):
        assert done["s2v_kind"].to_list() == ["skipped"] * len(texts)


async def test_async_code_is_told_of_a_column_without_addresses_too() -> None:
    """No client is made: there is no key."""
    with pytest.raises(ConfigurationError, match="is an address in a bucket"):
        await acheck_frame(pd.DataFrame({"url": ["s3://b/1.jpg"] * 2}))


async def test_an_image_of_a_bucket_has_what_signs_it(account: dict[str, Any]) -> None:
    """Its text alone has not."""

    async def sign() -> str:
        return "https://a.example/1.jpg"

    image = SignedImage("s3://b/1.jpg", identity="s3://b/1.jpg", sign=sign)
    done = await acheck_frame(pd.DataFrame({"url": [image]}, dtype=object), **account)
    assert list(done["s2v_kind"]) == ["checked"]


@pytest.mark.parametrize("name", ["pandas", "polars", "pyarrow"])
async def test_it_works_beside_a_running_loop(
    name: str, account: dict[str, Any], s2v_emulator: Emulator
) -> None:
    """As in a notebook; and for async code there is `acheck_frame`."""
    frame = MAKE[name]({"url": URLS[:1]})
    assert rows_of(check_frame(frame, **account))[0]["s2v_kind"] == "checked"
    done = await acheck_frame(frame, **account)
    assert type(done) is type(frame)
    assert rows_of(done)[0]["s2v_check_pass"] is True
    assert s2v_emulator.requests == 2


async def test_frames_have_their_own_word(account: dict[str, Any]) -> None:
    """Those of pandas and polars; of a lazy one it says what to do."""
    for frame in (pd.DataFrame(ROWS), pl.DataFrame(ROWS)):
        kinds = list(frame.s2v.check("url", prefix="", **account)["kind"])  # type: ignore[union-attr]
        assert kinds == ["checked", "checked", "skipped", "failed", "checked"]
        done = await frame.s2v.acheck(identity="id", **account)  # type: ignore[union-attr]
        assert list(done["s2v_kind"]) == kinds
    with pytest.raises(TypeError, match=r"`frame\.collect\(\)`"):
        pl.LazyFrame(ROWS).s2v.check()  # type: ignore[attr-defined]


def answered_before(account: dict[str, Any], act: Callable[[], object]) -> dict[str, Any]:
    """Return options under which something is done when the second answer has come."""
    answered = 0

    def watch(event: Event) -> None:
        nonlocal answered
        answered += event.kind == "answered"
        if event.kind == "answered" and answered == 2:
            act()

    return account | {"on_event": watch, "max_in_flight": 1}


def interrupt() -> None:
    """Do as Ctrl-C does."""
    raise KeyboardInterrupt


def test_an_interrupt_gives_back_what_was_paid_for(
    account: dict[str, Any], s2v_emulator: Emulator
) -> None:
    """Each outcome has the place of its row in the frame, though an empty cell is before it."""
    frame = pd.DataFrame({"url": [None, *URLS]})
    with pytest.raises(KeyboardInterrupt) as raised:
        check_frame(frame, **answered_before(account, interrupt))
    outcomes = vars(raised.value)["outcomes"]
    assert len(outcomes) == s2v_emulator.billed >= 2
    assert [outcome.index for outcome in outcomes] == list(range(1, len(outcomes) + 1))
    assert all(frame["url"][outcome.index] == outcome.item for outcome in outcomes)


@pytest.mark.parametrize(
    ("bound", "error"),
    [
        ({"max_time_s": 0}, "not all images were sent, max_time_s is 0 s"),
        ({"max_time_s": "7"}, "max_time_s is '7'"),
        ({"give_up_after_s": -1}, "give_up_after_s is -1"),
    ],
)
def test_a_frame_has_the_bounds_of_check_all(
    account: dict[str, Any], s2v_emulator: Emulator, bound: dict[str, Any], error: str
) -> None:
    """A task of a scheduler has its own end."""
    with pytest.raises(DetectError, match=error):
        check_frame(pl.DataFrame({"url": URLS}), **account, **bound)
    assert s2v_emulator.requests == 0


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_fault_of_the_run_is_raised_with_what_was_paid_for(
    account: dict[str, Any], s2v_emulator: Emulator, *, is_async: bool
) -> None:
    """And with the place of each row."""
    s2v_emulator.when("*/4.jpg", Error(401, "InvalidApiKey"))
    frame = pl.DataFrame({"url": [None, URLS[0], URLS[4]]})
    account["max_in_flight"] = 1
    with pytest.raises(AccessDenied) as raised:
        await acheck_frame(frame, **account) if is_async else check_frame(frame, **account)
    assert [outcome.index for outcome in vars(raised.value)["outcomes"]] == [1]


@pytest.mark.parametrize("is_async", [False, True])
async def test_arguments_of_the_client_are_checked_as_ever(*, is_async: bool) -> None:
    """Those that are wrapped, too, and no key is in what travels with an exception."""
    frame, faulty = pl.DataFrame({"url": URLS[:1]}), {"on_event": acheck_frame, "ledger": 5}
    for name, value in faulty.items():
        options: dict[str, Any] = {name: value, "api_key": "sk-secret"}
        with pytest.raises(ConfigurationError, match=f"^{name} is ") as raised:
            await acheck_frame(frame, **options) if is_async else check_frame(frame, **options)
        trace: TracebackType | None = raised.tb
        seen = ""
        while trace is not None:
            if "integrations" in trace.tb_frame.f_code.co_filename.replace("tests", ""):
                seen += repr(trace.tb_frame.f_locals)
            trace = trace.tb_next
        assert "options" in seen
        assert "sk-secret" not in seen.replace(repr(options), "")


@pytest.mark.parametrize(("wrong", "right"), [("prefx", "prefix"), ("timeout", "timeout_s")])
async def test_a_wrong_argument_is_one_of_the_function_that_was_called(
    wrong: str, right: str
) -> None:
    """Whatever is called inside: the user called that one."""
    frame: Any = pl.DataFrame({"url": URLS[:1]})
    given: dict[str, Any] = {wrong: 3, "api_key": "sk-x"}
    told = f"has no argument '{wrong}'. Give {right}, "
    for call in (partial(check_frame, frame), frame.s2v.check):
        with pytest.raises(TypeError, match=f"^check_frame {told}"):
            call(**given)
    with pytest.raises(TypeError, match=f"^acheck_frame {told}"):
        await acheck_frame(frame, **given)


class Terminal(io.StringIO):
    """A stderr that somebody sees."""

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return True


class Broken(Terminal):
    """One that is gone."""

    def write(self, _: str) -> int:
        """Raise as a closed pipe does."""
        raise BrokenPipeError


def terminal_of(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Have a terminal as stderr, in the test itself: pytest sets its own before each."""
    stderr = Terminal()
    monkeypatch.setattr(sys, "stderr", stderr)
    return stderr


def test_a_terminal_has_a_bar(
    account: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It ends at the whole, with the money, whatever the rows come to."""
    terminal = terminal_of(monkeypatch)
    frame = pd.DataFrame({"url": [*URLS, URLS[0], None, "no url"]})
    options = account | {"ledger": tmp_path / "l.db"}
    check_frame(frame, **options)
    last = terminal.getvalue().rpartition("\r")[2]
    assert "8/8" in last
    assert "CNY 0.016]" in last
    check_frame(frame, **options)
    assert "CNY 0.000]" in terminal.getvalue().rpartition("\r")[2]


def test_no_bar_is_drawn_where_none_is_wanted(
    account: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By `progress=False`, without tqdm, and where stderr is a log."""
    terminal = terminal_of(monkeypatch)
    frame = pd.DataFrame({"url": URLS[:1]})
    check_frame(frame, progress=False, **account)
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    assert list(check_frame(frame, **account)["s2v_kind"]) == ["checked"]
    monkeypatch.undo()
    check_frame(frame, **account)
    assert (terminal.getvalue(), capsys.readouterr().err) == ("", "")


def test_a_terminal_that_is_gone_costs_no_image(
    account: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bar is not drawn, and the rows are checked."""
    monkeypatch.setattr(sys, "stderr", Broken())
    done = check_frame(pl.DataFrame(ROWS), **account)
    assert done["s2v_kind"].to_list() == ["checked", "checked", "skipped", "failed", "checked"]


def test_a_notebook_is_known_by_its_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """IPython on a terminal is none."""
    for attributes, is_notebook in (({"kernel": 1}, True), ({}, False)):
        shell = type("Shell", (), attributes)()
        module = type("IPython", (), {"get_ipython": staticmethod(lambda shell=shell: shell)})
        monkeypatch.setitem(sys.modules, "IPython", module)
        assert _bar._is_notebook() is is_notebook  # noqa: SLF001  # no kernel is installed


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pl.LazyFrame, pa.table])
async def test_a_stream_says_where_frames_go(
    make: Callable[[Any], Any], s2v_emulator: Emulator
) -> None:
    """Beside the way to its rows: by `check_all`, and by the client."""
    told = r"^items is a \w+, .* holds the image\. For a frame .* call `check_frame` \(.*\)\.$"
    with pytest.raises(TypeError, match=told):
        check_all(make(ROWS), api_key="sk-x")
    async with s2v_emulator.client() as client:
        with pytest.raises(TypeError, match=told):
            client.aiter_check(make(ROWS))


def test_failures_have_no_verdict(account: dict[str, Any]) -> None:
    """One that failed is a row with its error's class, as in a stream."""
    [outcome] = check_all(URLS[3:4], **account)
    assert isinstance(outcome, Failed)
    done = check_frame(pd.DataFrame({"url": URLS[3:4]}), **account)
    assert done["s2v_message"][0] == outcome.model_dump()["message"]


def test_a_missing_extra_is_told_with_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the import of the module, which alone needs it."""
    monkeypatch.setitem(sys.modules, "narwhals", None)
    monkeypatch.delitem(sys.modules, "s2v_detect.integrations._framed")
    monkeypatch.delitem(sys.modules, "s2v_detect.integrations.frames")
    with pytest.raises(
        ModuleNotFoundError, match=r'The module of frames needs an extra.*\[frames\]"'
    ):
        importlib.import_module("s2v_detect.integrations.frames")
