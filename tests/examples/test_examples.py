"""The examples, run as a user runs them, against the emulator."""

import asyncio
import os
import runpy
import subprocess
import sys
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.web import served

from s2v_detect.emulator import Emulator, Error, Pass, Reject

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(autouse=True)
def _account(s2v_emulator: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Set what the examples read."""
    monkeypatch.setenv("WEB_APP_LEDGER", str(tmp_path / "portraits.db"))
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


def web_app() -> Any:
    """Return the web example, as a worker of its own would have it."""
    return runpy.run_path(str(EXAMPLES / "web_app.py"))["app"]


async def test_the_web_application_answers_programs(s2v_emulator: Emulator) -> None:
    """A verdict, a mistake of the visitor's, and a fault that is ours."""
    s2v_emulator.when("*/gone.jpg", Error(400, "InvalidURL"))
    s2v_emulator.when("*/key.jpg", Error(401, "InvalidApiKey"))
    async with served(web_app()) as visitor:
        fine = await visitor.post("/portraits", json={"url": "https://images.example/1.jpg"})
        gone = await visitor.post("/portraits", json={"url": "https://images.example/gone.jpg"})
        path = await visitor.post("/portraits", json={"url": "face.jpg"})
        key = await visitor.post("/portraits", json={"url": "https://images.example/key.jpg"})
    assert (fine.status_code, fine.json()["check_pass"]) == (200, True)
    assert (gone.status_code, gone.json()["title"]) == (422, "The image can't be used")
    assert (path.status_code, path.json()["billed"]) == (422, "no")
    assert (key.status_code, key.json()["title"]) == (503, "Images can't be checked now")
    assert s2v_emulator.billed == 1


async def test_the_web_application_takes_an_upload(s2v_emulator: Emulator) -> None:
    """A portrait is checked, a page is refused without being sent, too large a file at once."""
    portrait = (EXAMPLES / "photographs" / "portrait.jpg").read_bytes()
    async with served(web_app()) as visitor:
        for path in ("/portraits/file", "/checks"):
            fine = await visitor.post(path, files={"file": ("a.jpg", portrait)})
            page = await visitor.post(path, files={"file": ("a.jpg", b"<html></html>")})
            assert fine.status_code == 200
            assert '"check_pass":true' in fine.text
            assert '"billed":"no"' in page.text
            for size in ((5 << 20) + 1, 21 << 20):  # the second is not even read
                large = await visitor.post(path, files={"file": ("a.jpg", bytes(size))})
                assert large.status_code == 413
    assert s2v_emulator.billed == 1


async def test_the_web_application_refuses_what_is_no_form_of_its_own() -> None:
    """With a status: nobody stands in line for it."""
    async with served(web_app()) as visitor:
        empty = await visitor.post("/checks", data={"url": " "})
        long = await visitor.post("/checks", data={"url": f"https://a.example/{'a' * 5000}"})
        long_too = await visitor.post("/portraits", json={"url": f"https://a.example/{'a' * 5000}"})
        many = await visitor.post("/checks", files=[("file", ("a.jpg", b"a"))] * 2)
    assert [each.status_code for each in (empty, long, long_too, many)] == [422, 422, 422, 400]


async def test_the_page_of_the_web_application_tells_of_every_answer(
    s2v_emulator: Emulator,
) -> None:
    """Each status and its media type, of bodies that are too large or unreadable too."""
    s2v_emulator.when("*/key.jpg", Error(401, "InvalidApiKey"))
    app = web_app()
    parts = "multipart/form-data"
    large, huge, two = bytes((5 << 20) + 10), bytes(6 << 20), [("file", ("a.jpg", b"a"))] * 2
    forms: list[dict[str, Any]] = [
        *({"files": {"file": ("a.jpg", size)}} for size in (b"<html></html>", large, huge)),
        *({"files": two}, {}, {"content": b"a", "headers": {"content-type": parts}}),
    ]
    asked: list[tuple[str, dict[str, Any]]] = [
        *((path, form) for path in ("/checks", "/portraits/file") for form in forms),
        ("/portraits", {"json": {"url": "https://images.example/1.jpg"}}),
        ("/portraits", {"json": {"url": "https://images.example/key.jpg"}}),
        ("/portraits", {"json": {"url": "a" * (6 << 20)}}),
        ("/portraits", {"json": {"url": ""}}),
        ("/portraits", {"content": b'"\xff"', "headers": {"content-type": "application/json"}}),
    ]
    async with served(app) as visitor:
        answers = [(path, await visitor.post(path, **form)) for path, form in asked]
    no_client = httpx.ASGITransport(app)  # its lifespan is not run
    async with httpx.AsyncClient(transport=no_client, base_url="http://web.example") as visitor:
        answers += [("/checks", await visitor.post("/checks", data={"url": "https://a.example/"}))]
    declared = {
        path: {
            (int(status), kind)
            for status, told in page["post"]["responses"].items()
            for kind in told["content"]
        }
        for path, page in app.openapi()["paths"].items()
    }
    given: dict[str, set[tuple[int, str]]] = {path: set() for path in declared}
    for path, answer in answers:
        given[path].add((answer.status_code, answer.headers["content-type"].partition(";")[0]))
    assert given["/checks"] == declared["/checks"]
    for path, told in declared.items():
        assert given[path] <= told, path
        assert {400, 413, 422} <= {status for status, _ in given[path]}


async def test_a_visitor_who_leaves_loses_no_answer(s2v_emulator: Emulator) -> None:
    """The check was sent: it is finished and counted, and known to the next who asks."""
    s2v_emulator.when("*/slow.jpg", Pass(latency_s=0.2))
    slow = {"url": "https://images.example/slow.jpg"}
    async with served(web_app()) as visitor:
        leaving = asyncio.create_task(visitor.post("/portraits", json=slow))
        while not s2v_emulator.requests:
            await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.wait([leaving])
        after = await visitor.post("/checks", data=slow)
        assert '"check_pass":true' in after.text
    assert s2v_emulator.billed == 1


@pytest.mark.parametrize(
    "form", [{"path": "/portraits", "kind": "json"}, {"path": "/checks", "kind": "data"}]
)
async def test_visitors_who_leave_the_line_cost_nothing(
    s2v_emulator: Emulator, form: dict[str, str]
) -> None:
    """The line is three seconds long when they go; only what was sent by then is paid."""

    def ask(number: int) -> Awaitable[httpx.Response]:
        url = {"url": f"https://images.example/{number}.jpg"}
        more: dict[str, Any] = {form["kind"]: url}
        return visitor.post(form["path"], **more)

    async with served(web_app()) as visitor:
        await ask(0)
        leaving = [asyncio.ensure_future(ask(number)) for number in range(1, 15)]
        while s2v_emulator.billed < 3:
            await asyncio.sleep(0.01)
        for each in leaving:
            each.cancel()
        await asyncio.wait(leaving)
        after = await ask(99)
        assert '"check_pass":true' in after.text
    assert s2v_emulator.billed <= 6


async def test_a_visitor_is_told_of_the_place_of_the_sending_and_of_the_verdict(
    s2v_emulator: Emulator,
) -> None:
    """In this order, as server-sent events; two who ask for one portrait are told alike."""
    s2v_emulator.when("*", Pass(latency_s=0.3))
    app = web_app()
    [follow] = [route.endpoint for route in app.routes if route.path == "/checks"]
    follow.__globals__.update(TELL_EVERY_S=0.02, LOOK_EVERY_S=0.01)  # what stays is told once
    async with served(app) as visitor:
        same = {"url": "https://images.example/same.jpg"}
        answers = await asyncio.gather(*(visitor.post("/checks", data=same) for _ in range(2)))
    for answer in answers:
        assert answer.headers["content-type"].startswith("text/event-stream")
        events = [line for line in answer.text.splitlines() if line.startswith("event: ")]
        assert events == ["event: place", "event: place", "event: verdict"]
        assert '"stage":"line"' in answer.text
        assert '"stage":"sent"' in answer.text
    assert s2v_emulator.billed == 1
