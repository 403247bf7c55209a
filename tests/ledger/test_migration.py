"""A ledger of an older version is brought up to date, and keeps what it knows."""

import sqlite3
from pathlib import Path

import pytest
from tests.ledgers import version_of

from s2v_detect import Ledger
from s2v_detect.emulator import Emulator, Pass
from s2v_detect.ledger._sqlite import _schema

URL = "https://images.example/1.jpg"
VERSION_1 = """
CREATE TABLE about (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE run (
  id INTEGER PRIMARY KEY,
  lineage INTEGER,
  name TEXT NOT NULL,
  token TEXT NOT NULL UNIQUE,
  process TEXT NOT NULL,
  started_at REAL NOT NULL,
  ended_at REAL
);
CREATE INDEX run_name ON run (name);

CREATE TABLE image (
  id INTEGER PRIMARY KEY,
  identity TEXT NOT NULL UNIQUE,
  image TEXT,
  state TEXT NOT NULL,
  at REAL NOT NULL,
  run INTEGER NOT NULL REFERENCES run,
  lineage INTEGER NOT NULL REFERENCES run,
  paid INTEGER NOT NULL DEFAULT 0,
  unsure INTEGER NOT NULL DEFAULT 0,
  doubts INTEGER NOT NULL DEFAULT 0,
  attempts INTEGER NOT NULL DEFAULT 0,
  elapsed_s REAL NOT NULL DEFAULT 0,
  answered_at REAL,
  check_pass INTEGER,
  humanoid INTEGER,
  code TEXT NOT NULL DEFAULT '',
  message TEXT NOT NULL DEFAULT '',
  request_id TEXT,
  error TEXT
);
CREATE INDEX image_claimed ON image (run) WHERE state IN ('asked', 'sent');
CREATE INDEX image_unknown ON image (id) WHERE state = 'unknown';

CREATE TABLE attempt (
  run INTEGER NOT NULL REFERENCES run,
  number INTEGER NOT NULL,
  image INTEGER NOT NULL REFERENCES image,
  sent_at REAL NOT NULL,
  ended_at REAL,
  outcome TEXT NOT NULL,
  error TEXT,
  code TEXT,
  request_id TEXT,
  service_ms INTEGER,
  PRIMARY KEY (run, number)
) WITHOUT ROWID;
CREATE INDEX attempt_image ON attempt (image);
CREATE INDEX attempt_open ON attempt (run) WHERE outcome = 'sent';
"""
"""As release 0.1's first ledgers were made; never to be changed."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger of version 1 that knows an image."""
    path = tmp_path / "old.db"
    with sqlite3.connect(path) as db:
        db.executescript(VERSION_1)
        db.execute("INSERT INTO about VALUES ('model', 'wan2.2-s2v-detect on this machine')")
        db.execute("INSERT INTO run VALUES (1, 1, '', 'token', 'a test', 1.0, 2.0)")
        db.execute(
            "INSERT INTO image (identity, state, at, run, lineage, paid, attempts, answered_at,"
            " check_pass) VALUES (?, 'answered', 1e9, 1, 1, 1, 1, 1e9, 1)",
            (URL,),
        )
        db.execute(f"PRAGMA application_id = {_schema.APPLICATION_ID}")
        db.execute("PRAGMA user_version = 1")
    db.close()
    return path


async def test_a_client_goes_on_with_an_older_ledger(path: Path) -> None:
    """What was answered is free, and what the new version adds is there."""
    async with Emulator(answer=Pass()) as emulator, emulator.client(ledger=path) as client:
        assert (await client.check(URL)).source == "ledger"
    assert emulator.requests == 0
    assert version_of(path) == _schema.VERSION


def test_an_older_ledger_can_be_read(path: Path) -> None:
    """Whoever opens it first brings it up to date, and nothing is lost."""
    with Ledger(path) as ledger:
        [entry] = ledger.all_entries()
    assert (entry.image, entry.state, entry.paid, entry.upload) == (URL, "answered", 1, None)
    assert version_of(path) == _schema.VERSION


def test_a_new_ledger_is_the_same_as_an_old_one_brought_up_to_date(
    path: Path, tmp_path: Path
) -> None:
    """Table by table."""

    def tables(of: Path) -> set[str]:
        db = sqlite3.connect(of)
        try:
            return {row[0] for row in db.execute("SELECT sql FROM sqlite_master WHERE sql <> ''")}
        finally:
            db.close()

    new = tmp_path / "new.db"
    with Ledger(new) as ledger:
        ledger.begin("a model")
    with Ledger(path) as ledger:
        ledger.names()
    assert tables(new) == tables(path)
