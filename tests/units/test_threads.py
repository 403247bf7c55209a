"""The threads that read files hold, whatever becomes of one of them."""

import sys
import threading

import pytest

from s2v_detect._waiting import Threads


async def test_a_thread_that_can_not_be_started_costs_no_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The machine may have no more of them for a while; what ends a thread ends no loop."""
    threads = Threads(1)

    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", start)
        for _ in range(3):
            with pytest.raises(RuntimeError, match="can't start"):
                await threads.run(lambda: 1)
    for _ in range(3):
        with pytest.raises(RuntimeError, match="SystemExit in a thread"):
            await threads.run(sys.exit)
    assert await threads.run(lambda: 1) == 1
