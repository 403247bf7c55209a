"""What a stage of Ray Data refuses before anything is sent: what its workers could not share.

Pure, but for the pickle that is tried: questions about options, columns and counts.
"""

import os
import pickle
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, cast

from s2v_detect import (
    Budget,
    ClientOptions,
    ConfigurationError,
    DetectClient,
    HostLimiter,
    Ledger,
    LocalLimiter,
)
from s2v_detect.integrations._columns import names
from s2v_detect.ledger import is_address


def is_file(ledger: object) -> bool:
    """Whether a ledger is a file of one machine."""
    return isinstance(ledger, Ledger | str | os.PathLike) and not is_address(ledger)


def refuse_what_stays_here(options: ClientOptions) -> None:
    """Raise `ConfigurationError` for what can't or must not go to a worker.

    A key is removed from the options then: they are variables of frames, which travel with errors.
    """
    given = cast("dict[str, Any]", options)
    if given.get("api_key") is not None:
        given.clear()
        raise ConfigurationError(
            "api_key would lie in every pickle of the job.",
            do="Set DASHSCOPE_API_KEY where the workers run, or give each node the key's file.",
        )
    if given.get("http_client") is not None:
        raise ConfigurationError(
            "an http_client belongs to one process, and can't be sent to Ray's workers.",
            do="Leave it out: proxies and certificates come from the workers' environment.",
        )
    for name, value in given.items():
        _refuse_what_does_not_pickle(name, value)


def _refuse_what_does_not_pickle(name: str, value: object) -> None:
    # As Ray does it; where there is no Ray, as Python does, which takes no lambda.
    dumps = getattr(sys.modules.get("ray.cloudpickle"), "dumps", pickle.dumps)
    try:
        dumps(value)
    except (TypeError, AttributeError, pickle.PicklingError) as error:
        raise ConfigurationError(
            f"{name} is of type {type(value).__name__}, which can't be sent to Ray's workers"
            f" ({str(error).rstrip('.')}).",
            do="Give a limiter by its URL, and a ledger that is not open or its path.",
        ) from error


def refuse_no_client(options: ClientOptions) -> None:
    """Raise what `DetectClient` raises for its arguments, but for the key: that is the workers'."""
    given: dict[str, Any] = {"limiter": LocalLimiter(), **options}
    DetectClient("of-the-worker", **given)


def refuse_what_actors_lack(options: ClientOptions, concurrency: int) -> None:
    """Raise `ConfigurationError` for what so many actors, or one started again, can't share."""
    ledger = options.get("ledger")
    if concurrency > 1 and isinstance(options.get("limiter"), LocalLimiter):
        raise ConfigurationError(
            f"a LocalLimiter is the line of one process, and {concurrency} actors would have"
            f" {concurrency} of them.",
            do="Give concurrency=1, which saturates five a second, or leave limiter= out.",
        )
    max_cost = options.get("max_cost")
    total = max_cost.total if isinstance(max_cost, Budget) else max_cost
    if total is None:  # a day's amount is the account's, whoever asks
        return
    is_nameless = isinstance(ledger, str | os.PathLike) or not getattr(ledger, "name", "")
    if is_nameless:  # the name of a path is another thing
        raise ConfigurationError(
            "max_cost needs a ledger with a name: an actor that Ray starts again would begin at"
            " zero.",
            do='Give ledger=Ledger("screening.db", name="november"), say.',
        )
    if concurrency > 1 and is_file(ledger):
        raise ConfigurationError(
            f"max_cost is kept in a file by one process at a time, and {concurrency} actors would"
            " wait for each other.",
            do="Give concurrency=1, which saturates five a second.",
        )


def refuse_what_nodes_lack(options: ClientOptions, nodes: int) -> None:
    """Raise `ConfigurationError` for what belongs to one machine, where there are several."""
    if nodes <= 1:
        return
    limiter = options.get("limiter")
    if limiter is None or isinstance(limiter, HostLimiter):
        raise ConfigurationError(
            f"the cluster has {nodes} nodes, and a machine's line is shared on that machine alone:"
            " together they would go over the account's rate.",
            do='Give limiter=RedisLimiter("redis://…"), of a server that all of them reach.',
        )
    if is_file(options.get("ledger")):
        raise ConfigurationError(
            f"the cluster has {nodes} nodes, and the ledger is a file of one: what one node has"
            " paid for, another one would pay for again.",
            do='Give the address of a PostgreSQL, ledger="postgresql://…".',
        )


def refuse_misfit(columns: Sequence[str], wanted: Sequence[str], prefix: str) -> None:
    """Raise `ConfigurationError` where a column that is wanted is missing, or one of ours there."""
    for name in wanted:
        if name not in columns:
            near = get_close_matches(name, columns, n=1)
            raise ConfigurationError(
                f"the dataset has no column {name!r}.",
                do=f"Give {near[0]!r}, if that is meant."
                if near
                else f"It has {', '.join(map(repr, columns)) or 'none'}.",
            )
    taken = sorted(set(columns) & set(names(prefix)))
    if taken:
        raise ConfigurationError(
            f"the dataset has a column {taken[0]!r} already, which this stage would add.",
            do="Give another prefix=, or drop the column first.",
        )
