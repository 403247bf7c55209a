"""A stage of Ray Data on a real Ray: `.ci/engines ray` has the environment for it.

One cluster for all: its start takes longer than all tests. It has one node until the tests of
several nodes, which are the last.
"""

import contextlib
import os
import runpy
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import ray
import ray.data
from ray.cluster_utils import Cluster

from s2v_detect import (
    ConfigurationError,
    Event,
    HostLimiter,
    Ledger,
    PostgresLedger,
    RedisLimiter,
)
from s2v_detect.emulator import Emulator, Error, Pass, Reject
from s2v_detect.integrations._columns import names
from s2v_detect.integrations.ray import BatchCheck, check_dataset

if TYPE_CHECKING:  # the workers import this module, and have no server's programs
    from _postgres_server import PostgresServer

URL = "https://images.example/{}.jpg"
KEY = "sk-emulator"
ROOT = Path(__file__).parents[2]
RATE = 40.0
SMALL: dict[str, Any] = {"object_store_memory": 100 * 2**20, "include_dashboard": False}
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def account() -> Iterator[Emulator]:
    """The account that the environment of the workers names; most tests have one of their own."""
    with Emulator.run_in_thread(answer=Pass(), api_key=KEY, counting="sliding") as emulator:
        yield emulator


@pytest.fixture(scope="module")
def cluster(account: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster of one node. Its workers have the key in their environment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_DATA_DISABLE_PROGRESS_BARS", "1")
        patch.setenv("DASHSCOPE_API_KEY", KEY)
        patch.setenv("DASHSCOPE_BASE_URL", account.base_url)
        patch.delenv("S2V_DETECT_LINE", raising=False)  # our pytest plugin sets it
        patch.setenv("S2V_DETECT_STATE_DIR", str(tmp_path_factory.mktemp("lines")))
        patch.setenv("PYTHONPATH", str(ROOT))  # this module has what some of them run
        patch.chdir(tmp_path_factory.mktemp("pipeline"))  # where its workers are, too
        cluster = started()
        try:
            ray.init(address=cluster.address, logging_level="error", log_to_driver=False)
            yield cluster
        finally:
            ray.shutdown()
            cluster.shutdown()


def started() -> Cluster:
    """Return a cluster of one node. Ray gives a node 30 s to start, however busy the machine is."""
    for _ in range(3):
        with contextlib.suppress(Exception):  # Ray raises that very class
            return Cluster(initialize_head=True, head_node_args={"num_cpus": 2, **SMALL})
    return Cluster(initialize_head=True, head_node_args={"num_cpus": 2, **SMALL})


@pytest.fixture
def service(cluster: Cluster) -> Iterator[Emulator]:
    """An emulator that answers after a while, so that a batch has a middle."""
    with Emulator.run_in_thread(answer=Pass(), api_key=KEY, latency_s=(0.1, 0.6)) as emulator:
        yield emulator


class Stage:
    """How most tests check: against the emulator, with a ledger, faster than the account is."""

    def __init__(self, service: Emulator, folder: Path) -> None:
        self.pids = folder / "pids"
        self.pids.mkdir()
        self.ledger = folder / "ledger.db"
        self.options: dict[str, Any] = {
            "base_url": service.base_url,
            "limiter": HostLimiter(RATE, name="test", directory=folder),
            "ledger": self.ledger,
            "on_event": Witness(self.pids),
        }

    def of(self, ds: Any, **more: Any) -> Any:
        """The dataset, checked."""
        return check_dataset(ds, **self.options | more)


class Witness:
    """Leaves the number of the process that checks: whom a test kills."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, event: Event) -> None:
        """Have it written down."""
        if event.kind == "sent":
            (self._folder / str(os.getpid())).touch()


@pytest.fixture
def stage(service: Emulator, tmp_path: Path) -> Stage:
    """A stage in front of the emulator."""
    return Stage(service, tmp_path)


def dataset(count: int, blocks: int = 4) -> Any:
    """Rows with images that are all different."""
    rows = [{"n": number, "url": URL.format(number)} for number in range(count)]
    return ray.data.from_items(rows, override_num_blocks=blocks)


def bills_beyond_one(service: Emulator, ledger: Path, images: list[str]) -> tuple[int, int]:
    """How many bills there were beyond one an image, and how many requests are unknown."""
    beyond = unknown = 0
    with Ledger(ledger) as books:
        for image in images:
            outcomes = Counter(attempt.outcome for attempt in books.attempts(image))
            bills = service.bills[image]
            beyond += max(0, bills - 1)
            unknown += outcomes["unknown"]
            assert 0 <= bills - outcomes["billed"] <= outcomes["unknown"], image
    return beyond, unknown


def test_parquet_in_parquet_out_with_a_killed_actor_between(
    service: Emulator, stage: Stage, tmp_path: Path
) -> None:
    """Every row comes out once with our columns, and is paid once: Ray runs the batches again.

    A second run of the pipeline pays nothing: it asks for what failed alone, and that is free.
    """
    service.when("*/1.jpg", Reject("InvalidFile.FullFace"))
    service.when("*/2.jpg", Error(400, "InvalidParameter"))
    images = [*map(URL.format, range(120))]
    urls = [*images, None, "no address", URL.format(5)]
    (tmp_path / "in").mkdir()
    for part in range(3):
        table = pa.table({"n": range(123), "url": urls}).slice(part * 41, 41)
        pq.write_table(table, tmp_path / "in" / f"{part}.parquet")

    def pipeline(out: Path) -> None:
        ds = ray.data.read_parquet(str(tmp_path / "in"))
        stage.of(ds, concurrency=2, batch_size=20).write_parquet(str(out))

    killing = threading.Thread(target=kill_at, args=(stage.pids, service, 40))
    killing.start()
    pipeline(tmp_path / "first")
    killing.join()
    beyond, unknown = bills_beyond_one(service, stage.ledger, images)
    assert unknown >= 1, "nothing was in flight when the actor was killed"
    assert beyond <= unknown
    billed = service.billed
    pipeline(tmp_path / "second")
    assert service.billed == billed
    found = pq.read_table(tmp_path / "first").sort_by("n")
    assert found.column_names == ["n", "url", *names("s2v_")]
    assert found.column("n").to_pylist() == [*range(123)]
    assert found.column("url").to_pylist() == urls
    kinds = found.column("s2v_kind").to_pylist()
    assert kinds[:4] == ["checked", "checked", "failed", "checked"]
    assert Counter(kinds) == {"checked": 120, "failed": 1, "skipped": 2}
    assert "ledger" in found.column("s2v_source").to_pylist()
    assert found.schema.field("s2v_check_pass").type == pa.bool_()
    assert found.schema.field("s2v_cost").type == pa.decimal128(12, 4)
    second = pq.read_table(tmp_path / "second").sort_by("n")
    assert second.column("s2v_check_pass").equals(found.column("s2v_check_pass"))


def kill_at(pids: Path, service: Emulator, requests: int) -> None:
    """Have every actor that has sent something by then killed, with something in flight."""
    until = time.monotonic() + 120
    while service.requests < requests or not service.in_flight:
        assert time.monotonic() < until
        time.sleep(0.005)
    for pid in pids.iterdir():
        os.kill(int(pid.name), signal.SIGKILL)


class Stumbling(BatchCheck):
    """A stage whose first batch fails after it was checked, as one that can't hand it on."""

    async def __call__(self, batch: pa.Table) -> pa.Table:
        """Return what the stage returns, from the second batch on."""
        table = await super().__call__(batch)
        if not hasattr(self, "has_stumbled"):
            self.has_stumbled = True
            raise OSError("stumbled")
        return table


def test_a_block_that_ray_retries_is_answered_from_the_ledger(
    service: Emulator, stage: Stage
) -> None:
    """Newer versions of Ray run a failed block again; the images of it are known."""
    ds = dataset(60, blocks=1)
    ds.context.retried_map_errors = ["stumbled"]
    ds.context.max_map_retries = 2
    made_of = BatchCheck(**stage.options).made_of
    rows = ds.map_batches(
        Stumbling,
        fn_constructor_kwargs=made_of,
        batch_format="pyarrow",
        batch_size=20,
        num_cpus=0.1,
        compute=ray.data.ActorPoolStrategy(size=1),
    ).take_all()
    assert sorted(row["n"] for row in rows) == [*range(60)]
    assert service.requests == service.billed == 60
    assert "ledger" in {row["s2v_source"] for row in rows}


def test_a_refused_key_ends_the_job(service: Emulator, stage: Stage) -> None:
    """With the sentence, and not after a request for each image."""
    service.when("*", Error(401, "InvalidApiKey"))
    with pytest.raises(ray.exceptions.RayTaskError, match=r"InvalidApiKey.*Check the API key"):
        stage.of(dataset(1000)).take_all()
    assert service.requests < 200
    assert service.billed == 0


RETRIED: dict[str, tuple[Any, bool]] = {
    "every error": (True, True),
    "errors of every kind": ([Exception], True),
    "those of a user's code": ([ray.exceptions.UserCodeException], True),
    "others": ([OSError], False),
    "none": (False, False),
}


@pytest.mark.parametrize(("retried", "is_refused"), RETRIED.values(), ids=RETRIED)
def test_errors_that_ray_would_retry_for_ever_are_refused(
    stage: Stage,
    retried: Any,
    is_refused: bool,  # noqa: FBT001  # of the table
) -> None:
    """A key that is refused stays refused."""
    ds = dataset(1)
    ds.context.actor_task_retry_on_errors = retried
    if is_refused:
        with pytest.raises(ConfigurationError, match="actor_task_retry_on_errors"):
            stage.of(ds)
    else:
        stage.of(ds)


def test_what_drops_rows_of_a_failed_account_is_told(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """Ray's `max_errored_blocks` would let the job end as if it were complete."""
    ds = dataset(1)
    ds.context.max_errored_blocks = -1
    stage.of(ds)
    assert "max_errored_blocks" in caplog.text


def test_a_column_that_does_not_fit_is_a_sentence_at_once(service: Emulator, stage: Stage) -> None:
    """Where Ray knows the columns; where it does not, the first batch says so.

    To ask Ray for them would run the stages before, which may be paid for too.
    """
    unknown = dataset(1).map_batches(lambda batch: batch)
    assert unknown.columns(fetch_if_missing=False) is None
    stage.of(unknown, column="link")
    with pytest.raises(ConfigurationError, match="no column 'link'"):
        stage.of(dataset(1), column="link")
    assert service.requests == 0


def test_an_empty_dataset_stays_empty(stage: Stage) -> None:
    """Whether it knows its columns or not; no key is asked for."""
    assert stage.of(ray.data.from_items([])).take_all() == []
    empty = ray.data.from_arrow(pa.table({"url": pa.array([], pa.string())}))
    assert stage.of(empty).take_all() == []


def test_the_lines_of_the_example_run(cluster: Cluster, account: Emulator) -> None:
    """With the workers' own environment, and the machine's line: five a second."""
    account.when("*/1.jpg", Reject("InvalidFile.FullFace"))
    Path("portraits").mkdir()
    pq.write_table(pa.table({"url": [*map(URL.format, range(15)), None]}), "portraits/1.parquet")
    runpy.run_path(str(ROOT / "examples/ray_pipeline.py"))
    assert pq.read_table("usable").num_rows == 14
    assert (account.billed, account.throttled) == (15, 0)
    assert Path("screening.db").exists()


def test_a_cluster_that_grew_after_the_stage_was_made(service: Emulator, cluster: Cluster) -> None:
    """An actor looks again: the line of its machine is not the account's any more."""
    checked = check_dataset(dataset(3), base_url=service.base_url)
    cluster.add_node(num_cpus=1, **SMALL)
    cluster.wait_for_nodes()
    with pytest.raises(ray.exceptions.RayTaskError, match=r"2 nodes.*RedisLimiter"):
        checked.take_all()
    assert service.requests == 0


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({}, "RedisLimiter"),
        ({"limiter": HostLimiter(5)}, "RedisLimiter"),
        ({"limiter": RedisLimiter("redis://127.0.0.1:1"), "ledger": "a.db"}, "postgresql://"),
    ],
)
def test_several_nodes_share_no_file(cluster: Cluster, more: dict[str, Any], says: str) -> None:
    """Neither a line nor books; the sentence says what they can share."""
    with pytest.raises(ConfigurationError, match=says):
        check_dataset(dataset(1), **more)


def test_several_nodes_have_one_pace_and_one_bill_an_image(
    cluster: Cluster, redis_url: str, postgres: "PostgresServer", tmp_path: Path
) -> None:
    """Two actors on two nodes, ten a second for both through Redis, and books in PostgreSQL.

    Every image is in the input twice, far apart: whoever meets it second has it from the books.
    """
    images = [*map(URL.format, range(60))]
    dsn, pids = postgres.database(), tmp_path / "pids"
    pids.mkdir()
    with Emulator.run_in_thread(
        answer=Pass(), api_key=KEY, counting="sliding", rate=10, latency_s=0.2
    ) as service:
        ds = ray.data.from_items([{"url": url} for url in images * 2], override_num_blocks=12)
        rows = check_dataset(
            ds,
            base_url=service.base_url,
            limiter=RedisLimiter(redis_url, 10),
            ledger=dsn,
            concurrency=2,
            batch_size=10,
            ray_options={"scheduling_strategy": "SPREAD", "num_cpus": 1},
            on_event=Witness(pids),
        ).take_all()
        assert sorted(row["url"] for row in rows) == sorted(images * 2)
        assert Counter(service.bills.values()) == {1: 60}
        assert service.throttled == 0
        assert len([*pids.iterdir()]) == 2  # both had work
    with PostgresLedger(dsn) as books:
        assert [(spend.billed, spend.unknown) for spend in books.statement()] == [(60, 0)]
