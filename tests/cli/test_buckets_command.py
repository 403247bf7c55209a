"""`run s3://bucket/prefix`: listed as a stream, each object asked for by an address of its own."""

import csv
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.buckets import Bucket, new_bucket
from tests.cli.conftest import Command

from _lister import Fault, Lister, listing
from s2v_detect import integrations
from s2v_detect.emulator import Emulator

EXAMPLES = Path(__file__).parents[2] / "examples" / "photographs"


@pytest.fixture
def bucket(s3_endpoint: str) -> Bucket:
    """An empty bucket."""
    return new_bucket(s3_endpoint)


@pytest.fixture
def run(called: Command, environment: dict[str, str], bucket: Bucket) -> Command:
    """Run the command as somebody who may read the bucket."""

    def run(*arguments: object, **env: str) -> Any:
        return called(*arguments, env=environment | dict(bucket.environment) | env)

    return run


def rows_of(path: Path) -> dict[str, dict[str, Any]]:
    """The records of an output, by their images."""
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {record["image"]: record for record in records}


def test_a_rerun_pays_for_what_is_new_or_changed(
    run: Command, bucket: Bucket, emulator: Emulator, tmp_path: Path
) -> None:
    """Its signatures are others, and pay for nothing. No file that a run makes has one."""
    bucket.fill({f"in/{n}.jpg": b"x" for n in range(3)} | {"in/": b"", "in/a.txt": b"x"})
    files = ("--report", "r.html", "--summary", "s.json", "--events", "e.jsonl")
    line = ("run", bucket.url("in/"), "-o", "out.jsonl", *files)
    first = run(*line)
    assert first.returncode == 0, first.stderr
    assert "1 object is not called as images are and left out (.txt: 1)." in first.stderr
    assert rows_of(tmp_path / "out.jsonl").keys() == {bucket.url(f"in/{n}.jpg") for n in range(3)}
    assert run(*line).returncode == 0
    assert emulator.billed == 3
    bucket.fill({"in/1.jpg": b"changed", "in/3.jpg": b"new"})
    assert run(*line).returncode == 0
    assert emulator.billed == 5
    rows = rows_of(tmp_path / "out.jsonl").values()
    assert sorted(row["cost"] for row in rows) == [0.004] * 4
    for path in tmp_path.iterdir():
        content = path.read_bytes()
        assert b"Amz" not in content, path
        assert b"AKIA" not in content, path
    assert all("X-Amz-Signature" in (arrival.image or "") for arrival in emulator.arrivals)


def test_estimate_says_what_a_run_sends(run: Command, bucket: Bucket, emulator: Emulator) -> None:
    """Before the run, and behind it."""
    bucket.fill({f"{n}.jpg": b"x" for n in range(3)} | {"4.jpg": b"", "5.heic": b"x"})
    line = (bucket.url(), "-o", "out.csv")
    before = json.loads(run("estimate", *line, "--json").stdout)
    assert (before["rows"], before["faulty"], before["asked"]) == (5, 2, 3)
    assert run("run", *line).returncode == 1
    after = json.loads(run("estimate", *line, "--json").stdout)
    assert (after["faulty"], after["known"], after["asked"]) == (2, 3, 0)
    assert emulator.requests == 3


def test_what_the_ledger_knows_is_written_in_every_format(
    run: Command, bucket: Bucket, emulator: Emulator
) -> None:
    """By its name, as plain text; and `report` reads it."""
    bucket.fill({"人像, 1.jpg": b"x", "2.jpg": b"x"})
    for out in ("out.jsonl", "out.csv", "out.xlsx", "out.parquet"):
        done = run("run", bucket.url(), "-o", out, "--ledger", "l.db")
        assert done.returncode == 0, done.stderr
    assert emulator.requests == 2
    assert run("report", "out.parquet", "-o", "page.html").returncode == 0


def test_the_emulator_fetches_the_object_by_its_address(
    run: Command, bucket: Bucket, tmp_path: Path
) -> None:
    """The look of `--emulator` sees the photograph, whatever its key."""
    portrait = (EXAMPLES / "portrait.webp").read_bytes()
    bucket.fill({"a b/%41 +人像.webp": portrait, "cat.jpg": (EXAMPLES / "cat.jpg").read_bytes()})
    done = run("run", bucket.url(), "-o", "out.jsonl", "--emulator", "--answer", "look")
    assert done.returncode == 0, done.stderr
    verdicts = {image: row["check_pass"] for image, row in rows_of(tmp_path / "out.jsonl").items()}
    assert verdicts == {bucket.url("a b/%41 +人像.webp"): True, bucket.url("cat.jpg"): False}


def test_a_preflight_looks_at_the_object(run: Command, bucket: Bucket, tmp_path: Path) -> None:
    """By the same address: a small one is skipped, and costs nothing."""
    bucket.fill({name: (EXAMPLES / name).read_bytes() for name in ("portrait.jpg", "cat.jpg")})
    line = ("run", bucket.url(), "-o", "out.jsonl", "--emulator", "--answer", "pass")
    assert run(*line, "--preflight").returncode == 1
    kinds = {image: row["kind"] for image, row in rows_of(tmp_path / "out.jsonl").items()}
    assert kinds == {bucket.url("portrait.jpg"): "checked", bucket.url("cat.jpg"): "skipped"}


def at(lister: Lister) -> Mapping[str, str]:
    """The settings of somebody who reads a bucket there."""
    return {**Bucket("b", lister.endpoint).environment}


def test_a_listing_that_fails_is_no_end(run: Command, emulator: Emulator, tmp_path: Path) -> None:
    """Exit 2, and why; what was answered is kept, and the same command asks for the rest."""
    line = ("run", "s3://b/faces/", "-o", "out.jsonl", "--rate", "1000")
    proxy = Fault(200, b"<html>log in</html>")
    with listing(30, page=10, faults={2: proxy}) as lister:
        done = run(*line, **at(lister))
    assert done.returncode == 2
    assert "could not be read to its end: what answers is no listing of a bucket." in done.stderr
    assert emulator.billed == 20
    with listing(30, page=10) as lister:
        done = run(*line, **at(lister))
    assert done.returncode == 0, done.stderr
    assert emulator.billed == 30
    assert len(rows_of(tmp_path / "out.jsonl")) == 30


def test_a_budget_ends_the_listing(
    run: Command, emulator: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    """No page is asked for that nobody needs, and the connection is closed."""
    with listing(3000, page=100) as lister:
        line = ("run", "s3://b/faces/", "-o", "out.jsonl", "--rate", "1000", "--max-cost", "0.04")
        done = run(*line, "--max-in-flight", "10", **at(lister))
        assert len(lister.pages_at) < 5
    assert done.returncode == 3
    assert emulator.billed == 10
    assert not caplog.text  # what is left to the end of the loop is closed in any order


def test_a_sample_is_of_the_whole_bucket(run: Command, emulator: Emulator, tmp_path: Path) -> None:
    """All pages are listed, and only the chosen ones asked for."""
    with listing(300, page=100) as lister:
        done = run("run", "s3://b/faces/", "-o", "out.jsonl", "--sample", "3", **at(lister))
    assert done.returncode == 0, done.stderr
    assert "297" in done.stderr
    assert len(rows_of(tmp_path / "out.jsonl")) == emulator.billed == 3


REFUSED = {
    "the service's own store": ("oss://portraits/2026/", {}, "Give aliyun-oss://portraits/2026/"),
    "another cloud": ("gs://portraits/", {}, "Give s3://bucket/prefix"),
    "no name": ("s3:///a", {}, "address of no bucket"),
    "no such bucket": ("s3://nobody-has-it/", {}, "no bucket of that name"),
    "no image": ("BUCKET/notes/", {}, "holds no images; 1 object is not called"),
    "nothing": ("BUCKET/none/", {}, "holds no images. Give"),
    "no credentials": (
        "BUCKET/",
        {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""},
        "can't be listed: Unable to locate credentials. Give",
    ),
    "nobody there": (
        "BUCKET/",
        {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"},
        "can't be listed: nothing answers at http://127.0.0.1:9/",
    ),
    "OSS without its settings": ("aliyun-oss://portraits/", {}, "Set OSS_REGION"),
}


@pytest.mark.parametrize(
    ("command", "case"),
    [
        *(pytest.param("run", REFUSED[name], id=name) for name in REFUSED),
        pytest.param("estimate", REFUSED["no image"], id="estimate, no image"),
    ],
)
def test_a_bucket_that_is_none_is_refused_before_anything_is_made(
    run: Command, bucket: Bucket, tmp_path: Path, command: str, case: tuple[str, Any, str]
) -> None:
    """Exit 2, with what to do; no output, no ledger."""
    url, env, told = case
    bucket.fill({"notes/a.txt": b"x"})
    done = run(command, url.replace("BUCKET/", bucket.url()), "-o", "out.jsonl", **env)
    assert done.returncode == 2
    assert told in done.stderr
    assert not list(tmp_path.iterdir())


def test_the_extra_is_told_of_where_it_is_missing(
    run: Command, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the line that installs it."""
    monkeypatch.delitem(sys.modules, "s2v_detect.integrations.buckets", raising=False)
    monkeypatch.delattr(integrations, "buckets", raising=False)
    monkeypatch.setitem(sys.modules, "s3fs", None)
    done = run("run", bucket.url(), "-o", "out.jsonl")
    assert done.returncode == 2
    assert "A bucket needs an extra. Install it: " in done.stderr
    assert '[cli,s3]"' in done.stderr


OPTIONS = [("--column", "1"), ("--recursive",), ("--files",), ("--identity-column", "a")]


@pytest.mark.parametrize("option", OPTIONS, ids=" ".join)
def test_an_option_of_lists_and_folders_is_refused(
    run: Command, bucket: Bucket, option: tuple[str, ...]
) -> None:
    """A bucket has no columns, and a prefix is all that is below it."""
    done = run("run", bucket.url(), "-o", "out.jsonl", *option)
    assert done.returncode == 2
    assert "is a bucket" in done.stderr


def test_images_of_a_bucket_and_of_a_list_share_a_ledger(
    run: Command, bucket: Bucket, emulator: Emulator, tmp_path: Path
) -> None:
    """A name of an object in a list is no address, and is never taken for that object."""
    bucket.fill({"1.jpg": b"x"})
    assert run("run", bucket.url(), "-o", "a.csv", "--ledger", "l.db").returncode == 0
    (tmp_path / "list.txt").write_text(f"https://a.example/1.jpg\n{bucket.url('1.jpg')}\n")
    assert run("run", "list.txt", "-o", "b.csv", "--ledger", "l.db").returncode == 1
    assert run("run", bucket.url(), "-o", "a.csv", "--ledger", "l.db").returncode == 0
    assert emulator.requests == 2
    with (tmp_path / "b.csv").open(encoding="utf-8", newline="") as file:
        kinds = [row["kind"] for row in csv.DictReader(file)]
    assert sorted(kinds) == ["checked", "skipped"]
