"""What a person reads of a command shows no key and no signature; what a program reads is whole."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from s2v_detect.cli._account import Account, Sending
from s2v_detect.emulator import Emulator, Error, Reject

Command = Callable[..., subprocess.CompletedProcess[str]]

KEY = "sk-0123456789abcdef"
SIGNATURE = "S3CR3T+aB4"
SIGNED = f"https://images.example/face.jpg?Signature={SIGNATURE}"
ECHO = (
    f"denied: Signature={SIGNATURE}, OSSAccessKeyId=LTAIS3CR3T0000, Authorization: Bearer {KEY}, of"
    f" https://me:S3CR3T@images.example/face.jpg?Signature={SIGNATURE}, x-oss-signature={SIGNATURE}"
)
FAST = ("--rate", "1000", "--quiet")


@pytest.fixture
def _echoing(emulator: Emulator) -> None:
    emulator.when("*/face.jpg*", Reject("InvalidFile.NoHuman", ECHO))
    emulator.when("*/bad.jpg*", Error(400, f"Bad {KEY} Signature={SIGNATURE}", ECHO))
    emulator.when("*/key.jpg", Error(401, "InvalidApiKey", ECHO))


def assert_shows_none(*texts: str) -> None:
    """Look for what must not be seen."""
    for text in texts:
        assert text
        assert KEY not in text
        assert "S3CR3T" not in text


@pytest.mark.usefixtures("_echoing")
def test_a_check_shows_no_secret_that_the_service_echoes(called: Command) -> None:
    """A reject, a failure, a code, and the fault that ends the command."""
    done = called("check", SIGNED, "https://images.example/bad.jpg?token=S3CR3T")
    assert "denied" in done.stdout
    assert_shows_none(done.stdout)
    ended = called("check", "https://images.example/key.jpg")
    assert ended.returncode == 4
    assert_shows_none(ended.stdout + ended.stderr)


@pytest.mark.usefixtures("_echoing")
def test_the_lines_for_programs_have_the_address_whole_and_no_key(called: Command) -> None:
    """A signed address names the image; the key names nothing."""
    done = called("check", "--json", SIGNED)
    row = json.loads(done.stdout)
    assert row["image"] == SIGNED
    assert SIGNATURE in row["message"]
    assert KEY not in done.stdout


@pytest.mark.usefixtures("_echoing")
def test_a_run_and_its_ledger_show_none(called: Command, tmp_path: Path) -> None:
    """Not in the summary, `ledger show`, its requests, `reconcile`; no key in any file either."""
    bad = f"https://images.example/bad.jpg?Signature={SIGNATURE}"
    (tmp_path / "in.txt").write_text(f"{SIGNED}\n{bad}\n")
    files = ("--summary", "sum.json", "--events", "events.jsonl", "--report", "page.html")
    done = called("run", "in.txt", "-o", "out.jsonl", "--ordered", *FAST, *files)
    assert_shows_none(done.stderr)
    for image in (SIGNED, bad):
        shown = called("ledger", "show", "out.jsonl.ledger", image)
        assert "denied" in shown.stdout
        assert_shows_none(shown.stdout)
        line = called("ledger", "show", "out.jsonl.ledger", image, "--json").stdout
        assert json.loads(line)["image"] == image
        assert KEY not in line
    missing = called(
        "ledger", "show", "out.jsonl.ledger", f"{SIGNED}&x=2", "https://a.example/?t=S3CR3T"
    )
    assert_shows_none(missing.stdout + missing.stderr)
    for file in tmp_path.iterdir():
        assert KEY.encode() not in file.read_bytes(), file.name
    assert json.loads((tmp_path / "out.jsonl").read_text().splitlines()[0])["image"] == SIGNED


def test_a_name_of_a_file_is_shown_without_what_signs_it(called: Command) -> None:
    """People save downloads under the whole address."""
    done = called("run", f"in.txt?Signature={SIGNATURE}", "-o", "out.jsonl", *FAST)
    assert done.returncode == 2
    assert_shows_none(done.stderr)


PLAIN = "http://service.invalid/api/v1"


def test_a_public_http_address_needs_to_be_meant(called: Command) -> None:
    """Refused before anything is sent, with the option that allows it."""
    account = {"DASHSCOPE_API_KEY": KEY, "DASHSCOPE_BASE_URL": PLAIN}
    refused = called("check", "https://images.example/face.jpg", env=account)
    assert refused.returncode == 4
    assert "--allow-http" in refused.stderr
    assert_shows_none(refused.stderr)
    for command in ("check", "run"):
        assert "--allow-http" in called(command, "--help").stdout


async def test_every_command_that_asks_can_be_allowed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The option reaches the client."""
    monkeypatch.setenv("DASHSCOPE_API_KEY", KEY)
    meant = Account(base_url=PLAIN, allow_http=True)
    async with meant.client(Sending(), folder=tmp_path, on_event=lambda _: None) as client:
        assert PLAIN in repr(client)
