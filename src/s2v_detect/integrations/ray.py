"""A stage of Ray Data: each row of a dataset checked, at the account's rate, and paid once.

The theory. Ray makes one `BatchCheck` in each actor, hands it several batches at a time, kills
actors, starts them again, and runs what was lost once more. So the object holds its configuration
alone until the first batch; what was paid for and not yet handed on is in the ledger, which answers
the batch that is run again.

**A loop of our own.** Ray runs async functions in a loop that it also blocks itself: it reads the
input in it, and waits in it for room in its output, as long as a slow stage behind ours likes. In a
loop that stands still an answer can't be read, its time runs out, and the image would be paid for
again. So the client lives in a loop and a thread of ours, and Ray's loop only waits for it.

**What several machines share.** A file on a disk belongs to one machine: the machine's line, and a
ledger of SQLite. With several nodes both are refused, before anything is sent; an actor looks
again, for a cluster grows. One actor is enough: it holds hundreds of images in flight, and five a
second is all that the account gives. More actors are no faster.

Killed on any line: what was sent is in the ledger as sent, and the next actor decides about it by
`on_unknown`, as after any other end of a process.

`ray` is imported when a dataset is given, `pyarrow` at the first batch.
"""

import os
import sys
import weakref
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from s2v_detect import ClientOptions, ConfigurationError, DetectClient, Outcome
from s2v_detect._logging import log
from s2v_detect._version import missing
from s2v_detect.integrations._client_thread import ClientThread
from s2v_detect.integrations._columns import arrow_columns, cells_of
from s2v_detect.integrations._ray_refusals import (
    is_file,
    refuse_misfit,
    refuse_no_client,
    refuse_what_actors_lack,
    refuse_what_nodes_lack,
    refuse_what_stays_here,
)

if TYPE_CHECKING:
    import pyarrow as pa
    from ray.data import DataContext, Dataset

_CPUS = 0.1
"""Of an actor: it waits, and Ray takes a whole processor for each by default."""
_TASKS_AT_ONCE = 2
"""Of an actor: the next one begins while the last answers of the one before are waited for."""
_MAX_OUTAGE_S = 1500.0
"""Ray ends an execution in which nothing comes for 30 minutes. Our error says more than Ray's."""


def check_dataset(
    ds: "Dataset",
    column: str = "url",
    *,
    prefix: str = "s2v_",
    identity: str | None = None,
    concurrency: int = 1,
    batch_size: int = 50,
    ray_options: Mapping[str, Any] | None = None,
    **options: Unpack[ClientOptions],
) -> "Dataset":
    """Return the dataset with the columns of the outcomes beside its own, row by row.

    Nothing is sent until the dataset is executed, and each execution runs the stage anew: `show`,
    `schema` and `count` too. With a ledger only the first one is paid for; so it is with a batch
    that Ray runs again. Each worker takes the key from its own environment.

    Args:
        ds: a dataset of Ray Data.
        column: the column of the images: their addresses as text, or their bytes. A row without
            one is skipped.
        prefix: what the names of the new columns begin with.
        identity: the column of what you know the images by, where their addresses change.
        concurrency: how many actors. One saturates the account's five a second.
        batch_size: rows in a batch. A batch comes out when its last row has an outcome.
        ray_options: more for `Dataset.map_batches`, such as `num_cpus` (0.1 by default).
        options: as for `DetectClient`, but for `api_key` and `http_client`. `limiter`: on one
            machine the default will do; on several give a `RedisLimiter` with a URL. `ledger`: on
            one machine a file; on several the address of a PostgreSQL (`postgresql://…`).
            `max_cost` needs a ledger with a name. `max_outage_s` is 25 minutes by default.

    Raises:
        ConfigurationError: no such column, where Ray knows the columns; one of ours is there
            already; what the workers can't share, or can't be sent. Nothing was sent.
        TypeError: an argument that `DetectClient` does not have.
        DetectError: out of the execution, in Ray's own error: what every other image would meet as
            well. A bad image is a row.

    Example:
        >>> def screen(folder: str) -> None:
        ...     import ray.data
        ...
        ...     portraits = ray.data.read_parquet(folder)
        ...     checked = check_dataset(portraits, "url", ledger="screening.db")
        ...     checked.write_parquet("verdicts")
    """
    ray = _ray()
    refuse_what_stays_here(options)  # here too: what is refused is in this frame as well
    check = BatchCheck(column, prefix=prefix, identity=identity, **options)
    refuse_what_actors_lack(options, concurrency)
    refuse_what_nodes_lack(options, _nodes())
    _refuse_retries(ray, ds.context)
    known = ds.columns(fetch_if_missing=False)  # to fetch them would run the stages before this
    if known is not None:
        check.refuse_misfit(known)
    return ds.map_batches(
        BatchCheck,
        fn_constructor_kwargs=check.made_of,
        batch_format="pyarrow",
        batch_size=batch_size,
        compute=ray.data.ActorPoolStrategy(
            size=concurrency, max_concurrent_calls_per_actor=_TASKS_AT_ONCE
        ),
        **{"num_cpus": _CPUS, **(ray_options or {})},
    )


class BatchCheck:
    """Gives each batch the columns of its outcomes: the callable class that Ray's actors make.

    `check_dataset` is the way to use it; with `Dataset.map_batches` give `batch_format="pyarrow"`.
    Until its first batch it holds its configuration alone, and so does its pickle. The first batch
    opens the client, which lives as long as the object.

    Args:
        column: as for `check_dataset`.
        prefix: as for `check_dataset`.
        identity: as for `check_dataset`.
        options: as for `check_dataset`.

    Raises:
        ConfigurationError: an option that can't be used, or not be sent to a worker.
        TypeError: an argument that `DetectClient` does not have.
    """

    _client: ClientThread | None = None

    def __init__(
        self,
        column: str = "url",
        *,
        prefix: str = "s2v_",
        identity: str | None = None,
        **options: Unpack[ClientOptions],
    ) -> None:
        refuse_what_stays_here(options)
        options.setdefault("max_outage_s", _MAX_OUTAGE_S)
        refuse_no_client(options)
        ledger = options.get("ledger")
        if isinstance(ledger, str | os.PathLike) and is_file(ledger):
            options["ledger"] = Path(ledger).absolute()  # from here: a worker may be elsewhere
        self.made_of: dict[str, Any] = {
            "column": column,
            "prefix": prefix,
            "identity": identity,
            **options,
        }
        """What Ray sends to an actor: the arguments, checked."""
        self._column, self._prefix, self._identity = column, prefix, identity
        self._options = options

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the configuration alone: another process has a client of its own."""
        return partial(type(self), **self.made_of), ()

    async def __call__(self, batch: "pa.Table") -> "pa.Table":
        """Return the batch with our columns behind its own.

        Cancelled, it sends no more; what was sent is finished and recorded.

        Raises:
            DetectError: what every other image would meet as well. For a bad image never.
        """
        outcomes: Sequence[Outcome] = ()
        if batch.num_rows:  # Ray has empty blocks that know no columns
            self.refuse_misfit(batch.column_names)
            rows = _rows(batch, self._wanted)
            outcomes = await self._opened().run(partial(self._outcomes, rows))
        for name, values in arrow_columns(list(map(cells_of, outcomes)), self._prefix).items():
            batch = batch.append_column(name, values)
        return batch

    def refuse_misfit(self, columns: Sequence[str]) -> None:
        """Raise `ConfigurationError` where a column that is needed is missing, or ours is there."""
        refuse_misfit(columns, self._wanted, self._prefix)

    @property
    def _wanted(self) -> list[str]:
        return [name for name in (self._column, self._identity) if name is not None]

    def _opened(self) -> ClientThread:
        if self._client is None:
            refuse_what_nodes_lack(self._options, _nodes())  # again: the cluster may have grown
            self._client = client = ClientThread(partial(DetectClient, **self._options))
            # When Ray lets go of the object, or as the worker ends. A `__del__` may come later, and
            # wait for ever: all other threads stand still then.
            weakref.finalize(self, client.close)
        return self._client

    async def _outcomes(self, rows: list[dict[str, Any]], client: DetectClient) -> list[Outcome]:
        named: dict[str, Any] = {"image": self._column, "identity": self._identity}
        async with client.aiter_check(rows, **named, ordered=True) as stream:
            return [outcome async for outcome in stream]


def _rows(batch: "pa.Table", wanted: Sequence[str]) -> list[dict[str, Any]]:
    columns = [batch.column(name).to_pylist() for name in wanted]
    return [dict(zip(wanted, values, strict=True)) for values in zip(*columns, strict=True)]


def _nodes() -> int:
    """Return how many nodes of the cluster can have an actor; 0 where there is no cluster."""
    ray = sys.modules.get("ray")
    if ray is None or not ray.is_initialized():
        return 0
    return sum(node["Alive"] and node["Resources"].get("CPU", 0) > 0 for node in ray.nodes())


def _ray() -> Any:
    try:
        import ray.data  # noqa: PLC0415  # an extra of 620 MB
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(missing("Ray Data", "ray"), name=error.name) from error
    return ray


def _refuse_retries(ray: Any, context: "DataContext") -> None:
    """Raise `ConfigurationError` where Ray would run a task again for ever after any error."""
    retried = context.actor_task_retry_on_errors
    kinds = retried if isinstance(retried, list) else [Exception] * bool(retried)
    if any(issubclass(ray.exceptions.UserCodeException, kind) for kind in kinds):
        raise ConfigurationError(
            "Ray's actor_task_retry_on_errors has every error retried for ever: a key that is"
            " refused would never end the job.",
            do="Set ray.data.DataContext.get_current().actor_task_retry_on_errors = False first.",
        )
    if context.max_errored_blocks:
        log("ray_drops_rows", max_errored_blocks=context.max_errored_blocks)
