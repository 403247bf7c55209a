"""What no waiting mends is told at once and by name, and costs nothing; later it is an outage."""

import asyncio
import socket
import sqlite3
import ssl
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.networks import (
    ELSEWHERE,
    VERDICT,
    Certificates,
    answer,
    answering,
    closed_port,
)
from tests.uploading import FAST, is_credential, is_upload, picture, through
from tests.variables import NETWORK_VARIABLES

from s2v_detect import (
    ConfigurationError,
    DetectClient,
    DetectError,
    Event,
    Ledger,
    LocalLimiter,
    NotSent,
    OutcomeUnknown,
    RetryPolicy,
)
from s2v_detect.emulator import Emulator, Pass
from s2v_detect.wire._reach import Route

IMAGE = "https://images.example/face.jpg"
FAR = "https://service.invalid"
PLAIN_TO_TLS = b"<html>400 The plain HTTP request was sent to HTTPS port</html>"
ONCE = RetryPolicy(max_attempts=1)

Set = Callable[..., str]
"""Sets variables; returns the base URL that it is given."""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """An authority, which nobody trusts who is not told to."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(autouse=True)
def _no_network_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NETWORK_VARIABLES:
        monkeypatch.delenv(name, raising=False)


class Place:
    """Builds set-ups: servers, and variables that name them."""

    def __init__(self, certificates: Certificates, variables: pytest.MonkeyPatch) -> None:
        self.certificates = certificates
        self.servers = ExitStack()
        self._variables = variables

    def port(self, *answers: bytes, **more: Any) -> int:
        """Have a server."""
        return self.servers.enter_context(answering(*answers, **more))

    def trusted(self, tls: ssl.SSLContext) -> str:
        """Have a server of an authority that is trusted."""
        self.set(SSL_CERT_FILE=str(self.certificates.file))
        return f"https://{ELSEWHERE}:{self.port(answer(200), tls=tls, host=ELSEWHERE)}"

    def set(self, base_url: str = FAR, **variables: str) -> str:
        """Set variables."""
        for name, value in variables.items():
            self._variables.setenv(name, value)
        return base_url

    def proxied(self, *answers: bytes) -> str:
        """Have a proxy that answers so."""
        return self.set(HTTPS_PROXY=f"http://me:S3CR3T@127.0.0.1:{self.port(*answers)}")


@pytest.fixture
def place(certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """What builds set-ups."""
    built = Place(certificates, monkeypatch)
    with built.servers:
        yield built


MET_BY_A_CHECK: dict[str, tuple[Callable[[Place], str], str]] = {
    "a proxy asks for a password": (
        lambda place: place.proxied(answer(407)),
        r"the proxy 127\.0\.0\.1:\d+ \(HTTPS_PROXY\) asks for a user and a password \(407\)",
    ),
    "a proxy of plain http asks for a password": (
        lambda place: place.set(
            "http://service.invalid", HTTP_PROXY=f"127.0.0.1:{place.port(answer(407))}"
        ),
        r"the proxy 127\.0\.0\.1:\d+ \(HTTP_PROXY\) asks for a user and a password \(407\)",
    ),
    "a proxy forbids the host": (
        lambda place: place.proxied(answer(403)),
        r"does not pass on service\.invalid:443 \(403\)",
    ),
    "a proxy is none": (lambda place: place.proxied(b"gibberish\r\n\r\n"), "speaks no HTTP"),
    "a proxy refuses connections": (
        lambda place: place.set(HTTPS_PROXY=f"http://127.0.0.1:{closed_port()}"),
        r"the proxy .* \(HTTPS_PROXY\) refuses connections",
    ),
    "a proxy has no name": (
        lambda place: place.set(all_proxy="http://proxy.invalid:3128"),
        r"the proxy's name proxy\.invalid does not exist .*Correct all_proxy",
    ),
    "a proxy speaks no TLS": (
        lambda place: place.set(HTTPS_PROXY=f"https://127.0.0.1:{place.port(answer(400))}"),
        r"speaks no TLS\. Write http:// in HTTPS_PROXY",
    ),
    "a proxy speaks TLS": (
        lambda place: place.set(
            HTTPS_PROXY=f"127.0.0.1:{place.port(answer(200), tls=place.certificates.server())}"
        ),
        r"speaks TLS, and was asked in plain http\. Write https:// in HTTPS_PROXY",
    ),
    "a certificate is not trusted": (
        lambda place: (
            f"https://127.0.0.1:{place.port(b'', tls=place.certificates.server('127.0.0.1'))}"
        ),
        r"the certificate of 127\.0\.0\.1:\d+ is not trusted",
    ),
    "a certificate has expired": (
        lambda place: place.trusted(place.certificates.server(year=2020)),
        "has expired",
    ),
    "a certificate is not valid yet": (
        lambda place: place.trusted(place.certificates.server(year=2120)),
        "is not valid yet",
    ),
    "a certificate is for another name": (
        lambda place: place.trusted(place.certificates.server("other.example")),
        "is for another name",
    ),
    "a port speaks no TLS": (
        lambda place: f"https://127.0.0.1:{place.port(answer(400))}",
        r"127\.0\.0\.1:\d+ speaks no TLS\. Write http:// in the base URL",
    ),
    "a port speaks TLS, and cuts what is plain": (
        lambda place: f"http://127.0.0.1:{place.port(b'', tls=place.certificates.server())}",
        r"speaks TLS, and was asked in plain http\. Write https:// in the base URL",
    ),
    "a port speaks TLS, and says so": (
        lambda place: f"http://127.0.0.1:{place.port(answer(400, PLAIN_TO_TLS))}",
        r"speaks TLS, and was asked in plain http\. Write https:// in the base URL",
    ),
    "a port refuses": (
        lambda place: f"http://127.0.0.1:{closed_port()}",
        r"127\.0\.0\.1:\d+ refuses connections\. Start what .*, or correct the base URL",
    ),
    "a port of every address refuses": (
        lambda place: f"http://localhost:{closed_port()}",
        r"localhost:\d+ refuses connections",
    ),
    "a name does not exist": (lambda place: FAR, r"the name service\.invalid does not exist"),
}


@pytest.mark.parametrize("name", MET_BY_A_CHECK)
async def test_a_fault_of_the_setup_is_told_and_costs_nothing(
    name: str, place: Place, tmp_path: Path
) -> None:
    """By `check` and by a stream, each time anew; no image loses a try, and the line goes on."""
    build, words = MET_BY_A_CHECK[name]
    url, path, events, began = build(place), tmp_path / "l.db", list[Event](), time.monotonic()
    faults: list[ConfigurationError] = []
    rest = {"allow_http": True, "ledger": path, "on_event": events.append}
    async with DetectClient("sk-1", base_url=url, limiter=LocalLimiter(100), **rest) as client:  # type: ignore[arg-type]  # as they are named
        for _ in range(2):
            with pytest.raises(ConfigurationError, match=words) as raised:
                await client.check(IMAGE)
            faults.append(raised.value)
        with pytest.raises(ConfigurationError, match=words):
            async for outcome in client.aiter_check([f"{IMAGE}?{n}" for n in range(9)]):
                pytest.fail(f"no image is to blame: {outcome}")
    assert time.monotonic() - began < 10
    assert {(fault.billed, fault.image) for fault in faults} == {("no", IMAGE)}
    assert "S3CR3T" not in f"{faults} {faults[0]}"
    assert client.spend.cost_at_most == 0
    kinds = [event.kind for event in events]
    assert not {"outage", "restored", "retrying"} & set(kinds)
    assert kinds.count("sent") == kinds.count("answered")  # nothing stays in flight
    with Ledger(path) as ledger:
        assert {entry.state for entry in ledger.all_entries()} == {"not sent"}
        assert {entry.attempts for entry in ledger.all_entries()} == {0}
        assert {each.outcome for each in ledger.attempts(IMAGE)} <= {"not sent"}


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"ALL_PROXY": "socks5://127.0.0.1:1"}, r"ALL_PROXY names a SOCKS proxy.*pip install"),
        ({"https_proxy": "htp://a"}, r"https_proxy names no proxy: the scheme 'htp'"),
        ({"HTTP_PROXY": "http://a:port"}, "HTTP_PROXY names no proxy"),
        ({"HTTPS_PROXY": "http://127.0.0.1:99999"}, "there is no port 99999"),
        ({"NO_PROXY": "[::1]"}, "NO_PROXY can't be read"),
        ({"SSL_CERT_FILE": "/nowhere/a.pem"}, r"SSL_CERT_FILE .*/nowhere/a\.pem \(No such file"),
        ({"SSL_CERT_FILE": __file__}, "SSL_CERT_FILE names can't be read"),
        ({"SSLKEYLOGFILE": "/nowhere/keys"}, "SSLKEYLOGFILE names can't be written: /nowhere"),
    ],
)
async def test_settings_that_can_not_be_used_are_told_at_the_opening(
    variables: dict[str, str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The ledger's run is ended, and the client opens once they are mended."""
    path = tmp_path / "l.db"
    client = DetectClient("sk-1", base_url=FAR, ledger=path)
    with monkeypatch.context() as faulty:
        for name, value in variables.items():
            faulty.setenv(name, value)
        with pytest.raises(ConfigurationError, match=words):
            await client.aopen()
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count(*), count(ended_at) FROM run").fetchone() == (1, 1)
    async with client:
        pass


async def test_the_next_check_tries_anew() -> None:
    """The client stays open, and what was missing is started."""
    port = closed_port()
    url = f"http://127.0.0.1:{port}"
    async with DetectClient("sk-1", base_url=url, limiter=LocalLimiter(100)) as client:
        for _ in range(2):
            with pytest.raises(ConfigurationError, match="refuses connections"):
                await client.check(IMAGE)
        with answering(answer(200, VERDICT), port=port):
            assert (await client.check(IMAGE)).check_pass


async def test_a_stream_goes_on_when_the_setup_is_mended(
    emulator: Emulator, tmp_path: Path
) -> None:
    """Nothing was marked as sent, so nothing is in doubt, and every image is asked for once."""
    images = [f"https://images.example/{n}.jpg" for n in range(12)]
    rest: dict[str, Any] = {"ledger": tmp_path / "l.db", "limiter": LocalLimiter(100)}
    nowhere = f"http://127.0.0.1:{closed_port()}"
    async with DetectClient("sk-1", base_url=nowhere, **rest) as client:
        with pytest.raises(ConfigurationError):
            [each async for each in client.aiter_check(images)]
    async with emulator.client(**rest) as client:
        outcomes = [each async for each in client.aiter_check(images)]
    assert [each.kind for each in outcomes] == ["checked"] * 12
    assert (emulator.billed, client.spend.unknown) == (12, 0)


async def test_once_answered_a_port_that_refuses_is_an_outage() -> None:
    """Told with its cause and its address, after as many tries as the policy has."""
    async with AsyncExitStack() as stack:
        async with Emulator(answer=Pass()) as emulator:
            retry = FAST.model_copy(update={"max_attempts": 3})
            client = await stack.enter_async_context(emulator.client(retry=retry))
            await client.check(IMAGE)
            address = emulator.origin.removeprefix("http://")
        with pytest.raises(NotSent, match=f"not sent, {address} refuses connections") as raised:
            await client.check(f"{IMAGE}?2")
    assert (raised.value.attempts, raised.value.billed) == (3, "no")
    assert client.spend.billed == 1


@pytest.mark.parametrize("status", [200, 401, 500, 503])
async def test_any_answer_of_the_service_counts(place: Place, status: int) -> None:
    """Of whatever status: what follows is no fault of the set-up."""
    port = place.port(answer(status, VERDICT), answer(407))
    url = place.set("http://service.invalid", HTTP_PROXY=f"127.0.0.1:{port}")
    async with DetectClient("sk-1", base_url=url, allow_http=True, retry=ONCE) as client:
        await asyncio.gather(client.check(IMAGE), return_exceptions=True)
        with pytest.raises(NotSent, match=r"asks for a user and a password \(407\)"):
            await client.check(f"{IMAGE}?2")


def raising(error: Exception) -> httpx.AsyncClient:
    """Return a client of the user's own that comes to no connection."""

    def fail(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("all failed") from error

    return httpx.AsyncClient(transport=httpx.MockTransport(fail))


@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        (socket.gaierror(socket.EAI_NONAME, "no name"), ConfigurationError),
        (ConnectionRefusedError(111, "refused"), ConfigurationError),
        (ssl.SSLError(1, "x"), ConfigurationError),
        (socket.gaierror(socket.EAI_AGAIN, "try again"), NotSent),
        (ConnectionResetError(104, "reset"), NotSent),
        (TimeoutError(), NotSent),
    ],
)
async def test_a_client_of_the_users_own_meets_the_same(
    cause: Exception, kind: type[DetectError]
) -> None:
    """A resolver that says "try again" is an outage from the first: a container may start early."""
    async with raising(cause) as http:
        async with DetectClient("sk-1", base_url=FAR, http_client=http, retry=ONCE) as client:
            with pytest.raises(kind, match=r"service\.invalid"):
                await client.check(IMAGE)


async def test_a_proxy_of_the_users_own_may_have_any_port() -> None:
    """Neither httpx nor httpcore looks whether there is such a one."""
    async with httpx.AsyncClient(proxy="http://127.0.0.1:99999") as http:
        async with DetectClient("sk-1", base_url=FAR, http_client=http, retry=ONCE) as client:
            with pytest.raises(ConfigurationError, match=r"the proxy 127\.0\.0\.1:99999 is no add"):
                await client.check(IMAGE)


@pytest.mark.parametrize("cut", [b"", answer(200, VERDICT)[:-20]])
async def test_an_answer_that_was_cut_may_have_been_billed(cut: bytes) -> None:
    """The port speaks no TLS, so the request may have been read."""
    with answering(cut) as port:
        url = f"http://127.0.0.1:{port}"
        async with DetectClient("sk-1", base_url=url, retry=ONCE, on_unknown="keep") as client:
            with pytest.raises(OutcomeUnknown):
                await client.check(IMAGE)
    assert client.spend.unknown == 1


async def test_what_tls_says_while_an_answer_is_read_is_a_lost_answer() -> None:
    """Httpcore lets it through as `ssl.SSLError`, which is no fault of the program."""

    def fail(request: httpx.Request) -> httpx.Response:
        raise ssl.SSLError(1, "[SSL: DECRYPTION_FAILED_OR_BAD_RECORD_MAC]")

    async with httpx.AsyncClient(transport=httpx.MockTransport(fail)) as http:
        async with DetectClient("sk-1", base_url=FAR, http_client=http, retry=ONCE) as client:
            with pytest.raises(OutcomeUnknown, match="SSLError"):
                await client.check(IMAGE)
    assert client.spend.unknown == 1


@pytest.mark.parametrize(
    ("events", "error", "expected"),
    [
        (["connect_tcp.started"], httpx.RemoteProtocolError("cut"), True),
        (["connect_tcp.started"], httpx.ReadError("reset"), True),
        (["connect_tcp.started"], httpx.ReadTimeout("silent"), False),
        (["connect_tcp.started", "receive_response_headers.complete"], httpx.ReadError("r"), False),
        (["connect_tcp.started", "start_tls.started"], httpx.ReadError("r"), False),
        ([], httpx.ReadError("a connection that was open already"), False),
    ],
)
async def test_a_port_that_may_have_read_the_request_is_not_asked_for_tls(
    certificates: Certificates, events: list[str], error: Exception, *, expected: bool
) -> None:
    """A port may speak both: what has begun to answer in plain http has read what it was sent."""
    with answering(b"", tls=certificates.server()) as port:
        route = Route()
        info = {"host": "127.0.0.1", "port": port, "server_hostname": "a.example"}
        for event in events:
            await route.trace(f"connection.{event}", info)
        assert await route.speaks_tls(error) is expected


def cut_off(at: Callable[[httpx.Request], bool]) -> Callable[[httpx.Request], Awaitable[Any]]:
    """Return somebody in between who refuses the connections of some requests."""

    async def meet(request: httpx.Request) -> httpx.Response | None:
        if at(request):
            raise httpx.ConnectError("all failed") from ConnectionRefusedError(111, "refused")
        return None

    return meet


@pytest.mark.parametrize("at", [is_credential, is_upload])
async def test_an_upload_meets_the_same(
    emulator: Emulator, at: Callable[[httpx.Request], bool]
) -> None:
    """On its way to the service and to the store: a credential is no check that was answered."""
    events: list[Event] = []
    async with through(emulator, cut_off(at), retry=FAST, on_event=events.append) as client:
        with pytest.raises(ConfigurationError, match=r"not uploaded, .* refuses connections"):
            await client.check(picture())
        with pytest.raises(ConfigurationError, match=r"not uploaded, .* refuses connections"):
            [each async for each in client.aiter_check([picture(n) for n in range(20)])]
    assert not {event.kind for event in events} & {"outage", "restored", "turn"}
    assert client.spend.cost_at_most == 0


@pytest.mark.parametrize("at", [is_credential, is_upload])
async def test_once_a_check_was_answered_an_upload_meets_an_outage(
    emulator: Emulator, at: Callable[[httpx.Request], bool]
) -> None:
    """The run has begun, and other images of it may go on."""
    async with through(emulator, cut_off(at), retry=FAST) as client:
        await client.check(IMAGE)
        with pytest.raises(NotSent, match=r"not uploaded, .* refuses connections"):
            await client.check(picture())


async def test_a_look_at_an_image_says_nothing_of_the_setup(emulator: Emulator) -> None:
    """An image's own host may refuse: that is a doubt about the image."""
    from s2v_detect import Preflight  # noqa: PLC0415  # nobody else looks here

    image = f"http://127.0.0.1:{closed_port()}/face.jpg"
    async with emulator.client(preflight=Preflight(allow_private=True)) as client:
        assert (await client.check(image)).check_pass
