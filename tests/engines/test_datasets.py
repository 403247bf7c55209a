"""Hugging Face `datasets`, by the example."""

from typing import Any

from tests.engines.conftest import URLS

from s2v_detect.emulator import Emulator, Error, Reject


def test_a_map_adds_the_verdicts(s2v_emulator: Emulator) -> None:
    """In the order of the rows; a second map pays for nothing."""
    from datasets import Dataset

    from datasets_map import checked

    s2v_emulator.when("*/1.jpg", Reject("InvalidFile.NoHuman"))
    s2v_emulator.when("*/2.jpg", Error(400, "InvalidURL"))
    rows: Any = list(checked(Dataset.from_dict({"url": [*URLS, "no url"]})))
    assert [row["url"] for row in rows] == [*URLS, "no url"]
    kinds = ["checked", "checked", "failed", "checked", "checked", "checked", "skipped"]
    assert [row["outcome"] for row in rows] == kinds
    assert [row["check_pass"] for row in rows] == [True, False, None, True, True, True, None]
    assert s2v_emulator.billed == 5
    again = checked(Dataset.from_dict({"url": URLS[3:]}))
    assert [row["check_pass"] for row in again] == [True, True, True]
    assert s2v_emulator.billed == 5
