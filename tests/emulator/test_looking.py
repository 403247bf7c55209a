"""The look at an image, on the example photographs and on what is none."""

import asyncio
import io
import struct
import sys
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import pytest
from aiohttp import web
from PIL import Image

from s2v_detect.emulator import Emulator, Pass, Reject
from s2v_detect.emulator._looking import examined

Ask = Callable[..., Awaitable[httpx.Response]]
Until = Callable[[Callable[[], object]], Awaitable[None]]


@pytest.fixture
async def emulator(examples: Path) -> AsyncIterator[Emulator]:
    """An emulator that looks at images, on the example photographs."""
    async with Emulator(folder=examples) as emulator:
        yield emulator


@pytest.mark.parametrize("kind", ["jpg", "png", "webp", "bmp"])
async def test_the_portrait_passes_in_every_format(emulator: Emulator, ask: Ask, kind: str) -> None:
    """One frontal face; the answer says that it is an estimate."""
    answer = await ask(emulator, emulator.url_of(f"photographs/portrait.{kind}"))
    assert answer.json()["output"] == {"check_pass": True, "humanoid": True}
    assert answer.headers["X-Emulator"] == "estimate"
    assert emulator.billed == 1


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("coffee.jpg", "InvalidFile.NoHuman"),
        ("cat.jpg", "InvalidFile.Resolution"),
        ("not-an-image.jpg", "InvalidFile.Format"),
    ],
)
async def test_the_other_photographs_are_rejected(
    emulator: Emulator, ask: Ask, name: str, code: str
) -> None:
    """Without a person, too small, and no image: all three are verdicts and billed."""
    output = (await ask(emulator, emulator.url_of(f"photographs/{name}"))).json()["output"]
    assert (output["check_pass"], output["code"]) == (False, code)
    assert "estimate" in output["message"]
    assert emulator.billed == 1


async def test_every_example_address_gets_its_answer(
    emulator: Emulator, ask: Ask, examples: Path
) -> None:
    """Four pass, three are rejected, and one does not answer, which is free."""
    images = (examples / "portraits.txt").read_text().split()
    answers = [await ask(emulator, image) for image in images]
    verdicts = [answer.json().get("output", {}).get("check_pass") for answer in answers]
    assert verdicts == [True] * 4 + [False] * 3 + [None]
    assert emulator.billed == 7


@pytest.mark.parametrize(
    ("image", "code"),
    [
        ("http://127.0.0.1:9/nobody-listens.jpg", "InvalidURL.ConnectionRefused"),
        ("http://photographs.example/none.jpg", "InvalidURL"),
        ("http:///", "InvalidURL"),
        ("oss://bucket/face.jpg", "InvalidParameter.DataInspection"),
    ],
)
async def test_an_image_that_can_not_be_had_is_an_error(
    emulator: Emulator, ask: Ask, image: str, code: str
) -> None:
    """The service's own code for it, and no bill."""
    answer = await ask(emulator, image, headers={"X-DashScope-OssResourceResolve": "enable"})
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert emulator.billed == 0


@pytest.fixture
async def site() -> AsyncIterator[str]:
    """A website with bad habits."""

    async def hang(_: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    async def cut(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    async def page(_: web.Request) -> web.Response:
        return web.Response(text="<html>", content_type="text/html")

    async def ring(_: web.Request) -> web.Response:
        raise web.HTTPFound("/ring")

    async def big(_: web.Request) -> web.Response:
        return web.Response(body=bytes(50 * 2**20 + 1))

    application = web.Application()
    for handler in (hang, cut, page, ring, big):
        application.router.add_get(f"/{handler.__name__}", handler)
    runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=0.01)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    yield f"http://{host}:{port}"
    await runner.cleanup()


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("hang", 400, "InvalidURL.Timeout"),
        ("cut", 400, "InvalidParameter.DataInspection"),
        ("page", 400, "InvalidParameter.DataInspection"),
        ("ring", 400, "InvalidURL"),
        ("none", 400, "InvalidURL"),
    ],
)
async def test_a_host_with_bad_habits_is_an_error(
    ask: Ask, site: str, path: str, status: int, code: str
) -> None:
    """Slow, cut, a page, redirects without end: each has its code."""
    async with Emulator(fetch_timeout_s=0.2) as emulator:
        answer = await ask(emulator, f"{site}/{path}")
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_a_host_whose_certificate_is_none_is_unreachable(ask: Ask, site: str) -> None:
    """What answers on https is not even TLS."""
    async with Emulator() as emulator:
        answer = await ask(emulator, f"{site}/page".replace("http:", "https:"))
    assert (answer.status_code, answer.json()["code"]) == (400, "InvalidParameter.DataInspection")


async def test_a_file_too_large_is_rejected_by_its_size(ask: Ask, site: str) -> None:
    """Past 50 MiB nobody reads on."""
    async with Emulator() as emulator:
        output = (await ask(emulator, f"{site}/big")).json()["output"]
    assert output["code"] == "InvalidFile.Size"


async def test_the_bill_of_a_look_comes_though_the_client_left(
    emulator: Emulator, ask: Ask, until: Until
) -> None:
    """The service examines, and bills, whoever may still want the answer."""
    with pytest.raises(httpx.ReadTimeout):
        await ask(emulator, emulator.url_of("photographs/portrait.jpg"), timeout=0.005)
    await until(lambda: emulator.billed)


async def test_a_rule_goes_before_the_look(emulator: Emulator, ask: Ask) -> None:
    """What the script says needs no image."""
    emulator.when("*/cat.jpg", Pass())
    answer = await ask(emulator, emulator.url_of("photographs/cat.jpg"))
    assert answer.json()["output"]["check_pass"]
    assert answer.headers["X-Emulator"] == "script"


async def test_closing_gives_up_on_a_look(ask: Ask, site: str) -> None:
    """An image whose host hangs keeps no emulator open."""
    async with asyncio.timeout(2), Emulator() as emulator:
        with pytest.raises(httpx.ReadTimeout):
            await ask(emulator, f"{site}/hang", timeout=0.05)


def image(kind: str, size: tuple[int, int]) -> bytes:
    """Return a black image of that size."""
    content = io.BytesIO()
    Image.new("L", size).save(content, kind)
    return content.getvalue()


@pytest.mark.parametrize(
    ("size", "code"),
    [
        ((399, 400), "InvalidFile.Resolution"),
        ((400, 399), "InvalidFile.Resolution"),
        ((400, 400), "InvalidFile.NoHuman"),
        ((7000, 400), "InvalidFile.NoHuman"),
        ((7001, 400), "InvalidFile.Resolution"),
        ((400, 7001), "InvalidFile.Resolution"),
    ],
)
def test_width_and_height_are_within_the_page_s_bounds(size: tuple[int, int], code: str) -> None:
    """400 to 7000 pixels, both included."""
    verdict = examined(image("PNG", size))
    assert isinstance(verdict, Reject)
    assert verdict.code == code


def png_claiming(width_px: int, height_px: int) -> bytes:
    """Return a PNG that says it is of that size."""
    content = bytearray(image("PNG", (1, 1)))
    content[16:24] = struct.pack(">II", width_px, height_px)
    content[29:33] = struct.pack(">I", zlib.crc32(bytes(content[12:29])))
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        pytest.param(b"", "InvalidFile.Format", id="nothing"),
        pytest.param(image("GIF", (500, 500)), "InvalidFile.Format", id="another format"),
        pytest.param(image("JPEG", (500, 500))[:400], "InvalidFile.Openerror", id="cut"),
        pytest.param(png_claiming(60_000, 60_000), "InvalidFile.Resolution", id="a bomb"),
        pytest.param(png_claiming(10_000, 10_000), "InvalidFile.Resolution", id="half a bomb"),
        pytest.param(png_claiming(500, 500), "InvalidFile.Openerror", id="a lie"),
    ],
)
def test_what_can_not_be_opened_is_rejected(content: bytes, code: str) -> None:
    """No file makes the look fail."""
    verdict = examined(content)
    assert isinstance(verdict, Reject)
    assert verdict.code == code


def test_two_faces_are_too_many(examples: Path) -> None:
    """The portrait beside itself."""
    both, content = Image.new("RGB", (1024, 512)), io.BytesIO()
    with Image.open(examples / "photographs" / "portrait.jpg") as portrait:
        both.paste(portrait, (0, 0))
        both.paste(portrait, (512, 0))
    both.save(content, "JPEG", quality=90)
    verdict = examined(content.getvalue())
    assert isinstance(verdict, Reject)
    assert verdict.code == "InvalidFile.MultiHuman"


def test_a_face_on_its_side_is_found_when_the_camera_said_so(examples: Path) -> None:
    """Telephones store photographs as the sensor lay, and say in EXIF how to turn them."""
    content = io.BytesIO()
    with Image.open(examples / "photographs" / "portrait.jpg") as portrait:
        exif = Image.Exif()
        exif[0x0112] = 6  # turn clockwise to see it upright
        portrait.rotate(90).save(content, "JPEG", quality=90, exif=exif)
    assert examined(content.getvalue()) == Pass()


async def test_without_the_extra_the_answer_is_the_line_that_installs_it(
    emulator: Emulator, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The libraries that look at images are imported when one is looked at."""
    monkeypatch.setitem(sys.modules, "PIL", None)
    answer = await ask(emulator, emulator.url_of("photographs/portrait.jpg"))
    assert answer.status_code == 400
    assert '[emulator]"' in answer.json()["message"]


async def test_nothing_is_remembered_from_look_to_look(
    ask: Ask, examples: Path, tmp_path: Path
) -> None:
    """The same address is fetched and billed again, and may have changed meanwhile."""
    face, coffee = (
        (examples / "photographs" / name).read_bytes() for name in ("portrait.jpg", "coffee.jpg")
    )
    async with Emulator(folder=tmp_path) as emulator:
        url, verdicts = emulator.url_of("image.jpg"), []
        for content in (face, coffee):
            (tmp_path / "image.jpg").write_bytes(content)
            verdicts.append((await ask(emulator, url)).json()["output"]["check_pass"])
        assert verdicts == [True, False]
        assert emulator.bills == {url: 2}
