"""The examples, run as a user runs them, against the emulator."""

import asyncio
import os
import runpy
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from s2v_detect.emulator import Emulator, Error, Pass, Reject

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(autouse=True)
def _account(s2v_emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set what the examples read."""
    monkeypatch.setenv("DASHSCOPE_API_KEY", s2v_emulator.api_key)
    monkeypatch.setenv("DASHSCOPE_BASE_URL", s2v_emulator.base_url)


def test_the_script_prints_every_image_and_the_spend(
    s2v_emulator: Emulator, tmp_path: Path
) -> None:
    """In a process of its own."""
    s2v_emulator.when("*/2.jpg", Reject("InvalidFile.NoHuman"))
    s2v_emulator.when("*/3.jpg", Error(400, "InvalidURL"))
    images = [f"https://images.example/{number}.jpg" for number in (1, 2, 3)]
    (tmp_path / "urls.txt").write_text("\n".join([*images, "no-url"]))
    done = subprocess.run(  # noqa: S603  # our own example
        [sys.executable, EXAMPLES / "screen_list.py", tmp_path / "urls.txt"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ,
    )
    *lines, spend = done.stdout.splitlines()
    assert sorted(line.split()[0] for line in lines) == ["failed", "passed", "rejected", "skipped"]
    assert spend == "CNY 0.008 paid, 0.008 at most"


def test_the_notebook_runs_as_a_script(capsys: pytest.CaptureFixture[str]) -> None:
    """Cell after cell, with no loop running."""
    runpy.run_path(str(EXAMPLES / "notebook.py"))
    assert capsys.readouterr().out.splitlines()[0] == "usable: Ada, Ben"


def test_it_is_tried_without_a_key(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By code that is not async."""
    monkeypatch.delenv("DASHSCOPE_API_KEY")
    monkeypatch.delenv("DASHSCOPE_BASE_URL")
    runpy.run_path(str(EXAMPLES / "try_it.py"))
    assert capsys.readouterr().out.splitlines() == [
        "Ada True ",
        "Ben False InvalidFile.NoHuman",
        "2 images would have been billed: CNY 0.008",
    ]


async def test_the_notebook_runs_beside_a_loop(capsys: pytest.CaptureFixture[str]) -> None:
    """As the cells of a notebook do."""
    runpy.run_path(str(EXAMPLES / "notebook.py"))
    assert "CNY 0.008" in capsys.readouterr().out


@pytest.mark.real_time
def test_a_users_own_tests_pass() -> None:
    """With nothing but the fixture."""
    done = subprocess.run(  # noqa: S603  # our own example
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            EXAMPLES / "test_my_app.py",
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=EXAMPLES.parent,
    )
    assert done.returncode == 0, done.stdout
    assert "4 passed" in done.stdout


@asynccontextmanager
async def served() -> AsyncIterator[tuple[httpx.AsyncClient, Any]]:
    """Serve the web example on a real socket; give a visitor, and the client of the app."""
    app = runpy.run_path(str(EXAMPLES / "web_app.py"))["app"]
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", ws="none"))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0)
    port = server.servers[0].sockets[0].getsockname()[1]
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as visitor:
        yield visitor, app.state.client
    server.should_exit = True
    await serving


async def test_the_web_application_answers_its_visitors(s2v_emulator: Emulator) -> None:
    """A verdict, a mistake of the visitor's, and a fault that is ours."""
    s2v_emulator.when("*/gone.jpg", Error(400, "InvalidURL"))
    s2v_emulator.when("*/key.jpg", Error(401, "InvalidApiKey"))
    async with served() as (visitor, _):
        fine = await visitor.post("/portraits", json={"url": "https://images.example/1.jpg"})
        gone = await visitor.post("/portraits", json={"url": "https://images.example/gone.jpg"})
        path = await visitor.post("/portraits", json={"url": "face.jpg"})
        key = await visitor.post("/portraits", json={"url": "https://images.example/key.jpg"})
        spend = await visitor.get("/spend")
    assert (fine.status_code, fine.json()["check_pass"]) == (200, True)
    assert (gone.status_code, gone.json()["error"]) == (422, "ImageUnusable")
    assert (path.status_code, path.json()["billed"]) == (422, "no")
    assert key.status_code == 500
    assert spend.json()["billed"] == 1


async def test_the_web_application_takes_an_upload(s2v_emulator: Emulator) -> None:
    """A portrait is checked, a page is refused without being sent, too large a file at once."""
    portrait = (EXAMPLES / "photographs" / "portrait.jpg").read_bytes()
    async with served() as (visitor, client):
        fine = await visitor.post("/portraits/file", files={"file": ("a.jpg", portrait)})
        page = await visitor.post("/portraits/file", files={"file": ("a.jpg", b"<html></html>")})
        large = await visitor.post("/portraits/file", files={"file": ("a.jpg", bytes(21 << 20))})
    assert (fine.status_code, fine.json()["check_pass"]) == (200, True)
    assert (page.status_code, page.json()["billed"]) == (422, "no")
    assert large.status_code == 413
    assert client.spend.billed == s2v_emulator.billed == 1


async def test_a_visitor_who_leaves_loses_no_answer(s2v_emulator: Emulator) -> None:
    """The check was sent: it is finished and counted, and the application goes on."""
    s2v_emulator.when("*/slow.jpg", Pass(latency_s=0.2))
    async with served() as (visitor, client):
        leaving = asyncio.create_task(
            visitor.post("/portraits", json={"url": "https://images.example/slow.jpg"})
        )
        while not s2v_emulator.requests:
            await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.wait([leaving])
        after = await visitor.post("/portraits", json={"url": "https://images.example/2.jpg"})
        assert after.status_code == 200
    assert client.spend.billed == s2v_emulator.billed == 2


async def test_visitors_who_leave_the_line_cost_nothing(s2v_emulator: Emulator) -> None:
    """The line is a second long when they go; only what was sent by then is paid."""
    async with served() as (visitor, client):
        await visitor.post("/portraits", json={"url": "https://images.example/0.jpg"})
        leaving = [
            asyncio.create_task(
                visitor.post("/portraits", json={"url": f"https://images.example/{n}.jpg"})
            )
            for n in range(1, 15)
        ]
        while client.spend.billed < 3:
            await asyncio.sleep(0.01)
        for each in leaving:
            each.cancel()
        await asyncio.wait(leaving)
        after = await visitor.post("/portraits", json={"url": "https://images.example/99.jpg"})
        assert after.status_code == 200
    assert client.spend.billed == s2v_emulator.billed <= 6
