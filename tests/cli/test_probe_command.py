"""`s2v-detect doctor --probe N` pays for at most N requests, and its page tells of nobody."""

import gzip
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.networks import VERDICT, answer, answering
from tests.variables import NETWORK_VARIABLES

from s2v_detect import (
    AccessDenied,
    ConfigurationError,
    Ledger,
    LedgerError,
    OutOfCredit,
    ServiceError,
)
from s2v_detect.cli import _probe
from s2v_detect.cli._probe_page import TITLE
from s2v_detect.emulator import Cut, Emulator, Error, HalfBody, Pass, Reject, Throttle

Command = Callable[..., subprocess.CompletedProcess[str]]
Probe = Callable[..., subprocess.CompletedProcess[str]]

PHOTOGRAPH = Path(__file__).parents[2] / "examples" / "photographs" / "portrait.jpg"
IMAGE = "https://a.example/{}.jpg"
COST = ("--max-cost", "1")
CREDENTIAL = (
    b'{"data": {"policy": "p", "signature": "s", "upload_dir": "d", "upload_host": "https://h",'
    b' "oss_access_key_id": "i", "x_oss_object_acl": "private", "x_oss_forbid_overwrite": "true"}}'
)


@pytest.fixture(autouse=True)
def _no_network_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in (*NETWORK_VARIABLES, "S2V_DETECT_LINE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("S2V_DETECT_STATE_DIR", str(tmp_path / "state"))


@pytest.fixture
def probe(called: Command, tmp_path: Path) -> Probe:
    """Probe, and return what the command printed; fast."""
    (tmp_path / "list.txt").write_text("".join(IMAGE.format(n) + "\n" for n in range(9)))

    def run(
        number: int, *arguments: object, code: int | set[int] = 0, cost: tuple[str, ...] = COST
    ) -> subprocess.CompletedProcess[str]:
        done = called("doctor", "--probe", number, *cost, "--rate", 1000, *arguments)
        codes = {code} if isinstance(code, int) else code
        assert done.returncode in codes, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    return run


def facts(page: Path) -> dict[str, Any]:
    """Return what a page says to machines."""
    text = page.read_text(encoding="utf-8")
    assert text.startswith(TITLE + "\n")
    [block] = re.findall(r"```json\n(.*?)\n```", text, re.DOTALL)
    told: dict[str, Any] = json.loads(block)
    return told


def requests_in(ledger: Path) -> int:
    """Return how many requests a ledger knows of."""
    with Ledger(ledger) as books:
        return sum(spend.requests for spend in books.statement())


def test_a_page_is_written_and_every_request_is_in_the_books(
    probe: Probe, emulator: Emulator, tmp_path: Path
) -> None:
    """Both shapes of a reject, a pass and a fault: one request each, and no more than N."""
    emulator.when("*/0.jpg", Reject("InvalidFile.FullFace", shape="200"))
    emulator.when("*/1.jpg", Reject("InvalidFile.NoHuman", shape="400"))
    emulator.when("*/2.jpg", Error(500, "InternalError"))
    emulator.when("*/3.jpg", Throttle(retry_after_s=2))
    done = probe(5, "list.txt")
    told = facts(tmp_path / "probe.md")
    assert emulator.requests == 5 == told["requests"] == requests_in(tmp_path / "probe.md.ledger")
    assert {(each["answer"], each["code"]) for each in told["answers"]} == {
        ("rejects, check_pass is false", "InvalidFile.FullFace"),
        ("rejects, an error's shape", "InvalidFile.NoHuman"),
        ("ServiceUnavailable", "InternalError"),
        ("RateLimited", "Throttling.RateQuota"),
        ("passes", ""),
    }
    assert told["billed"] == emulator.billed == 2
    assert {"name": "retry-after", "count": 1, "values": ["2"]} in told["headers"]
    assert "5 requests, 2 billed (CNY 0.008)" in done.stderr
    with Ledger(tmp_path / "probe.md.ledger") as books:
        ids = [attempt.request_id for n in range(5) for attempt in books.attempts(IMAGE.format(n))]
    assert len(ids) == 5
    assert all(each and each not in (tmp_path / "probe.md").read_text() for each in ids)


def test_no_secret_is_on_the_page(
    called: Command, environment: dict[str, str], emulator: Emulator, tmp_path: Path
) -> None:
    """Key, address, query, file and what a gateway echoes of them, in a body and in headers."""
    (tmp_path / "Lovelace-1815.jpg").write_bytes(PHOTOGRAPH.read_bytes())
    signed = "https://shop-of-ada.example/Byron/face.jpg?Signature=QwErTz99&Expires=7"
    echo = f"can't read {signed} with {emulator.api_key} for /Lovelace-1815.jpg"
    headers = {
        "Set-Cookie": "id=Lovelace",
        "X-Byron": "QwErTz99",
        "Retry-After": "Byron",
        "X-Account-123456": "shop-of-ada",
        "Server": "gateway.shop-of-ada.example",
    }
    emulator.when("*face.jpg*", Error(400, "InvalidFile.Lovelace1815", echo, headers))
    done = called(
        *("doctor", "--probe", 3, "--max-cost", "0.02", "-o", "p.md"),
        *(signed, "Lovelace-1815.jpg"),
        env=environment | {"S2V_DETECT_STATE_DIR": str(tmp_path / "state")},
    )
    assert done.returncode == 0, done.stderr
    assert emulator.requests == 2
    page = (tmp_path / "p.md").read_text().lower()
    hidden = ("lovelace", "1815", "byron", "shop", "ada.", "qwertz", "expires", "face.jpg")
    for secret in (*hidden, emulator.api_key, "127.0.0.1", str(tmp_path).lower(), "can't read"):
        assert secret not in page
    assert "invalidfile.(not told)" in page
    assert "set-cookie" in page


def test_a_packed_answer_is_read(called: Command, environment: dict[str, str]) -> None:
    """The page says what the client has read, and that it came packed, damaged or not."""
    packed = gzip.compress(VERDICT)
    for body, words in ((packed, "passes"), (packed[:15] + b"x" * 40, "OutcomeUnknown")):
        said = answer(200, body).replace(b"\r\n", b"\r\nContent-Encoding: gzip\r\n", 1)
        with answering(answer(200, CREDENTIAL), said) as port:
            url = {"DASHSCOPE_BASE_URL": f"http://127.0.0.1:{port}"}
            image = "https://a.example/1.jpg"
            called("doctor", "--probe", 1, *COST, image, "--ledger", words, env=environment | url)
        [told] = facts(Path("probe.md"))["answers"]
        assert told["answer"] == words


@pytest.mark.parametrize(
    ("answers", "lost"),
    [
        ((Error(500, "InternalError"),), False),
        ((Error(503, "ServiceUnavailable"),), False),
        ((Error(429, "Throttling.BurstRate"),), False),
        ((Error(400, "InvalidURL.Timeout"),), False),
        ((Error(502, "BadGateway"), Pass()), True),
        ((HalfBody(), Pass()), True),
        ((Cut(), Pass()), True),
    ],
)
def test_nothing_is_asked_twice(
    probe: Probe, emulator: Emulator, tmp_path: Path, *, answers: tuple[Any, ...], lost: bool
) -> None:
    """Whatever comes back: an outage, a throttle, a lost answer. The ledger knows each request."""
    emulator.when("*", *answers)
    # An outage begins at the fifth: the sixth may be under way by then, or wait for its end.
    probe(6, "list.txt", code={5 if lost else 0, 6})
    told = facts(tmp_path / "probe.md")
    assert told["unknown"] == (emulator.requests if lost else 0)
    assert emulator.requests == told["requests"] == requests_in(tmp_path / "probe.md.ledger") <= 6
    assert emulator.requests >= 5


def test_the_budget_is_not_passed(probe: Probe, emulator: Emulator, tmp_path: Path) -> None:
    """Exit 3, and the page is of what was asked for; the books of an earlier probe count."""
    done = probe(5, "list.txt", code=3, cost=("--max-cost", "0.011"))
    assert emulator.billed == 2 == facts(tmp_path / "probe.md")["billed"]
    assert facts(tmp_path / "probe.md")["ended_by"] == "BudgetSpent"
    assert "--max-cost" in done.stderr
    assert "to CNY 0.012 at least; what came is in probe.md." in done.stderr
    for cost in ("0.011", "0"):
        done = probe(5, "list.txt", code=3, cost=("--max-cost", cost))
        told = "all probes of probe.md together, and earlier ones have spent CNY 0.008 of it."
        assert told in done.stderr
        assert "Raise --max-cost to CNY 0.012 at least, or give another name" in done.stderr
    assert emulator.billed == 2
    assert not (tmp_path / "probe.md.kept-1").exists()
    probe(3, "list.txt", code=0, cost=("--max-cost", "0.012"))
    assert emulator.billed == 3


@pytest.mark.parametrize(
    ("kind", "code"),
    [(ConfigurationError, 0), (LedgerError, 2), (OutOfCredit, 4), (AccessDenied, 4)],
)
def test_a_fault_behind_the_last_request_is_told(
    probe: Probe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Any, code: int
) -> None:
    """The refusal of one more request is the probe's usual end; whatever else came is no such."""

    async def asked(*words: Any) -> None:
        *_, seen = words
        await real(*words)
        seen.observer.is_used_up = True
        more = {"status": 403} if issubclass(kind, ServiceError) else {}
        raise kind("told.", do="Mend it.", **more)

    real = _probe._ask  # noqa: SLF001  # an error of the real one, at its end
    monkeypatch.setattr(_probe, "_ask", asked)
    done = probe(1, "list.txt", code=code)
    assert facts(tmp_path / "probe.md")["ended_by"] == (kind.__name__ if code else "")
    assert ("Mend it." in done.stderr) is bool(code)


def test_what_the_ledger_knows_is_not_paid_for_again(
    probe: Probe, emulator: Emulator, tmp_path: Path
) -> None:
    """Nothing is left to ask for: exit 1, and the earlier page stays."""
    probe(3, "list.txt")
    page = (tmp_path / "probe.md").read_bytes()
    done = probe(3, "list.txt", code=1)
    assert "Nothing was asked for" in done.stderr
    assert emulator.requests == 3
    assert (tmp_path / "probe.md").read_bytes() == page
    done = probe(9, "list.txt")
    assert facts(tmp_path / "probe.md")["known"] == 3
    assert (tmp_path / "probe.md.kept-1").read_bytes() == page  # it was paid for
    assert "probe.md of an earlier probe is kept as probe.md.kept-1." in done.stderr
    assert emulator.requests == 9


def test_the_books_may_be_those_of_a_run(
    probe: Probe, called: Command, emulator: Emulator, tmp_path: Path
) -> None:
    """What was probed is free to the run that follows."""
    probe(4, "--ledger", "out.jsonl.ledger", "list.txt")
    assert not (tmp_path / "probe.md.ledger").exists()
    assert called("run", "list.txt", "-o", "out.jsonl", "--rate", 1000).returncode == 0
    assert emulator.requests == 9


@pytest.mark.parametrize(
    ("key", "status", "code"),
    [("sk-wrong-wrong-wrong", 401, 4), ("", None, 4)],
)
def test_nothing_is_paid_while_something_is_to_mend(
    probe: Probe,
    environment: dict[str, str],
    emulator: Emulator,
    tmp_path: Path,
    *,
    key: str,
    status: int | None,
    code: int,
) -> None:
    """The doctor's own findings come first."""
    environment["DASHSCOPE_API_KEY"] = key
    done = probe(3, "list.txt", code=code)
    assert "nothing was paid" in done.stderr
    assert emulator.requests == 0
    assert not (tmp_path / "probe.md").exists()
    assert status is None or str(status) in done.stdout


def test_a_fault_of_the_account_ends_it_with_its_page(
    probe: Probe, emulator: Emulator, tmp_path: Path
) -> None:
    """What the free request can't tell: a model that this key may not use. Exit 4."""
    emulator.when("*", Error(403, "Model.AccessDenied"))
    done = probe(9, "list.txt", code=4)
    told = facts(tmp_path / "probe.md")
    assert told["ended_by"] == "AccessDenied"
    assert "403 Model.AccessDenied" in done.stderr
    assert told["requests"] == emulator.requests


@pytest.mark.parametrize("name", ["mine.md", "list.txt", "folder", "nowhere/p.md", "l.db"])
def test_no_file_of_others_is_replaced(
    probe: Probe, emulator: Emulator, tmp_path: Path, name: str
) -> None:
    """Told before anything is asked for: exit 2."""
    (tmp_path / "mine.md").write_text("# mine\n")
    (tmp_path / "folder").mkdir()
    with Ledger(tmp_path / "l.db") as ledger:
        ledger.begin("model")
    before = {path: path.is_file() and path.read_bytes() for path in tmp_path.iterdir()}
    probe(2, "list.txt", "-o", name, code=2)
    assert emulator.requests == 0
    assert before == {path: path.is_file() and path.read_bytes() for path in before}


@pytest.mark.parametrize(
    ("given", "requests"),
    [
        (["https://a.example/1.jpg", "https://a.example/1.jpg"], 1),
        (["https://a.example/1.jpg", "list.txt"], 4),
        (["folder", "https://a.example/1.jpg"], 2),
        (["folder/*.jpg"], 1),
        (["ftp://a.example/1.jpg", "https://a.example/1.jpg"], 1),
    ],
)
def test_images_are_addresses_files_and_lists(
    probe: Probe, emulator: Emulator, tmp_path: Path, given: list[str], requests: int
) -> None:
    """The first N of them all, each once."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "face.jpg").write_bytes(PHOTOGRAPH.read_bytes())
    probe(4, *given)
    assert emulator.requests == requests
    assert facts(tmp_path / "probe.md")["requests"] == requests


@pytest.mark.parametrize(
    "given", [["nowhere.txt"], ["nowhere.jpg"], ["empty.txt"], ["notes.pdf"], [""]]
)
def test_what_is_no_image_and_no_list_is_told(
    probe: Probe, emulator: Emulator, tmp_path: Path, given: list[str]
) -> None:
    """One sentence; nothing is asked for."""
    (tmp_path / "empty.txt").touch()
    (tmp_path / "notes.pdf").write_bytes(b"%PDF-1.7\n")
    done = probe(2, *given, code=2)
    assert done.stderr
    assert emulator.requests == 0
