"""What the examples of the engines read: an account of an emulator, a list, and where books go.

These tests run by `.ci/engines`, each engine in an environment of its own.
"""

import sys
from pathlib import Path

import pytest

from s2v_detect.emulator import Emulator

EXAMPLES = Path(__file__).parents[2] / "examples"
URLS = [f"https://images.example/{number}.jpg" for number in range(6)]


@pytest.fixture(autouse=True)
def _account(s2v_emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DASHSCOPE_API_KEY", s2v_emulator.api_key)
    monkeypatch.setenv("DASHSCOPE_BASE_URL", s2v_emulator.base_url)
    (tmp_path / "urls.txt").write_text("\n".join(URLS))
    monkeypatch.setenv("LEDGER", str(tmp_path / "screening.db"))
    monkeypatch.setenv("PORTRAITS", str(tmp_path / "urls.txt"))
    monkeypatch.setenv("VERDICTS", str(tmp_path / "verdicts.jsonl"))
    monkeypatch.setenv("RETRY_AFTER_S", "0")
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    monkeypatch.syspath_prepend(str(EXAMPLES))
