"""One connection to the server, and its rows as the rules of the ledger ask for them.

PostgreSQL takes neither a NUL in a text nor half a character. Both are kept as an escape, so that
the text which is read is the one that was written, and equal texts stay equal.
"""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import tuple_row

from s2v_detect.errors import ConfigurationError

SCHEMA = "s2v_detect"
"""Where in the database the tables are: they meet no others."""
_OPTIONS = {
    "application_name": "s2v-detect",
    "connect_timeout": "10",
    "target_session_attrs": "read-write",  # after a failover, of several hosts: the one that writes
    # A server that is gone without a word is noticed within some 15 s.
    "keepalives_idle": "5",
    "keepalives_interval": "5",
    "keepalives_count": "2",
    "tcp_user_timeout": "15000",
}
"""What an address that says nothing else has."""
_ESCAPE = "\x1a"
_NOT_TAKEN = re.compile("[\x00\x1a\ud800-\udfff]")
_ESCAPED = re.compile("\x1a([0-9a-f]{4})")


class Address:
    """Where a server is, as libpq takes it; its password is in no message."""

    def __init__(self, dsn: str) -> None:
        given = _read(dsn)
        if given is None:
            # With nothing behind it: libpq repeats what it could not read, a password among that.
            raise ConfigurationError(
                "the ledger's address can't be read.",
                do="Give postgresql://user@host:5432/database; signs such as @ or / in a user or"
                " password are written as %40 or %2F.",
            )
        self._password = given.get("password", "")
        self._options = _OPTIONS | given | {"client_encoding": "UTF8"}
        self.shown = _shown(given)

    def connected(self) -> "psycopg.Connection[Any]":
        """Return a connection; every statement is its own until `BEGIN`.

        Nothing is prepared: a pooler in front of the server may give each transaction another
        session.
        """
        connection: psycopg.Connection[Any] = psycopg.connect(
            "",
            autocommit=True,
            prepare_threshold=None,
            row_factory=_given_rows,
            **self._options,  # type: ignore[arg-type]  # libpq's own names, of texts
        )
        return connection

    def without_password(self, text: str) -> str:
        """Return a message of the server's, or libpq's, as it may be shown."""
        return text.replace(self._password, "…") if self._password else text


def _read(dsn: str) -> dict[str, str] | None:
    try:
        return {name: str(value) for name, value in conninfo_to_dict(dsn).items()}
    except psycopg.ProgrammingError:
        return None


def _shown(given: dict[str, str]) -> str:
    user = f"{given['user']}@" if "user" in given else ""
    port = f":{given['port']}" if "port" in given else ""
    host = given.get("host", given.get("hostaddr", ""))
    place = f"{user}{host}{port}/{given.get('dbname', '')}"
    return f"postgresql://{place}" + (f"?service={given['service']}" if "service" in given else "")


class Transaction:
    """The rows, in the transaction that is open on a connection."""

    def __init__(self, connection: "psycopg.Connection[Any]") -> None:
        self._connection = connection

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> "psycopg.Cursor[Any]":
        """Do one statement, with `?` where a parameter stands."""
        kept = [kept_text(each) if isinstance(each, str) else each for each in parameters]
        return self._connection.execute(_translated(sql), kept)


@lru_cache(maxsize=256)
def _translated(sql: str) -> bytes:
    return sql.replace("%", "%%").replace("?", "%s").encode()


def kept_text(text: str) -> str:
    r"""Return a text as the server takes it.

    Example:
        >>> kept_text("a\0b")
        'a\x1a0000b'
    """
    return _NOT_TAKEN.sub(lambda found: f"{_ESCAPE}{ord(found[0]):04x}", text)


def given_text(text: str) -> str:
    r"""Return a kept text as it was given.

    Example:
        >>> given_text(kept_text("a\0b")) == "a\0b"
        True
    """
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)


def _given_rows(cursor: "psycopg.Cursor[Any]") -> Callable[[Sequence[Any]], tuple[Any, ...]]:
    make = tuple_row(cursor)

    def row(values: Sequence[Any]) -> tuple[Any, ...]:
        if any(isinstance(each, str) and _ESCAPE in each for each in values):
            values = [given_text(each) if isinstance(each, str) else each for each in values]
        return make(values)

    return row
