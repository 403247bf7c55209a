"""Records into whole lines, put in their place in time."""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.processes import uncovered
from tests.records import record

from s2v_detect.bulk import Output, open_output, pipe_output
from s2v_detect.bulk.records import column_names
from s2v_detect.tables import OUTCOME_KEYS, OutputError, Record, json_line, read_records


def opened(path: Path, columns: Sequence[str] = ()) -> Output:
    """An output of some input."""
    return open_output(path, columns=lambda: columns)


def files_in(folder: Path) -> list[Path]:
    """What a pass left there."""
    return list(folder.iterdir())


async def written(path: Path, records: list[Record], columns: Sequence[str] = ()) -> None:
    """A whole pass."""
    output = opened(path, columns)
    await output.write(records)
    assert await output.finish(is_complete=True)
    output.close()


@pytest.mark.parametrize("hostile", ["a\nb", "a\r\nb", "a\u2028b", "a\u2029b", "a\x85b", "人\0"])
def test_one_record_is_one_line_for_every_reader(hostile: str) -> None:
    """Whatever splits lines, and however odd the text, it is read back as it was."""
    line = json_line(record(image=hostile, message=hostile))
    assert len(line.decode().splitlines()) == 1
    assert line.endswith(b"}\n")
    assert json.loads(line)["message"] == hostile


def test_what_json_has_no_word_for_is_written_all_the_same() -> None:
    """Half a character as its escape, no number as null; Chinese stays readable."""
    line = json_line(record(message="b\ud800", n=float("nan"), m=[float("inf")]))
    assert json.loads(line)["message"] == "b\ud800"
    assert json.loads(line)["n"] is None
    assert json.loads(line)["m"] == [None]
    assert "人像" in json_line(record(image="http://a.example/人像.jpg")).decode()


@pytest.mark.parametrize("ending", ["jsonl", "csv", "tsv", "parquet", "xlsx"])
async def test_what_is_written_is_read_back_with_its_types(tmp_path: Path, ending: str) -> None:
    """The input's columns first; numbers, yes or no, and nothing stay what they are."""
    path = tmp_path / f"out.{ending}"
    records = [
        {"name": 'Bo, "two\nlines"\t', **record(0)},
        {"name": "", **record(1, check_pass=False, code="InvalidFile.NoHuman", humanoid=False)},
        {"name": "x", **record(2, kind="failed", check_pass=None, error="NotSent", source=None)},
    ]
    await written(path, records, ["name"])
    found = [
        {key: value for key, value in row.items() if key != "input_more"}
        for row in read_records(path)
    ]
    assert found == records
    assert list(found[0]) == ["name", *OUTCOME_KEYS]


@pytest.mark.parametrize("ending", ["csv", "parquet", "xlsx"])
async def test_a_column_that_comes_late_is_not_lost(tmp_path: Path, ending: str) -> None:
    """It stands in `input_more`, as JSON; so does a value that does not fit its column."""
    path = tmp_path / f"out.{ending}"
    output = opened(path, ["n"])
    await output.write([{"n": 1, **record(index)} for index in range(5000)])
    await output.write([{"n": "many", "late": {"a": 1}, **record(5000)}])
    await output.finish(is_complete=True)
    output.close()
    last = path.read_bytes() if ending == "csv" else str(list(read_records(path))[-1]).encode()
    assert b"late" in last
    assert b"many" in last


async def test_the_first_pass_grows_where_people_look(tmp_path: Path) -> None:
    """A reader of the output sees each group at once, whole."""
    path = tmp_path / "out.jsonl"
    output = opened(path)
    for count in (1, 2, 3):
        await output.write([record(count)])
        assert path.read_bytes().count(b"\n") == count
    output.close()
    assert [row["index"] for row in read_records(path)] == [1, 2, 3]
    assert files_in(tmp_path) == [path]


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet", "xlsx"])
async def test_a_later_pass_takes_its_place_once_it_holds_as_much(
    tmp_path: Path, ending: str
) -> None:
    """Stopped before that, the earlier one is kept."""
    path = tmp_path / f"out.{ending}"
    await written(path, [record(index) for index in range(5)])
    before = path.read_bytes()
    output = opened(path)
    await output.write([record(index, message="again") for index in range(3)])
    assert not await output.finish(is_complete=False)
    output.close()
    assert path.read_bytes() == before
    assert files_in(tmp_path) == [path]
    await written(path, [record(index, message="again") for index in range(7)])
    assert [row["message"] for row in read_records(path)] == ["again"] * 7


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet", "xlsx"])
async def test_a_whole_pass_without_rows_is_an_output_too(tmp_path: Path, ending: str) -> None:
    """An input that became empty."""
    path = tmp_path / f"out.{ending}"
    await written(path, [record()])
    output = opened(path)
    assert await output.finish(is_complete=True)
    output.close()
    assert list(read_records(path)) == []


async def test_a_link_stays_one_and_permissions_stay(tmp_path: Path) -> None:
    """The file behind it is replaced."""
    path, link = tmp_path / "real.jsonl", tmp_path / "link.jsonl"
    await written(path, [record()])
    path.chmod(0o640)
    link.symlink_to(path)
    await written(link, [record(1)])
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640
    assert [row["index"] for row in read_records(path)] == [1]


async def test_a_device_is_taken_as_it_is() -> None:
    """There is nothing in it to overwrite."""
    output = opened(Path(os.devnull))
    await output.write([record()])
    assert await output.finish(is_complete=False)
    output.close()


async def test_a_pipe_gets_whole_lines() -> None:
    """However much they are."""
    reading, writing = os.pipe()
    output = pipe_output(writing)
    await output.write([record(), record(1)])
    output.close()
    with os.fdopen(reading) as lines:
        assert [json.loads(line)["index"] for line in lines] == [0, 1]


@pytest.mark.parametrize("name", ["", "missing/out.jsonl"])
def test_what_can_not_be_begun_says_what_to_do(tmp_path: Path, name: str) -> None:
    """A folder, a folder that is not there."""
    with pytest.raises(OutputError, match="Give"):
        opened(tmp_path / name)


FILLING = """
import asyncio, sys
from pathlib import Path
from s2v_detect.bulk import open_output

async def main():
    output = open_output(Path(sys.argv[1]), columns=list)
    for index in range(100):
        try:
            await output.write([{"index": index, "kind": "checked", "message": "x" * 100}])
        except OSError as error:
            print(index, error.strerror, flush=True)
            break
    await output.finish(is_complete=False)
    output.close()

asyncio.run(main())
"""


def test_a_full_disk_leaves_whole_lines(tmp_path: Path) -> None:
    """The half of a line that still fitted is taken back."""
    path = tmp_path / "out.jsonl"
    done = subprocess.run(  # noqa: S603  # our own script; no threads yet
        [sys.executable, "-c", FILLING, str(path)],
        env=uncovered(),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)),
        capture_output=True,
        text=True,
        check=True,
    )
    count, why = done.stdout.split(maxsplit=1)
    assert "too large" in why
    assert [row["index"] for row in read_records(path)] == list(range(int(count)))
    assert path.read_bytes().endswith(b"}\n")


def test_half_a_line_of_a_killed_pass_is_left_out(tmp_path: Path) -> None:
    """It was never whole."""
    path = tmp_path / "out.jsonl"
    path.write_bytes(json_line(record()) + json_line(record(1))[:50])
    assert [row["index"] for row in read_records(path)] == [0]


@pytest.mark.parametrize("name", ["out.jsonl", "out.csv", "out.parquet", "out.xlsx"])
def test_what_is_no_output_of_ours_says_so(tmp_path: Path, name: str) -> None:
    """In two sentences."""
    path = tmp_path / name
    path.write_text("a,b\n1,2\n")
    with pytest.raises(OutputError, match="Give"):
        list(read_records(path))


def test_no_column_of_the_input_takes_the_place_of_another() -> None:
    """One that has a name of ours gives way, further than one that is called so already."""
    assert column_names(["name", "code", "input_code", "input_input_code"]) == [
        "name",
        "input_input_input_code",
        "input_code",
        "input_input_code",
    ]
    assert column_names(None) == []
