"""Local files and bytes: looked at, uploaded once, checked once, whatever they are called."""

import asyncio
import io
import itertools
import json
import os
import random
import sqlite3
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import dashscope
import httpx
import pytest
from dashscope.utils.oss_utils import OssUtils
from PIL import Image

from s2v_detect import (
    AccessDenied,
    BadRequest,
    Busy,
    DetectClient,
    DetectError,
    Event,
    ImageSkipped,
    ImageUnusable,
    Ledger,
    LocalLimiter,
    NotSent,
    Outcome,
    OutOfCredit,
    RetryPolicy,
    ServiceUnavailable,
    check_all,
)
from s2v_detect._service import BASE_URL, MODEL
from s2v_detect._waiting import Threads
from s2v_detect.emulator import Cut, Emulator, Error, Pass, Reject
from s2v_detect.images import Uploader
from s2v_detect.images._files import Reading, local_image
from s2v_detect.images._header import read_header
from s2v_detect.wire._answers import Answer

FAST = RetryPolicy(max_attempts=2, first_wait_s=0.01, longest_wait_s=0.01)


def picture(seed: int = 0, form: str = "JPEG", size: tuple[int, int] = (420, 410)) -> bytes:
    """Return an image that no other seed gives."""
    file = io.BytesIO()
    shade = random.Random(seed).randbytes(3)
    Image.new("RGB", size, tuple(shade)).save(file, form)
    return file.getvalue()


class Between(httpx.AsyncHTTPTransport):
    """The network, with somebody in between who sees each request, and may answer it himself."""

    def __init__(self, meet: Callable[[httpx.Request], Awaitable[httpx.Response | None]]) -> None:
        super().__init__()
        self._meet = meet

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Let it go on unless it was answered."""
        return await self._meet(request) or await super().handle_async_request(request)


@asynccontextmanager
async def through(
    emulator: Emulator,
    meet: Callable[[httpx.Request], Awaitable[httpx.Response | None]],
    **options: Any,
) -> AsyncIterator[DetectClient]:
    """Open a client of an emulator behind such a network."""
    async with (
        httpx.AsyncClient(transport=Between(meet)) as http,
        emulator.client(http_client=http, **options) as client,
    ):
        yield client


def is_credential(request: httpx.Request) -> bool:
    """Whether it asks for a credential."""
    return request.method == "GET"


def is_upload(request: httpx.Request) -> bool:
    """Whether it goes to the store."""
    return request.url.path == "/store"


def xml(status: int, code: str) -> httpx.Response:
    """Return a refusal of the store."""
    return httpx.Response(status, text=f"<Error><Code>{code}</Code><Message>No.</Message></Error>")


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """A folder of images, one of them twice."""
    for number in range(3):
        (tmp_path / f"{number}.jpg").write_bytes(picture(number))
    (tmp_path / "copy of 0.jpg").write_bytes(picture(0))
    return tmp_path


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


class Bad:
    """Makes what is no image of a folder."""

    @staticmethod
    def missing(path: Path) -> str:
        """Nothing there."""
        return "No such file"

    @staticmethod
    def folder(path: Path) -> str:
        """A directory."""
        path.mkdir()
        return "folder"

    @staticmethod
    def empty(path: Path) -> str:
        """No byte in it."""
        path.touch()
        return "an empty file"

    @staticmethod
    def pipe(path: Path) -> str:
        """One that nobody writes to."""
        os.mkfifo(path)
        return "not a file"

    @staticmethod
    def circle(path: Path) -> str:
        """A link to itself."""
        path.symlink_to(path)
        return "symbolic links"

    @staticmethod
    def text(path: Path) -> str:
        """A page under the name of an image."""
        path.write_text("<html><body>Sign in</body></html>")
        return "an HTML page"

    @staticmethod
    def small(path: Path) -> str:
        """Below the bounds."""
        path.write_bytes(picture(size=(399, 500)))
        return "399 x 500"


@pytest.mark.parametrize("name", [name for name in vars(Bad) if not name.startswith("_")])
async def test_what_is_no_image_is_an_outcome_with_its_reason(
    emulator: Emulator, tmp_path: Path, name: str
) -> None:
    """Nothing is uploaded, nothing sent, and the rest of the stream goes on."""
    path = tmp_path / "face.jpg"
    reason = getattr(Bad, name)(path)
    async with emulator.client(ledger=tmp_path / "a.db") as client:
        outcomes = [o async for o in client.aiter_check([path, picture()], ordered=True)]
        with pytest.raises(ImageSkipped, match=reason):
            await client.check(path)
        assert client.spend.skipped == 2
        assert client.spend.refused == (2 if name in ("empty", "text", "small") else 0)
    assert outcomes[0].kind == "skipped"
    assert reason in outcomes[0].reason
    assert outcomes[1].kind == "checked"
    assert emulator.billed == emulator.store.uploaded == 1


def test_a_header_of_many_tiny_segments_is_read_in_few_steps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A megabyte of them would else be copied a quarter of a million times."""
    steps: list[object] = []

    def watched(*given: Any, **more: Any) -> object:
        steps.append(given)
        return read_header(*given, **more)

    monkeypatch.setattr("s2v_detect.images._files.read_header", watched)
    with pytest.raises(ImageSkipped, match="says nothing of its size"):
        local_image(b"\xff\xd8" + b"\xff\xe1\0\2" * 250_000 + b"\xff\xd9")
    assert len(steps) < 2 * 1_000_000 / 4096


async def test_a_name_with_a_zero_byte_is_no_file(emulator: Emulator) -> None:
    """Python itself refuses it."""
    async with emulator.client() as client:
        with pytest.raises(ImageSkipped, match="no file of that name"):
            await client.check(Path("face\0.jpg"))


class Growing(os.PathLike[str]):
    """A file that somebody writes to between its look and its upload."""

    def __init__(self, path: Path, then: bytes) -> None:
        self._path = path
        self._then = then
        self._opened = 0

    def __fspath__(self) -> str:
        self._opened += 1
        if self._opened == 2:
            self._path.write_bytes(self._then)
        return str(self._path)


@pytest.mark.parametrize("then", [picture(8), picture() + b"more", picture()[:-9]])
async def test_a_file_that_changes_while_it_is_read_is_not_checked(
    emulator: Emulator, tmp_path: Path, then: bytes
) -> None:
    """Other bytes, more or fewer of them: what was looked at is not what would be checked."""
    path = tmp_path / "face.jpg"
    path.write_bytes(picture())
    async with emulator.client() as client:
        with pytest.raises((ImageSkipped, NotSent)):
            await client.check(Growing(path, then))
    assert emulator.billed == 0


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
            with pytest.raises(Exception, match="fault"):
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
            with pytest.raises(Exception, match="fault"):
                await client.check(picture())
        now[0] += 48 * 3600
        emulator.when("*", Pass())
        async with emulator.client(ledger=tmp_path / "a.db") as client:
            assert (await client.check(picture())).check_pass
        assert (emulator.store.uploaded, emulator.billed) == (2, 1)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"policy": "of nobody"}, "SignatureDoesNotMatch"),
        ({"Signature": "forged"}, "SignatureDoesNotMatch"),
        ({"key": "elsewhere/face.jpg"}, "AccessDenied"),
        ({"x-oss-object-acl": None}, "InvalidArgument"),
        ({}, None),
    ],
)
async def test_the_pretended_store_keeps_the_vendors_rules(
    emulator: Emulator, change: dict[str, str | None], told: str | None
) -> None:
    """`file` last, the policy's own fields, and no name twice; refusals are XML."""
    async with httpx.AsyncClient(trust_env=False) as http:
        key = {"Authorization": f"Bearer {emulator.api_key}"}
        query = {"action": "getPolicy", "model": MODEL}
        granted = await http.get(f"{emulator.base_url}/uploads", params=query, headers=key)
        data = granted.json()["data"]
        fields: dict[str, str | None] = {
            "OSSAccessKeyId": data["oss_access_key_id"],
            "Signature": data["signature"],
            "policy": data["policy"],
            "key": f"{data['upload_dir']}/face.jpg",
            "x-oss-object-acl": data["x_oss_object_acl"],
            "x-oss-forbid-overwrite": data["x_oss_forbid_overwrite"],
            "success_action_status": "200",
            **change,
        }
        form = {name: value for name, value in fields.items() if value is not None}
        files = {"file": ("face.jpg", picture())}
        first = await http.post(data["upload_host"], data=form, files=files)
        again = await http.post(data["upload_host"], data=form, files=files)
        with_key = await http.post(data["upload_host"], data=form, files=files, headers=key)
        no_form = await http.post(data["upload_host"], content=picture())
        no_file = await http.post(data["upload_host"], files={"key": (None, "a")})
        no_model = {**query, "model": ""}
        other = await http.get(f"{emulator.base_url}/uploads", params=no_model, headers=key)
    assert other.status_code == 400
    assert b"InvalidArgument" in with_key.content
    assert b"PreconditionFailed" in no_form.content
    assert b"IncorrectNumberOfFiles" in no_file.content
    if told:
        assert f"<Code>{told}</Code>".encode() in first.content
    else:
        assert (first.status_code, first.content) == (200, b"")
        assert b"FileAlreadyExists" in again.content


async def test_an_upload_is_bound_to_the_model_of_its_credential(
    sdk_emulator: Emulator, photographs: Path
) -> None:
    """One made for the next step, the video, is none for the check."""
    theirs, _ = OssUtils.upload("wan2.2-s2v", str(photographs / "0.jpg"), sdk_emulator.api_key)
    ours, _ = OssUtils.upload(MODEL, str(photographs / "0.jpg"), sdk_emulator.api_key)
    async with sdk_emulator.client(retry=FAST) as client:
        assert (await client.check(ours)).check_pass
        with pytest.raises(ImageUnusable):
            await client.check(theirs)


async def test_an_upload_is_scripted_by_what_it_holds(
    emulator: Emulator, photographs: Path
) -> None:
    """Its address is another each time."""
    emulator.when(photographs / "0.jpg", Reject("InvalidFile.NoHuman"))
    emulator.when(picture(9), Error(500, "InternalError"), Pass())
    async with emulator.client(retry=FAST) as client:
        assert (await client.check(picture(0))).code == "InvalidFile.NoHuman"
        assert (await client.check(photographs / "copy of 0.jpg")).code == "InvalidFile.NoHuman"
        assert (await client.check(picture(1))).check_pass
        assert (await client.check(picture(9))).check_pass
    assert emulator.requests == 5


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


async def test_a_file_that_is_too_large_is_refused_before_it_is_sent(emulator: Emulator) -> None:
    """By what the credential says."""
    emulator.store.max_file_size_mb = 0.001
    async with emulator.client() as client:
        with pytest.raises(ImageSkipped, match=r"the store takes 0\.001"):
            await client.check(picture())
    assert (emulator.store.uploaded, emulator.requests) == (0, 0)


async def test_a_wrong_key_is_told_as_such(emulator: Emulator) -> None:
    """Not as a failed upload; and the stream stops."""
    async with DetectClient("sk-wrong", base_url=emulator.base_url) as client:
        with pytest.raises(AccessDenied):
            await client.check(picture())


async def test_no_network_is_no_upload_and_no_bill() -> None:
    """`NotSent`, after a few tries."""
    async with DetectClient("sk-1", base_url="http://127.0.0.1:9/api/v1", retry=FAST) as client:
        with pytest.raises(NotSent, match="not uploaded"):
            await client.check(picture(), give_up_after_s=20)


async def test_a_visitors_upload_does_not_wait_behind_a_streams(emulator: Emulator) -> None:
    """The store is slow, and a stream has a hundred files for it."""
    held: list[httpx.Request] = []
    go_on = asyncio.Event()

    async def hold_the_streams(request: httpx.Request) -> None:
        if is_upload(request) and not visiting.is_set():
            held.append(request)
            await go_on.wait()

    visiting = asyncio.Event()
    async with through(emulator, hold_the_streams) as client:
        stream = client.aiter_check([picture(number) for number in range(1, 101)])
        reading = asyncio.ensure_future(anext(stream))
        while len(held) < 32:
            await asyncio.sleep(0)
        visiting.set()
        assert (await client.check(picture())).check_pass
        assert (await client.check(picture(77))).check_pass  # which stands in the stream's queue
        assert emulator.billed == 2
        go_on.set()
        assert (await reading).kind == "checked"
        await stream.aclose()


async def test_credentials_are_asked_for_within_their_own_limit() -> None:
    """A hundred a second, also where each of them is over as soon as it is used."""
    days = itertools.count(step=86_400)
    asked_at: list[float] = []

    async def note(request: httpx.Request) -> None:
        if is_credential(request):
            asked_at.append(time.monotonic())

    retry = RetryPolicy(max_attempts=129, first_wait_s=1e-4, longest_wait_s=1e-4)
    async with (
        Emulator(answer=Pass(), clock=lambda: float(next(days))) as emulator,
        through(emulator, note, retry=retry) as client,
    ):
        with pytest.raises(NotSent, match="expired"):
            await client.check(picture())
        assert client.spend.billed == 0
    assert len(asked_at) == 130  # one for each try, and one more for the first
    assert all(late - early > 1 for early, late in zip(asked_at, asked_at[100:], strict=False))


async def test_leaving_during_an_upload_costs_nothing(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waits may leave; the request is not torn, and no check is made."""
    async with emulator.client() as client:
        waiting = asyncio.ensure_future(client.check(picture()))
        while not emulator.store.granted:
            await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        assert waiting.cancelled()
        assert (await client.check(picture(1))).check_pass
    assert emulator.billed == 1


@pytest.fixture
def sdk_emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """An emulator in a thread, which the vendor's own SDK takes for the service."""
    with Emulator.run_in_thread(answer=Pass()) as emulator:
        monkeypatch.setattr(dashscope, "base_http_api_url", emulator.base_url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield emulator


def test_our_upload_is_the_sdks_field_by_field(sdk_emulator: Emulator, photographs: Path) -> None:
    """The vendor's SDK uploads to the emulator; what we send has its fields, in its order."""
    store, path = sdk_emulator.store, photographs / "0.jpg"
    theirs_url, _ = OssUtils.upload(MODEL, str(path), sdk_emulator.api_key)
    options: dict[str, Any] = {"api_key": sdk_emulator.api_key, "base_url": sdk_emulator.base_url}
    [outcome] = check_all([path], **options)
    assert outcome.kind == "checked"
    theirs = store.file(theirs_url)
    ours = store.file(sdk_emulator.report.arrivals[-1].image or "")
    assert theirs
    assert ours
    assert list(ours.fields) == list(theirs.fields)
    own = ("policy", "Signature", "key")  # of each credential
    assert {k: v for k, v in ours.fields.items() if k not in own} == {
        k: v for k, v in theirs.fields.items() if k not in own
    }
    assert ours.content == theirs.content == path.read_bytes()


NO_CREDENTIAL = httpx.Response(503, json={"code": "ServiceUnavailable"})


def failing(*answers: httpx.Response | Exception, at: Callable[[httpx.Request], bool]) -> Any:
    """Return somebody in between who gives these answers there, the last of them again and again.

    An `ok` lets that request go on. `failing.met` counts them.
    """
    waiting = list(answers)

    async def meet(request: httpx.Request) -> httpx.Response | None:
        if not at(request):
            return None
        meet.met += 1  # type: ignore[attr-defined]  # a count beside the function
        answer = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        if isinstance(answer, Exception):
            raise answer
        return None if answer is OK else answer

    meet.met = 0  # type: ignore[attr-defined]  # as above
    return meet


OK = httpx.Response(200)


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
        with pytest.raises(NotSent, match="given up"):
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


async def test_what_is_too_large_for_the_store_is_tried_once(
    emulator: Emulator, tmp_path: Path
) -> None:
    """Under however many names it lies there."""
    paths = [tmp_path / f"{number}.jpg" for number in range(10)]
    for path in paths:
        path.write_bytes(picture())
    kinds: list[str] = []
    uploads = 0

    async def meet(request: httpx.Request) -> httpx.Response | None:
        nonlocal uploads
        if not is_upload(request):
            return None
        uploads += 1
        while kinds.count("shared") < 9:
            await asyncio.sleep(0.001)
        return xml(400, "EntityTooLarge")

    async with through(emulator, meet, on_event=lambda event: kinds.append(event.kind)) as client:
        outcomes = [o async for o in client.aiter_check(paths)]
    assert {outcome.kind for outcome in outcomes} == {"skipped"}
    assert uploads == 1


async def test_a_wait_for_room_is_no_retry(emulator: Emulator) -> None:
    """Images behind slow uploads have all of their own patience."""
    pages = [picture(number) for number in range(100)]
    slow, first = asyncio.Event(), [0]

    async def meet(request: httpx.Request) -> httpx.Response | None:
        if not is_upload(request):
            return None
        first[0] += 1
        if first[0] <= 32:
            await slow.wait()
        return xml(503, "ServiceBusy") if first[0] == 40 else None

    retry = RetryPolicy(give_up_after_s=2, first_wait_s=0.01, longest_wait_s=0.01)
    async with through(emulator, meet, retry=retry) as client:
        stream = client.aiter_check(pages)
        reading = asyncio.ensure_future(anext(stream))
        asyncio.get_running_loop().call_later(2.5, slow.set)
        assert (await reading).kind == "checked"
        assert {outcome.kind async for outcome in stream} == {"checked"}


GONE = Error(400, "InvalidParameter.DataInspection", "Unable to download.", latency_s=0.2)


async def upload_first(emulator: Emulator, ledger: Path, *pages: bytes) -> None:
    """Leave uploads behind, of images that got no answer."""
    emulator.when("*", Error(500, "InternalError"))
    async with emulator.client(ledger=ledger, retry=RetryPolicy(max_attempts=1)) as client:
        for page in pages:
            with pytest.raises(ServiceUnavailable):
                await client.check(page)
    emulator.reset()


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


class Drip(httpx.AsyncByteStream):
    """An answer that comes a byte at a time, and never to its end."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("at", [is_credential, is_upload])
async def test_an_answer_that_never_ends_is_not_waited_for(
    emulator: Emulator, at: Callable[[httpx.Request], bool]
) -> None:
    """Of the service or of the store: `timeout_s` bounds the whole of it."""

    async def meet(request: httpx.Request) -> httpx.Response | None:
        if not at(request):
            return None
        await request.aread()
        return httpx.Response(200, stream=Drip())

    once = RetryPolicy(max_attempts=1)
    async with through(emulator, meet, retry=once, timeout_s=0.2) as client:
        with pytest.raises(NotSent, match=r"no whole answer came within 0\.2 s"):
            await client.check(picture())


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


async def test_patience_with_the_line_is_none_with_an_upload(emulator: Emulator) -> None:
    """`max_wait_s` is about the line of five a second, and there is none."""

    async def meet(request: httpx.Request) -> None:
        if is_upload(request):
            await asyncio.sleep(0.3)

    async with through(emulator, meet) as client:
        assert (await client.check(picture(), max_wait_s=0.05)).check_pass
    async with emulator.client(limiter=LocalLimiter(1)) as client:
        await client.check(picture(1))
        with pytest.raises(Busy):
            await client.check(picture(2), max_wait_s=0.05)


class Odd(os.PathLike[str]):
    """A path of a user's own class."""

    def __init__(self, path: Callable[[], Any]) -> None:
        self._path = path

    def __fspath__(self) -> str:
        return self._path()  # type: ignore[no-any-return]  # that is what is odd


async def test_a_file_that_does_not_answer_is_given_up(emulator: Emulator) -> None:
    """On a network disk that hangs; `give_up_after_s` bounds that as well."""
    hangs, ours = threading.Event(), threading.current_thread()

    def read() -> str:
        if threading.current_thread() is not ours:
            hangs.wait(30)
        return "face.jpg"

    async with emulator.client() as client:
        with pytest.raises(NotSent, match="while it was read") as raised:
            await client.check(Odd(read), give_up_after_s=0.1)
        assert isinstance(raised.value.image, Odd)
    hangs.set()


async def test_a_file_that_hangs_holds_up_no_other(emulator: Emulator) -> None:
    """Nor the stream's end, once it is left."""
    hangs, ours = threading.Event(), threading.current_thread()

    def read() -> str:
        if threading.current_thread() is not ours:
            hangs.wait(30)
        return "none.jpg"

    images = [Odd(read), *(picture(number) for number in range(3)), "https://a.example/1.jpg"]
    async with emulator.client() as client:
        async with client.aiter_check(images) as stream:
            kinds = [(await anext(stream)).kind for _ in range(4)]
            assert kinds == ["checked"] * 4
        async with client.aiter_check(images) as stream:
            kinds = [(await anext(stream)).kind for _ in range(4)]
            hangs.set()
            assert [outcome.kind async for outcome in stream] == ["skipped"]


async def test_a_thread_that_can_not_be_started_costs_no_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The machine may have no more of them for a while; what ends a thread ends no loop."""
    threads = Threads(1)

    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", start)
        for _ in range(3):
            with pytest.raises(RuntimeError, match="can't start"):
                await threads.run(lambda: 1)
    for _ in range(3):
        with pytest.raises(RuntimeError, match="SystemExit in a thread"):
            await threads.run(sys.exit)
    assert await threads.run(lambda: 1) == 1


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


def _raise() -> None:
    raise RuntimeError("no")


@pytest.mark.parametrize("path", [_raise, lambda: 5, lambda: None])
async def test_a_path_that_is_none_is_one_bad_image(
    emulator: Emulator, tmp_path: Path, path: Callable[[], Any]
) -> None:
    """And the stream goes on; its record can be written."""
    async with emulator.client(ledger=tmp_path / "a.db") as client:
        images = [Odd(path), picture()]
        outcomes = [o async for o in client.aiter_check(images, ordered=True)]
    assert [outcome.kind for outcome in outcomes] == ["skipped", "checked"]
    assert outcomes[0].model_dump(mode="json")["image"] == "<Odd>"


@pytest.mark.parametrize("value", [bytearray(b"a"), memoryview(b"a"), io.BytesIO(b"a"), 5])
async def test_what_holds_bytes_and_is_none_says_what_to_give(
    emulator: Emulator, value: object
) -> None:
    """A buffer may change while it is asked about, and a file object has a place in it."""
    async with emulator.client() as client:
        with pytest.raises(ImageSkipped, match=r"give a URL, a path \(pathlib\.Path\) or bytes"):
            await client.check(value)  # type: ignore[arg-type]  # what a user may try


async def test_a_credential_is_renewed_before_its_end() -> None:
    """By our own clock, half a minute early; those who wait for it share the new one."""
    now = [0.0]
    asked = 0

    async def get(_: str) -> Answer:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0)
        data = dict.fromkeys(
            (
                *("policy", "signature", "upload_dir", "oss_access_key_id"),
                *("x_oss_object_acl", "x_oss_forbid_overwrite"),
            ),
            "a",
        )
        told = {"data": {**data, "upload_host": "https://store.example", "expire_in_seconds": 300}}
        return Answer(200, {}, json.dumps(told).encode())

    async def post(_: str, __: Mapping[str, str], body: AsyncIterator[bytes]) -> Answer:
        async for _piece in body:
            pass
        return Answer(200, {}, b"")

    async def at_once() -> None:
        """Nothing is in the way."""

    stored: list[str] = []
    uploader = Uploader(get, post, MODEL, Reading(), base_url=BASE_URL, clock=lambda: now[0])

    async def upload(number: int) -> None:
        image = local_image(picture(number))
        await (await uploader.begin(image, "bulk", may_begin=at_once, on_stored=stored.append))

    await asyncio.gather(*(upload(number) for number in range(5)))
    now[0] = 269
    await upload(5)
    assert asked == 1
    now[0] = 271
    await asyncio.gather(*(upload(number) for number in range(6, 11)))
    assert asked == 2
    assert len(set(stored)) == 11


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
