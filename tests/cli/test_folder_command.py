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
    """From beside the list, and named as there; without `--files` a path is no image."""
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "in.csv").write_text(
        "name,photo\nAda,../photos/0.png\nBen,https://a.example/1.jpg\nEve,none.png\nDot,\n"
    )
    options = ("--files", "--column", "photo", *FAST)
    assert called("run", "lists/in.csv", "-o", "out.csv", *options).returncode == 1
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    kinds = {name: row["kind"] for name, row in rows.items()}
    assert kinds == {"Ada": "checked", "Ben": "checked", "Eve": "skipped", "Dot": "skipped"}
    assert rows["Eve"]["image"] == "none.png"
    assert rows["Eve"]["message"].endswith("No such file or directory (tried lists/none.png)")
    assert "empty" in rows["Dot"]["message"]
    told = called("estimate", "lists/in.csv", "--column", "photo", "--files", "--json").stdout
    counts = json.loads(told)
    assert (counts["rows"], counts["faulty"], counts["asked"]) == (4, 2, 2)
    assert rows["Eve"]["message"] in [each["reason"] for each in counts["faulty_by_reason"]]
    assert called("run", "lists/in.csv", "-o", "out.csv", *options).returncode == 1
    with (tmp_path / "out.csv").open(newline="") as file:
        again = {row["name"]: row["image"] for row in csv.DictReader(file)}
    assert again == {name: row["image"] for name, row in rows.items()}
    assert again["Ada"] == "../photos/0.png"
    plain = ("-o", "plain.jsonl", "--column", "photo", *FAST)
    assert called("run", "lists/in.csv", *plain).returncode == 1
    told = [row["kind"] for row in records(tmp_path / "plain.jsonl").values()]
    assert sorted(told) == ["checked", "skipped", "skipped", "skipped"]


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
    kinds = ("rows", "faulty", "duplicates", "known", "asked")
    assert tuple(counts[kind] for kind in kinds) == (6, 1, 1, 3, 1)  # one is no image by its bytes
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


def test_what_is_no_file_is_a_row_and_the_rest_goes_on(
    called: Command, emulator: Emulator, photos: Path
) -> None:
    """A pipe, links in a circle and to nowhere, a device: in a folder, by a pattern, in a list."""
    os.mkfifo(photos / "pipe.png")
    (photos / "circle.png").symlink_to(photos / "circle.png")
    (photos / os.fsdecode(b"nowhere\xff.png")).symlink_to("nowhere")
    (photos / "device.png").symlink_to("/dev/zero")
    for source in ("photos", "photos/*.png"):
        done = called("run", source, "-o", "out.jsonl", "--fresh", *FAST)
        assert done.returncode == 1, done.stderr
        rows = records(photos.parent / "out.jsonl")
        skipped = {name: row["message"] for name, row in rows.items() if row["kind"] == "skipped"}
        assert "not a file" in skipped["photos/pipe.png"]
        assert "not a file" in skipped["photos/device.png"]
        assert "symbolic links" in skipped["photos/circle.png"]
        assert "No such file" in skipped["photos/nowhere\\udcff.png"]
        assert sum(row["kind"] == "checked" for row in rows.values()) == 3
    shown = called("ledger", "show", "out.jsonl.ledger", "photos/page.jpg", "photos/pipe.png")
    assert shown.returncode == 0, shown.stderr
    assert "HTML page" in shown.stdout
    (photos.parent / "in.csv").write_text("url\nphotos/pipe.png\nphotos/0.png\n")
    assert called("run", "in.csv", "-o", "list.jsonl", "--files", *FAST).returncode == 1
    assert emulator.billed == 4  # the list has a ledger of its own


def test_a_folder_that_can_not_be_read_is_a_row(
    called: Command, emulator: Emulator, photos: Path
) -> None:
    """So deep that its path is longer than any may be; what can be read in it is."""
    name, here = "d" * 200, os.open(photos, os.O_RDONLY)
    for _ in range(25):
        os.mkdir(name, dir_fd=here)
        here, above = os.open(name, os.O_RDONLY, dir_fd=here), here
        os.close(above)
    os.close(here)
    assert called("run", "photos", "-o", "out.jsonl", "--recursive", *FAST).returncode == 1
    rows = records(photos.parent / "out.jsonl")
    [deep] = [row for image, row in rows.items() if name in image]
    assert deep["message"].startswith("the folder can't be read: File name too long")
    assert sum(row["kind"] == "checked" for row in rows.values()) == 5


def test_nothing_to_screen_is_said_and_the_earlier_output_stays(
    called: Command, emulator: Emulator, photos: Path
) -> None:
    """A disk that is not there looks like a folder without images."""
    run = ("run", "photos", "-o", "out.jsonl", *FAST)
    assert called(*run).returncode == 1
    before = (photos.parent / "out.jsonl").read_bytes()
    for path in (*photos.glob("*.png"), photos / "page.jpg"):
        path.unlink()
    done = called(*run)
    assert done.returncode == 2
    assert "photos holds no images" in done.stderr
    assert "--recursive" in done.stderr
    assert (photos.parent / "out.jsonl").read_bytes() == before
    assert called(*run, "--recursive").returncode == 0


def test_an_image_as_the_input_is_that_image(
    called: Command, emulator: Emulator, photos: Path
) -> None:
    """And no list of addresses."""
    assert called("run", "photos/0.png", "-o", "out.jsonl", *FAST).returncode == 0
    assert list(records(photos.parent / "out.jsonl")) == ["photos/0.png"]
    done = called("check", "photos")
    assert done.returncode == 1
    assert "s2v-detect run photos" in done.stdout


def test_what_a_run_writes_is_no_input_of_it(
    called: Command, emulator: Emulator, photos: Path
) -> None:
    """Also where a pattern takes everything, in another spelling; and nothing else is left out."""
    for name in ("l.db-run-1.png", "out.jsonl-run-2.png"):
        (photos / name).write_bytes(picture(8))
    report = ("--report", "photos/r.html", "--summary", "photos/s.json")
    for _ in range(2):
        out = photos.absolute() / "out.jsonl"
        run = ("run", "photos/more/../*", "-o", out, "--ledger", "photos/l.db", *report, *FAST)
        assert called(*run).returncode == 1
        names = {Path(image).name for image in records(photos / "out.jsonl")}
        own = {"0.png", "1.png", "2.png", "page.jpg", "list.csv"}
        assert names == own | {"l.db-run-1.png", "out.jsonl-run-2.png"}


def test_hidden_folders_are_left_out_of_a_pattern_unless_it_names_them(
    called: Command, emulator: Emulator, photos: Path
) -> None:
    """As they are of a folder."""
    (photos / ".cache").mkdir()
    (photos / ".cache" / "4.png").write_bytes(picture(4))
    assert called("run", "photos/**/*.png", "-o", "out.jsonl", *FAST).returncode == 0
    assert "photos/.cache/4.png" not in records(photos.parent / "out.jsonl")
    assert called("run", "photos/**/.cache/*.png", "-o", "hidden.jsonl", *FAST).returncode == 0
    assert list(records(photos.parent / "hidden.jsonl")) == ["photos/.cache/4.png"]


def test_an_estimate_counts_what_can_not_be_read(
    called: Command, emulator: Emulator, photos: Path
) -> None:
    """As no image, and goes on."""
    os.mkfifo(photos / "pipe.png")
    (photos / "empty.png").touch()
    (photos / "nowhere.png").symlink_to("nowhere")
    counts = json.loads(called("estimate", "photos", "--json").stdout)
    kinds = ("rows", "faulty", "asked")
    assert tuple(counts[kind] for kind in kinds) == (7, 4, 3)  # and one is no image by its bytes


def test_a_pattern_of_folders_is_taken_with_the_emulator_too(
    called: Command, photos: Path, tmp_path: Path
) -> None:
    """Whose own folder is the one in which they all lie."""
    for pattern in ("phot*/more/*.png", "photos/**"):
        done = called("run", pattern, "-o", "out.jsonl", "--emulator", "--fresh", *FAST)
        assert done.returncode in (0, 1), done.stderr
        assert any(image.endswith("3.png") for image in records(tmp_path / "out.jsonl"))


def test_an_output_that_promises_another_format_is_refused(
    called: Command, photos: Path, tmp_path: Path
) -> None:
    """Before anything is asked for."""
    for name in ("out.csv.gz", "out.xls"):
        done = called("run", "photos", "-o", name, *FAST)
        assert done.returncode == 2
        assert "Give another name after -o" in done.stderr
        assert not (tmp_path / name).exists()


def test_what_could_not_be_looked_at_is_counted(
    called: Command, emulator: Emulator, tmp_path: Path
) -> None:
    """A preflight that sees nothing must not look like one that found nothing."""
    (tmp_path / "in.txt").write_text("https://no-such-name.invalid/1.jpg\n")
    done = called("run", "in.txt", "-o", "out.jsonl", "--preflight", "--summary", "s.json", *FAST)
    assert done.returncode == 0
    assert "could not be looked at" in done.stderr
    assert json.loads((tmp_path / "s.json").read_text())["unseen"] == 1


def test_the_store_of_each_emulator_begins_empty(
    called: Command, photos: Path, tmp_path: Path
) -> None:
    """What an earlier run uploaded to its own is not asked for in vain."""
    run = ("run", "photos", "-o", "out.jsonl", "--emulator", "--refresh", "--summary", "s.json")
    for _ in range(2):
        assert called(*run, *FAST).returncode == 1
        assert json.loads((tmp_path / "s.json").read_text())["requests"] == 3


def test_an_image_without_an_ending_is_an_image(
    called: Command, emulator: Emulator, photos: Path
) -> None:
    """By how it begins, and not a list of addresses."""
    (photos / "0.png").rename(photos / "HEADSHOT")
    assert called("run", "photos/HEADSHOT", "-o", "out.jsonl", *FAST).returncode == 0
    assert list(records(photos.parent / "out.jsonl")) == ["photos/HEADSHOT"]
    done = called("run", "out.jsonl", "-o", "out.jsonl", *FAST)
    assert done.returncode == 2
    assert "is the input and the output at once" in done.stderr


def test_a_missing_image_is_sent_if_wanted(
    called: Command, emulator: Emulator, tmp_path: Path
) -> None:
    """By `--send-missing`; a server of this machine stands in for the open net."""
    (tmp_path / "in.txt").write_text(f"{emulator.origin}/files/none.jpg\n")
    run = ("run", "in.txt", "--preflight", "--emulator", "--answer", "look", "--fresh", *FAST)
    assert called(*run, "-o", "out.jsonl").returncode == 1
    assert [row["kind"] for row in records(tmp_path / "out.jsonl").values()] == ["skipped"]
    called(*run, "-o", "sent.jsonl", "--send-missing")
    assert [row["kind"] for row in records(tmp_path / "sent.jsonl").values()] == ["failed"]
