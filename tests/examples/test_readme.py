"""What the README shows works as it stands there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from s2v_detect.emulator import Emulator

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def block_with(words: str) -> str:
    """Return the one block of Python that holds these words."""
    (block,) = (block for block in BLOCKS if words in block)
    return str(block)


def test_the_first_program_runs(s2v_emulator: Emulator) -> None:
    """With a key in the environment, and nothing else."""
    account = {
        "DASHSCOPE_API_KEY": s2v_emulator.api_key,
        "DASHSCOPE_BASE_URL": s2v_emulator.base_url,
    }
    done = subprocess.run(  # noqa: S603  # our own page
        [sys.executable, "-c", block_with("asyncio.run(main(")],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | account,
    )
    assert done.stdout.startswith("https://example.com/face.jpg True\n")
    assert "billed=1" in done.stdout


def test_the_test_with_the_fixture_passes(tmp_path: Path) -> None:
    """As a file of a user's own, under pytest-asyncio's auto mode."""
    (tmp_path / "test_mine.py").write_text(block_with("s2v_emulator.when("))
    done = subprocess.run(  # noqa: S603  # our own page
        [sys.executable, "-m", "pytest", "-q", "-o", "asyncio_mode=auto", tmp_path],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert "1 passed" in done.stdout, done.stdout


@pytest.mark.parametrize(
    "path", sorted(set(re.findall(r"`((?:tests|benchmarks)/[\w/]+\.py)", README)))
)
def test_every_file_that_is_named_is_there(path: str) -> None:
    """A promise without its test would be none."""
    assert (ROOT / path).is_file()
