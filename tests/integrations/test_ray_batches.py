"""The class that Ray's actors make, without Ray: batches in, batches with our columns out."""

import asyncio
import contextlib
import gc
import math
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest
from pydantic import SecretStr

from s2v_detect import (
    AccessDenied,
    Budget,
    BudgetSpent,
    ConfigurationError,
    HostLimiter,
    Ledger,
    LocalLimiter,
    PostgresLedger,
    RedisLimiter,
)
from s2v_detect.emulator import Emulator, Error, Pass, Reject
from s2v_detect.integrations._columns import names
from s2v_detect.integrations._ray_refusals import (
    refuse_what_actors_lack,
    refuse_what_nodes_lack,
)
from s2v_detect.integrations.ray import BatchCheck

KEY = "sk-0123456789abcdef"
URL = "https://images.example/{}.jpg"


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Emulator]:
    """An emulator that the environment names, as a worker's would."""
    with Emulator.run_in_thread(answer=Pass()) as emulator:
        monkeypatch.setenv("DASHSCOPE_API_KEY", emulator.api_key)
        monkeypatch.setenv("DASHSCOPE_BASE_URL", emulator.base_url)
        monkeypatch.setenv("S2V_DETECT_STATE_DIR", str(tmp_path))
        yield emulator


def fast(**options: Any) -> Any:
    """Options of a stage with a line that nobody waits in."""
    return {"limiter": LocalLimiter(1000), **options}


def column(table: pa.Table, name: str) -> list[Any]:
    """The values of a column of ours."""
    values: list[Any] = table.column(f"s2v_{name}").to_pylist()
    return values


async def test_a_batch_comes_back_with_our_columns_in_their_types(service: Emulator) -> None:
    """Its own columns first, its rows in their order; flags may be null, and money is exact."""
    service.when("*/1.jpg", Reject("InvalidFile.FullFace"))
    service.when("*/2.jpg", Error(400, "InvalidParameter"))
    batch = pa.table({"n": range(5), "url": [*map(URL.format, range(3)), None, "no address"]})
    table = await BatchCheck(**fast())(batch)
    assert table.column_names == ["n", "url", *names("s2v_")]
    assert table.select(["n", "url"]).equals(batch)
    assert column(table, "kind") == ["checked", "checked", "failed", "skipped", "skipped"]
    assert column(table, "check_pass") == [True, False, None, None, None]
    assert column(table, "cost") == [Decimal("0.004")] * 2 + [Decimal(0)] * 3
    assert table.schema.field("s2v_check_pass").type == pa.bool_()
    assert table.schema.field("s2v_cost").type == pa.decimal128(12, 4)
    assert table.schema.field("s2v_at").type == pa.timestamp("us", "UTC")
    assert service.billed == 2


COLUMNS: dict[str, tuple[pa.Array, int]] = {
    "text": (pa.array([URL.format(1)]), 1),
    "long text": (pa.array([URL.format(1)], pa.large_string()), 1),
    "a view of text": (pa.array([URL.format(1)]).cast(pa.string_view()), 1),
    "a dictionary": (pa.array([URL.format(1)]).dictionary_encode(), 1),
    "bytes that are no image": (pa.array([b"GIF89a"]), 0),
    "long bytes": (pa.array([b""], pa.large_binary()), 0),
    "nothing": (pa.array([None, None]), 0),
    "texts and nothing": (pa.array([None, URL.format(1), ""]), 1),
    "numbers": (pa.array([1, 2]), 0),
    "numbers that are none": (pa.array([float("nan")]), 0),
}


@pytest.mark.parametrize(("values", "billed"), COLUMNS.values(), ids=COLUMNS)
async def test_any_column_of_images_is_taken(
    service: Emulator, values: pa.Array, billed: int
) -> None:
    """A row that has none is skipped, and the rows stay as many as they were."""
    table = await BatchCheck(**fast())(pa.table({"url": values}))
    assert table.num_rows == len(values)
    assert column(table, "kind").count("checked") == service.billed == billed
    assert column(table, "kind").count("skipped") == len(values) - billed


PORTRAIT = next(Path("examples/photographs").glob("*.jpg"))


async def test_the_bytes_of_an_image_are_uploaded_and_checked(service: Emulator) -> None:
    """A column of bytes is a column of images."""
    portrait = PORTRAIT.read_bytes()
    table = await BatchCheck("picture", **fast())(pa.table({"picture": [portrait]}))
    assert column(table, "kind") == ["checked"]
    assert table.column("picture").to_pylist() == [portrait]


EMPTY = [pa.table({}), pa.table({"url": pa.array([], pa.string())}), pa.table({"n": []})]


@pytest.mark.parametrize("batch", EMPTY, ids=["no columns", "no rows", "another column"])
async def test_an_empty_batch_has_our_columns_and_opens_nothing(batch: pa.Table) -> None:
    """Ray has empty blocks that know no columns; no key is asked for."""
    table = await BatchCheck()(batch)
    assert table.num_rows == 0
    assert table.column_names == [*batch.column_names, *names("s2v_")]


async def test_signed_addresses_go_by_the_column_of_their_identity(
    service: Emulator, tmp_path: Path
) -> None:
    """A batch that is run again with new signatures is answered from the ledger."""
    check = BatchCheck(identity="id", **fast(ledger=tmp_path / "ledger.db"))
    for source, signature in (("service", "a"), ("ledger", "b")):
        urls = [f"{URL.format(n)}?signature={signature}" for n in range(3)]
        table = await check(pa.table({"id": [1, 2, 3], "url": urls}))
        assert column(table, "source") == [source] * 3
    assert service.billed == 3


async def test_a_batch_that_is_run_again_is_answered_from_the_ledger(
    service: Emulator, tmp_path: Path
) -> None:
    """By another object, as in an actor that Ray has started again."""
    made_of = BatchCheck(**fast(ledger=tmp_path / "ledger.db")).made_of
    batch = pa.table({"url": [*map(URL.format, range(5))]})
    for source in ("service", "ledger"):
        table = await BatchCheck(**made_of)(batch)
        gc.collect()
        assert column(table, "source") == [source] * 5
    assert service.billed == 5


async def test_the_batches_of_an_object_share_one_client(service: Emulator) -> None:
    """Several at a time, opened once; two rows with one image are one request."""
    check = BatchCheck(**fast())
    batch = pa.table({"url": [*map(URL.format, range(5))]})
    before = threading.active_count()
    tables = await asyncio.gather(*[check(batch) for _ in range(4)])
    assert [table.num_rows for table in tables] == [5] * 4
    assert service.billed == 5
    assert sum("s2v-detect client" in thread.name for thread in threading.enumerate()) == 1
    del check
    gc.collect()
    assert threading.active_count() <= before  # closed when nobody has the object any more


async def test_an_answer_is_read_while_the_engines_loop_stands_still(service: Emulator) -> None:
    """Ray blocks its loop where it waits for room in its output; nothing is paid for again."""
    check = BatchCheck(**fast(timeout_s=0.3))
    running = asyncio.ensure_future(check(pa.table({"url": [URL.format(1)]})))
    await asyncio.sleep(0)
    until = threading.Event()
    threading.Timer(0.6, until.set).start()
    until.wait()  # the loop of this test stands still, for longer than an answer may take
    table = await running
    assert column(table, "kind") == ["checked"]
    assert service.requests == service.billed == 1


ENDS = """
import asyncio, sys
import pyarrow as pa
from s2v_detect.integrations.ray import BatchCheck
check = BatchCheck(ledger=sys.argv[1])
table = asyncio.run(check(pa.table({"url": ["https://images.example/1.jpg"]})))
print(table.column("s2v_kind").to_pylist())
"""


@pytest.mark.real_time
@pytest.mark.timeout(120)
def test_a_worker_that_ends_closes_its_client(service: Emulator, tmp_path: Path) -> None:
    """Nobody lets go of the object before; a thread that waits for another would never end."""
    done = subprocess.run(  # noqa: S603  # our own lines
        [sys.executable, "-c", ENDS, str(tmp_path / "ledger.db")],
        capture_output=True,
        text=True,
        timeout=100,  # to import pyarrow and pandas takes long on a busy machine
        check=True,
    )
    assert done.stdout.strip() == "['checked']"
    assert not done.stderr


async def test_a_fault_of_the_account_is_raised_and_a_bad_image_never(service: Emulator) -> None:
    """Once for the account: the engine has no row to blame."""
    service.when("*", Error(401, "InvalidApiKey"))
    with pytest.raises(AccessDenied):
        await BatchCheck(**fast())(pa.table({"url": [URL.format(1)]}))


async def test_a_spent_budget_is_raised_and_never_passed(service: Emulator, tmp_path: Path) -> None:
    """By however many batches at a time."""
    batches = [pa.table({"url": [URL.format(f"{n}-{m}") for m in range(10)]}) for n in range(4)]
    ledger = Ledger(tmp_path / "ledger.db", name="november")
    check = BatchCheck(**fast(ledger=ledger, max_cost="0.08"))
    found = await asyncio.gather(*map(check, batches), return_exceptions=True)
    assert BudgetSpent in map(type, found)
    assert service.billed == 20


async def test_a_worker_without_a_key_says_so() -> None:
    """The key is that of the worker's environment, and it is asked for at the first batch."""
    check = BatchCheck(**fast())
    with pytest.raises(ConfigurationError, match="DASHSCOPE_API_KEY"):
        await check(pa.table({"url": [URL.format(1)]}))


MISFITS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "a mistyped column": ({"ur": []}, {}, "no column 'url'. Give 'ur', if that is meant"),
    "another column": ({"n": [], "m": []}, {}, "no column 'url'. It has 'n', 'm'"),
    "a column of ours": ({"url": [], "s2v_kind": []}, {}, "'s2v_kind' already"),
    "no identity": ({"url": []}, {"identity": "id"}, "no column 'id'"),
}


@pytest.mark.parametrize(("columns", "given", "says"), MISFITS.values(), ids=MISFITS)
async def test_a_column_that_does_not_fit_is_a_sentence(
    columns: dict[str, list[Any]], given: dict[str, Any], says: str
) -> None:
    """Before anything is sent, and before a client is opened."""
    with pytest.raises(ConfigurationError, match=says):
        BatchCheck(**given).refuse_misfit([*columns])
    batch = pa.table({name: ["x"] for name in columns})
    with pytest.raises(ConfigurationError, match=says):
        await BatchCheck(**given)(batch)


@pytest.mark.parametrize("key", [KEY, SecretStr(KEY)])
def test_a_key_is_refused_and_is_in_no_pickle(key: Any) -> None:
    """A pickle of the job lies in Ray's store and logs; nor is the key in a frame of the error."""
    with pytest.raises(ConfigurationError, match="every pickle") as caught:
        BatchCheck("url", api_key=key)
    trace = caught.value.__traceback__
    frames = []
    while trace is not None:
        frames.append(trace.tb_frame)
        trace = trace.tb_next
    assert KEY not in "".join(repr(frame.f_locals) for frame in frames[1:])  # the first is ours


STAYS: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "a client of httpx": ({"http_client": httpx.AsyncClient()}, ConfigurationError, "proxies"),
    "what can't be pickled": ({"on_event": lambda _: None}, ConfigurationError, "on_event is"),
    "an argument that there is not": ({"qps": 5}, TypeError, "limiter=HostLimiter"),
    "nonsense": ({"timeout_s": -1}, ConfigurationError, "timeout_s is -1"),
}


@pytest.mark.parametrize(("given", "error", "says"), STAYS.values(), ids=STAYS)
def test_what_no_worker_can_use_is_told_where_the_stage_is_made(
    given: dict[str, Any], error: type[Exception], says: str
) -> None:
    """And not by each of the workers, minutes later."""
    with pytest.raises(error, match=says):
        BatchCheck(**given)


async def test_an_object_pickles_as_its_configuration(service: Emulator, tmp_path: Path) -> None:
    """Before the first batch and after it."""
    check = BatchCheck(prefix="x_", **fast(ledger=tmp_path / "ledger.db"))
    twin = pickle.loads(pickle.dumps(check))  # noqa: S301  # our own, of this moment
    await twin(pa.table({"url": [URL.format(1)]}))
    third = pickle.loads(pickle.dumps(twin))  # noqa: S301  # as above
    table = await third(pa.table({"url": [URL.format(1)]}))
    assert table.column("x_source").to_pylist() == ["ledger"]


def test_the_path_of_a_ledger_is_that_of_where_the_stage_was_made(tmp_path: Path) -> None:
    """A worker may be in another folder; an address is no path."""
    with contextlib.chdir(tmp_path):
        assert BatchCheck(ledger="a.db").made_of["ledger"] == tmp_path / "a.db"
        assert BatchCheck(ledger=DSN).made_of["ledger"] == DSN


REDIS = "redis://127.0.0.1:1"
DSN = "postgresql://books.example/s2v"
SHARED: dict[str, tuple[Callable[[], dict[str, Any]], int, int, str]] = {
    # options, actors, nodes, and what is said; nothing where it is fine
    "the default": (dict, 1, 1, ""),
    "several actors": (dict, 4, 1, ""),
    "no cluster yet": (dict, 4, 0, ""),
    "a file, on one machine": (lambda: {"ledger": Path("a.db")}, 4, 1, ""),
    "a local line": (lambda: {"limiter": LocalLimiter()}, 1, 1, ""),
    "a local line of a machine's own": (lambda: {"limiter": LocalLimiter(2.5)}, 1, 2, ""),
    "local lines": (lambda: {"limiter": LocalLimiter()}, 2, 1, "concurrency=1"),
    "the default, on two machines": (dict, 1, 2, "RedisLimiter"),
    "a machine's line, on two": (lambda: {"limiter": HostLimiter(math.inf)}, 1, 2, "RedisLimiter"),
    "a line in Redis": (lambda: {"limiter": RedisLimiter(REDIS)}, 4, 2, ""),
    "and a file": (
        lambda: {"limiter": RedisLimiter(REDIS), "ledger": Path("a.db")},
        *(4, 2, "postgresql://"),
    ),
    "and an open one": (
        lambda: {"limiter": RedisLimiter(REDIS), "ledger": Ledger("a.db")},
        *(4, 2, "postgresql://"),
    ),
    "and a server": (
        lambda: {"limiter": RedisLimiter(REDIS), "ledger": PostgresLedger(DSN, name="n")},
        *(4, 2, ""),
    ),
    "and an address": (lambda: {"limiter": RedisLimiter(REDIS), "ledger": DSN}, 4, 2, ""),
    "a budget without books": (lambda: {"max_cost": 1}, 1, 1, "a ledger with a name"),
    "a budget in nameless books": (
        lambda: {"max_cost": 1, "ledger": Path("a.db")},
        *(1, 1, "a ledger with a name"),
    ),
    "a day's amount of a ledger": (
        lambda: {"max_cost": Budget(per_day=1), "ledger": Path("a.db")},
        *(4, 1, ""),
    ),
    "a budget by name": (lambda: {"max_cost": 1, "ledger": Ledger("a.db", name="n")}, 1, 1, ""),
    "a budget of several actors": (
        lambda: {"max_cost": 1, "ledger": Ledger("a.db", name="n")},
        *(2, 1, "one process at a time"),
    ),
}


@pytest.mark.parametrize(("options", "actors", "nodes", "says"), SHARED.values(), ids=SHARED)
def test_what_actors_and_nodes_can_not_share_is_refused(
    options: Callable[[], Any], actors: int, nodes: int, says: str
) -> None:
    """A sentence that says why, and what to give."""
    told = ""
    try:
        refuse_what_actors_lack(options(), actors)
        refuse_what_nodes_lack(options(), nodes)
    except ConfigurationError as error:
        told = str(error)
    assert says in told
    assert bool(told) is bool(says)
