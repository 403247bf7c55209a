"""One connection to the server, and its rows as the rules of the ledger ask for them.

No answer is waited for without end: the kernel of a server that stands still (its process is
stopped, its disk hangs) goes on to say that the connection is well.

PostgreSQL takes neither a NUL in a text nor half a character. Both are kept as an escape, so that
the text which is read is the one that was written, and equal texts stay equal.
"""

import re
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import tuple_row

from s2v_detect.errors import ConfigurationError
from s2v_detect.ledger._place import is_address

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
ANSWER_S = 30.0
"""How long a server may take for one statement. Nothing that the rules ask for takes as long."""
_UNSURE = "01000"  # a warning without a code of its own
_ESCAPE = "\x1a"
_NOT_TAKEN = re.compile("[\x00\x1a\ud800-\udfff]")
_ESCAPED = re.compile("\x1a([0-9a-f]{4})")
_PORTS = re.compile("[0-9,]*")
_NAME = re.compile("[A-Za-z_]{1,40}")

T = TypeVar("T")


class Connection(psycopg.Connection[Any]):
    """A connection whose server is given up when it does not answer."""

    longest_s: float | None = ANSWER_S
    """How long it may take for one statement; None: as long as it likes."""
    is_unsure = False
    """Whether the server has warned of what it did."""

    def wait(self, gen: PQGen[T], *words: Any, **options: Any) -> T:
        """Return what a statement brings. Raises `OperationalError` when that takes too long."""
        bounded = gen if self.longest_s is None else _bounded(gen, self.longest_s)
        return super().wait(bounded, *words, **options)

    def note(self, notice: psycopg.errors.Diagnostic) -> None:
        """Keep in mind that the server warns."""
        self.is_unsure |= notice.sqlstate == _UNSURE

    def commit_surely(self) -> None:
        """Return when the server has done all that makes its commits durable.

        Where somebody cancels the wait for its standby, the server says COMMIT all the same, and
        warns that the standby may lack it. Raises `OperationalError` then.
        """
        self.is_unsure = False
        self.execute("COMMIT")
        if self.is_unsure:
            raise psycopg.OperationalError("the server's standby may lack what was committed")


def _bounded(gen: PQGen[T], longest_s: float) -> PQGen[T]:
    """Return the same steps; psycopg comes by now and then, also while nothing happens."""
    until = time.monotonic() + longest_s
    try:
        wanted = next(gen)
        while True:
            ready = yield wanted
            if not ready and time.monotonic() > until:
                raise psycopg.OperationalError(f"the server has not answered for {longest_s:g} s")
            wanted = gen.send(ready)
    except StopIteration as end:
        result: T = end.value
        return result


class Address:
    """Where a server is, as libpq takes it; its password is in no message."""

    def __init__(self, dsn: str) -> None:
        given = _read(dsn)
        if given is None:
            if name := _unknown_parameter(dsn):
                raise ConfigurationError(
                    f"the ledger's address can't be read: libpq knows no parameter {name}.",
                    do="Leave it out.",
                )
            # With nothing behind it: libpq repeats what it could not read, a password among that.
            raise ConfigurationError(
                "the ledger's address can't be read.",
                do="Give postgresql://user@host:5432/database; signs such as @ or / in a user or"
                " password are written as %40 or %2F.",
            )
        self._password = given.get("password", "")
        self._options = _OPTIONS | given | {"client_encoding": "UTF8"}
        self.shown = _shown(given)

    def connected(self) -> Connection:
        """Return a connection; every statement is its own until `BEGIN`.

        Nothing is prepared: a pooler in front of the server may give each transaction another
        session.
        """
        connection = Connection.connect(
            "",
            autocommit=True,
            prepare_threshold=None,
            row_factory=_given_rows,
            **self._options,  # type: ignore[arg-type]  # libpq's own names, of texts
        )
        connection.add_notice_handler(connection.note)
        return connection

    def without_password(self, text: str) -> str:
        """Return a message of the server's, or libpq's, as it may be shown."""
        return text.replace(self._password, "…") if self._password else text


def _read(dsn: str) -> dict[str, str] | None:
    """Return what libpq reads, or None where it reads nothing, or what was not meant."""
    try:
        given = {name: str(value) for name, value in conninfo_to_dict(dsn).items()}
    except psycopg.ProgrammingError:
        return None
    return None if _is_misread(dsn, given) else given


def _is_misread(dsn: str, given: dict[str, str]) -> bool:
    """Whether a part of a password, with a sign in it, is read as the host, port or database."""
    host, port, database = (given.get(name, "") for name in ("host", "port", "dbname"))
    if not is_address(dsn):
        return "://" in database
    user, at, place = dsn.partition("://")[2].partition("@")
    if not at or "/" in user:  # then libpq reads no user
        place = user + at + place
    place = place.partition("?")[0]
    return (
        "@" in place
        or ":" in place.partition("/")[2]
        or "@" in host.lstrip("@")  # before a name it is one of Linux's abstract sockets
        or _PORTS.fullmatch(port) is None
    )


def _unknown_parameter(dsn: str) -> str | None:
    """Return the name of a parameter of a URL that libpq does not know.

    Where an @ is behind the question mark, both may be of a password.
    """
    address, _, query = dsn.partition("?")
    if not is_address(dsn) or "@" in query or _read(address) is None:
        return None
    known = {each.keyword.decode() for each in psycopg.pq.Conninfo.get_defaults()}
    settings = (each.partition("=") for each in query.split("&") if each != "ssl=true")
    names = (name for name, sign, _ in settings if sign and name not in known)
    return next(filter(_NAME.fullmatch, names), None)


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
