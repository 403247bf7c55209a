"""How long a line will be is known at once, however many are on their way to it."""

import asyncio
from collections.abc import Iterator

import pytest

from s2v_detect.checks._line import Line
from s2v_detect.checks._waiters import Place
from s2v_detect.emulator import Emulator, Pass
from s2v_detect.limiters import LocalLimiter
from s2v_detect.models import LANES, Lane

COUNT = 2000


class Counted(dict[Lane, int]):
    """Counts by lane that know how often they were read."""

    def __init__(self) -> None:
        super().__init__(dict.fromkeys(LANES, 0))
        self.reads = 0

    def __getitem__(self, lane: Lane) -> int:
        self.reads += 1
        return super().__getitem__(lane)

    def __iter__(self) -> Iterator[Lane]:
        raise AssertionError("it is not to be walked")


async def test_a_forecast_reads_as_much_for_thousands_as_for_none() -> None:
    """It was summed over all flights, for each of ten thousand checks: a second of the loop."""
    line = Line(LocalLimiter(5))
    reads = []
    line.coming = Counted()
    for count in (0, COUNT):
        places = [Place("bulk", line.coming) for _ in range(count)]
        before = line.coming.reads
        assert line.forecast_s("bulk") == pytest.approx(count / 5)
        assert line.forecast_s("interactive") == 0
        reads.append(line.coming.reads - before)
        for place in places:
            place.arrive()
    assert reads[0] == reads[1]


async def test_an_image_is_counted_in_the_lane_that_it_is_on_its_way_to() -> None:
    """Until it is there or has ended, once; a move takes it along."""
    coming: dict[Lane, int] = dict.fromkeys(LANES, 0)
    place = Place("bulk", coming)
    assert coming["bulk"] == 1
    place.move_up()
    assert (coming["interactive"], coming["bulk"]) == (1, 0)
    place.move_down()
    with place.waiting_in("before"):
        assert coming["bulk"] == 1
    with place.waiting_in("line"):
        assert set(coming.values()) == {0}
        place.move_up()
    place.arrive()
    Place("interactive", coming).stay()  # it is ended before it began
    assert set(coming.values()) == {0}


@pytest.mark.parametrize("is_cancelled", [False, True])
async def test_whatever_comes_of_checks_none_is_left_on_its_way(
    emulator: Emulator,
    is_cancelled: bool,  # noqa: FBT001  # pytest's way of giving it
) -> None:
    """Answered, given up before their first step, cut off by a close: the next forecast is 0."""
    emulator.when("*", Pass(latency_s=0.01))
    async with emulator.client() as client:
        urls = [f"https://images.example/{number}.jpg" for number in range(20)]
        checks = [asyncio.ensure_future(client.check(url, max_wait_s=9)) for url in urls]
        await asyncio.sleep(0)
        if is_cancelled:
            for check in checks:
                check.cancel()
        await asyncio.wait(checks)
        assert client._flights  # noqa: SLF001  # no public number tells it
        coming = client._flights.session.line.coming  # noqa: SLF001  # as above
        assert set(coming.values()) == {0}
