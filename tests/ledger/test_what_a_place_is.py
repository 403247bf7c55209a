"""A text that is given as a ledger: an address, a path, or neither; its password is nowhere."""

import logging
import pickle
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from s2v_detect import ConfigurationError, Ledger, PostgresLedger, check_all
from s2v_detect.integrations.frames import check_frame
from s2v_detect.integrations.ray import BatchCheck
from s2v_detect.ledger import is_address, ledger_at

DRIVER, SETTINGS, FOREIGN = "names a driver", "is a list of settings", "is no address"
NEITHER = {
    "postgresql+psycopg://u:a-secret@localhost/x": DRIVER,
    " Postgres+asyncpg://u:a-secret@localhost/x": DRIVER,
    "'postgresql+psycopg2://u:a-secret@localhost/x'": DRIVER,
    "'postgresql://u:a-secret@h/x'": FOREIGN,
    "postgresql:/u:a-secret@h/x": FOREIGN,
    "DATABASE_URL=postgresql://u:a-secret@h/x": FOREIGN,
    "jdbc:postgresql://h/x?user=u&password=a-secret": FOREIGN,
    "redis://:a-secret@h": FOREIGN,
    " mysql://u:a-secret@h/x": FOREIGN,
    "sqlite:///a-secret.db": FOREIGN,
    "file:/a-secret.db": FOREIGN,
    "u:a-secret@h/x": FOREIGN,
    "//u:a-secret@h/x": FOREIGN,
    "host=127.0.0.1 port=1 password=a-secret": SETTINGS,
    " sslmode = require  hostaddr = ::1 user=a-secret": SETTINGS,
    "dbname=a-secret": SETTINGS,
    "service=a-secret": SETTINGS,
    "Server=h;User Id=u;Password=a-secret": SETTINGS,
    "": "is an empty text",
    " \n": "is an empty text",
}
PATHS = (
    "screening.db",
    "C:/users/me@example/screening.db",
    r"C:\users\me@example\screening.db",
    "of users/me@example/a=b.db",
    "day=2026-11-27/user=5/screening.db",
    "x = y.db",
    "2026-11-27T01:46/screening.db",
    "run-1:46/screening.db",
    "./u:p@h/screening.db",
    "账本/甲：乙.db",
    "-screening.db",
)
MISREAD = (
    "postgresql://u:sec/ret@db.example/x",
    "postgresql://u:12/secret@db.example/x",
    "postgresql://u:12/secret?a=b@db.example/x",
    "postgresql://u:a@secret@db.example/x",
    "postgresql://u:@secret/@db.example/x",
    "postgresql://u:secret",
    "postgresql://u:12:secret/x",
    "postgresql://h/u:secret",
    "postgresql://u%3Asecret%40h/x",
    "postgresql://h/x?pool=a@secret",
)
READ = {
    "postgresql://u:a-secret@one:1,two/x": "postgresql://u@one,two:1,/x",
    "postgresql://u:a-secret@[::1]:5/x": "postgresql://u@::1:5/x",
    "postgresql://u:se?cret@h/x": "postgresql://u@h/x",
    "postgresql://u:se%2Fcret%40@h/x": "postgresql://u@h/x",
    "postgresql://u@h/an%40x?password=a@/secret": "postgresql://u@h/an@x",
    "postgresql:///x?host=%40socket&ssl=true": "postgresql://@socket/x",
    "host=h port=' 5 ' password=a://secret": "postgresql://h: 5 /",
}


def told_of(make: Callable[[], Any]) -> str:
    """All that travels with the error, as a log of it would have it."""
    with pytest.raises(ConfigurationError) as caught:
        make()
    error = pickle.loads(pickle.dumps(caught.value))  # noqa: S301  # our own
    told = "".join(traceback.format_exception_only(caught.value))
    text = f"{told} {caught.value!r} {error!r} {caught.value.__cause__} {caught.value.__context__}"
    assert "secret" not in text
    assert "ret@" not in text
    return text


@pytest.mark.parametrize(("text", "told"), NEITHER.items())
def test_what_is_neither_address_nor_path_is_refused_without_a_word_of_it(
    text: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever a ledger is given; no file is made of it, and nothing is sent."""
    monkeypatch.chdir(tmp_path)
    given: Any = {"ledger": text, "api_key": "sk-0123456789", "base_url": "http://127.0.0.1:9"}
    frame = pl.DataFrame({"url": ["https://a.example/1.jpg"]})
    assert told in told_of(lambda: ledger_at(text))
    assert told in told_of(lambda: Ledger(text))
    assert told in told_of(lambda: check_all(["https://a.example/1.jpg"], **given))
    assert told in told_of(lambda: check_frame(frame, "url", **given))
    assert told in told_of(lambda: BatchCheck(ledger=text))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", PATHS)
def test_a_path_is_a_path(text: str) -> None:
    """Of a drive, and with the signs that paths have."""
    assert isinstance(ledger_at(text), Ledger)
    assert not is_address(text)


@pytest.mark.parametrize("text", ["postgresql://u:a-secret@h/x", *NEITHER])
def test_a_path_that_is_no_text_is_a_file_whatever_it_is_called(text: str) -> None:
    """Somebody said so."""
    assert isinstance(ledger_at(Path(text)), Ledger)


@pytest.mark.parametrize(
    "text", ["POSTGRESQL://u:a-secret@h/x", " Postgres://u:a-secret@h/x", "postgresql://u@h/x\n"]
)
def test_an_address_is_one_in_any_spelling(text: str, caplog: pytest.LogCaptureFixture) -> None:
    """Of its scheme, and with white space around it: variables bring that."""
    with caplog.at_level(logging.DEBUG):
        for ledger in (ledger_at(text), PostgresLedger(text)):
            again = pickle.loads(pickle.dumps(ledger))  # noqa: S301  # our own
            assert repr(ledger) == repr(again) == f"PostgresLedger({ledger.where!r}, name='')"
            assert ledger.where.endswith("://u@h/x")
        assert BatchCheck(ledger=text).made_of["ledger"] == text
    assert "secret" not in caplog.text
    assert "is the address of a server" in told_of(lambda: Ledger(text))


@pytest.mark.parametrize("dsn", MISREAD)
def test_a_password_that_is_read_as_another_part_is_not_shown(dsn: str) -> None:
    """The advice says how its signs are written."""
    for make in (PostgresLedger, ledger_at):
        assert "%40 or %2F" in told_of(lambda make=make: make(dsn))  # type: ignore[misc]  # a loop's


@pytest.mark.parametrize(("dsn", "shown"), READ.items())
def test_what_is_read_as_it_was_meant_is_taken(dsn: str, shown: str) -> None:
    """All that libpq takes."""
    assert PostgresLedger(dsn).where == shown


@pytest.mark.parametrize(
    ("query", "name"),
    [("pool=a-secret", "pool"), ("sslmode=require&ssl=a-secret", "ssl"), ("_x=a-secret", "_x")],
)
def test_a_parameter_that_libpq_does_not_know_is_named(query: str, name: str) -> None:
    """Without its value."""
    told = told_of(lambda: PostgresLedger(f"postgresql://u:a-secret@h/x?{query}"))
    assert f"libpq knows no parameter {name}. Leave it out." in told


@pytest.mark.parametrize("given", [7, b"postgresql://u:a-secret@h/x", ("//u:se/cret@h/x",)])
def test_what_is_no_text_is_told_of_by_its_type(given: Any) -> None:
    """Its content may be anything."""
    account: Any = {"api_key": "sk-0123456789", "base_url": "http://127.0.0.1:9"}
    for make in (
        lambda: Ledger(given),
        lambda: PostgresLedger(given),
        lambda: check_all(["https://a.example/1.jpg"], ledger=given, **account),
    ):
        assert f"of {type(given).__name__}." in told_of(make).replace("of type", "of")
