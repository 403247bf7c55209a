"""An upload that fails is tried again, and an outage of the store costs no image."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.uploading import (
    FAST,
    NO_CREDENTIAL,
    OK,
    failing,
    is_credential,
    is_upload,
    picture,
    through,
    xml,
)

from s2v_detect import (
    AccessDenied,
    BadRequest,
    DetectClient,
    DetectError,
    Event,
    ImageSkipped,
    Ledger,
    NotSent,
    Outcome,
    OutOfCredit,
)
from s2v_detect.emulator import Emulator, Pass


async def test_an_upload_is_tried_again(emulator: Emulator) -> None:
    """While the network, the service or the store fails, and the line is not asked for a turn."""
    events: list[Event] = []
    meet = failing(httpx.ConnectError("no way"), NO_CREDENTIAL, OK, at=is_credential)
    retry = FAST.model_copy(update={"max_attempts": 3})
    async with through(emulator, meet, retry=retry, on_event=events.append) as client:
        assert (await client.check(picture())).check_pass
    assert meet.met == 3
    kinds = [event.kind for event in events]
    assert kinds == ["queued", "uploaded", "turn", "sent", "answered", "settled"]
    stored = emulator.store.file(emulator.arrivals[-1].image or "")
    assert stored
    assert stored.content == picture()


@pytest.mark.parametrize(
    ("answer", "at", "error", "tries"),
    [
        (NO_CREDENTIAL, is_credential, NotSent, 2),
        (httpx.Response(200, text="<html>Sign in"), is_credential, NotSent, 2),
        (httpx.Response(401, json={"code": "InvalidApiKey"}), is_credential, AccessDenied, 1),
        (httpx.Response(400, json={"code": "Arrearage"}), is_credential, OutOfCredit, 1),
        (xml(503, "ServiceBusy"), is_upload, NotSent, 2),
        (xml(409, "FileAlreadyExists"), is_upload, NotSent, 2),
        (xml(403, "SignatureDoesNotMatch"), is_upload, BadRequest, 1),
        (xml(400, "EntityTooLarge"), is_upload, ImageSkipped, 1),
        (httpx.Response(200, text="<html>Sign in"), is_upload, NotSent, 2),
        (httpx.ReadTimeout("silent"), is_upload, NotSent, 2),
        (httpx.WriteError("cut"), is_upload, NotSent, 2),
    ],
)
async def test_what_ends_an_upload_is_told_with_its_image(  # noqa: PLR0917  # a table's columns
    emulator: Emulator,
    photographs: Path,
    answer: httpx.Response | Exception,
    at: Callable[[httpx.Request], bool],
    error: type[DetectError],
    tries: int,
) -> None:
    """Nothing is sent to the service or billed; what can't pass is not tried again."""
    path = photographs / "0.jpg"
    meet = failing(answer, at=at)
    ledger = photographs / "a.db"
    async with through(emulator, meet, retry=FAST, ledger=ledger) as client:
        with pytest.raises(error) as raised:
            await client.check(path)
    assert (raised.value.image, raised.value.billed, raised.value.attempts) == (path, "no", 0)
    assert str(path) in str(raised.value)
    assert (meet.met, emulator.requests) == (tries, 0)
    with Ledger(ledger) as books:
        [entry] = books.entries([path]).values()
    lasting = {BadRequest: "failed", ImageSkipped: "skipped"}
    assert entry.state == lasting.get(error, "not sent")  # which a run asks for when it goes on


async def test_a_wrong_key_is_told_as_such(emulator: Emulator) -> None:
    """Not as a failed upload; and the stream stops."""
    async with DetectClient("sk-wrong", base_url=emulator.base_url) as client:
        with pytest.raises(AccessDenied):
            await client.check(picture())


async def test_no_network_is_no_upload_and_no_bill(emulator: Emulator) -> None:
    """`NotSent`, after a few tries."""
    no_way = httpx.ConnectError("no way")
    async with through(emulator, failing(no_way, at=is_credential), retry=FAST) as client:
        with pytest.raises(NotSent, match="not uploaded"):
            await client.check(picture(), give_up_after_s=20)
    assert client.spend.cost_at_most == 0


@pytest.mark.real_time
async def test_a_stream_waits_out_an_outage_of_the_store(emulator: Emulator) -> None:
    """At no image's cost; those who wait for room when it begins do not knock either."""
    events: list[Event] = []
    is_out, failures = True, 0

    async def meet(request: httpx.Request) -> httpx.Response | None:
        nonlocal failures
        if not is_upload(request) or not is_out:
            return None
        failures += 1
        return xml(503, "ServiceBusy")

    def end_it() -> None:
        nonlocal is_out
        is_out = False

    def watch(event: Event) -> None:
        events.append(event)
        if event.kind == "outage":
            asyncio.get_running_loop().call_later(1, end_it)

    retry = FAST.model_copy(update={"max_attempts": 8})  # four may fail before it is an outage
    async with through(emulator, meet, retry=retry, on_event=watch) as client:
        outcomes = [o async for o in client.aiter_check([picture(n) for n in range(100)])]
    assert {outcome.kind for outcome in outcomes} == {"checked"}
    assert emulator.billed == emulator.store.uploaded == 100
    assert failures <= 32 + 4 * 8
    kinds = [event.kind for event in events]
    assert kinds.count("outage") == kinds.count("restored") >= 1


async def outages(
    emulator: Emulator, images: list[Any], after: Callable[[], httpx.Response | None]
) -> tuple[list[Outcome], list[str]]:
    """Return what comes of a stream whose store is out at first, and what events there were."""
    kinds: list[str] = []
    is_out = True

    async def meet(request: httpx.Request) -> httpx.Response | None:
        if not is_upload(request):
            return None
        while kinds.count("queued") + kinds.count("shared") < len(images):
            await asyncio.sleep(0.001)  # all have been read, and copies found each other
        return xml(503, "ServiceBusy") if is_out else after()

    def watch(event: Event) -> None:
        nonlocal is_out
        kinds.append(event.kind)
        if event.kind == "outage":
            is_out = False
            after()

    retry = FAST.model_copy(update={"max_attempts": 8})
    async with through(emulator, meet, retry=retry, on_event=watch) as client:
        return [o async for o in client.aiter_check(images, ordered=True)], kinds


async def test_a_store_that_refuses_is_not_out(emulator: Emulator) -> None:
    """One try finds that out for all of them."""
    began = time.monotonic()
    pages = [picture(number) for number in range(40)]
    outcomes, kinds = await outages(emulator, pages, lambda: xml(403, "SignatureDoesNotMatch"))
    assert {type(o.error) for o in outcomes if o.kind == "failed"} == {BadRequest}
    assert len(outcomes) == 40
    assert kinds.count("restored") == 1
    assert time.monotonic() - began < 40 * 2.6 / 4  # one wait for a try, not forty


async def test_files_that_go_during_an_outage_do_not_keep_it_up(
    emulator: Emulator, tmp_path: Path
) -> None:
    """What was to be tried is gone: another is tried at once, and copies of it are taken."""
    names = [tmp_path / f"{number}{copy}.jpg" for number in range(10) for copy in "ab"]
    for name in names:
        name.write_bytes(picture(int(name.name[0])))
    alone = tmp_path / "alone.jpg"
    alone.write_bytes(picture(77))

    def after() -> None:
        for name in (*names[::2], alone):
            name.unlink(missing_ok=True)

    outcomes, _ = await outages(emulator, [*names, alone], after)
    assert [outcome.kind for outcome in outcomes] == ["checked"] * 20 + ["skipped"]
    assert emulator.billed == emulator.store.uploaded == 10


@pytest.mark.real_time
async def test_a_check_ends_in_an_outage_and_the_streams_share_goes_on(
    emulator: Emulator,
) -> None:
    """Somebody looked at an image of the stream meanwhile, and could not wait."""
    pages = [picture(number) for number in range(12)]
    is_out = True
    began = asyncio.Event()

    async def meet(request: httpx.Request) -> httpx.Response | None:
        return xml(503, "ServiceBusy") if is_upload(request) and is_out else None

    def watch(event: Event) -> None:
        if event.kind == "outage":
            began.set()

    retry = FAST.model_copy(update={"max_attempts": 8})
    async with through(emulator, meet, retry=retry, on_event=watch) as client:
        stream = client.aiter_check(pages)
        reading = asyncio.ensure_future(anext(stream))
        await began.wait()
        for page in pages[:3]:
            with pytest.raises(NotSent, match="ServiceBusy"):
                await client.check(page)
        with pytest.raises(NotSent):
            await client.check(pages[4], give_up_after_s=0.001)
        is_out = False
        kinds = [(await reading).kind, *[outcome.kind async for outcome in stream]]
    assert kinds == ["checked"] * 12
    assert emulator.billed == 12


async def test_a_credential_that_ends_early_is_no_outage(tmp_path: Path) -> None:
    """Under many uploads at one time; a new one serves them all."""
    now = [1000.0]
    kinds: list[str] = []
    async with Emulator(answer=Pass(), clock=lambda: now[0]) as emulator:
        async with emulator.client(on_event=lambda event: kinds.append(event.kind)) as client:
            await client.check(picture(1000))
            now[0] += 301
            pages = [picture(number) for number in range(40)]
            outcomes = [o.kind async for o in client.aiter_check(pages)]
    assert outcomes == ["checked"] * 40
    assert "outage" not in kinds
    assert emulator.store.granted == 2
