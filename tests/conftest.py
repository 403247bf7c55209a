"""What most tests begin with: an emulator in their own event loop, and addresses to check."""

from collections.abc import AsyncIterator, Callable

import pytest

from s2v_detect.emulator import Emulator, Pass


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    """An emulator under which every image passes until `when` says otherwise."""
    async with Emulator(answer=Pass()) as emulator:
        yield emulator


@pytest.fixture
def urls() -> Callable[[int], list[str]]:
    """Addresses that are all different."""
    return lambda count: [f"https://images.example/{number}.jpg" for number in range(count)]


@pytest.fixture(autouse=True)
def _no_settings_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test may use a key, an address or a proxy of whoever runs it."""
    for name in (
        "DASHSCOPE_API_KEY",
        "DASHSCOPE_API_KEY_FILE_PATH",
        "DASHSCOPE_BASE_URL",
        "DASHSCOPE_HTTP_BASE_URL",
        "DASHSCOPE_WORKSPACE",
        "DASHSCOPE_WORKSPACE_ID",
        "S2V_DETECT_ALLOW_HTTP",
    ):
        monkeypatch.delenv(name, raising=False)
