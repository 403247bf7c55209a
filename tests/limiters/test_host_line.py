"""The machine's line in a world of real files, locks and processes."""

import asyncio
import errno
import fcntl
import gc
import logging
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import chain, pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from s2v_detect import ConfigurationError, HostLimiter
from s2v_detect.limiters import _block, _folder
from s2v_detect.limiters._line_file import LineFile
from s2v_detect.models import Lane

WORKER = """
import asyncio, sys, time
from s2v_detect import HostLimiter

async def main(folder):
    limiter = HostLimiter(name="team", directory=folder)
    async def stream():
        while True:
            turn = await limiter.turn("bulk")
            at = time.monotonic()
            turn.left()
            print(at, flush=True)
    await asyncio.gather(*(stream() for _ in range(8)))

asyncio.run(main(sys.argv[1]))
"""


def line(folder: Path, **options: object) -> HostLimiter:
    """Return a limiter on the line that the workers use too."""
    return HostLimiter(name="team", directory=folder, **options)  # type: ignore[arg-type]  # as given


def block_of(folder: Path) -> Path:
    """Return the file of the line."""
    return next(folder.glob("*.line"))


async def left_at(limiter: HostLimiter, lane: Lane = "bulk") -> float:
    """Take a turn, leave at once, and return when."""
    turn = await limiter.turn(lane)
    at = time.monotonic()
    turn.left()
    return at


async def lefts_of(limiter: HostLimiter, count: int) -> list[float]:
    """Return when so many left."""
    return [await left_at(limiter) for _ in range(count)]


@pytest.fixture
def started() -> Iterator[Callable[[Path], "subprocess.Popen[str]"]]:
    """Start workers on a line; they are gone after the test."""
    workers: list[subprocess.Popen[str]] = []

    def start(folder: Path) -> "subprocess.Popen[str]":
        worker = subprocess.Popen(  # noqa: S603  # our own lines
            [sys.executable, "-c", WORKER, str(folder)], stdout=subprocess.PIPE, text=True
        )
        workers.append(worker)
        assert worker.stdout is not None
        worker.stdout.readline()  # it has had a turn
        return worker

    yield start
    for worker in workers:
        worker.kill()
        worker.wait()
        assert worker.stdout is not None
        worker.stdout.close()


@pytest.mark.real_time
async def test_a_killed_and_a_stopped_process_cost_the_others_a_gap(
    tmp_path: Path, started: Callable[[Path], "subprocess.Popen[str]"]
) -> None:
    """Kill -9 and SIGSTOP in the line: the wish is passed over, and all that left was counted."""
    workers = [started(tmp_path) for _ in range(2)]
    limiter = line(tmp_path)
    first = await lefts_of(limiter, 3)
    workers[0].send_signal(signal.SIGKILL)
    workers[1].send_signal(signal.SIGSTOP)
    lefts = await lefts_of(limiter, 6)
    assert max(after - before for before, after in pairwise([*first, *lefts])) < 1.0
    workers[1].send_signal(signal.SIGKILL)
    told: list[float] = [*first, *lefts]
    for worker in workers:
        told += [float(at) for at in worker.communicate()[0].split()]
    told.sort()
    assert min(sixth - one for one, sixth in zip(told, told[5:], strict=False)) > 1.0
    assert limiter.sharing().processes == 1


def test_the_file_is_made_with_all_its_bytes_and_keeps_its_size(tmp_path: Path) -> None:
    """A full disk is met when the line is opened, and nobody who reads it meets its end."""
    limiter = line(tmp_path)
    assert block_of(tmp_path).stat().st_size == 4096
    asyncio.run(lefts_of(limiter, 2))
    assert block_of(tmp_path).stat().st_size == 4096


@pytest.mark.parametrize("mode", [0o700, 0o770])
def test_the_files_have_the_permissions_of_their_folder(tmp_path: Path, mode: int) -> None:
    """A folder of a group is for the group."""
    tmp_path.chmod(mode)
    limiter = line(tmp_path)
    asyncio.run(left_at(limiter))
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {mode & 0o666}


async def test_a_line_whose_lock_is_held_goes_on_alone_and_says_so_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Its holder may be stopped for good. With the lock free again all are on the line again."""
    limiter = line(tmp_path)
    await left_at(limiter)
    other = LineFile(tmp_path, block_of(tmp_path).stem)
    assert other.locked()
    with caplog.at_level(logging.WARNING, "s2v_detect"):
        began = time.monotonic()
        lefts = await lefts_of(limiter, 3)
        assert lefts[0] - began < 0.9
        assert min(after - before for before, after in pairwise(lefts)) > 0.19
        other.close()
        more = await lefts_of(limiter, 2)
    assert more[0] - lefts[-1] > 0.19
    assert len(caplog.records) == 1
    assert "does not go on" in caplog.records[0].getMessage()


async def test_a_full_disk_is_met_by_going_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody gets an exception; the turn that could not be written is not lost."""
    limiter = line(tmp_path)
    await left_at(limiter)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", full)
        lefts = await lefts_of(limiter, 3)
    assert min(after - before for before, after in pairwise(lefts)) > 0.19
    assert "No space left" in caplog.text
    assert await left_at(limiter) - lefts[-1] > 0.19


@pytest.mark.parametrize(
    "damage", [b"torn", b"\xff" * 4096, b"x" * 10_000], ids=["short", "foreign", "long"]
)
async def test_a_damaged_block_is_begun_anew_with_nothing_to_spare(
    tmp_path: Path, damage: bytes
) -> None:
    """Nobody knows who left in the last second, so the next leaves a second later."""
    limiter = line(tmp_path)
    await left_at(limiter)
    block_of(tmp_path).write_bytes(damage)
    began = time.monotonic()
    assert 1.0 < await left_at(limiter) - began < 1.6


async def test_a_file_that_was_tidied_up_does_not_split_the_line(tmp_path: Path) -> None:
    """All of them find the new file, and what they have seen of the old one counts."""
    one, other = line(tmp_path), line(tmp_path)
    first = [await left_at(one), await left_at(other)]
    for path in tmp_path.iterdir():  # noqa: ASYNC240  # a moment
        path.unlink()
    more = [await left_at(one), await left_at(other), await left_at(one), await left_at(other)]
    assert min(after - before for before, after in pairwise([*first, *more])) > 0.19
    assert more[3] - first[0] > 0.99


async def test_another_boot_s_state_counts_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock began anew: the next may leave at once, whatever the old times say."""
    await lefts_of(line(tmp_path), 5)
    monkeypatch.setattr("s2v_detect.limiters._shared_list.boot", lambda: b"another boot....")
    began = time.monotonic()
    assert await left_at(line(tmp_path)) - began < 0.15


async def test_a_time_far_ahead_is_no_time(tmp_path: Path) -> None:
    """It is of another clock: a second later the line goes on."""
    ahead = line(tmp_path, clock=lambda: time.monotonic() + 5000)
    (await ahead.turn("bulk")).left()
    began = time.monotonic()
    assert 1.0 < await left_at(line(tmp_path)) - began < 1.6


def test_a_forked_child_is_a_process_of_its_own(tmp_path: Path) -> None:
    """It closes what it was born with: a dead parent is dead, and its wish is not the child's."""
    code = """
import asyncio, os, sys, time
from s2v_detect import HostLimiter

line = HostLimiter(name="team", directory=sys.argv[1])
async def leave():
    turn = await line.turn("bulk")
    turn.left()
asyncio.run(leave())
child = os.fork()
if not child:
    asyncio.run(leave())
    os._exit(0 if line.sharing().processes == 2 else 1)
assert os.waitpid(child, 0)[1] == 0
asyncio.run(leave())
assert line.sharing().processes == 1
child = os.fork()
if child:
    os._exit(0)  # the parent dies, and says nothing
time.sleep(0.1)
asyncio.run(leave())
assert line.sharing().processes == 1
print("whole")
"""
    done = subprocess.run(  # noqa: S603  # our own lines
        [sys.executable, "-c", code, str(tmp_path)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert "whole" in done.stdout, done.stderr


def test_threads_and_loops_of_a_process_share_the_line(tmp_path: Path) -> None:
    """Two limiters, four threads, a loop each: together they keep the pace of one."""
    limiters = [line(tmp_path, rate=50.0), line(tmp_path, rate=50.0)]
    taken: list[float] = []

    async def work(limiter: HostLimiter) -> None:
        taken.extend(await lefts_of(limiter, 20))

    threads = [
        threading.Thread(target=asyncio.run, args=(work(limiters[number % 2]),))
        for number in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken.sort()
    assert len(taken) == 80
    assert min(later - one for one, later in zip(taken, taken[50:], strict=False)) > 1.0


async def test_the_last_who_leaves_takes_the_wish_along(tmp_path: Path) -> None:
    """A cancelled check is in nobody's way."""
    one, other = line(tmp_path), line(tmp_path)
    await left_at(one)
    waiting = [asyncio.create_task(one.turn("bulk")) for _ in range(3)]
    await asyncio.sleep(0.01)
    began = time.monotonic()
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    assert await left_at(other) - began < 0.35


async def test_a_visitor_of_one_process_goes_before_the_streams_of_all(tmp_path: Path) -> None:
    """It waits for the next start, and not for a round."""
    lines = [line(tmp_path) for _ in range(4)]
    streams = [asyncio.create_task(lefts_of(each, 50)) for each in lines[:3]]
    await asyncio.sleep(0.5)
    asked_at = time.monotonic()
    assert await left_at(lines[3], "interactive") - asked_at < 0.45
    for stream in streams:
        stream.cancel()
    await asyncio.wait(streams)


@pytest.mark.parametrize("what", ["missing", "a file", "read-only", "network"])
def test_a_folder_that_cannot_be_used_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Of a line that was asked for by name."""
    folder = tmp_path / "folder"
    if what == "a file":
        folder.write_text("")
    elif what != "missing":
        folder.mkdir()
    if what == "read-only":  # root may write everywhere
        monkeypatch.setattr(os, "access", lambda *_: False)
    if what == "network":
        monkeypatch.setattr(_folder, "_kind_of_disk", lambda _: "nfs4")
    with pytest.raises(ConfigurationError, match="the machine's line can't be kept, ") as raised:
        line(folder)
    assert "LocalLimiter()" in raised.value.do


def test_files_of_the_dead_and_of_nobody_are_cleaned_away(tmp_path: Path) -> None:
    """A line that nobody used for a week, and the signs of life of killed processes."""
    week = time.time() - 8 * 24 * 3600
    for name in ("0" * 32 + ".line", "0" * 32 + "-00000000000000ff.process"):
        (tmp_path / name).write_bytes(b"")
        os.utime(tmp_path / name, (week, week))
    living = line(tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    descriptor = os.open(next(tmp_path.glob("*.process")), os.O_RDWR)
    with pytest.raises(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(descriptor)
    assert living.sharing().processes == 1
    del living
    assert [path.suffix for path in tmp_path.iterdir()] == [".line"]


USERS = """
import asyncio, os, sys, time
from pathlib import Path
from s2v_detect import HostLimiter

folder, group = Path(sys.argv[1]), 4711
HostLimiter(name="warm", directory=sys.argv[3])  # users of no name may import nothing of root's
os.chown(folder, 0, group)
folder.chmod(int(sys.argv[2], 8))

async def leave(line):
    turn = await line.turn("bulk")
    at = time.monotonic()
    turn.left()
    return at

for user in (4712, 4713):
    child = os.fork()
    if not child:
        os.setgroups([])
        os.setgid(group)
        os.setuid(user)
        at = asyncio.run(leave(HostLimiter(name="team", directory=folder)))
        print(at, flush=True)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users")
@pytest.mark.parametrize("mode", ["2770", "1777"])
def test_two_users_of_a_folder_share_the_line(tmp_path: Path, mode: str) -> None:
    """A group's folder, and one like /tmp, where Linux protects files of others."""
    with TemporaryDirectory() as folder:  # the parents of `tmp_path` are root's alone
        done = subprocess.run(  # noqa: S603  # our own lines
            [sys.executable, "-c", USERS, folder, mode, str(tmp_path)],
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert not done.stderr
        one, other = map(float, done.stdout.split())
        assert other - one > 0.19
        assert len(list(Path(folder).glob("*.line"))) == 1


async def test_a_default_folder_that_was_tidied_up_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With all that was seen, with the signs of life, and without a word."""
    folder = tmp_path / "state"
    monkeypatch.setenv("S2V_DETECT_STATE_DIR", str(folder))
    one, other = HostLimiter(name="team"), HostLimiter(name="team")
    first = [await left_at(one), await left_at(other)]
    shutil.rmtree(folder)
    more = [await left_at(one), await left_at(other), await left_at(one), await left_at(other)]
    assert min(after - before for before, after in pairwise([*first, *more])) > 0.19
    assert more[3] - first[0] > 0.99
    assert one.sharing() == other.sharing() == (2, 1, 1.0)
    assert not caplog.records


async def test_a_given_folder_that_is_gone_leaves_each_its_slot(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A disk that was taken away: nobody's sign of life can be seen, and the list was."""
    folder = tmp_path / "mounted"
    folder.mkdir()
    lines = [line(folder), line(folder)]
    await asyncio.gather(*(lefts_of(each, 2) for each in lines))
    shutil.rmtree(folder)
    began = time.monotonic()
    lefts = sorted(chain(*await asyncio.gather(*(lefts_of(each, 3) for each in lines))))
    assert min(after - before for before, after in pairwise(lefts)) > 0.17
    assert lefts[-1] - began < 3
    assert len(caplog.records) == 2


@pytest.mark.parametrize("is_used", [True, False])
async def test_a_line_of_another_release_is_left_alone_while_it_is_used(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    is_used: object,
) -> None:
    """Each release goes alone beside the other; what nobody used for a minute is begun anew."""
    ago_s = 0 if is_used else 61
    with monkeypatch.context() as patched:
        patched.setattr(_block, "LAYOUT", 2)
        older = line(tmp_path, clock=lambda: time.monotonic() - ago_s)
        (await older.turn("bulk")).left()
    before = block_of(tmp_path).read_bytes()
    began = time.monotonic()
    await left_at(line(tmp_path))
    assert time.monotonic() - began < 0.9
    assert (block_of(tmp_path).read_bytes() == before) == bool(is_used)
    assert ("another release of s2v-detect uses it" in caplog.text) == bool(is_used)


async def test_one_who_is_alone_keeps_the_pause_and_the_pace_of_the_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both stand in the file, which can be read without its lock."""
    limiter = line(tmp_path)
    await left_at(limiter)
    limiter.throttled(1.5)
    throttled_at = time.monotonic()
    monkeypatch.setattr(LineFile, "locked", lambda _: False)
    lefts = await lefts_of(line(tmp_path), 2)
    assert lefts[0] - throttled_at > 1.45
    assert lefts[1] - lefts[0] > 2 * 0.2 * 1.05  # two have the line open


async def test_a_log_handler_may_ask_the_line(tmp_path: Path) -> None:
    """Of the very record that says that a process goes alone."""
    limiter = line(tmp_path)
    await left_at(limiter)
    told: list[float] = []

    class Asks(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            del record
            told.append(limiter.forecast_s("bulk"))

    handler = Asks()
    logging.getLogger("s2v_detect").addHandler(handler)
    try:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(LineFile, "locked", lambda _: False)
            await left_at(limiter)
    finally:
        logging.getLogger("s2v_detect").removeHandler(handler)
    assert len(told) == 1


async def test_descriptors_that_were_closed_and_used_anew_are_not_touched(tmp_path: Path) -> None:
    """As of a program that becomes a daemon and closes all that it finds open."""
    gc.collect()  # what earlier tests left open is closed now, and not in between
    limiter, other = line(tmp_path), line(tmp_path)
    first = [await left_at(limiter), await left_at(other)]
    parts = limiter._list._file, limiter._list._life  # noqa: SLF001  # who closes all has numbers
    numbers = sorted(part._descriptor for part in parts)  # noqa: SLF001  # as above
    for number in numbers:
        os.close(number)
    theirs = [os.open(tmp_path / name, os.O_CREAT | os.O_RDWR) for name in ("one", "two")]
    assert theirs == numbers
    lefts = await lefts_of(limiter, 2)
    assert limiter.sharing().processes == other.sharing().processes == 2
    for number in theirs:
        os.write(number, b"mine")
        os.close(number)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes() == b"mine"
    assert min(after - before for before, after in pairwise([*first, *lefts])) > 0.19
