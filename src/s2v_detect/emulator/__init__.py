"""A local stand-in for the service, for tests and demonstrations: no key, no cost, no network.

`async with Emulator() as emulator` serves on a real socket; `emulator.client()` is a client for
it. It answers by a script of `when`, or looks at the image and estimates.
"""

from s2v_detect._version import missing

try:
    import aiohttp as _aiohttp  # noqa: F401  # the extra, looked for where its absence is explained
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(missing("The emulator", "emulator"), name=error.name) from error

from s2v_detect.emulator._codes import CODES, REJECT_CODES, Code
from s2v_detect.emulator._counting import Counting
from s2v_detect.emulator._emulator import Emulator
from s2v_detect.emulator._report import Arrival
from s2v_detect.emulator._script import (
    Answer,
    Cut,
    Error,
    HalfBody,
    Html,
    Pass,
    Raw,
    Reject,
    Silent,
    Step,
    Throttle,
    Trickle,
    mix,
)

__all__ = [
    "CODES",
    "REJECT_CODES",
    "Answer",
    "Arrival",
    "Code",
    "Counting",
    "Cut",
    "Emulator",
    "Error",
    "HalfBody",
    "Html",
    "Pass",
    "Raw",
    "Reject",
    "Silent",
    "Step",
    "Throttle",
    "Trickle",
    "mix",
]
