"""The command in this process: no second interpreter has to start for each of hundreds of runs."""

import io
import os
from collections.abc import Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

from s2v_detect.cli import main
from s2v_detect.emulator import Emulator

FAST = ("--rate", "500", "--quiet")


class Done(NamedTuple):
    """How a command ended."""

    code: int
    said: str


@contextmanager
def account(emulator: Emulator, home: Path) -> Iterator[None]:
    """The emulator's account, and no setting of whoever runs this, in the block."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DASHSCOPE_")}
    ours = {
        "DASHSCOPE_API_KEY": emulator.api_key,
        "DASHSCOPE_BASE_URL": emulator.base_url,
        "HOME": str(home),
    }
    with patch.dict(os.environ, kept | ours, clear=True):
        yield


def called(folder: Path, *words: str) -> Done:
    """Run the command to its end."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in "oe")
    with chdir(folder), redirect_stdout(out), redirect_stderr(err):
        code = main(words)
    return Done(code, err.buffer.getvalue().decode())
