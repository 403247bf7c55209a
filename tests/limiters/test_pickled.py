"""A limiter goes to another process as what it was made of."""

import copy
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import redis.asyncio

from s2v_detect import HostLimiter, LocalLimiter, RedisLimiter

URL = "redis://127.0.0.1:1/0"  # nothing listens there: nobody is called before the first turn

MADE: dict[str, Callable[[Path], LocalLimiter | HostLimiter | RedisLimiter]] = {
    "local": lambda _: LocalLimiter(2.5, 2),
    "host": lambda folder: HostLimiter(2.5, name="team", directory=folder),
    "host, of its account": lambda folder: HostLimiter(2.5, 2, directory=folder),
    "redis": lambda _: RedisLimiter(URL, 2.5, name="team", on_lost="stop"),
    "redis, of its account": lambda _: RedisLimiter(URL),
}


def kept(limiter: object) -> dict[str, object]:
    """What a limiter was made of, as far as it shows it."""
    names = ("rate", "per_s", "name", "on_lost", "_directory", "_redis", "_clock")
    return {name: getattr(limiter, name) for name in names if hasattr(limiter, name)}


@pytest.mark.parametrize("make", MADE.values(), ids=MADE)
def test_a_limiter_pickles_as_its_configuration(
    make: Callable[[Path], LocalLimiter | HostLimiter | RedisLimiter], tmp_path: Path
) -> None:
    """Locks, threads and who waits stay; what is made of the pickle is a limiter of that line."""
    limiter = make(tmp_path)
    limiter.forecast_s()
    twin = pickle.loads(pickle.dumps(limiter))  # noqa: S301  # our own, of this moment
    assert type(twin) is type(limiter)
    assert twin is not limiter
    assert kept(twin) == kept(limiter)
    assert twin.forecast_s() == 0


async def test_a_pickle_of_a_used_limiter_has_the_same_line(tmp_path: Path) -> None:
    """What one process has sent is known to whoever was made of the pickle."""
    limiter = HostLimiter(1, name="team", directory=tmp_path)
    (await limiter.turn()).left()
    twin = pickle.loads(pickle.dumps(limiter))  # noqa: S301  # our own, of this moment
    assert 0.5 < twin.forecast_s() < 1.5


def test_a_limiter_with_a_client_of_redis_does_not_pickle() -> None:
    """The client belongs to its process and loop."""
    limiter = RedisLimiter(redis.asyncio.Redis.from_url(URL))
    with pytest.raises(TypeError, match="cannot pickle"):
        pickle.dumps(limiter)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copy_of_a_local_line_is_the_line(copied: Callable[[LocalLimiter], object]) -> None:
    """A second line in the same process would double the rate."""
    limiter = LocalLimiter()
    assert copied(limiter) is limiter
