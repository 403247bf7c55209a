"""Prefect, by the example: a flow against the server that Prefect starts by itself."""

from pathlib import Path

import pytest
from tests.engines.conftest import URLS

from s2v_detect import check_one
from s2v_detect.emulator import Emulator, Pass, Reject, Throttle


def test_a_flow_screens_the_portraits(
    s2v_emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is paid for once, and one that was throttled comes through."""
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    monkeypatch.setenv("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    from prefect.testing.utilities import prefect_test_harness

    from prefect_flow import screen

    s2v_emulator.when("*/1.jpg", Reject("InvalidFile.NoHuman"))
    s2v_emulator.when("*/2.jpg", Throttle(retry_after_s=0.0), Pass())
    with prefect_test_harness(server_startup_timeout=300):
        told = screen(URLS[:3])
    assert told == {url: not url.endswith("/1.jpg") for url in URLS[:3]}
    assert s2v_emulator.billed == 3
    # A task that is run again is answered by the ledger.
    assert check_one(URLS[0], ledger=tmp_path / "screening.db").source == "ledger"
