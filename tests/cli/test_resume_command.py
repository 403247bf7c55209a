"""A run that is given again goes on; what it keeps can be looked at, exported and drawn."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from s2v_detect import Ledger
from s2v_detect.emulator import Cut, Emulator, Error, Pass, Reject

Command = Callable[..., Any]
FAST = ("--rate", "500", "--quiet")
RUN = ("run", "in.txt", "-o", "out.jsonl", *FAST)


def url(name: object) -> str:
    """An address."""
    return f"http://a.example/{name}.jpg"


def give(path: Path, *names: object) -> None:
    """Write an input."""
    path.write_text("".join(f"{url(name)}\n" for name in names))


def records(path: Path) -> list[dict[str, Any]]:
    """What an output holds."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_same_command_again_pays_nothing_and_changes_nothing(
    called: Command, emulator: Emulator, tmp_path: Path
) -> None:
    """The rows keep what they cost when they were asked for."""
    emulator.when("*/1.jpg", Reject("InvalidFile.NoHuman"))
    emulator.when("*/2.jpg", Error(400, "InvalidURL"))
    give(tmp_path / "in.txt", *range(5))
    assert called(*RUN).returncode == 1
    first, asked = records(tmp_path / "out.jsonl"), emulator.requests
    done = called(*RUN, "--summary", "summary.json")
    again = sorted(records(tmp_path / "out.jsonl"), key=lambda row: row["index"])
    assert emulator.requests == asked
    kept = ("index", "kind", "check_pass", "code", "cost", "billed", "source", "error", "attempts")
    wanted = sorted(first, key=lambda row: row["index"])
    assert [[row[key] for key in kept] for row in again] == [
        [row[key] for key in kept] for row in wanted
    ]
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["schema_version"] == 1
    assert (summary["known"], summary["requests"], summary["exit_code"]) == (5, 0, 1)
    assert summary["spend"]["cost"] == "0.000"
    assert summary["spend_in_all"]["cost"] == "0.016"
    assert "in all" in done.stderr


def test_a_changed_input_asks_for_what_is_new(
    called: Command, emulator: Emulator, tmp_path: Path
) -> None:
    """Wherever it stands; a row that went away is in the output no more."""
    give(tmp_path / "in.txt", "a", "b", "c")
    called(*RUN)
    give(tmp_path / "in.txt", "new", "b", "b", "a")
    assert called(*RUN).returncode == 0
    rows = sorted(records(tmp_path / "out.jsonl"), key=lambda row: row["index"])
    assert [row["image"] for row in rows] == [url("new"), url("b"), url("b"), url("a")]
    assert [row["cost"] for row in rows] == [0.004, 0.004, 0.0, 0.004]
    assert [row["source"] for row in rows] == ["service", "service", "ledger", "service"]
    assert emulator.billed == 4


def test_failed_images_are_asked_again_when_told(
    called: Command, emulator: Emulator, tmp_path: Path
) -> None:
    """Else they stand; a fresh start asks them too, and answers stay free."""
    give(tmp_path / "in.txt", "a", "b")
    emulator.when("*/b.jpg", Error(400, "InvalidURL"))
    assert called(*RUN).returncode == 1
    assert called(*RUN).returncode == 1
    assert emulator.requests == 2
    assert called(*RUN, "--fresh").returncode == 1
    assert emulator.requests == 3
    emulator.when("*/b.jpg", Pass())
    assert called(*RUN, "--retry-failed").returncode == 0
    assert emulator.billed == 2


def test_the_budget_spans_the_restarts_of_one_output(
    called: Command, emulator: Emulator, tmp_path: Path
) -> None:
    """Exit 3, never passed; a higher one goes on."""
    give(tmp_path / "in.txt", *range(10))
    for max_cost, billed in (("0.012", 3), ("0.012", 3), ("0.03", 7)):
        done = called(*RUN, "--max-cost", max_cost)
        assert done.returncode == 3
        assert "max_cost" in done.stderr
        assert emulator.billed == billed
    assert called(*RUN, "--max-cost", "1").returncode == 0
    assert len(records(tmp_path / "out.jsonl")) == 10


def test_an_unknown_outcome_that_is_kept_is_exit_5_and_can_be_settled(
    called: Command, emulator: Emulator, tmp_path: Path
) -> None:
    """`reconcile` lists it, lets it be resent, or writes it off."""
    give(tmp_path / "in.txt", "a", "lost")
    emulator.when("*/lost.jpg", Cut(billed=True))
    assert called(*RUN, "--on-unknown", "keep").returncode == 5
    assert called(*RUN, "--on-unknown", "keep").returncode == 5
    assert emulator.requests == 2
    listed = called("ledger", "reconcile", "out.jsonl.ledger")
    assert url("lost") in listed.stdout
    assert "1 image is unknown" in listed.stderr
    assert "0.004" in called("ledger", "reconcile", "out.jsonl.ledger", "--resend").stderr
    assert called(*RUN).returncode == 5
    assert called("ledger", "reconcile", "out.jsonl.ledger", "--write-off").returncode == 0
    assert called(*RUN).returncode == 1
    row = next(row for row in records(tmp_path / "out.jsonl") if row["image"] == url("lost"))
    assert (row["error"], row["billed"]) == ("OutcomeUnknown", "unknown")
    assert row["cost_at_most"] == pytest.approx(0.004 * (emulator.requests - 1))
    assert "No image is unknown" in called("ledger", "reconcile", "out.jsonl.ledger").stderr
    both = called("ledger", "reconcile", "out.jsonl.ledger", "--resend", "--write-off")
    assert both.returncode == 2


def test_other_columns_pass_through(called: Command, emulator: Emulator, tmp_path: Path) -> None:
    """From CSV to CSV and to JSON lines; a column of our name gives way."""
    with (tmp_path / "in.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [
                ["photo", "name", "code"],
                [url(1), 'Bo, "x"', "007"],
                [url(2), "", "8"],
                ["", "C", ""],
            ]
        )
    run = ("run", "in.csv", "--column", "photo", "--ledger", "shared.db", *FAST)
    assert called(*run, "-o", "out.csv").returncode == 1
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: row["index"])
    assert [(row["photo"], row["name"], row["input_code"]) for row in rows] == [
        (url(1), 'Bo, "x"', "007"),
        (url(2), "", "8"),
        ("", "C", ""),
    ]
    assert [row["check_pass"] for row in rows] == ["true", "true", ""]
    assert called(*run, "-o", "out.jsonl").returncode == 1
    [first, *_] = sorted(records(tmp_path / "out.jsonl"), key=lambda row: row["index"])
    assert (first["name"], first["source"], first["cost"]) == ('Bo, "x"', "ledger", 0)
    assert emulator.billed == 2


def test_parquet_goes_in_and_out(called: Command, tmp_path: Path) -> None:
    """With its types."""
    table = pa.table({"url": [url(n) for n in range(3)], "age": [30, None, 50]})
    parquet.write_table(table, tmp_path / "in.parquet")
    done = called("run", "in.parquet", "-o", "out.parquet", *FAST)
    assert done.returncode == 0
    rows = parquet.read_table(tmp_path / "out.parquet").to_pylist()
    assert sorted((row["index"], row["age"], row["check_pass"]) for row in rows) == [
        (0, 30, True),
        (1, None, True),
        (2, 50, True),
    ]


def test_a_column_that_is_not_there_is_exit_2(called: Command, tmp_path: Path) -> None:
    """It names those that are."""
    (tmp_path / "in.csv").write_text("a,b\n1,2\n")
    done = called("run", "in.csv", "-o", "out.csv", *FAST)
    assert done.returncode == 2
    assert "Its columns are a, b." in done.stderr


def test_a_sample_tells_of_the_whole(called: Command, emulator: Emulator, tmp_path: Path) -> None:
    """The same seed is the same sample; the whole run after it asks for the rest."""
    give(tmp_path / "in.txt", *range(200))
    sampled = (*RUN, "--sample", "20", "--seed", "7", "--summary", "summary.json")
    assert called(*sampled).returncode == 0
    done = called(*sampled)
    assert done.returncode == 0
    assert emulator.billed == 20
    assert "with 95 % confidence between" in done.stderr
    sample = json.loads((tmp_path / "summary.json").read_text())["sample"]
    assert (sample["rows"], sample["rows_in_all"], sample["pass_rate"]) == (20, 200, 1.0)
    assert 0.8 < sample["pass_rate_low"] < 0.9
    assert sample["cost_of_the_rest_at_most"] == "0.720"
    assert called(*RUN).returncode == 0
    assert emulator.billed == 200


def test_an_estimate_asks_nobody(
    called: Command, emulator: Emulator, tmp_path: Path, clean_environment: dict[str, str]
) -> None:
    """Rows, faults, repeats, what is known, and what the rest costs; without a key too."""
    give(tmp_path / "in.txt", "a", "b")
    called(*RUN)
    give(tmp_path / "in.txt", "a", "b", "c", "d", "c")
    with (tmp_path / "in.txt").open("a") as file:
        file.write("no url\n")
    ledger = ("--ledger", "out.jsonl.ledger")
    done = called("estimate", "in.txt", "--json", *ledger, env=clean_environment)
    counts = json.loads(done.stdout)
    assert counts.pop("seconds") == 0.4
    assert [why["first_line"] for why in counts.pop("faulty_by_reason")] == [6]
    assert counts == {
        "rows": 6,
        "faulty": 1,
        "duplicates": 1,
        "known": 2,
        "asked": 2,
        "cost": "0.008",
    }
    assert "CNY 0.008" in called("estimate", "in.txt", *ledger).stdout
    assert emulator.requests == 2


def test_the_ledger_can_be_looked_at(called: Command, emulator: Emulator, tmp_path: Path) -> None:
    """One image, all, the spend; as text and as JSON."""
    emulator.when("*/b.jpg", Cut(billed=True), Reject("InvalidFile.NoHuman"))
    give(tmp_path / "in.txt", "a", "b")
    called(*RUN)
    shown = called("ledger", "show", "out.jsonl.ledger", url("b"), "--json")
    [entry] = [json.loads(line) for line in shown.stdout.splitlines()]
    assert (entry["state"], entry["code"]) == ("answered", "InvalidFile.NoHuman")
    assert [request["outcome"] for request in entry["requests"]] == ["unknown", "billed"]
    assert "InvalidFile.NoHuman" in called("ledger", "show", "out.jsonl.ledger", url("b")).stdout
    assert "answered" in called("ledger", "show", "out.jsonl.ledger").stdout
    missing = called("ledger", "show", "out.jsonl.ledger", url("c"))
    assert missing.returncode == 1
    assert "never asked for" in missing.stderr
    spend = json.loads(called("ledger", "statement", "out.jsonl.ledger", "--json").stdout)
    assert (spend["requests"], spend["billed"], spend["unknown"]) == (3, 2, 1)
    assert "0.012" in called("ledger", "statement", "out.jsonl.ledger").stdout


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_the_ledger_can_be_exported(called: Command, tmp_path: Path, ending: str) -> None:
    """One row an image; a file that is there is not replaced."""
    give(tmp_path / "in.txt", "a", "b")
    called(*RUN)
    export = ("ledger", "export", "out.jsonl.ledger", "-o", f"all.{ending}")
    assert called(*export).returncode == 0
    assert called(*export).returncode == 2
    assert called(*export, "--force").returncode == 0
    path = tmp_path / f"all.{ending}"
    if ending == "parquet":
        images = parquet.read_table(path)["image"].to_pylist()
    elif ending == "csv":
        images = [row["image"] for row in csv.DictReader(path.read_text().splitlines())]
    else:
        images = [row["image"] for row in records(path)]
    assert sorted(images) == [url("a"), url("b")]
    assert called("ledger", "export", "out.jsonl.ledger", "-o", "-").stdout.count("\n") == 2


@pytest.mark.parametrize("name", ["missing.db", "in.txt"])
def test_what_is_no_ledger_is_exit_2(called: Command, tmp_path: Path, name: str) -> None:
    """In the ledger's own two sentences."""
    give(tmp_path / "in.txt", "a")
    for words in (("show",), ("statement",), ("reconcile",), ("export", "-o", "-")):
        done = called("ledger", words[0], name, *words[1:])
        assert done.returncode == 2
        assert "ledger" in done.stderr
    assert not (tmp_path / "missing.db").exists()


def test_a_report_is_made_of_an_output_or_a_ledger(called: Command, tmp_path: Path) -> None:
    """And with the run itself."""
    give(tmp_path / "in.txt", "a", "b")
    assert called(*RUN, "--report", "run.html").returncode == 0
    assert called("report", "out.jsonl", "-o", "out.html", "--title", "Mine").returncode == 0
    assert called("report", "out.jsonl.ledger", "-o", "ledger.html").returncode == 0
    for name in ("run", "out", "ledger"):
        assert url("a") in (tmp_path / f"{name}.html").read_text()
    assert "<h1><bdi>Mine</bdi></h1>" in (tmp_path / "out.html").read_text()
    assert called("report", "in.txt", "-o", "x.html").returncode == 2
    assert called("report", "missing.jsonl", "-o", "x.html").returncode == 2


def test_every_step_can_be_had_as_json_lines(called: Command, tmp_path: Path) -> None:
    """Appended, so that a restart keeps the earlier ones."""
    give(tmp_path / "in.txt", "a")
    for _ in range(2):
        assert called(*RUN, "--events", "events.jsonl").returncode == 0
    kinds = [event["kind"] for event in records(tmp_path / "events.jsonl")]
    assert kinds == ["queued", "turn", "sent", "answered", "settled"]
    assert called(*RUN, "--events", "no/events.jsonl").returncode == 2


def test_a_second_run_of_one_output_is_refused(
    called: Command, emulator: Emulator, tmp_path: Path
) -> None:
    """Before it writes a line."""
    give(tmp_path / "in.txt", "a")
    with Ledger(tmp_path / "out.jsonl.ledger", name="out.jsonl") as ledger:
        run = ledger.begin("wan2.2-s2v-detect on this machine")
        done = called(*RUN)
        assert done.returncode == 2
        assert "is being written by a run already" in done.stderr
        assert not list(tmp_path.glob("out.jsonl.part"))
        assert run.id
    assert emulator.requests == 0


@pytest.mark.parametrize(
    "first", [("show",), ("statement",), ("export", "-o", "-"), ("reconcile",)]
)
def test_an_empty_ledger_file_is_begun(
    called: Command, emulator: Emulator, tmp_path: Path, first: tuple[str, ...]
) -> None:
    """By whatever command comes first; the run that follows pays, and its repeat does not."""
    (tmp_path / "books.db").touch()
    (tmp_path / "in.txt").write_text("http://a.example/1.jpg\n")
    done = called("ledger", first[0], "books.db", *first[1:])
    assert (done.returncode, "no such table" in done.stderr) == (0, False)
    run = ("run", "in.txt", "-o", "out.jsonl", "--ledger", "books.db", "--quiet")
    assert [called(*run).returncode, called(*run).returncode] == [0, 0]
    assert emulator.requests == 1
