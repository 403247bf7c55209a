"""One endpoint in three frameworks, over real sockets: what it answers, and what it costs."""

import asyncio
import importlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from tests.web import served

from s2v_detect.emulator import Emulator, Error, Pass

EXAMPLES = Path(__file__).parents[2] / "examples"
FRAMEWORKS = ["fastapi", "litestar", "django"]


@pytest.fixture(autouse=True)
def _account(s2v_emulator: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Set what the examples read, in a folder that is the test's own."""
    monkeypatch.setenv("DASHSCOPE_API_KEY", s2v_emulator.api_key)
    monkeypatch.setenv("DASHSCOPE_BASE_URL", s2v_emulator.base_url)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(EXAMPLES)


def app_of(framework: str) -> Any:
    """Return the example of this framework."""
    return importlib.import_module(f"{framework}_app").app


@asynccontextmanager
async def visited(framework: str) -> AsyncIterator[httpx.AsyncClient]:
    """Serve the example of this framework."""
    async with served(app_of(framework)) as visitor:
        yield visitor


async def ask(visitor: httpx.AsyncClient, name: str) -> httpx.Response:
    """Ask for one portrait."""
    url = name if name.endswith("/") else f"https://images.example/{name}.jpg"
    return await visitor.post("/portraits", params={"url": url})


def said_of(framework: str, caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what an example logs as an error: Django itself logs each 503, without its cause."""
    loggers = ("s2v_detect", f"{framework}_app")
    errors = [each for each in caplog.records if each.levelno >= logging.ERROR]
    return [each.getMessage() for each in errors if each.name in loggers]


@pytest.mark.parametrize("framework", FRAMEWORKS)
async def test_the_endpoint_answers_its_visitors(s2v_emulator: Emulator, framework: str) -> None:
    """A verdict, again for nothing, and each fault with what a visitor may know of it."""
    s2v_emulator.when("*/gone.jpg", Error(400, "InvalidURL"))
    s2v_emulator.when("*/key.jpg", Error(401, "InvalidApiKey"))
    async with visited(framework) as visitor:
        fine = await ask(visitor, "fine")
        again = await ask(visitor, "fine")
        gone = await ask(visitor, "gone")
        private = await ask(visitor, "ftp://images.example/")
        key = await ask(visitor, "key")
    assert (fine.status_code, fine.json()["check_pass"]) == (200, True)
    assert (again.json()["source"], s2v_emulator.bills["https://images.example/fine.jpg"]) == (
        "ledger",
        1,
    )
    for answer, status in ((gone, 422), (private, 422), (key, 503)):
        assert answer.status_code == answer.json()["status"] == status
        assert answer.headers["content-type"] == "application/problem+json"
    assert "InvalidURL" in gone.text
    assert "key" not in key.text.lower()


@pytest.mark.parametrize(
    ("framework", "without_url"), [("fastapi", 422), ("litestar", 400), ("django", 422)]
)
async def test_nothing_is_paid_for_what_is_no_order(
    s2v_emulator: Emulator, framework: str, without_url: int
) -> None:
    """A visit by GET, which a crawler makes too, and one that names no portrait."""
    async with visited(framework) as visitor:
        looked = await visitor.get("/portraits", params={"url": "https://images.example/1.jpg"})
        empty = await visitor.post("/portraits")
    assert (looked.status_code, empty.status_code) == (405, without_url)
    assert s2v_emulator.requests == 0


@pytest.mark.parametrize("framework", FRAMEWORKS)
async def test_the_operator_hears_of_the_account_alone(
    s2v_emulator: Emulator, framework: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Of what no visitor causes and no waiting mends: once for each visitor who met it."""
    s2v_emulator.when("*/gone.jpg", Error(400, "InvalidURL"))
    s2v_emulator.when("*/odd.jpg", Error(400, "InvalidParameter"))
    s2v_emulator.when("*/key.jpg", Error(401, "InvalidApiKey"))
    s2v_emulator.when("*/debt.jpg", Error(400, "Arrearage"))
    async with visited(framework) as visitor:
        for name in ("fine", "gone", "ftp://images.example/", "odd"):
            await ask(visitor, name)
        assert said_of(framework, caplog) == []
        for name in ("key", "debt"):
            assert (await ask(visitor, name)).status_code == 503
    key, debt = said_of(framework, caplog)
    assert "InvalidApiKey" in key
    assert "Arrearage" in debt


@pytest.mark.parametrize("framework", FRAMEWORKS)
async def test_a_worker_without_a_key_does_not_start(
    framework: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its log says what is missing: no visitor is let in to meet it."""
    monkeypatch.delenv("DASHSCOPE_API_KEY")
    config = uvicorn.Config(app_of(framework), log_config=None)
    config.load()
    lifespan = config.lifespan_class(config)
    await lifespan.startup()
    assert lifespan.should_exit
    assert "there is no API key" in caplog.text


async def test_a_fault_at_the_end_of_a_worker_is_no_fault_of_its_start() -> None:
    """The lifespan of Django's example is its own: it says which step has failed."""
    steps = ["lifespan.startup"]
    told: list[str] = []

    async def receive() -> dict[str, str]:
        if not steps:
            raise OSError("the server is gone")
        return {"type": steps.pop()}

    async def send(message: dict[str, str]) -> None:
        told.append(message["type"])

    with pytest.raises(OSError, match="gone"):
        await app_of("django")({"type": "lifespan", "state": {}}, receive, send)
    assert told == ["lifespan.startup.complete", "lifespan.shutdown.failed"]


@pytest.mark.parametrize("framework", FRAMEWORKS)
async def test_visitors_who_leave_the_line_cost_nothing(
    s2v_emulator: Emulator, framework: str
) -> None:
    """Fifteen ask at five a second, and all but the first leave when three have been answered."""
    s2v_emulator.when("*", Pass())
    async with visited(framework) as visitor:
        leaving = [asyncio.create_task(ask(visitor, f"{number}")) for number in range(15)]
        while s2v_emulator.billed < 3:
            await asyncio.sleep(0.01)
        for each in leaving:
            each.cancel()
        await asyncio.wait(leaving)
        after = await ask(visitor, "after")
        assert (after.status_code, after.json()["check_pass"]) == (200, True)
    assert s2v_emulator.billed == s2v_emulator.requests <= 6
