"""A clock that jumps to whatever comes next, for tests that would otherwise wait."""

import asyncio
import selectors
from typing import Any

import pytest


class _Clock:
    """Time stands still while anything is ready, and jumps when the loop would sleep."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self._selector = selector
        self._now = 1000.0

    def time(self) -> float:
        return self._now

    def select(self, timeout: float | None = None) -> Any:
        if timeout:
            self._now += timeout
        # None: nothing but another thread can wake the loop, so it really waits.
        return self._selector.select(None if timeout is None else 0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._selector, name)


@pytest.fixture
async def virtual_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the test's event loop on a virtual clock."""
    loop: Any = asyncio.get_running_loop()
    clock = _Clock(loop._selector)  # noqa: SLF001  # asyncio has no other way to hand in a clock
    monkeypatch.setattr(loop, "_selector", clock)
    monkeypatch.setattr(loop, "time", clock.time)
