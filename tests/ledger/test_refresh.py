"""What a run has answered is fresh to the run, whatever becomes of the clock."""

import time
from collections.abc import Callable

import pytest
from tests.ledgers import Place, ledger_in

from s2v_detect import Checked, LocalLimiter
from s2v_detect.emulator import Emulator

FAST = LocalLimiter(float("inf"))
Urls = Callable[[int], list[str]]


@pytest.mark.parametrize("shift_s", [-7200, 0, 7200])
async def test_a_refresh_pays_once_for_each_image(
    emulator: Emulator,
    urls: Urls,
    place: Place,
    monkeypatch: pytest.MonkeyPatch,
    shift_s: float,
) -> None:
    """Though the clock is set back by two hours, and each image comes three times."""
    images = urls(40)
    async with emulator.client(ledger=place, limiter=FAST) as client:
        async for outcome in client.aiter_check(images):
            assert isinstance(outcome, Checked)
    ledger = ledger_in(place, refresh=True)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + shift_s)
    for _ in range(2):  # the client may be opened anew: it is still that refresh
        async with emulator.client(ledger=ledger, limiter=FAST) as client:
            for _ in range(2):
                async for outcome in client.aiter_check(images):
                    assert isinstance(outcome, Checked)
        assert set(ledger.known(images)) == set(images)
    ledger.close()
    assert emulator.billed == 80
    async with emulator.client(ledger=ledger_in(place, refresh=True), limiter=FAST) as client:
        assert (await client.check(images[0])).source == "service"
