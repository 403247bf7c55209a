"""One endpoint in three frameworks, over real sockets: what it answers, and what it costs."""

import asyncio
import importlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
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


@asynccontextmanager
async def visited(framework: str) -> AsyncIterator[httpx.AsyncClient]:
    """Serve the example of this framework."""
    async with served(importlib.import_module(f"{framework}_app").app) as visitor:
        yield visitor


async def ask(visitor: httpx.AsyncClient, name: str) -> httpx.Response:
    """Ask for one portrait."""
    url = name if name.endswith("/") else f"https://images.example/{name}.jpg"
    return await visitor.post("/portraits", params={"url": url})


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
