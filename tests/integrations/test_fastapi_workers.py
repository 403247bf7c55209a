"""Two workers of one application: one line and one ledger, whether they are spawned or forked."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryFile

import httpx
import pytest

from s2v_detect import Ledger
from s2v_detect.emulator import Emulator, Pass

EXAMPLES = Path(__file__).parents[2] / "examples"
GUNICORN = (
    *("gunicorn", "--no-control-socket", "-k", "asgi", "-w", "2", "-b", "127.0.0.1:0"),
    *("--pythonpath", str(EXAMPLES)),
)
SERVERS = {
    "uvicorn, which spawns": (
        *("uvicorn", "--workers", "2", "--port", "0", "--app-dir", str(EXAMPLES)),
        "fastapi_app:app",
    ),
    "gunicorn, which forks after the import": (*GUNICORN, "--preload", "fastapi_app:app"),
}


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """An emulator of a sliding second of five."""
    with Emulator.run_in_thread(answer=Pass(), counting="sliding") as emulator:
        yield emulator


async def listens(port: int) -> bool:
    """Whether a connection is taken there: uvicorn's workers start the application before that."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return False
    writer.close()
    return True


@asynccontextmanager
async def serving(words: tuple[str, ...], emulator: Emulator, folder: Path) -> AsyncIterator[str]:
    """Serve with these workers, and give the address once both have started and one listens."""
    environment = {
        **os.environ,
        "S2V_DETECT_LINE": "machine",
        "S2V_DETECT_STATE_DIR": str(folder / "state"),
        "DASHSCOPE_API_KEY": emulator.api_key,
        "DASHSCOPE_BASE_URL": emulator.base_url,
    }
    with TemporaryFile(mode="w+") as log:
        server = subprocess.Popen(  # noqa: ASYNC220, S603  # our own example, started once
            [sys.executable, "-m", *words], cwd=folder, env=environment, stdout=log, stderr=log
        )
        try:
            address = None
            while not (
                address
                and len(list((folder / "state").glob("*.process"))) == 2
                and await listens(int(address[2]))
            ):
                await asyncio.sleep(0.05)
                log.seek(0)
                told = log.read()
                assert server.poll() is None, told
                address = re.search(r"(http://127\.0\.0\.1:(\d+))", told)
            yield address[1]
        finally:
            server.terminate()
            await asyncio.to_thread(server.wait)
        log.seek(0)
        assert "Traceback" not in log.read()


@pytest.mark.real_time
@pytest.mark.timeout(120)  # three processes start, and import an application each
@pytest.mark.parametrize("server", SERVERS)
async def test_two_workers_share_the_line_and_the_ledger(
    tmp_path: Path, emulator: Emulator, server: str
) -> None:
    """Two visitors of each image at once: in turn, without a 429, and nothing is paid twice.

    Those who leave the line cost nothing: each of these servers tells of them.
    """
    urls = [f"https://images.example/{number}.jpg" for number in range(9)]
    async with serving(SERVERS[server], emulator, tmp_path) as address:

        async def ask(url: str) -> httpx.Response:
            # A connection of its own, which either worker may accept.
            async with httpx.AsyncClient(base_url=address, timeout=30) as visitor:
                return await visitor.post("/portraits", params={"url": url})

        first = await asyncio.gather(*(ask(url) for url in urls * 2))
        again = await asyncio.gather(*(ask(url) for url in urls))
        leaving = [asyncio.create_task(ask(f"{url}?anew")) for url in urls * 2]
        while emulator.billed < 10:
            await asyncio.sleep(0.01)
        for each in leaving:
            each.cancel()
        await asyncio.wait(leaving)
        last = await ask(urls[0])
    assert last.status_code == 200
    assert emulator.billed < 15, "visitors who had left the line were paid for"
    assert [answer.status_code for answer in first + again] == [200] * 27
    assert {answer.json()["source"] for answer in again} == {"ledger"}
    assert set(emulator.statuses) == {200}
    assert set(emulator.bills.values()) == {1}
    with Ledger(tmp_path / "portraits.db") as books:
        assert len(books.known(urls)) == 9
