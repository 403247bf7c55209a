"""`--identity-column`: the ledger, and what is a repeat, go by what the user knows an image by."""

import csv
import json
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from s2v_detect.emulator import Emulator, Error

Rows = Sequence[tuple[Any, str]]


def as_csv(path: Path, rows: Rows) -> Path:
    """A CSV with a column `id`."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("id", "url"), *rows])
    return path


def as_json(path: Path, rows: Rows) -> Path:
    """JSON lines, whose numbers are numbers."""
    lines = (json.dumps({"id": name, "url": url}) for name, url in rows)
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def as_parquet(path: Path, rows: Rows) -> Path:
    """Parquet, whose numbers are numbers."""
    from pyarrow import Table, parquet  # noqa: PLC0415  # an extra

    names, urls = zip(*rows, strict=True)
    parquet.write_table(Table.from_pydict({"id": list(names), "url": list(urls)}), path)
    return path


def signed(name: object, day: int) -> str:
    """An address as a store signs it anew each day."""
    return f"https://bucket.example/{name}.jpg?Expires={day}"


def records(path: Path) -> list[dict[str, Any]]:
    """An output's records, in the order of the input."""
    found = [json.loads(line) for line in path.read_text().splitlines()]
    return sorted(found, key=lambda record: record["index"])


@pytest.mark.parametrize(
    ("written", "ending"), [(as_csv, "csv"), (as_json, "jsonl"), (as_parquet, "parquet")]
)
def test_the_next_day_costs_nothing(
    called: Callable[..., Any],
    emulator: Emulator,
    tmp_path: Path,
    written: Callable[[Path, Rows], Path],
    ending: str,
) -> None:
    """Every address is another then; a repeat is one by its identity on the first day already."""
    ids = [1, 2, 1]
    for day, asked in ((1, 2), (2, 0)):
        rows = [(each, signed(f"{each}-{place}", day)) for place, each in enumerate(ids)]
        list_ = written(tmp_path / f"day{day}.{ending}", rows)
        options = (list_, "--identity-column", "id", "--ledger", "l.db")
        if day == 2:
            told = json.loads(called("estimate", *options, "--json").stdout)
            assert (told["duplicates"], told["known"], told["asked"]) == (1, 2, 0)
        before = emulator.requests
        done = called("run", *options, "-o", f"out{day}.jsonl", "--ordered")
        assert done.returncode == 0, done.stderr
        assert emulator.requests - before == asked
        out = records(tmp_path / f"out{day}.jsonl")
        assert [record["image"] for record in out] == [url for _, url in rows]
        assert round(sum(record["cost"] for record in out), 6) == 0.004 * asked


def test_an_estimate_counts_repeats_by_it(called: Callable[..., Any], tmp_path: Path) -> None:
    """And without it by the address, in whichever spelling."""
    rows = [
        ("a", "https://a.example/ä"),
        ("a", "https://a.example/1"),
        ("b", "https://a.example/1"),
    ]
    rows += [("c", "https://a.example/%C3%A4")]
    as_csv(tmp_path / "l.csv", rows)
    by_identity = json.loads(
        called("estimate", "l.csv", "--identity-column", "id", "--json").stdout
    )
    by_address = json.loads(called("estimate", "l.csv", "--json").stdout)
    assert (by_identity["duplicates"], by_identity["asked"]) == (1, 3)
    assert (by_address["duplicates"], by_address["asked"]) == (2, 2)


@pytest.mark.parametrize(
    ("source", "why"),
    [("l.csv", "no column 'nope'"), ("l.txt", "no column 'nope'"), ("folder", "no columns")],
)
def test_a_column_that_is_not_there_is_said_before_anything_is_paid(
    called: Callable[..., Any], emulator: Emulator, tmp_path: Path, source: str, why: str
) -> None:
    """By the name of it."""
    as_csv(tmp_path / "l.csv", [("a", signed("a", 1))])
    (tmp_path / "l.txt").write_text(signed("a", 1))
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "1.jpg").write_bytes(b"\xff\xd8\xff")
    for command in (("run", source, "-o", "out.jsonl"), ("estimate", source)):
        done = called(*command, "--identity-column", "nope")
        assert done.returncode == 2, done.stderr
        assert why in " ".join(done.stderr.split())
    assert emulator.requests == 0


def test_a_row_without_an_identity_is_skipped_with_its_reason(
    called: Callable[..., Any], emulator: Emulator, tmp_path: Path
) -> None:
    """It is never paid for by its address; nor does its address get into the ledger."""
    rows = [(name, signed(number, 1)) for number, name in enumerate(["a", "", None, 1.5, " a "])]
    as_json(tmp_path / "l.jsonl", rows)
    done = called("run", "l.jsonl", "-o", "out.jsonl", "--identity-column", "id")
    assert done.returncode == 1, done.stderr
    found = records(tmp_path / "out.jsonl")
    assert [record["kind"] for record in found] == ["checked", *["skipped"] * 3, "checked"]
    assert all("column 'id'" in record["message"] for record in found[1:4])
    assert all("give a text or a whole number" in record["message"] for record in found[1:4])
    assert emulator.requests == 1
    assert json.loads(called("ledger", "show", "out.jsonl.ledger", "--json").stdout)["skipped"] == 0


def test_a_whole_number_is_one_however_its_list_writes_it(
    called: Callable[..., Any], emulator: Emulator, tmp_path: Path
) -> None:
    """As a number, as a float (that is what pandas makes of it), as a text."""
    ids = [2, 2.0, "2", " 2\u200b"]
    as_json(tmp_path / "l.jsonl", [(each, signed(place, 1)) for place, each in enumerate(ids)])
    done = called("run", "l.jsonl", "-o", "out.jsonl", "--identity-column", "id")
    assert done.returncode == 0, done.stderr
    assert emulator.requests == 1


def test_what_failed_by_its_address_is_asked_for_by_the_next(
    called: Callable[..., Any], emulator: Emulator, tmp_path: Path
) -> None:
    """An address that had ended says nothing of the image. The same address stays failed."""
    emulator.when("*Expires=1", Error(400, "InvalidParameter", "it has ended"))
    requests = []
    for day in (1, 1, 2):
        as_csv(tmp_path / "l.csv", [("a", signed("a", day))])
        called("run", "l.csv", "-o", "out.jsonl", "--identity-column", "id")
        requests.append(emulator.requests)
    assert requests[0] == requests[1] == requests[2] - 1
    assert [record["kind"] for record in records(tmp_path / "out.jsonl")] == ["checked"]


def test_the_ledger_is_asked_by_it(
    called: Callable[..., Any], emulator: Emulator, tmp_path: Path
) -> None:
    """Show, export, reconcile and forget; an address finds nothing there, and says so."""
    as_csv(tmp_path / "l.csv", [("a", signed("a", 1)), ("b", signed("b", 1))])
    called("run", "l.csv", "-o", "out.jsonl", "--identity-column", "id", "--ledger", "l.db")
    shown = called("ledger", "show", "l.db", "a", "--by-identity", "--json")
    told = json.loads(shown.stdout)
    assert (told["identity"], told["image"]) == ("a", signed("a", 1))
    assert "identity" in called("ledger", "show", "l.db", "a", "--by-identity").stdout
    assert called("ledger", "show", "l.db", signed("a", 1)).returncode == 1
    exported = called("ledger", "export", "l.db", "-o", "-").stdout.splitlines()
    assert [json.loads(line)["identity"] for line in exported] == ["a", "b"]
    assert called("ledger", "reconcile", "l.db", "a", "--by-identity").returncode == 0
    assert called("ledger", "reconcile", "l.db", "a", "--by-identity", "--resend").returncode == 0
    assert called("ledger", "forget", "l.db", "a").returncode == 1
    assert called("ledger", "forget", "l.db", "a", "--by-identity").returncode == 0
    exported = called("ledger", "export", "l.db", "-o", "-").stdout.splitlines()
    assert [json.loads(line)["identity"] for line in exported] == ["b"]


WAYS: dict[str, tuple[str, ...]] = {
    "address": (),
    "id": ("--identity-column", "id"),
    "name": ("--identity-column", "name"),
}


def a_list(folder: Path, day: int) -> Path:
    """A list of two images that two columns name, with their addresses of that day."""
    rows = [(number, f"n{number}", signed(number, day)) for number in (1, 2)]
    with (folder / "l.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("id", "name", "url"), *rows])
    return folder / "l.csv"


@pytest.mark.parametrize("before", WAYS)
@pytest.mark.parametrize("now", WAYS)
def test_a_rerun_that_would_pay_again_for_another_identity_is_refused(
    called: Callable[..., Any], emulator: Emulator, tmp_path: Path, before: str, now: str
) -> None:
    """Before anything is asked; an estimate says so too. `--fresh` and `--refresh` go on."""
    run = ("run", a_list(tmp_path, 1), "-o", "out.csv", "--quiet")
    assert called(*run, *WAYS[before]).returncode == 0
    written, asked = (tmp_path / "out.csv").read_bytes(), emulator.requests
    for words in (run, ("estimate", *run[1:4])):
        done = called(*words, *WAYS[now])
        assert done.returncode == (0 if before == now else 2), done.stderr
        assert emulator.requests == asked
        if before != now:
            known_by = "their addresses" if before == "address" else f"the column {before}"
            give = " ".join(WAYS[before]) or "Leave --identity-column out"
            assert f"knows the images of earlier runs by {known_by}: " in done.stderr
            assert give in done.stderr
            assert (tmp_path / "out.csv").read_bytes() == written
    if before != now:
        assert called("estimate", *run[1:4], *WAYS[now], "--fresh").returncode == 0
        assert called(*run, *WAYS[now], "--fresh").returncode == 0
        assert emulator.requests == asked + 2
        assert called(*run, *WAYS[now]).returncode == 0  # it is this one that is gone on with
        assert called(*run, *WAYS[before]).returncode == 2
        assert called(*run, *WAYS[before], "--refresh").returncode == 0


@pytest.mark.parametrize("out", ["other.csv", "-"])
def test_another_output_of_the_same_ledger_is_asked_once(
    called: Callable[..., Any], emulator: Emulator, tmp_path: Path, out: str
) -> None:
    """The next day has another list and output. A ledger that has both kinds takes both."""
    options = ("--ledger", "l.db", "--quiet")
    assert called("run", a_list(tmp_path, 1), "-o", "1.csv", *options, *WAYS["id"]).returncode == 0
    asked = emulator.requests
    again = ("run", a_list(tmp_path, 2), "-o", out, *options)
    assert called(*again).returncode == 2
    assert emulator.requests == asked
    assert called(*again, *WAYS["id"]).returncode == 0
    assert emulator.requests == asked
    assert called("run", "l.csv", "-o", "2.csv", *options, "--fresh").returncode == 0
    assert called("run", "l.csv", "-o", "3.csv", *options).returncode == 0
    assert called("run", "l.csv", "-o", "4.csv", *options, *WAYS["id"]).returncode == 0
    assert called("run", "l.csv", "-o", "5.csv", *options, *WAYS["name"]).returncode == 2


def test_a_run_that_sent_nothing_binds_nobody(
    called: Callable[..., Any],
    environment: dict[str, str],
    emulator: Emulator,
    tmp_path: Path,
) -> None:
    """There is no answer that could be paid for again."""
    run = ("run", a_list(tmp_path, 1), "-o", "out.csv", "--quiet")
    assert called(*run, "--max-cost", "0").returncode == 3
    away = environment | {"DASHSCOPE_BASE_URL": "http://127.0.0.1:9/api/v1"}
    assert called(*run, env=away).returncode == 4
    assert called(*run, *WAYS["id"]).returncode == 0


@pytest.mark.parametrize("before", ["address", "id"])
def test_a_ledger_whose_runs_did_not_say_is_known_by_its_images(
    called: Callable[..., Any], emulator: Emulator, tmp_path: Path, before: str
) -> None:
    """Of an older release, or of a program."""
    run = ("run", a_list(tmp_path, 1), "-o", "out.csv", "--quiet")
    assert called(*run, *WAYS[before]).returncode == 0
    with closing(sqlite3.connect(tmp_path / "out.csv.ledger")) as connection, connection:
        connection.execute("DELETE FROM about WHERE key LIKE 'identity%'")
    for now, words in WAYS.items():
        done = called("estimate", *run[1:4], *words)
        assert done.returncode == (0 if (now == "address") == (before == "address") else 2)
        assert ("as before" in done.stderr) == (done.returncode == 2)
