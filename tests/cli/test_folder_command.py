"""Folders, patterns and paths as the input of `run`; files on the line of `check`."""

import csv
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from s2v_detect.emulator import Emulator

Command = Callable[..., Any]
FAST = ("--rate", "500", "--quiet")


def picture(seed: int) -> bytes:
    """An image that no other seed gives."""
    file = io.BytesIO()
    Image.new("RGB", (400 + seed, 400), (seed, 0, 0)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Images, a copy of one, a small one, a page, a list, a hidden file, and a folder inside."""
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    for number in range(3):
        (folder / f"{number}.png").write_bytes(picture(number))
    (folder / "more" / "3.png").write_bytes(picture(3))
    (folder / "more" / "again.png").write_bytes(picture(0))
    (folder / "page.jpg").write_text("<html><body>Sign in</body></html>")
    (folder / "list.csv").write_text("url\n")
    (folder / ".hidden.png").write_bytes(picture(9))
    (folder / "more" / "circle").symlink_to(folder)
    return folder


def records(path: Path) -> dict[str, dict[str, Any]]:
    """What an output holds, by the image."""
    return {row["image"]: row for row in map(json.loads, path.read_text().splitlines())}


def test_a_folder_is_screened_and_the_second_time_for_nothing(
    called: Command, emulator: Emulator, photos: Path, tmp_path: Path
) -> None:
    """Its images, by content; with the same costs in the rows when it goes on."""
    run = ("run", "photos", "-o", "out.jsonl", *FAST)
    assert called(*run).returncode == 1
    first = records(tmp_path / "out.jsonl")
    kinds = {name: row["kind"] for name, row in first.items()}
    assert kinds == {
        **{f"photos/{number}.png": "checked" for number in range(3)},
        "photos/page.jpg": "skipped",
    }
    assert "HTML page" in first["photos/page.jpg"]["message"]
    (photos / "0.png").rename(photos / "renamed.png")
    assert called(*run, "--recursive").returncode == 1
    again = records(tmp_path / "out.jsonl")
    assert set(again) == {
        *(f"photos/{name}.png" for name in ("1", "2", "renamed", "more/3", "more/again")),
        "photos/page.jpg",
    }
    assert (emulator.billed, emulator.store.uploaded) == (4, 4)
    assert sum(row["cost"] for row in again.values()) == pytest.approx(0.016)


def test_a_pattern_takes_what_it_matches(
    called: Command, emulator: Emulator, photos: Path, tmp_path: Path
) -> None:
    """`**` is any number of folders."""
    assert called("run", "photos/**/[13].png", "-o", "out.jsonl", *FAST).returncode == 0
    assert set(records(tmp_path / "out.jsonl")) == {"photos/1.png", "photos/more/3.png"}
    assert called("run", "photos/*.tiff", "-o", "none.jsonl", *FAST).returncode == 2


def test_a_column_of_paths_is_read_if_wanted(
    called: Command, emulator: Emulator, photos: Path, tmp_path: Path
) -> None:
    """From beside the list; without `--files` a path is no image."""
    (tmp_path / "in.csv").write_text(
        "name,image\nAda,photos/0.png\nBen,https://a.example/1.jpg\nEve,photos/none.png\n"
    )
    assert called("run", "in.csv", "-o", "out.csv", "--files", *FAST).returncode == 1
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    assert [rows[name]["kind"] for name in ("Ada", "Ben", "Eve")] == [
        "checked",
        "checked",
        "skipped",
    ]
    assert "No such file" in rows["Eve"]["message"]
    assert called("run", "in.csv", "-o", "plain.jsonl", *FAST).returncode == 1
    kinds = [row["kind"] for row in records(tmp_path / "plain.jsonl").values()]
    assert sorted(kinds) == ["checked", "skipped", "skipped"]


def test_a_name_of_any_bytes_is_a_row(called: Command, emulator: Emulator, photos: Path) -> None:
    """And the output stays readable."""
    (photos / os.fsdecode(b"n\xff\n.png")).write_bytes(picture(7))
    done = called("run", "photos", "-o", "out.jsonl", "--events", "events.jsonl", *FAST)
    assert done.returncode == 1, done.stderr
    events = (photos.parent / "events.jsonl").read_text().splitlines()
    assert "photos/n\\udcff\n.png" in {json.loads(line)["image"] for line in events}
    assert "photos/n\\udcff\n.png" in records(photos.parent / "out.jsonl")


def test_an_estimate_of_a_folder_asks_nobody(
    called: Command, emulator: Emulator, photos: Path
) -> None:
    """What is known from the ledger is free, whatever it is called."""
    called("run", "photos", "-o", "out.jsonl", *FAST)
    asked = emulator.requests
    told = called(
        "estimate", "photos", "--recursive", "--ledger", "out.jsonl.ledger", "--json"
    ).stdout
    counts = json.loads(told)
    assert (counts["rows"], counts["known"], counts["asked"]) == (6, 4, 2)
    assert emulator.requests == asked


def test_the_ledger_knows_a_file_by_what_it_holds(
    called: Command, emulator: Emulator, photos: Path
) -> None:
    """Under another name too."""
    called("run", "photos", "-o", "out.jsonl", *FAST)
    done = called("ledger", "show", "out.jsonl.ledger", "photos/more/again.png", "--json")
    assert done.returncode == 0, done.stderr
    assert "photos/0.png" in done.stdout


def test_files_are_checked_on_the_line(called: Command, emulator: Emulator, photos: Path) -> None:
    """Beside URLs."""
    done = called("check", "photos/0.png", "https://a.example/1.jpg", "photos/none.png", "--json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["kind"] for line in lines] == ["checked", "checked", "skipped"]
    assert done.returncode == 1
    assert emulator.store.uploaded == 1
