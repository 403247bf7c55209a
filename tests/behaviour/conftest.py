"""What the tests of local files have on the disk, and a clock that jumps where nothing happens."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.uploading import picture

from _attacks.jumping import Jumping


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """A folder of images, one of them twice."""
    for number in range(3):
        (tmp_path / f"{number}.jpg").write_bytes(picture(number))
    (tmp_path / "copy of 0.jpg").write_bytes(picture(0))
    return tmp_path


@pytest.fixture
async def jumping_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of the test's loop jumps to the next timer where its sockets are quiet.

    So a latency may be of a minute: no machine is so busy that a test comes too late for it.
    """
    loop: Any = asyncio.get_running_loop()
    clock, time = SimpleNamespace(quiet_s=0.01, jumped_s=0.0), loop.time
    monkeypatch.setattr(loop, "_selector", Jumping(clock, loop._selector))  # noqa: SLF001  # asyncio has no other way to hand in a clock
    monkeypatch.setattr(loop, "time", lambda: time() + clock.jumped_s)
