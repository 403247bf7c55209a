"""Each task of `examples/README.md`, by its own file, against the emulator."""

import os
import runpy
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from s2v_detect import Preflight
from s2v_detect.cli._exits import Exit
from s2v_detect.emulator import Emulator, Error, Pass, Throttle

pytestmark = pytest.mark.real_time

EXAMPLES = Path(__file__).parents[2] / "examples"
PHOTOGRAPHS = EXAMPLES / "photographs"


@pytest.fixture(autouse=True)
def _account(s2v_emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set what the examples read."""
    monkeypatch.setenv("DASHSCOPE_API_KEY", s2v_emulator.api_key)
    monkeypatch.setenv("DASHSCOPE_BASE_URL", s2v_emulator.base_url)


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    """A list of four images."""
    path = tmp_path / "urls.txt"
    path.write_text("\n".join(f"https://images.example/{number}.jpg" for number in range(4)))
    return path


def printed(name: str, *words: object, cwd: Path | None = None) -> list[str]:
    """Return the lines that an example prints, in a process of its own."""
    done = subprocess.run(  # noqa: S603  # our own example
        [sys.executable, "-W", "error", EXAMPLES / name, *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env=os.environ,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def names_of(name: str) -> dict[str, Any]:
    """Return what an example defines."""
    return runpy.run_path(str(EXAMPLES / name))


def test_the_list_of_portraits_is_screened_by_an_emulator_of_its_folder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As the page of the examples says: four portraits pass."""
    with Emulator.run_in_thread(folder=EXAMPLES) as emulator:
        monkeypatch.setenv("DASHSCOPE_BASE_URL", emulator.base_url)
        lines = printed("screen_list.py", EXAMPLES / "portraits.txt")
    assert sum(line.startswith("passed") for line in lines) == 4


@pytest.mark.parametrize("policy", ["tenacity", "functions"])
def test_own_retries_ask_again(s2v_emulator: Emulator, policy: str) -> None:
    """A request that was refused as too many, and then an answer."""
    s2v_emulator.when("*", Throttle(retry_after_s=0.0), Pass())
    assert printed("own_retries.py", "https://images.example/1.jpg", policy) == ["passed"]
    assert s2v_emulator.requests == 2


@pytest.mark.parametrize(("policy", "requests"), [("tenacity", 5), ("functions", 2)])
def test_own_retries_end_where_their_rules_say(
    s2v_emulator: Emulator, policy: str, requests: int
) -> None:
    """A bound of the policy's own, and a function that gives a fault one retry."""
    s2v_emulator.when("*", Error(500, "InternalError"))
    (line,) = printed("own_retries.py", "https://images.example/1.jpg", policy)
    assert line.startswith(f"ServiceUnavailable after {requests} requests:")
    assert s2v_emulator.requests == requests


def test_a_ledger_answers_the_second_run(
    s2v_emulator: Emulator, listed: Path, tmp_path: Path
) -> None:
    """Nothing is sent again, and nothing is paid."""
    words = (listed, tmp_path / "screening.db", "12.50")
    assert printed("ledger.py", *words) == [
        "service: 4",
        "CNY 0.016 paid now, 0.000 saved",
        "4 of 4 images are answered in the ledger",
    ]
    again = printed("ledger.py", *words)
    assert again[0] == "ledger: 4"
    assert again[1].startswith("CNY 0.000 paid now")
    assert s2v_emulator.billed == 4


def test_the_budget_of_a_ledger_is_never_passed(
    s2v_emulator: Emulator, listed: Path, tmp_path: Path
) -> None:
    """It counts both runs: the money is for two of four images."""
    words = (listed, tmp_path / "screening.db", "0.008")
    printed("ledger.py", *words)
    last = printed("ledger.py", *words)[-1]
    assert last == "2 of 4 images are answered in the ledger"
    assert s2v_emulator.billed == 2


def test_a_step_of_a_scheduler_tells_what_came_of_it(
    s2v_emulator: Emulator, listed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The summary of the run; a refused key is told, and is not worth a retry.

    The command is that of this Python, whatever is on the PATH. One that could not begin says why.
    """
    monkeypatch.setenv("PATH", str(tmp_path))
    step = names_of("scheduled_run.py")
    told = step["run"](str(listed), str(tmp_path / "verdicts.jsonl"))
    assert (told["passed"], told["spend"]["cost"]) == (4, "0.016")
    s2v_emulator.when("*", Error(401, "InvalidApiKey"))
    (tmp_path / "more.txt").write_text("https://images.example/more.jpg")
    with pytest.raises(step["StepFailed"], match="exit code 4") as raised:
        step["run"](str(tmp_path / "more.txt"), str(tmp_path / "more.jsonl"))
    assert not raised.value.may_retry
    with pytest.raises(step["StepFailed"], match=r"code 2. .*none.txt can't be read: No such file"):
        step["run"](str(tmp_path / "none.txt"), str(tmp_path / "none.jsonl"))


def test_each_exit_code_is_done_worth_a_retry_or_for_a_person() -> None:
    """As the page of the pipelines says."""
    step = names_of("scheduled_run.py")
    assert step["DONE"] == {Exit.DONE, Exit.INCOMPLETE}
    assert step["WORTH_A_RETRY"] == {Exit.INTERRUPTED, Exit.STOPPED, Exit.UNKNOWN}
    rest = set(Exit) - step["DONE"] - step["WORTH_A_RETRY"]
    assert rest == {Exit.USAGE, Exit.BUDGET, Exit.ACCOUNT}
    page = (EXAMPLES / "pipelines.md").read_text(encoding="utf-8")
    for codes in ("| 0, 1 |", "| 130, 6, 5 |", "| 2, 3, 4 |"):
        assert codes in page


@pytest.fixture
def site() -> Iterator[str]:
    """A web server of the photographs, on this machine."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing on stderr."""

    handler = partial(Quiet, directory=str(PHOTOGRAPHS))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        serving.join()


async def test_a_look_first_saves_what_would_be_refused(
    s2v_emulator: Emulator, site: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A cat that is too small is not paid for, and what is not there is not asked for."""
    images = [f"{site}/{name}" for name in ("portrait.jpg", "cat.jpg", "gone.jpg")]
    await names_of("look_first.py")["main"](images, Preflight(allow_private=True))
    lines = capsys.readouterr().out.splitlines()
    assert sorted(line.split()[0] for line in lines[:2]) == ["skipped", "skipped"]
    assert lines[2] == "1 would have been rejected, 1 could not be fetched"
    assert lines[3].startswith("CNY 0.004 paid, 0.004")
    assert s2v_emulator.billed == 1


def test_the_look_first_script_sends_what_it_cannot_see(
    s2v_emulator: Emulator, tmp_path: Path
) -> None:
    """A port that a look does not visit is no proof against the image."""
    (tmp_path / "urls.txt").write_text("https://images.example:8443/1.jpg")
    lines = printed("look_first.py", tmp_path / "urls.txt")
    assert lines[0].startswith("sent unseen https://images.example:8443/1.jpg")
    assert s2v_emulator.billed == 1


def test_files_and_bytes_are_uploaded_and_checked(s2v_emulator: Emulator) -> None:
    """Five photographs and the bytes of the first; a file that is no image is skipped."""
    lines = printed("files.py", PHOTOGRAPHS)
    told = {line.split()[1]: line.split()[0] for line in lines[:-1]}
    assert told.pop("not-an-image.jpg") == told.pop("cat.jpg") == "skipped"
    assert set(told.values()) == {"passed"}
    assert len(told) == 5
    assert lines[-1].startswith("bytes: skipped, it is 451 x 300 pixels")  # the first is the cat


def test_processes_share_the_rate(s2v_emulator: Emulator, listed: Path) -> None:
    """Each image is asked for by one of them."""
    assert printed("share_the_rate.py", listed, 2) == ["4 of 4 answered by 2 processes"]
    assert s2v_emulator.billed == len(s2v_emulator.bills) == 4


def test_machines_share_the_rate(s2v_emulator: Emulator, listed: Path, redis_url: str) -> None:
    """Through a real Redis."""
    lines = printed("several_machines.py", listed, redis_url)
    assert sorted(line.split()[0] for line in lines) == ["checked"] * 4
    assert s2v_emulator.billed == 4


def test_a_watcher_is_told_of_each_step(s2v_emulator: Emulator, listed: Path) -> None:
    """One image is throttled, and comes through."""
    s2v_emulator.when("*/2.jpg", Throttle(retry_after_s=0.0), Pass())
    lines = printed("watch.py", listed)
    assert lines[0].startswith("retrying https://images.example/2.jpg RateLimited")
    assert "settled: 4" in lines[-1]
    assert "throttled: 1" in lines[-1]


def test_a_frame_is_screened_once(s2v_emulator: Emulator, tmp_path: Path) -> None:
    """The second run is answered by its ledger, and pays nothing."""
    table = tmp_path / "portraits.csv"
    urls = [f"https://images.example/{number}.jpg" for number in range(3)]
    table.write_text("\n".join(["name,url", *(f"a,{url}" for url in urls), "b,"]))
    assert printed("frames.py", cwd=tmp_path) == [
        "3 of 4 portraits may be used, for CNY 0.0120",
        "skipped: the cell is empty",
    ]
    assert printed("frames.py", cwd=tmp_path)[0] == "3 of 4 portraits may be used, for CNY 0.0000"
    assert s2v_emulator.billed == 3
