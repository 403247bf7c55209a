"""What most tests begin with: an emulator in their own event loop, and addresses to check."""

import functools
import os
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import certifi
import httpcore
import pytest
import redis
from tests.ledgers import Place
from tests.redis_servers import redis_server
from tests.variables import ACCOUNT_VARIABLES, NETWORK_VARIABLES

from _postgres_server import PostgresServer, postgres_server
from s2v_detect.emulator import Emulator, Pass

with suppress(ModuleNotFoundError):  # which the environments of the engines have not
    from hypothesis import settings

    settings.register_profile("any machine", deadline=None)  # an example's time says nothing
    settings.load_profile("any machine")


@pytest.fixture(autouse=True, scope="session")
def _certificates_are_read_once() -> Iterator[None]:
    """The certificates that httpx and httpcore bring are read once for all clients of the tests.

    OpenSSL takes 25 ms for them: that was a quarter of what the tests of the client computed. A
    context of other certificates is made as ever.
    """
    make = ssl.create_default_context
    bundled: dict[str, Any] = {"cafile": certifi.where()}
    once = functools.cache(lambda: make(**bundled))

    def create(*arguments: Any, **options: Any) -> ssl.SSLContext:
        is_as_ever = arguments or options != bundled or "SSLKEYLOGFILE" in os.environ
        return make(*arguments, **options) if is_as_ever else once()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssl, "create_default_context", create)
        patch.setattr(
            httpcore, "default_ssl_context", functools.cache(httpcore.default_ssl_context)
        )
        yield


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    """An emulator under which every image passes until `when` says otherwise."""
    async with Emulator(answer=Pass()) as emulator:
        yield emulator


@pytest.fixture
def urls() -> Callable[[int], list[str]]:
    """Addresses that are all different."""
    return lambda count: [f"https://images.example/{number}.jpg" for number in range(count)]


@pytest.fixture(autouse=True)
def _no_settings_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test may use a key, an address, a proxy or the language of whoever runs it.

    Nor a file of certificates: each client would read it anew, in 25 ms.
    """
    for name in (*ACCOUNT_VARIABLES, *NETWORK_VARIABLES, "LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANGUAGE", "en")  # what a test reads, wherever its machine is


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The address of a real Redis, one for all tests of a process. It is there, or they fail."""
    with redis_server() as server:
        yield server.url


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """The address of a real S3 server, one for all tests of a process that list a bucket."""
    from tests.buckets import s3_server  # noqa: PLC0415  # a second of import, for few tests

    with s3_server() as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def redis_client(redis_url: str) -> Iterator[redis.Redis]:
    """A client of that Redis, which blocks."""
    with redis.Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A real PostgreSQL, one for all tests of a process. It is there, or they fail.

    No disk is waited for: what a test kills is the server, and not the machine.
    """
    with postgres_server("-c fsync=off") as server:
        yield server


@pytest.fixture(params=["file", "server"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Where a new ledger is to be: in a file, and in a database of a server."""
    if request.param == "file":
        return tmp_path / "l.db"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.database()
