"""Opening, closing, threads, the pytest fixture, and connections that are slow to open."""

import asyncio
import importlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable

import httpx
import pytest

from s2v_detect._service import CHECK_PATH, MODEL
from s2v_detect.emulator import Cut, Emulator, Pass, Reject

Ask = Callable[..., Awaitable[httpx.Response]]
Until = Callable[[Callable[[], object]], Awaitable[None]]
IMAGE = "http://a.example/face.jpg"

on_linux = pytest.mark.skipif(
    sys.platform != "linux", reason="a full queue refuses or accepts elsewhere"
)


def ask_at_once(emulator: Emulator) -> httpx.Response:
    """Ask for a check without any event loop."""
    return httpx.post(
        emulator.base_url + CHECK_PATH,
        headers={"Authorization": f"Bearer {emulator.api_key}"},
        json={"model": MODEL, "input": {"image_url": IMAGE}},
    )


async def test_it_has_an_address_and_a_key_once_it_is_open() -> None:
    """The address is a client's `base_url` as it is: no slash at its end."""
    async with Emulator(answer=Pass()) as emulator:
        assert emulator.base_url == f"http://127.0.0.1:{emulator.port}/api/v1"
        assert emulator.api_key == "sk-emulator"


async def test_the_port_may_be_chosen_and_is_free_afterwards(ask: Ask) -> None:
    """Closing and opening again is at the same address, at once."""
    async with Emulator(answer=Pass()) as emulator:
        port = emulator.port
    again = Emulator(answer=Pass(), port=port)
    for _ in range(2):
        async with again:
            assert (await ask(again)).status_code == 200
            assert again.port == port


async def test_a_port_that_is_taken_is_an_error() -> None:
    """Nothing is left open by the one that could not be opened."""
    async with Emulator(answer=Pass()) as emulator:
        with pytest.raises(OSError, match="in use"):
            await Emulator(port=emulator.port).__aenter__()


async def test_it_is_opened_once() -> None:
    """A second opening would leave a server behind."""
    async with Emulator(answer=Pass()) as emulator:
        with pytest.raises(RuntimeError, match="open already"):
            await emulator.__aenter__()


async def test_it_listens_on_ipv6_as_well(ask: Ask) -> None:
    """The address is written in brackets."""
    async with Emulator(answer=Pass(), host="::1") as emulator:
        assert emulator.base_url.startswith("http://[::1]:")
        assert (await ask(emulator)).status_code == 200


async def test_waiting_lasts_until_it_is_closed() -> None:
    """What a command does that only serves."""
    async with Emulator(answer=Pass()) as emulator:
        waiting = asyncio.ensure_future(emulator.wait())
        await asyncio.sleep(0)
        assert not waiting.done()
    await waiting


async def test_a_client_of_the_emulator_is_ready_to_use() -> None:
    """Key and address are set, the limit is lifted, and options go before."""
    async with Emulator(answer=Pass()) as emulator, emulator.client(timeout_s=5) as client:
        started = time.monotonic()
        images = [f"http://a.example/{number}.jpg" for number in range(20)]
        verdicts = await asyncio.gather(*map(client.check, images))
        assert all(verdict.check_pass for verdict in verdicts)
        assert time.monotonic() - started < 2  # at five a second it would be 3.8
        assert emulator.billed == client.spend.billed == 20


def test_it_runs_in_a_thread_of_its_own() -> None:
    """For code that is not async; what it reports may be read from here."""
    before = threading.active_count()
    with Emulator.run_in_thread(answer=Pass()) as emulator:
        emulator.when("*", Reject("InvalidFile.NoHuman"))
        assert ask_at_once(emulator).json()["output"]["code"] == "InvalidFile.NoHuman"
        assert emulator.bills == {IMAGE: 1}
        assert emulator.arrivals[0].image == IMAGE
        assert threading.active_count() > before
    assert threading.active_count() == before
    with pytest.raises(httpx.ConnectError):
        ask_at_once(emulator)


def test_what_goes_wrong_in_the_thread_comes_out_as_itself() -> None:
    """A body's exception passes, and so does an opening's."""
    with pytest.raises(KeyError), Emulator.run_in_thread(answer=Pass()):
        raise KeyError
    with (
        Emulator.run_in_thread() as emulator,
        pytest.raises(OSError, match="in use"),
        Emulator.run_in_thread(port=emulator.port),
    ):
        pass


def test_the_fixture_needs_no_event_loop(s2v_emulator: Emulator) -> None:
    """Every image passes until `when` says otherwise."""
    assert ask_at_once(s2v_emulator).json()["output"]["check_pass"]
    s2v_emulator.when("*", Cut())
    with pytest.raises(httpx.RemoteProtocolError):
        ask_at_once(s2v_emulator)
    assert s2v_emulator.billed == 2


async def test_the_fixture_s_client_is_used_in_the_test_s_own_loop(s2v_emulator: Emulator) -> None:
    """The emulator's loop is in its thread, the client's is the test's."""
    async with s2v_emulator.client() as client:
        assert (await client.check(IMAGE)).check_pass
    assert s2v_emulator.billed == 1


def test_starting_pytest_imports_no_extra() -> None:
    """The plugin is loaded in every run of every project that has this package."""
    code = (
        "import sys, s2v_detect.testing as t;"
        "print([n for n in ('aiohttp', 'PIL', 'skimage', 's2v_detect.emulator')"
        " if n in sys.modules])"
    )
    told = subprocess.run(  # noqa: S603  # our own line, our own interpreter
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == "[]"


def test_without_the_extra_the_import_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line, which installs it."""
    for name in [name for name in sys.modules if name.startswith("s2v_detect.emulator")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    with pytest.raises(ImportError, match=r'pip install .*\[emulator\]"') as raised:
        importlib.import_module("s2v_detect.emulator")
    assert raised.value.name == "aiohttp"


def take_every_descriptor(taken: list[int]) -> None:
    """Open files until the process may open no more."""
    while True:
        taken.append(os.open(os.devnull, os.O_RDONLY))


async def test_it_survives_a_time_without_file_descriptors(
    until: Until, caplog: pytest.LogCaptureFixture
) -> None:
    """A connection that can't be accepted is accepted when one is free again."""
    resource = pytest.importorskip("resource", reason="limits of a process are Unix's")
    loop = asyncio.get_running_loop()
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.socket() as knocking:
        knocking.setblocking(False)  # noqa: FBT003  # the library's own signature
        async with Emulator(answer=Pass()) as emulator:
            resource.setrlimit(resource.RLIMIT_NOFILE, (knocking.fileno() + 32, limits[1]))
            taken: list[int] = []
            try:
                with pytest.raises(OSError, match="Too many open files"):
                    take_every_descriptor(taken)
                await loop.sock_connect(knocking, ("127.0.0.1", emulator.port))
                await until(lambda: "could not be accepted" in caplog.text)
            finally:
                for descriptor in taken:
                    os.close(descriptor)
                resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            await loop.sock_sendall(knocking, b"GET /emulator HTTP/1.1\r\nHost: a\r\n\r\n")
            assert (await loop.sock_recv(knocking, 1_000)).startswith(b"HTTP/1.1 200 ")


@on_linux
async def test_connecting_can_be_made_slow(ask: Ask) -> None:
    """No answer inside the block; open connections work on, and afterwards all is as before."""
    async with Emulator(answer=Pass()) as emulator:
        await ask(emulator)  # leaves a connection open
        async with emulator.not_accepting(), httpx.AsyncClient(timeout=0.2) as http:
            with pytest.raises(httpx.ConnectTimeout):
                await http.get(emulator.origin + "/emulator")
            assert (await ask(emulator)).status_code == 200
        async with httpx.AsyncClient(timeout=1) as http:
            assert (await http.get(emulator.origin + "/emulator")).status_code == 200


@on_linux
async def test_a_connection_that_waited_opens_after_a_while(ask: Ask) -> None:
    """The kernel knocks again a second after its first try."""
    async with Emulator(answer=Pass()) as emulator:
        started = time.monotonic()
        async with emulator.not_accepting():
            asking = asyncio.ensure_future(ask(emulator))
            await asyncio.sleep(0.1)
            assert not asking.done()
        assert (await asking).status_code == 200
        assert 0.5 < time.monotonic() - started < 4


@on_linux
async def test_connecting_can_be_made_slow_from_another_loop(s2v_emulator: Emulator) -> None:
    """The fixture's emulator is in a thread, and two such blocks wait for each other."""
    entered = []

    async def shut(name: str) -> None:
        async with s2v_emulator.not_accepting(), httpx.AsyncClient(timeout=0.1) as http:
            entered.append(name)
            with pytest.raises(httpx.ConnectTimeout):
                await http.get(s2v_emulator.origin)
            entered.append(name)

    await asyncio.gather(shut("a"), shut("b"))
    assert entered in (["a", "a", "b", "b"], ["b", "b", "a", "a"])
    assert ask_at_once(s2v_emulator).status_code == 200
