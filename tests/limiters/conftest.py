"""The clock that jumps, for lines that would otherwise be waited for."""

from tests.contract.conftest import virtual_clock

__all__ = ["virtual_clock"]
