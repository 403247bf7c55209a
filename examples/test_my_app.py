"""A user's own tests, with the fixture that the extra `emulator` brings: no key, no network.

pytest examples/test_my_app.py
"""

import asyncio

import pytest

from s2v_detect import Busy, DetectClient, LocalLimiter, OutcomeUnknown
from s2v_detect.emulator import Cut, Emulator, Pass, Reject, Throttle

FACE = "https://example.com/face.jpg"


async def may_be_used(client: DetectClient, url: str) -> bool:
    """Stand for the application under test."""
    return (await client.check(url)).check_pass


async def test_a_portrait_that_passes_may_be_used(s2v_emulator: Emulator) -> None:
    """Under the fixture every image passes until `when` says otherwise."""
    async with s2v_emulator.client() as client:
        assert await may_be_used(client, FACE)
    assert s2v_emulator.bills == {FACE: 1}


async def test_a_portrait_without_a_person_may_not(s2v_emulator: Emulator) -> None:
    """A rejection is an answer, and is billed."""
    s2v_emulator.when("*", Reject("InvalidFile.NoHuman"))
    async with s2v_emulator.client() as client:
        assert not await may_be_used(client, FACE)
    assert s2v_emulator.billed == 1


async def test_a_throttled_check_comes_through(s2v_emulator: Emulator) -> None:
    """The service refuses once; the client waits as long as it was told, and asks again."""
    s2v_emulator.when("*", Throttle(retry_after_s=0.1), Pass())
    async with s2v_emulator.client() as client:
        assert await may_be_used(client, FACE)
    assert s2v_emulator.throttled == 1


async def test_an_answer_lost_after_billing_is_in_the_books(s2v_emulator: Emulator) -> None:
    """The service bills, and the line is cut before its answer is here."""
    s2v_emulator.when("*", Cut(billed=True))
    async with s2v_emulator.client(on_unknown="keep") as client:
        with pytest.raises(OutcomeUnknown):
            await may_be_used(client, FACE)
    assert s2v_emulator.billed == client.spend.unknown == 1


async def test_a_long_line_is_told_at_once(s2v_emulator: Emulator) -> None:
    """The fixture's clients have no line unless they are given one."""
    async with s2v_emulator.client(limiter=LocalLimiter(5)) as client:
        crowd = [asyncio.create_task(client.check(f"{FACE}?{number}")) for number in range(10)]
        await asyncio.sleep(0)
        with pytest.raises(Busy) as told:
            await client.check(FACE, max_wait_s=1)
        assert told.value.retry_after_s
        assert told.value.retry_after_s > 1
        await asyncio.gather(*crowd)
