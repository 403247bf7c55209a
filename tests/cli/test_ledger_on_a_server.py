"""`run`, `report` and every `ledger` command take the address of a server as they take a file."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from _postgres_server import PostgresServer
from s2v_detect import PostgresLedger
from s2v_detect.emulator import Cut, Emulator

Command = Callable[..., Any]
URLS = [f"http://a.example/{number}.jpg" for number in range(4)]


@pytest.fixture
def dsn(postgres: PostgresServer) -> str:
    """The address of a database with nothing in it."""
    return postgres.database()


def test_every_command_takes_an_address(
    called: Command, emulator: Emulator, tmp_path: Path, dsn: str
) -> None:
    """From the first run to the last image that is forgotten, in one life of a ledger."""
    (tmp_path / "in.txt").write_text("\n".join(URLS))
    emulator.when(URLS[3], Cut(billed=True))
    keep = ("--ledger", dsn, "--rate", "500", "--quiet", "--on-unknown", "keep")
    run = ("run", "in.txt", "-o", "out.jsonl", *keep)
    told = called("estimate", "in.txt", "-o", "out.jsonl", "--json", "--ledger", dsn)
    assert (told.returncode, json.loads(told.stdout)["asked"]) == (0, 4)
    assert called(*run, "--report", "r.html").returncode == 5
    assert called(*run).returncode == 5
    assert emulator.billed == emulator.requests == 4
    assert not list(tmp_path.glob("*ledger*"))
    with PostgresLedger(dsn) as ledger:
        assert ledger.names() == [str(tmp_path / "out.jsonl")]
    told = called("estimate", "in.txt", "-o", "out.jsonl", "--json", "--ledger", dsn)
    counts = json.loads(told.stdout)
    assert (counts["known"], counts["asked"]) == (3, 1)  # a lost answer is asked for once more
    told = called("ledger", "show", dsn, "--json")
    states = json.loads(told.stdout)
    assert (states["answered"], states["unknown"]) == (3, 1)
    assert URLS[0] in called("ledger", "show", dsn, URLS[0]).stdout
    [spend] = map(json.loads, called("ledger", "statement", dsn, "--json").stdout.splitlines())
    assert (spend["requests"], spend["billed"], spend["unknown"]) == (4, 3, 1)
    assert len(called("ledger", "export", dsn, "-o", "-").stdout.splitlines()) == 4
    assert "1 image counts as failed" in called("ledger", "reconcile", dsn, "--write-off").stderr
    assert called("ledger", "copy", dsn, "copy.db").returncode == 0
    assert json.loads(called("ledger", "show", "copy.db", "--json").stdout)["answered"] == 3
    assert called("ledger", "forget", dsn, URLS[0]).stderr == "1 image is forgotten.\n"
    assert called("report", dsn, "-o", "whole.html").returncode == 0
    assert (
        called("ledger", "prune", dsn, "--older-than", "0m").stderr == "3 images are forgotten.\n"
    )


@pytest.mark.parametrize("address", ["postgresql://u:a-secret@127.0.0.1:1/db", "{}/no_such"])
def test_a_server_that_can_not_be_used_is_exit_2_in_two_sentences(
    called: Command, tmp_path: Path, postgres: PostgresServer, address: str
) -> None:
    """Nothing is sent, no file is made, and no password is shown."""
    (tmp_path / "in.txt").write_text("\n".join(URLS))
    given = address.format(postgres.url)
    for words in (("run", "in.txt", "-o", "o.jsonl", "--ledger"), ("ledger", "statement")):
        told = called(*words, given)
        assert told.returncode == 2
        assert told.stderr.startswith("s2v-detect: the ledger postgresql://127.0.0.1:")
        assert "nothing is sent that can't be recorded" in told.stderr
        assert "secret" not in told.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["in.txt"]
