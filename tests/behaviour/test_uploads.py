"""Local files and bytes: looked at, uploaded once, checked once, whatever they are called."""

import asyncio
import hashlib
import io
import itertools
import os
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import dashscope
import httpx
import pytest
from dashscope.utils.oss_utils import OssUtils
from PIL import Image

from s2v_detect import (
    AccessDenied,
    DetectClient,
    ImageSkipped,
    Ledger,
    NotSent,
    RetryPolicy,
    check_all,
)
from s2v_detect._service import MODEL
from s2v_detect._turns import LANES
from s2v_detect._wire import Answer
from s2v_detect.emulator import Emulator, Error, Pass
from s2v_detect.images import Uploader, local_image

FAST = RetryPolicy(max_attempts=2, first_wait_s=0.01, longest_wait_s=0.01)


def picture(seed: int = 0, form: str = "JPEG", size: tuple[int, int] = (420, 410)) -> bytes:
    """Return an image that no other seed gives."""
    file = io.BytesIO()
    shade = random.Random(seed).randbytes(3)
    Image.new("RGB", size, tuple(shade)).save(file, form)
    return file.getvalue()


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
        wrong_model = {**query, "model": "wan2.2-t2v"}
        other = await http.get(f"{emulator.base_url}/uploads", params=wrong_model, headers=key)
    assert other.status_code == 404
    assert b"InvalidArgument" in with_key.content
    assert b"PreconditionFailed" in no_form.content
    assert b"IncorrectNumberOfFiles" in no_file.content
    if told:
        assert f"<Code>{told}</Code>".encode() in first.content
    else:
        assert (first.status_code, first.content) == (200, b"")
        assert b"FileAlreadyExists" in again.content


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


async def test_an_upload_is_tried_again(emulator: Emulator) -> None:
    """While the network or the service fails; a key that is wrong is told at once."""
    async with httpx.AsyncClient(trust_env=False) as http:

        async def send(request: httpx.Request) -> Answer:
            response = await http.send(request)
            return Answer(response.status_code, response.headers, response.content)

        failing: list[NotSent | Answer] = [
            NotSent("no way.", do=""),
            Answer(503, {}, b'{"code":"ServiceUnavailable"}'),
        ]

        async def get(path: str) -> Answer:
            if failing:
                failure = failing.pop()
                if isinstance(failure, NotSent):
                    raise failure
                return failure
            key = {"Authorization": f"Bearer {emulator.api_key}"}
            return await send(httpx.Request("GET", emulator.base_url + path, headers=key))

        async def post(url: str, headers: Mapping[str, str], body: AsyncIterator[bytes]) -> Answer:
            return await send(httpx.Request("POST", url, headers=headers, content=body))

        patience = dict.fromkeys(LANES, FAST.model_copy(update={"max_attempts": 3}))
        uploader = Uploader(get, post, MODEL, patience)
        url = await uploader.url_of(local_image(picture()), "interactive")
        stored = emulator.store.file(url)
        assert stored
        assert stored.content == picture()
        failing.append(Answer(401, {}, b'{"code":"InvalidApiKey"}'))
        other = Uploader(get, post, MODEL, patience)
        with pytest.raises(AccessDenied):
            await other.url_of(local_image(picture()), "interactive")
        assert not failing


class Watched(httpx.AsyncHTTPTransport):
    """The network, with a look at what goes by."""

    def __init__(self, watch: Callable[[httpx.Request], Awaitable[None]]) -> None:
        super().__init__()
        self._watch = watch

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Let the test see a request before it goes on."""
        await self._watch(request)
        return await super().handle_async_request(request)


async def test_a_visitors_upload_does_not_wait_behind_a_streams(emulator: Emulator) -> None:
    """The store is slow, and a stream has a hundred files for it."""
    held: list[httpx.Request] = []
    go_on = asyncio.Event()

    async def hold_the_streams(request: httpx.Request) -> None:
        if request.url.path == "/store" and not visiting.is_set():
            held.append(request)
            await go_on.wait()

    visiting = asyncio.Event()
    async with httpx.AsyncClient(transport=Watched(hold_the_streams)) as http:
        async with emulator.client(http_client=http) as client:
            stream = client.aiter_check([picture(number) for number in range(1, 101)])
            reading = asyncio.ensure_future(anext(stream))
            while len(held) < 8:
                await asyncio.sleep(0)
            visiting.set()
            assert (await client.check(picture())).check_pass
            assert emulator.billed == 1
            go_on.set()
            assert (await reading).kind == "checked"
            await stream.aclose()


async def test_credentials_are_asked_for_within_their_own_limit() -> None:
    """A hundred a second, also where each of them is over as soon as it is used."""
    days = itertools.count(step=86_400)
    asked_at: list[float] = []

    async def note(request: httpx.Request) -> None:
        if request.method == "GET":
            asked_at.append(time.monotonic())

    retry = RetryPolicy(max_attempts=130, first_wait_s=1e-4, longest_wait_s=1e-4)
    async with (
        Emulator(answer=Pass(), clock=lambda: float(next(days))) as emulator,
        httpx.AsyncClient(transport=Watched(note)) as http,
        emulator.client(http_client=http, retry=retry) as client,
    ):
        with pytest.raises(NotSent, match="expired"):
            await client.check(picture())
        assert client.spend.billed == 0
    assert len(asked_at) == 130
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


def test_a_large_file_is_streamed(tmp_path: Path) -> None:
    """Its pieces come and go: nothing near its 60 MB is held at one time."""
    import tracemalloc  # noqa: PLC0415  # slows what is traced

    path = tmp_path / "large.png"
    path.write_bytes(picture(0, "PNG") + bytes(60 << 20))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()

    async def piece_by_piece() -> str:
        from s2v_detect.images._local import content, local_image  # noqa: PLC0415  # as above

        image = local_image(path)
        found = hashlib.sha256()
        async for piece in content(image):
            found.update(piece)
        return found.hexdigest()

    tracemalloc.start()
    try:
        assert asyncio.run(piece_by_piece()) == digest
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()
