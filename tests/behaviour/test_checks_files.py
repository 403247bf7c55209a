"""Local files and bytes are checked once, whatever they are called."""

import asyncio
import os
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.uploading import FAST, NO_CREDENTIAL, failing, is_credential, picture, through

from s2v_detect import Event, ImageUnusable, Ledger, NotSent, RetryPolicy, check_all
from s2v_detect.emulator import Emulator, Pass


async def test_a_file_and_bytes_are_checked(emulator: Emulator, photographs: Path) -> None:
    """By an upload and an address in the store, with the header that it needs."""
    async with emulator.client() as client:
        assert (await client.check(photographs / "0.jpg")).check_pass
        assert (await client.check(picture(9, "PNG"))).check_pass
        assert client.spend.billed == 2
    assert (emulator.store.granted, emulator.store.uploaded) == (1, 2)
    arrivals = emulator.report.arrivals
    assert all((one.image or "").startswith("oss://") for one in arrivals)
    assert all(one.headers["X-DashScope-OssResourceResolve"] == "enable" for one in arrivals)
    stored = emulator.store.file(arrivals[0].image or "")
    assert stored
    assert stored.content == picture(0)


async def test_the_same_bytes_are_one_image(
    emulator: Emulator, photographs: Path, tmp_path: Path
) -> None:
    """Under two names, renamed, and as bytes: one upload, one bill, and no second with a ledger."""
    paths = [photographs / name for name in ("0.jpg", "1.jpg", "2.jpg", "copy of 0.jpg")]
    ledger = tmp_path / "a.db"
    async with emulator.client(ledger=ledger) as client:
        outcomes = [o async for o in client.aiter_check([*paths, picture(1)], ordered=True)]
    assert [outcome.image for outcome in outcomes] == [*paths, picture(1)]
    assert {outcome.kind for outcome in outcomes} == {"checked"}
    assert (emulator.store.uploaded, emulator.billed) == (3, 3)
    (photographs / "2.jpg").rename(photographs / "another.jpg")
    async with emulator.client(ledger=ledger) as client:
        assert (await client.check(photographs / "another.jpg")).source == "ledger"
    assert (emulator.store.uploaded, emulator.billed) == (3, 3)
    with Ledger(ledger) as books:
        images: list[Path | bytes] = [paths[0], picture(2)]
        assert set(books.known(images)) == set(images)
        [attempt] = books.attempts(picture(1))
        assert attempt.outcome == "billed"


async def test_an_outcome_of_a_file_is_a_line_of_json(
    emulator: Emulator, photographs: Path
) -> None:
    """Its path as it was given; of bytes how many; a name of any bytes as text."""
    odd = photographs / os.fsdecode(b"n\xff\xfe\x01.jpg")
    odd.write_bytes(picture(5))
    async with emulator.client() as client:
        outcomes = [o async for o in client.aiter_check([odd, picture(6)], ordered=True)]
    path, content = (outcome.model_dump(mode="json")["image"] for outcome in outcomes)
    assert path == str(photographs).rstrip("/") + "/n\\udcff\\udcfe\x01.jpg"
    assert content == f"{len(picture(6))} bytes"


def test_code_that_is_not_async_takes_files_too(photographs: Path) -> None:
    """`check_all`."""
    with Emulator.run_in_thread(answer=Pass()) as emulator:
        options: dict[str, Any] = {"api_key": emulator.api_key, "base_url": emulator.base_url}
        [outcome] = check_all([photographs / "0.jpg"], **options)
    assert outcome.kind == "checked"


async def test_a_file_that_is_gone_is_taken_from_where_its_copy_lies(
    emulator: Emulator, photographs: Path
) -> None:
    """The same bytes under two names are one upload, from whichever is there."""
    one, copy = photographs / "0.jpg", photographs / "copy of 0.jpg"
    held: list[httpx.Request] = []
    go_on = asyncio.Event()

    async def meet(request: httpx.Request) -> None:
        if is_credential(request):
            held.append(request)
            await go_on.wait()

    events: list[Event] = []
    async with through(emulator, meet, on_event=events.append) as client:
        stream = client.aiter_check([one, copy], ordered=True)
        reading = asyncio.ensure_future(anext(stream))
        while not (held and "shared" in {event.kind for event in events}):
            await asyncio.sleep(0)
        one.unlink()
        go_on.set()
        assert (await reading).kind == (await anext(stream)).kind == "checked"
    assert (emulator.store.uploaded, emulator.billed) == (1, 1)


async def test_each_is_told_of_the_failure_by_its_own_name(
    emulator: Emulator, photographs: Path
) -> None:
    """Who shares an image may know it under another."""
    one, copy = photographs / "0.jpg", photographs / "copy of 0.jpg"
    meet = failing(NO_CREDENTIAL, at=is_credential)
    async with through(emulator, meet, retry=RetryPolicy(max_attempts=1)) as client:
        ended = await asyncio.gather(client.check(one), client.check(copy), return_exceptions=True)
    assert [getattr(error, "image", None) for error in ended] == [one, copy]


async def test_who_gives_up_is_told_by_the_name_that_he_gave(
    emulator: Emulator, photographs: Path
) -> None:
    """Though another's is what it was begun with."""
    meet = failing(NO_CREDENTIAL, at=is_credential)
    one, copy = photographs / "0.jpg", photographs / "copy of 0.jpg"
    async with through(emulator, meet) as client:
        first = asyncio.ensure_future(client.check(one))
        while not meet.met:
            await asyncio.sleep(0)
        with pytest.raises(NotSent) as raised:
            await client.check(copy, give_up_after_s=0.05)
        assert raised.value.image == copy
        first.cancel()
        await asyncio.wait([first])


class Swallowing(httpx.AsyncHTTPTransport):
    """A store that takes whatever comes, and keeps nothing."""

    def __init__(self, store: str) -> None:
        super().__init__()
        self._store = store
        self.taken_bytes = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Take an upload."""
        if request.url.path != self._store:
            return await super().handle_async_request(request)
        assert isinstance(request.stream, httpx.AsyncByteStream)
        async for piece in request.stream:
            self.taken_bytes += len(piece)
        return httpx.Response(200)


async def test_a_large_file_is_streamed(emulator: Emulator, tmp_path: Path) -> None:
    """From the disk to the wire: nothing near its 80 MB is held at one time."""
    import tracemalloc  # noqa: PLC0415  # slows what is traced

    path = tmp_path / "large.png"
    path.write_bytes(picture(0, "PNG") + bytes(80 << 20))
    transport = Swallowing("/store")
    async with (
        httpx.AsyncClient(transport=transport) as http,
        emulator.client(http_client=http, retry=FAST) as client,
    ):
        tracemalloc.start()
        try:
            with pytest.raises(ImageUnusable):  # nothing lies there
                await client.check(path)
            assert tracemalloc.get_traced_memory()[1] < 8 << 20
        finally:
            tracemalloc.stop()
    assert transport.taken_bytes > 160 << 20  # once more, when it was not found
