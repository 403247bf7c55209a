"""Excel in, Excel out, from the list to the report."""

import csv
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pytest
from pyarrow import parquet
from xlsxwriter import Workbook

from s2v_detect.cli import _too_many
from s2v_detect.emulator import Emulator, Reject

Command = Callable[..., Any]
FAST = ("--rate", "500", "--quiet")


def url(name: object) -> str:
    """An address."""
    return f"http://a.example/{name}.jpg"


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """A workbook of a person: a hidden sheet, a link, a number, a formula's error."""
    path = tmp_path / "in.xlsx"
    with Workbook(path) as made:
        old, faces = made.add_worksheet("Old"), made.add_worksheet("人像")
        faces.activate()
        old.hide()
        old.write_row(0, 0, ["photo", "n"])
        old.write_string(1, 0, url("old"))
        faces.write_row(0, 0, ["photo", "n"])
        faces.write_string(1, 0, url(1))
        faces.write_number(1, 1, 7)
        faces.write_url(3, 0, url(2), string="second")
        faces.write_formula(3, 1, "=NA()", None, "#N/A")
        faces.write_string(4, 0, "no address")
    return path


def rows_of(path: Path) -> dict[Any, dict[str, Any]]:
    """The rows of an output, by the line of their input, as another program reads them."""
    sheet = openpyxl.load_workbook(path).active
    assert sheet is not None
    names, *rows = sheet.iter_rows(values_only=True)
    records = [dict(zip(map(str, names), row, strict=True)) for row in rows]
    return {record["line"]: record for record in records}


def test_excel_goes_in_and_out(
    called: Command, emulator: Emulator, book: Path, tmp_path: Path
) -> None:
    """With types, links and the sheet's row numbers; the same again costs nothing."""
    emulator.when("*/2.jpg", Reject("InvalidFile.NoHuman"))
    run = ("run", "in.xlsx", "-o", "out.xlsx", "--column", "photo", *FAST)
    assert called(*run).returncode == 1
    rows = rows_of(tmp_path / "out.xlsx")
    assert sorted(rows) == [2, 4, 5]
    kept = ("photo", "n", "image", "kind", "check_pass", "cost")
    assert [[rows[line][name] for name in kept] for line in sorted(rows)] == [
        [url(1), 7, url(1), "checked", True, 0.004],
        ["second", "#N/A", url(2), "checked", False, 0.004],
        ["no address", None, "no address", "skipped", None, 0],
    ]
    assert called(*run, "--report", "page.html").returncode == 1
    assert emulator.billed == 2
    assert rows_of(tmp_path / "out.xlsx")[4]["code"] == "InvalidFile.NoHuman"
    assert url(2) in (tmp_path / "page.html").read_text()
    assert called("report", "out.xlsx", "-o", "again.html").returncode == 0
    assert not list(tmp_path.glob(".*.part"))


def test_the_sheet_can_be_named(called: Command, book: Path) -> None:
    """In `run` and `estimate`; a wrong name is exit 2, with those that are there."""
    told = called("estimate", "in.xlsx", "--sheet", "Old", "--column", "photo", "--json")
    assert json.loads(told.stdout)["asked"] == 1
    for command in (("run", "in.xlsx", "-o", "out.csv", *FAST), ("estimate", "in.xlsx")):
        done = called(*command, "--sheet", "Neu")
        assert done.returncode == 2
        assert "Its sheets are Old (hidden), 人像." in done.stderr
    assert called("estimate", "in.csv", "--sheet", "1").returncode == 2


def test_an_export_is_a_workbook(called: Command, book: Path, tmp_path: Path) -> None:
    """One row an image, with its types."""
    called("run", "in.xlsx", "-o", "out.csv", "--column", "photo", *FAST)
    export = ("ledger", "export", "out.csv.ledger", "-o", "all.xlsx")
    assert called(*export).returncode == 0
    assert called(*export).returncode == 2
    assert called(*export, "--force").returncode == 0
    sheet = openpyxl.load_workbook(tmp_path / "all.xlsx").active
    assert sheet is not None
    [names, *rows] = sheet.iter_rows(values_only=True)
    assert names[:4] == ("image", "identity", "state", "check_pass")
    assert sorted((row[0], *row[2:4]) for row in rows) == [
        (url(1), "answered", True),
        (url(2), "answered", True),
        ("no address", "skipped", None),
    ]
    assert called("ledger", "export", "out.csv.ledger", "-o", "all.ods").returncode == 2


def test_a_workbook_that_a_person_changed_is_kept(
    called: Command, book: Path, tmp_path: Path
) -> None:
    """As any output is; one that no run wrote is refused."""
    run = ("run", "in.xlsx", "-o", "out.xlsx", "--column", "photo", *FAST)
    called(*run)
    changed = openpyxl.load_workbook(tmp_path / "out.xlsx")
    assert changed.active is not None
    changed.active["A9"] = "my note"
    changed.save(tmp_path / "out.xlsx")
    assert "is kept as out.xlsx.kept-1" in called(*run).stderr
    kept = (tmp_path / "out.xlsx.kept-1").rename(tmp_path / "kept.xlsx")
    assert None in rows_of(kept), "the row of the note"
    assert called("run", "in.xlsx", "-o", "in.xlsx", "--column", "photo", *FAST).returncode == 2


@pytest.mark.parametrize("options", [(), ("--sample", "4")])
def test_more_rows_than_a_sheet_has_are_refused_before_anything_is_paid(
    called: Command, emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
) -> None:  # fmt: skip
    """By rows, not by lines; of every input whose length can be known, and of a sample."""
    monkeypatch.setattr(_too_many, "most_rows", lambda path: 3 if path.suffix == ".xlsx" else None)
    run = ("-o", "out.xlsx", *FAST, *options)
    (tmp_path / "in.txt").write_text("".join(f"{url(n)}\n" for n in range(4)))
    parquet.write_table(pa.table({"url": [url(n) for n in range(4)]}), tmp_path / "in.parquet")
    for source in ("in.txt", "in.parquet"):
        done = called("run", source, *run)
        assert done.returncode == 2
        assert "more rows than an Excel sheet: 3." in done.stderr
    assert emulator.requests == 0
    assert not (tmp_path / "out.xlsx.ledger").exists()
    (tmp_path / "in.csv").write_text(
        "url,note\n" + "".join(f'{url(n)},"a\nb\nc"\n' for n in range(3))
    )
    assert called("run", "in.csv", *run).returncode == 0
    assert called("run", "in.txt", *run[2:], "-o", "out.jsonl").returncode == 0
    few = ("--sample", "3", *FAST, "-o", "few.xlsx")
    assert called("run", "in.txt", *few).returncode == 0


CASES: dict[str, tuple[str, int]] = {
    "empty-object.jsonl": ('{"url": "%s", "meta": {}}\n{"url": "%s", "meta": {}}\n', 2),
    "half-emoji.jsonl": ('{"url":"%s","caption":"smile \\ud83d"}\n', 1),
    "nested.jsonl": ('{"url": "%s", "meta": [{}]}\n', 1),
    "own-output.csv": (
        'url,note,kind,at,input_more\n%s,a,checked,x,\n%s,b,failed,x,"{""a"": 1}"\n',
        2,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_people_reported_comes_out_right(
    called: Command, emulator: Emulator, tmp_path: Path, name: str
) -> None:
    """Every row is in every output, and the report takes each of them."""
    content, count = CASES[name]
    (tmp_path / name).write_text(content % tuple(url(n) for n in range(count)))
    for ending in ("csv", "parquet", "xlsx", "jsonl"):
        out = f"out.{ending}"
        ledger = ("--ledger", "l.db")
        done = called("run", name, "-o", out, "--report", "page.html", *ledger, *FAST)
        assert done.returncode == 0, done.stderr
        told = called("estimate", out, "--column", "image", "--json")
        assert json.loads(told.stdout)["rows"] == count
        assert called("report", out, "-o", "again.html").returncode == 0
    assert emulator.billed == count
    with (tmp_path / "out.csv").open(newline="") as file:
        names, *rows = csv.reader(file)
    assert len(names) == len(set(names))
    if name == "own-output.csv":
        assert '{"a": 1}' in [
            dict(zip(names, row, strict=True))["input_input_more"] for row in rows
        ]


@pytest.mark.real_time
def test_a_killed_run_leaves_the_old_workbook_and_the_next_one_clears_up(
    started: Callable[..., subprocess.Popen[str]],
    called: Command,
    emulator: Emulator,
    tmp_path: Path,
) -> None:
    """Nothing paid is lost: the ledger has it. What lay beside the output goes away."""
    (tmp_path / "in.txt").write_text(url("first"))
    run = ("run", "in.txt", "-o", "out.xlsx", *FAST)
    assert called(*run).returncode == 0
    before = (tmp_path / "out.xlsx").read_bytes()
    (tmp_path / "in.txt").write_text("".join(f"{url(n)}\n" for n in range(200)))
    process = started("run", "in.txt", "-o", "out.xlsx", "--rate", "100", "--quiet")
    while emulator.billed < 30:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=0.05)
    process.kill()
    process.wait()
    assert (tmp_path / "out.xlsx").read_bytes() == before
    left = {path.is_dir() for path in tmp_path.glob(".out.xlsx.*.part")}
    assert left == {True, False}, "the rows that wait, and the file"
    assert called(*run).returncode == 0
    assert len(rows_of(tmp_path / "out.xlsx")) == 200
    assert emulator.billed <= 201 + 60
    assert not list(tmp_path.glob(".out.xlsx.*"))


def test_a_pipe_with_too_many_rows_fills_the_sheet_and_loses_nothing(
    called: Command, emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 2 with the reason; the rows that fitted are there, and the ledger has the others."""
    from s2v_detect.tables import _excel_writing  # noqa: PLC0415  # the extra, where it is replaced

    monkeypatch.setattr(_excel_writing, "_MOST_RECORDS", 20)
    (tmp_path / "in.txt").write_text("".join(f"{url(n)}\n" for n in range(300)))
    run = ("run", "in.txt", "--rate", "1000", "--quiet", "--ledger", "l.db")
    done = called(*run, "-o", "out.xlsx")
    assert done.returncode == 2
    assert "no more than 20 rows" in done.stderr
    assert 0 < len(rows_of(tmp_path / "out.xlsx")) <= 20
    paid = emulator.billed
    assert called(*run, "-o", "out.jsonl").returncode == 0
    assert emulator.billed == 300 >= paid
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 300
