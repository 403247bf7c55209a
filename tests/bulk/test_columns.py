"""A column stands once, in the table: what writes, reads or explains it walks that."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.processes import uncovered

import s2v_detect
from s2v_detect import DetectClient
from s2v_detect._columns import LEDGER_COLUMNS, LINE, OUTCOME_COLUMNS, OUTPUT_COLUMNS, Column
from s2v_detect.cli import main
from s2v_detect.report._tally import SHOWN, TOLD

SOURCE = Path(s2v_detect.__file__).parent
NAMES = [column.name for column in OUTCOME_COLUMNS]

WRITTEN = """
import asyncio, json, sys
from pathlib import Path
from s2v_detect import Checked, Ledger, Verdict
from s2v_detect.bulk import open_output
from s2v_detect.tables import Row, read_records
from s2v_detect.bulk.records import known_record, outcome_record
from s2v_detect._columns import OUTCOME_COLUMNS

def outcome(index, **more):
    passed = Verdict(check_pass=True)
    return Checked(index=index, image="https://a.example/1", verdict=passed, **more)

async def written(path, records):
    output = open_output(path, columns=lambda: ["name"])
    await output.write(records)
    assert await output.finish(is_complete=True)
    output.close()

folder = Path(sys.argv[1])
row = Row(1, "https://a.example/1", columns={"name": "Bo"})
with Ledger(folder / "books.ledger") as books:
    [entry] = books.all_entries()
records = [
    outcome_record(row, 0, outcome(0, doubt="not looked at"), None),
    known_record(row, 1, entry, is_own=True, now="2026-11-25T00:00:00.000+00:00"),
]
told = {"line": json.loads(outcome(0).model_dump_json())}
for ending in ("jsonl", "csv", "tsv", "parquet", "xlsx"):
    path = folder / f"out.{ending}"
    asyncio.run(written(path, records))
    told[ending] = list(read_records(path))
print(json.dumps(told))
"""


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    """A copy of the package, to be changed in one place."""
    copy = tmp_path / "source"
    shutil.copytree(SOURCE, copy / SOURCE.name, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def add_rows(source: Path, *columns: str, behind: str) -> None:
    """Add columns to a table, and do nothing else."""
    table = source / SOURCE.name / "_columns.py"
    text = table.read_text(encoding="utf-8")
    assert text.count(behind) == 1
    rows = "".join(f"\n    {column}," for column in columns)
    table.write_text(text.replace(behind, f"{behind}{rows}"), encoding="utf-8")


def run(source: Path, *arguments: str) -> str:
    """Return what a Python of its own prints, which has that package."""
    environ = uncovered() | {"PYTHONPATH": str(source)}
    done = subprocess.run(  # noqa: S603  # our own line
        [sys.executable, *arguments], capture_output=True, text=True, check=True, env=environ
    )
    return done.stdout


async def ledger_in(folder: Path) -> Path:
    """A ledger with one skipped image."""
    path = folder / "books.ledger"
    async with DetectClient("sk-x", ledger=path) as client:
        async with client.aiter_check(["ftp://a.example/1"]) as outcomes:
            assert [outcome.kind async for outcome in outcomes] == ["skipped"]
    return path


@pytest.mark.real_time
async def test_a_column_that_is_in_the_table_alone_is_in_every_format(
    tmp_path: Path, changed: Path
) -> None:
    """In the outcome's line, in each file and back from it, and never in `input_more`."""
    new = {  # a column of the table, with its value in a checked and in a known line
        'Column("doubt", str, "", "Why a look could not tell.")': ("not looked at", ""),
        'Column("retries", int, None, "None that anybody tells.")': (None, None),
        'Column("free", bool, None, "None that anybody tells.")': (None, None),
    }
    at = next(line for line in _lines_of_table() if '"at"' in line)
    add_rows(changed, *new, behind=at)
    await ledger_in(tmp_path)
    told = json.loads(run(changed, "-c", WRITTEN, str(tmp_path)))
    names = [*NAMES, *(column.split('"')[1] for column in new)]
    assert list(told.pop("line")) == names
    for ending, records in told.items():
        found = [{key: row[key] for key in row if key != "input_more"} for row in records]
        assert [list(row) for row in found] == [["name", "line", *names]] * 2, ending
        values = [tuple(row[name] for row in found) for name in names[len(NAMES) :]]
        assert values == list(new.values()), ending
        assert not any(row.get("input_more") for row in records), ending


EXPORTED = """
import sys
from s2v_detect.cli import main

ledger, *outs = sys.argv[1:]
for out in outs:
    assert main(["ledger", "export", ledger, "-o", out]) == 0, out
main(["ledger", "export", "--help"])
"""


@pytest.mark.real_time
async def test_a_column_of_the_export_is_in_every_format(tmp_path: Path, changed: Path) -> None:
    """One that the ledger has a field for has its value, too."""
    at = next(line for line in _lines_of_table() if '"run"' in line)
    add_rows(changed, 'Column("lineage", int, None, "The first run of that name.")', behind=at)
    names = [*(column.name for column in LEDGER_COLUMNS), "lineage"]
    outs = [tmp_path / f"all.{ending}" for ending in ("jsonl", "csv", "tsv", "parquet", "xlsx")]
    ledger = await ledger_in(tmp_path)
    told = run(changed, "-c", EXPORTED, str(ledger), "-", *map(str, outs))
    piped = json.loads(told.splitlines()[0])
    assert list(piped) == names
    assert (piped["state"], piped["lineage"]) == ("skipped", piped["run"])
    for out in outs:
        assert _names_in(out) == names, out.suffix
    assert "lineage       The first run" in told


def test_the_help_of_a_run_explains_every_column(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the words of the table, which is the one place where they stand."""
    monkeypatch.setenv("COLUMNS", "100")
    assert main(["run", "--help"]) == 0
    told = capsys.readouterr().out
    for column in OUTPUT_COLUMNS:
        assert f"  {column.name:<14}{column.meaning}\n" in told


@pytest.mark.parametrize("column", [*OUTPUT_COLUMNS, *LEDGER_COLUMNS], ids=lambda each: each.name)
def test_a_column_is_empty_as_its_type_allows(column: Column) -> None:
    """A text or nothing; a number and a yes or no have no other word for nothing."""
    assert column.type in (str, int, float, bool)
    assert column.empty is None or (column.type is str and column.empty == "")
    assert column.meaning.endswith(".")
    assert not column.is_guarded or column.empty == ""


def test_the_report_reads_no_column_that_is_none() -> None:
    """A misspelled name would be empty in every row, and nobody would miss it."""
    assert {*SHOWN, *TOLD} <= {LINE.name, *NAMES}


def _lines_of_table() -> list[str]:
    return (SOURCE / "_columns.py").read_text(encoding="utf-8").splitlines()


def _names_in(path: Path) -> list[str]:
    if path.suffix == ".parquet":
        from pyarrow import parquet  # noqa: PLC0415  # an extra

        names: list[Any] = parquet.ParquetFile(path).schema_arrow.names
        return [str(name) for name in names if name != "input_more"]
    if path.suffix == ".xlsx":
        import openpyxl  # noqa: PLC0415  # as above

        [first_row, *_] = openpyxl.load_workbook(path).active.iter_rows(values_only=True)
        return [str(name) for name in first_row if name != "input_more"]
    first = path.read_text(encoding="utf-8").splitlines()[0]
    if path.suffix == ".jsonl":
        return list(json.loads(first))
    return first.split("," if path.suffix == ".csv" else "\t")
