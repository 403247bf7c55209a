"""Images are forgotten, and ledgers are copied: nothing is left, and nothing is torn."""

import asyncio
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.ledgers import Place, ledger_in

from s2v_detect import Checked, Ledger, LedgerError, LocalLimiter, OutcomeUnknown
from s2v_detect.emulator import Cut, Emulator, Pass

Urls = Callable[[int], list[str]]
FAST = LocalLimiter(float("inf"))
COMMAND = [sys.executable, "-m", "s2v_detect.cli", "ledger"]


async def screened(emulator: Emulator, place: Place, urls: list[str]) -> None:
    """A ledger that knows these images."""
    async with emulator.client(ledger=place, limiter=FAST) as client:
        async for outcome in client.aiter_check(urls):
            assert isinstance(outcome, Checked)


def copies_in(folder: Path) -> list[Path]:
    """Return all that lies there, half a copy too."""
    return list(folder.iterdir())


def command(*words: object) -> "subprocess.CompletedProcess[str]":
    """A ledger command that has ended."""
    return subprocess.run(  # noqa: S603  # our own command
        [*COMMAND, *map(str, words)], capture_output=True, text=True, check=False
    )


async def test_what_is_forgotten_is_in_no_byte_of_the_file(
    emulator: Emulator, urls: Urls, tmp_path: Path
) -> None:
    """Nor its request's number; what it cost stays in the statement, and it is asked for anew."""
    path = tmp_path / "l.db"
    images = urls(300)
    await screened(emulator, path, images)
    with Ledger(path) as ledger:
        before = ledger.statement()
        requests = [ledger.attempts(image)[0].request_id or "" for image in images[:200]]
        assert ledger.forget(images[:200]) == 200
        assert ledger.statement() == before
        assert set(ledger.known(images)) == set(images[200:])
        assert ledger.attempts(images[0]) == []
    content = path.read_bytes()
    assert not any(f"{image[8:]}".encode() in content for image in images[:200])
    assert not any(request.encode() in content for request in requests)
    await screened(emulator, path, images)
    assert emulator.billed == 500
    with Ledger(path) as ledger:
        assert len(ledger.attempts(images[0])) == 1


async def test_forgetting_beside_a_run_breaks_nothing(
    emulator: Emulator, urls: Urls, place: Place
) -> None:
    """The run goes on; what it asks for at that moment is not forgotten."""
    images = urls(60)
    await screened(emulator, place, images[:20])
    emulator.when("*", Pass(latency_s=0.2))
    async with emulator.client(ledger=place, limiter=FAST) as client:
        asked = asyncio.ensure_future(client.check(images[20]))
        while emulator.requests == 20:
            await asyncio.sleep(0.01)
        with ledger_in(place) as ledger:
            with pytest.raises(LedgerError, match="asked for by a run now"):
                await asyncio.to_thread(ledger.forget, [images[0], images[20]])
            assert images[0] in ledger.known(images)
            assert await asyncio.to_thread(ledger.forget, images[:10]) == 10
        assert (await asked).check_pass
        assert [o.kind async for o in client.aiter_check(images)] == ["checked"] * 60
    assert emulator.billed == 70


async def test_pruning_keeps_what_is_in_doubt(emulator: Emulator, urls: Urls, place: Place) -> None:
    """And says how many; a younger image stays too."""
    old, lost, new = urls(3)
    await screened(emulator, place, [old])
    emulator.when(lost, Cut(billed=True))
    async with emulator.client(ledger=place, on_unknown="keep") as client:
        with pytest.raises(OutcomeUnknown, match="sent"):
            await client.check(lost)
    started = time.time()
    await screened(emulator, place, [new])
    with ledger_in(place) as ledger:
        assert ledger.prune(time.time() - started) == (1, 1)
        assert {entry.image: entry.state for entry in ledger.all_entries()} == {
            lost: "unknown",
            new: "answered",
        }


@pytest.mark.real_time
async def test_a_copy_is_whole_while_a_run_writes(
    emulator: Emulator, urls: Urls, tmp_path: Path
) -> None:
    """Each of many copies is a sound ledger, for its owner alone."""
    path = tmp_path / "l.db"
    emulator.when("*", Pass(latency_s=0.01))
    running = asyncio.ensure_future(screened(emulator, path, urls(400)))
    copies = 0
    with Ledger(path) as ledger:
        while not running.done():
            if path.exists():
                copy = tmp_path / f"copy-{copies}.db"
                await asyncio.to_thread(ledger.copy, copy)
                copies += 1
            await asyncio.sleep(0.02)
    await running
    assert copies
    for number in range(copies):
        copy = tmp_path / f"copy-{number}.db"
        assert stat.S_IMODE(copy.stat().st_mode) == 0o600
        with Ledger(copy) as ledger:
            await ledger.begin("wan2.2-s2v-detect on this machine").end()
            states = {entry.state for entry in ledger.all_entries()}
            assert states <= {"answered", "unknown", "not sent"}
    assert {file.name[:4] for file in copies_in(tmp_path)} == {"copy", "l.db"}


async def test_a_copy_destroys_nothing(emulator: Emulator, urls: Urls, tmp_path: Path) -> None:
    """Not what is there, and never the ledger itself, by whatever name."""
    path, link, other = tmp_path / "l.db", tmp_path / "link.db", tmp_path / "other.db"
    await screened(emulator, path, urls(1))
    link.symlink_to(path)
    other.write_text("a person's file")
    with Ledger(path) as ledger:
        with pytest.raises(LedgerError, match="exists already"):
            ledger.copy(other)
        for itself in (path, link):
            with pytest.raises(LedgerError, match="is the ledger itself"):
                ledger.copy(itself, replaces=True)
        assert other.read_text() == "a person's file"
        ledger.copy(other, replaces=True)
        other.with_name("other.db-journal").write_text("of a run")
        with pytest.raises(LedgerError, match="is being written"):
            ledger.copy(other, replaces=True)
        assert ledger.known(urls(1))


@pytest.mark.real_time
def test_the_commands_do_as_the_methods(tmp_path: Path, urls: Urls) -> None:
    """`ledger copy`, `forget` and `prune`, with their exit codes."""
    path, copy = tmp_path / "l.db", tmp_path / "copy.db"
    with Emulator.run_in_thread(answer=Pass()) as emulator:

        async def screen() -> None:
            async with emulator.client(ledger=path, limiter=FAST) as client:
                for url in urls(3):
                    await client.check(url)

        asyncio.run(screen())
    assert command("copy", path, copy).returncode == 0
    told = command("copy", path, copy)
    assert (told.returncode, "exists" in told.stderr) == (2, True)
    assert command("copy", path, copy, "--force").returncode == 0
    told = command("copy", path, path, "--force")
    assert (told.returncode, "at once" in told.stderr) == (2, True)
    told = command("forget", path, urls(1)[0])
    assert (told.returncode, told.stderr) == (0, "1 image is forgotten.\n")
    told = command("forget", path, urls(1)[0])
    assert told.returncode == 1
    assert command("prune", path, "--older-than", "soon").returncode == 2
    told = command("prune", path, "--older-than", "90d")
    assert (told.returncode, told.stderr) == (0, "0 images are forgotten.\n")
    told = command("prune", path, "--older-than", "0m")
    assert told.stderr == "2 images are forgotten.\n"
    with Ledger(copy) as ledger:
        assert len(ledger.known(urls(3))) == 3
