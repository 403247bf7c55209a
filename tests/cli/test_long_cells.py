"""A cell of an input may be longer than `csv` reads by itself."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet


@pytest.mark.parametrize("ending", ["csv", "tsv"])
def test_an_output_with_a_cell_of_200_kb_is_read_back(
    called: Callable[..., Any], tmp_path: Path, ending: str
) -> None:
    """By `report`, and where a run asks whether the output is as it was written."""
    rows = {"image": ["http://a.example/1.jpg"], "note": ["=" + "x" * 200_000]}
    parquet.write_table(pa.table(rows), tmp_path / "in.parquet")
    out = f"out.{ending}"
    run = ("run", "in.parquet", "-o", out, "--ledger", "l.db", "--quiet")
    assert called(*run).returncode == 0
    done = called("report", out, "-o", "page.html")
    assert done.returncode == 0, done.stderr
    with (tmp_path / out).open("a") as file:
        file.write("a note\n")
    assert "is kept as" in called(*run).stderr
