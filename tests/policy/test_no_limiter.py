"""What is given as `limiter=` is told at once where it is none."""

import math
from typing import Any

import pytest

from s2v_detect import ConfigurationError, DetectClient, LocalLimiter
from s2v_detect.limiters import Limiter

CONTRACT = ("turn", "throttled", "forecast_s", "rate", "per_s")


class Own:
    """A limiter of the user's own: a lifted rate, and all else of ours."""

    def __init__(self, **amounts: Any) -> None:
        self._line = LocalLimiter(math.inf)
        self.rate: Any = 20.0
        self.per_s: Any = 1.0
        vars(self).update(amounts)

    async def turn(self, lane: Any) -> Any:
        """As ours."""
        return await self._line.turn(lane)

    def throttled(self, retry_after_s: float | None = None) -> None:
        """As ours."""

    def forecast_s(self, lane: Any) -> float:
        """As ours."""
        return 0.0


def without(name: str) -> object:
    """Return a limiter that lacks a part of the contract."""
    own = Own()
    parts = {part: getattr(own, part) for part in CONTRACT if part != name}
    return type("Lacking", (), parts)()


def test_the_contract_is_what_the_protocol_says() -> None:
    """Five names: nothing else is read of a limiter."""
    assert {name for name in vars(Limiter) if not name.startswith("_")} == set(CONTRACT)


def test_a_number_is_no_limiter() -> None:
    """The usual slip: the sentence shows what was meant."""
    with pytest.raises(ConfigurationError, match=r"of type float, .*Give HostLimiter\(2\.5\)"):
        DetectClient("sk-x", limiter=2.5)  # type: ignore[arg-type]  # what a user may try


@pytest.mark.parametrize("name", CONTRACT)
def test_an_object_that_lacks_one_of_the_five_is_no_limiter(name: str) -> None:
    """The sentence names what is missing, and what a limiter has."""
    with pytest.raises(ConfigurationError, match=f"of type Lacking, without {name}.") as raised:
        DetectClient("sk-x", limiter=without(name))  # type: ignore[arg-type]  # as above
    assert all(part in raised.value.do for part in CONTRACT)


@pytest.mark.parametrize("amount", [0, -1, math.nan, "5", None])
@pytest.mark.parametrize("name", ["rate", "per_s"])
def test_a_rate_that_is_none_is_refused(name: str, amount: object) -> None:
    """Before anything stands in such a line."""
    with pytest.raises(ConfigurationError, match=f"limiter.{name} is"):
        DetectClient("sk-x", limiter=Own(**{name: amount}))


async def test_a_limiter_of_a_user_s_own_is_taken() -> None:
    """It is asked for its rate, and need not be a class of ours."""
    async with DetectClient("sk-x", limiter=Own()) as client:
        assert "not open" not in repr(client)
    async with DetectClient("sk-x", limiter=LocalLimiter(math.inf)) as client:
        assert "not open" not in repr(client)
