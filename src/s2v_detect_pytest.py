"""A pytest plugin: the fixture `s2v_emulator`, a local stand-in for the service.

The fixture is synchronous, with the emulator in a thread of its own, so that every async plugin can
use it, and tests without one too.

pytest loads this module at every start, in every project of the environment. A module inside the
package would load the package first, with httpx and pydantic: half a second of every start. So the
plugin is a module beside the package, and imports pytest alone until a test asks for the fixture.

It also sets `S2V_DETECT_LINE=process`, unless that is set: no test waits for another process.

Example:
    async def test_a_portrait_passes(s2v_emulator):
        async with s2v_emulator.client() as client:
            verdict = await client.check("https://example.com/face.jpg")
        assert verdict.check_pass
"""

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from s2v_detect.emulator import Emulator


def pytest_configure() -> None:
    """Keep tests off the machine's line: in parallel, with one fake key, they would share it."""
    os.environ.setdefault("S2V_DETECT_LINE", "process")


@pytest.fixture
def s2v_emulator() -> "Iterator[Emulator]":
    """An emulator in a thread, under which every image passes until `when` says otherwise.

    `s2v_emulator.client()` is a client for it with the limit lifted, to be opened in the test's own
    event loop. What it reports (`billed`, `bills`, `arrivals`, …) may be read from the test.
    """
    from s2v_detect.emulator import Emulator, Pass  # noqa: PLC0415  # see the module's docstring

    with Emulator.run_in_thread(answer=Pass()) as emulator:
        yield emulator
