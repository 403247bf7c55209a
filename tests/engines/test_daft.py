"""Daft, by the example."""

from tests.engines.conftest import URLS

from s2v_detect.emulator import Emulator, Error, Reject


def test_a_column_of_verdicts(s2v_emulator: Emulator) -> None:
    """A second query of another instance pays for nothing."""
    import daft

    from daft_column import checked

    s2v_emulator.when("*/1.jpg", Reject("InvalidFile.NoHuman"))
    s2v_emulator.when("*/2.jpg", Error(400, "InvalidURL"))
    rows = checked(daft.from_pydict({"url": [*URLS, "no url"]})).to_pylist()
    told = {row["url"]: row["verdict"] for row in rows}
    assert [told[url]["check_pass"] for url in URLS] == [True, False, None, True, True, True]
    assert told[URLS[2]]["error"] == "ImageUnusable"
    assert told["no url"]["error"] == "ImageSkipped"
    assert s2v_emulator.billed == 5
    again = checked(daft.from_pydict({"url": URLS[3:]})).to_pylist()
    assert [row["verdict"]["check_pass"] for row in again] == [True, True, True]
    assert s2v_emulator.billed == 5
