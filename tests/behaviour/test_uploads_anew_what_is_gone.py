"""An upload is used again while it lasts, and made anew once when it is gone."""

import asyncio
import sqlite3
import time
from pathlib import Path

import httpx
import pytest
from tests.uploading import (
    FAST,
    NO_CREDENTIAL,
    failing,
    is_credential,
    is_upload,
    picture,
    through,
    upload_first,
)

from s2v_detect import Event, ImageUnusable, Ledger, NotSent, ServiceUnavailable
from s2v_detect.emulator import Cut, Emulator, Error, Pass

GONE = Error(400, "InvalidParameter.DataInspection", "Unable to download.", latency_s=0.2)


async def test_a_credential_is_renewed_before_and_upon_its_end(tmp_path: Path) -> None:
    """By our own clock in time; and where the store says that it is over."""
    now = [1000.0]
    async with Emulator(answer=Pass(), clock=lambda: now[0]) as emulator:
        async with emulator.client() as client:
            for number in range(3):
                await client.check(picture(number))
            assert emulator.store.granted == 1
            now[0] += 301  # the store's clock alone: ours thinks it good
            assert (await client.check(picture(3))).check_pass
            assert emulator.store.granted == 2


async def test_an_upload_is_used_again_and_made_anew_when_it_is_gone(
    emulator: Emulator, tmp_path: Path
) -> None:
    """Within its 48 hours, across runs; the ledger knows where it is."""
    emulator.when("*", Error(500, "InternalError"))
    for _ in range(2):
        async with emulator.client(ledger=tmp_path / "a.db", retry=FAST) as client:
            with pytest.raises(ServiceUnavailable, match="fault"):
                await client.check(picture())
    assert emulator.store.uploaded == 1
    with Ledger(tmp_path / "a.db") as ledger:
        [entry] = ledger.entries([picture()]).values()
    assert entry.upload
    emulator.store.drop(entry.upload)
    emulator.when("*", Pass())
    async with emulator.client(ledger=tmp_path / "a.db") as client:
        assert (await client.check(picture())).check_pass
    assert (emulator.store.uploaded, emulator.billed) == (2, 1)


async def test_a_file_lives_for_48_hours(tmp_path: Path) -> None:
    """Then the service can't fetch it, and it is uploaded again."""
    now = [1000.0]
    async with Emulator(answer=Pass(), clock=lambda: now[0]) as emulator:
        emulator.when("*", Error(500, "InternalError"))
        async with emulator.client(ledger=tmp_path / "a.db", retry=FAST) as client:
            with pytest.raises(ServiceUnavailable, match="fault"):
                await client.check(picture())
        now[0] += 48 * 3600
        emulator.when("*", Pass())
        async with emulator.client(ledger=tmp_path / "a.db") as client:
            assert (await client.check(picture())).check_pass
        assert (emulator.store.uploaded, emulator.billed) == (2, 1)


async def test_an_upload_that_is_nearly_48_hours_old_is_not_used(
    emulator: Emulator, tmp_path: Path
) -> None:
    """It might be gone by its turn: nobody asks for it in vain."""
    await upload_first(emulator, tmp_path / "a.db", picture())
    for hours, uploads in ((46, 1), (47.5, 2)):
        with sqlite3.connect(tmp_path / "a.db") as db:
            db.execute("UPDATE image SET uploaded_at = ?", (time.time() - hours * 3600,))
        db.close()
        emulator.when("*", Error(500, "InternalError"))
        async with emulator.client(ledger=tmp_path / "a.db", retry=FAST) as client:
            with pytest.raises(ServiceUnavailable):
                await client.check(picture())
        assert emulator.store.uploaded == uploads


@pytest.mark.parametrize("leave", ["cancel", "close", "stop"])
async def test_nobody_pays_for_a_new_upload_that_nobody_waits_for(
    emulator: Emulator, tmp_path: Path, leave: str
) -> None:
    """The old one is gone, as the service says when all have left."""
    await upload_first(emulator, tmp_path / "a.db", picture())
    emulator.when("*", GONE, Pass())
    async with emulator.client(ledger=tmp_path / "a.db") as client:
        stream = client.aiter_check([picture()])
        waiting = asyncio.ensure_future(
            anext(stream) if leave == "stop" else client.check(picture())
        )
        while not emulator.in_flight:
            await asyncio.sleep(0)
        if leave == "cancel":
            waiting.cancel()
        elif leave == "stop":
            stream.stop()
        else:
            await client.aclose()
        await asyncio.wait([waiting])
        if waiting.cancelled() is False:
            waiting.exception()
    assert (emulator.requests, emulator.billed, emulator.store.uploaded) == (1, 0, 1)


@pytest.mark.parametrize(
    ("answer", "uploads"),
    [
        (Error(400, "DataInspectionFailed", "Moderation."), 1),
        (Error(400, "InvalidURL", "It can't be fetched."), 2),
        (GONE, 2),
    ],
)
async def test_an_upload_is_made_anew_once_and_only_where_that_may_help(
    emulator: Emulator, tmp_path: Path, answer: Error, uploads: int
) -> None:
    """Not for what moderation refuses; and one that is gone again is told as it is."""
    await upload_first(emulator, tmp_path / "a.db", picture())
    emulator.when("*", answer)
    async with emulator.client(ledger=tmp_path / "a.db", retry=FAST) as client:
        with pytest.raises(ImageUnusable):
            await client.check(picture())
    assert (emulator.store.uploaded, emulator.requests) == (uploads, uploads)


async def test_an_upload_that_vanishes_between_two_requests_is_made_anew(
    emulator: Emulator,
) -> None:
    """After a long outage, say: its 48 hours are over."""

    def lose(event: Event) -> None:
        if event.kind == "retrying":
            emulator.store.drop(emulator.arrivals[-1].image or "")

    emulator.when("*", Error(500, "InternalError"), Pass(), each="request")
    async with emulator.client(retry=FAST, on_event=lose) as client:
        assert (await client.check(picture())).check_pass
    assert (emulator.store.uploaded, emulator.billed) == (2, 1)


async def test_a_new_upload_that_fails_ends_as_not_sent(emulator: Emulator, tmp_path: Path) -> None:
    """The dead address is not asked for again."""
    await upload_first(emulator, tmp_path / "a.db", picture())
    emulator.when("*", GONE)
    meet = failing(NO_CREDENTIAL, at=is_credential)
    async with through(emulator, meet, retry=FAST, ledger=tmp_path / "a.db") as client:
        with pytest.raises(NotSent, match="no credential") as raised:
            await client.check(picture())
    assert (emulator.requests, raised.value.attempts) == (1, 1)


async def test_what_may_have_been_billed_is_never_called_skipped(
    emulator: Emulator, tmp_path: Path
) -> None:
    """An answer is lost, then the upload, and then the file."""
    path = tmp_path / "face.jpg"
    path.write_bytes(picture())

    def lose(event: Event) -> None:
        if event.kind == "retrying":
            emulator.store.drop(emulator.arrivals[-1].image or "")
            path.unlink()

    emulator.when("*", Cut(), Pass())
    async with emulator.client(retry=FAST, on_event=lose, ledger=tmp_path / "a.db") as client:
        [outcome] = [o async for o in client.aiter_check([path])]
        assert outcome.cost_at_most == client.spend.cost_at_most > 0
    assert outcome.kind == "failed"
    assert isinstance(outcome.error, NotSent)
    assert outcome.billed == outcome.error.billed == "unknown"
    with Ledger(tmp_path / "a.db") as ledger:
        assert [entry.state for entry in ledger.all_entries()] == ["unknown"]


@pytest.mark.parametrize("ledger", ["a.db", None])
async def test_an_upload_whose_check_was_given_up_is_used_by_the_next(
    emulator: Emulator, tmp_path: Path, ledger: str | None
) -> None:
    """While it is under way it is joined; later the client knows it, and the ledger."""
    go_on = asyncio.Event()

    async def meet(request: httpx.Request) -> None:
        if is_upload(request):
            await go_on.wait()

    async with through(emulator, meet, ledger=ledger and tmp_path / ledger) as client:
        for _ in range(2):
            with pytest.raises(NotSent, match="given up"):
                await client.check(picture(), give_up_after_s=0.1)
        go_on.set()
        while not emulator.store.uploaded:
            await asyncio.sleep(0)
        assert (await client.check(picture())).check_pass
    assert emulator.store.uploaded == 1
