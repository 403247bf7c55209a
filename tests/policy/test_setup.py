"""What no waiting mends is known by its type and its code: every kind, and what looks alike."""

import socket
import ssl
from collections.abc import Mapping
from errno import ECONNREFUSED, EHOSTUNREACH, ENETUNREACH
from itertools import pairwise

import httpx
import pytest

from s2v_detect.wire._environment import fault_of_opening, fault_of_proxies, network_of
from s2v_detect.wire._setup import Fault, Network, Way, fault_of, fault_of_answer, is_unread

SERVICE, PROXY = "service.example:443", "10.0.0.1:3128"
NETWORK = Network({PROXY: "HTTPS_PROXY"}, "")
DIRECT = Way(SERVICE, SERVICE, "service.example", network=NETWORK)
PROXIED = Way(SERVICE, PROXY, network=NETWORK)
TUNNELLED = Way(SERVICE, PROXY, "service.example", network=NETWORK)
OTHERS_PROXY = Way(SERVICE, "10.9.9.9:1", network=NETWORK)
STORE = Way("store.example:443", "store.example:443", is_service=False)
UNTOLD = Way(SERVICE)
REFUSED = ConnectionRefusedError(ECONNREFUSED, "Connection refused")
UNREACHABLE = OSError(ENETUNREACH, "Network is unreachable")


def chained(*errors: BaseException) -> BaseException:
    """Return the first error, with the others as its causes, suppressed as httpcore's pool does."""
    for error, cause in pairwise(errors):
        error.__context__ = cause
        error.__suppress_context__ = True
    return errors[0]


def connecting(*causes: BaseException) -> BaseException:
    """Return what httpx raises where no connection was made: two errors before the cause."""
    return chained(httpx.ConnectError("c"), RuntimeError("httpcore's"), *causes)


def group(*errors: Exception) -> BaseException:
    """Return what comes of a name with several addresses."""
    return connecting(OSError("all failed"), ExceptionGroup("several", errors))


def tls(reason: str, kind: type[ssl.SSLError] = ssl.SSLError) -> BaseException:
    """Return a handshake that failed: its number is none of the system's."""
    error = kind(1, f"[SSL: {reason}]")
    error.reason = reason
    return connecting(error)


def certificate(code: int, message: str) -> BaseException:
    """Return a certificate that was not taken."""
    error = ssl.SSLCertVerificationError(1, "x")
    error.reason = "CERTIFICATE_VERIFY_FAILED"
    error.verify_code, error.verify_message = code, message
    return connecting(error)


def resolver(name: str) -> BaseException:
    """Return what a resolver says."""
    return connecting(socket.gaierror(getattr(socket, name), f"says {name}"))


LASTING: list[tuple[BaseException, Way, str, str]] = [
    # the error, the way, what is said, what is to be done
    (
        connecting(REFUSED),
        DIRECT,
        "service.example:443 refuses conn",
        "Start what should listen there, or c",
    ),
    (connecting(REFUSED), UNTOLD, "service.example:443 refuses connections", "base URL"),
    (connecting(REFUSED), PROXIED, "the proxy 10.0.0.1:3128 (HTTPS_PROXY) refuses", "unset it"),
    (connecting(REFUSED), OTHERS_PROXY, "the proxy 10.9.9.9:1 refuses", "correct the proxy"),
    (connecting(REFUSED), STORE, "store.example:443 refuses", "uploads go there"),
    (group(REFUSED, REFUSED), DIRECT, "refuses connections", "base URL"),
    (group(UNREACHABLE, REFUSED), DIRECT, "refuses connections", "base URL"),
    (connecting(PermissionError(13, "x")), DIRECT, "this machine forbids", "firewall"),
    (connecting(OverflowError("port must be")), DIRECT, "is no address", "base URL"),
    (OverflowError("port must be"), PROXIED, "the proxy 10.0.0.1:3128", "HTTPS_PROXY"),
    (UnicodeError("label too long"), DIRECT, "is no address", "base URL"),
    (resolver("EAI_NONAME"), DIRECT, "the name service.example does not exist", "base URL"),
    (resolver("EAI_NODATA"), DIRECT, "the name service.example does not exist", "base URL"),
    (resolver("EAI_NONAME"), PROXIED, "the proxy's name 10.0.0.1 does not", "Correct HTTPS_PROXY"),
    (resolver("EAI_NONAME"), STORE, "store.example does not exist", "uploads go there"),
    (resolver("EAI_SERVICE"), DIRECT, "does not exist", "base URL"),
    (certificate(10, "certificate has expired"), DIRECT, "service.example:443 has exp", "clock"),
    (certificate(9, "not yet valid"), DIRECT, "is not valid yet", "clock"),
    (certificate(62, "Hostname mismatch"), DIRECT, "for another name (Hostname", "base URL"),
    (certificate(64, "IP mismatch"), PROXIED, "the proxy 10.0.0.1:3128", "Correct HTTPS_PROXY"),
    (certificate(18, "self-signed"), DIRECT, "is not trusted (self-signed)", "in SSL_CERT_FILE"),
    (certificate(19, "in chain"), TUNNELLED, "certificate of service.example:443", "SSL_CERT_FILE"),
    (certificate(20, "no issuer"), PROXIED, "certificate of the proxy 10.0.0.1", "SSL_CERT_FILE"),
    (tls("WRONG_VERSION_NUMBER"), DIRECT, "service.example:443 speaks no TLS", "http:// in the b"),
    (tls("WRONG_VERSION_NUMBER"), PROXIED, "speaks no TLS", "Write http:// in HTTPS_PROXY"),
    (tls("WRONG_VERSION_NUMBER"), TUNNELLED, "service.example:443 speaks no", "Correct the port"),
    (tls("RECORD_LAYER_FAILURE"), DIRECT, "speaks no TLS", "base URL"),
    (tls("PACKET_LENGTH_TOO_LONG"), DIRECT, "speaks no TLS", "base URL"),
    (tls("TLSV1_ALERT_PROTOCOL_VERSION"), DIRECT, "(TLSV1_ALERT_PROTOCOL_VERSION)", "base URL"),
    (tls("UNSAFE_LEGACY_RENEGOTIATION_DISABLED"), DIRECT, "refuses the TLS", "base URL"),
    (tls("SSLV3_ALERT_HANDSHAKE_FAILURE"), DIRECT, "refuses the TLS handshake", "base URL"),
    (tls("TLSV13_ALERT_CERTIFICATE_REQUIRED"), DIRECT, "asks for a certificate", "http_client"),
    (tls("TLSV1_ALERT_UNKNOWN_CA"), DIRECT, "asks for a certificate", "http_client"),
    (httpx.ProxyError("407 Proxy Authentication Required"), PROXIED, "password (407)", "USER:PASS"),
    (httpx.ProxyError("407"), UNTOLD, "a proxy before service.example:443", "the proxy's address"),
    (httpx.ProxyError("Invalid username/password"), PROXIED, "password", "in HTTPS_PROXY"),
    (
        httpx.ProxyError("Requested NO AUTH from proxy server, but got USER"),
        PROXIED,
        "pass",
        "USER",
    ),
    *[
        (httpx.ProxyError(f"{status} No"), PROXIED, f"pass on {SERVICE} ({status})", "Let it pass")
        for status in (301, 302, 400, 401, 403, 404, 405, 501, 505, 511)
    ],
    (httpx.ProxyError("403 No"), UNTOLD, "the proxy does not pass on", "take another proxy"),
    (
        httpx.ProxyError("Proxy Server could not connect: Connection not allowed by ruleset."),
        *(PROXIED, "could not connect", "correct HTTPS_PROXY"),
    ),
    (httpx.RemoteProtocolError("illegal status line: bytearray(b'SSH')"), DIRECT, "no HTTP", "URL"),
    (
        httpx.ReadError("cut"),
        DIRECT._replace(speaks_tls=True),
        "speaks TLS",
        "https:// in the base",
    ),
    (httpx.ReadError("cut"), PROXIED._replace(speaks_tls=True), "speaks TLS", "in HTTPS_PROXY"),
]


@pytest.mark.parametrize(("error", "way", "what", "do"), LASTING)
def test_what_no_waiting_mends_is_told_by_name(
    error: BaseException, way: Way, what: str, do: str
) -> None:
    """With the address and the setting that it is about, in words that are no system's."""
    fault = fault_of(error, way)
    assert fault is not None
    assert fault.lasts
    assert what in fault.what
    assert do in fault.do
    assert not fault.do.endswith(".")  # the end of the sentence is about the money


PASSING: list[tuple[BaseException, str | None]] = [
    # what may pass: a cause that is told, or one that is not known for certain
    (resolver("EAI_AGAIN"), "can't be resolved for now (says EAI_AGAIN)"),
    (resolver("EAI_FAIL"), "can't be resolved for now"),
    (resolver("EAI_MEMORY"), "can't be resolved for now"),
    (resolver("EAI_SYSTEM"), "can't be resolved for now"),
    (tls("TLSV1_ALERT_INTERNAL_ERROR"), "handshake with service.example:443 was cut"),
    (tls("DECRYPTION_FAILED_OR_BAD_RECORD_MAC"), "was cut"),
    (tls("UNEXPECTED_EOF_WHILE_READING", ssl.SSLEOFError), "was cut"),
    (tls("x", ssl.SSLZeroReturnError), "was cut"),
    (tls("x", ssl.SSLSyscallError), "was cut"),
    *[
        (httpx.ProxyError(f"{status} Later"), f"does not pass on {SERVICE} ({status})")
        for status in (408, 429, 500, 502, 503, 504)
    ],
    (httpx.ProxyError("Proxy Server could not connect: Host unreachable."), "does not pass on"),
    (httpx.ProxyError("Proxy Server could not connect: TTL expired."), "does not pass on"),
    (httpx.ProxyError("x" * 5000), "x" * 60 + ")"),
    (connecting(UNREACHABLE), None),
    (connecting(OSError(EHOSTUNREACH, "No route to host")), None),
    (connecting(ConnectionResetError(104, "reset")), None),
    (group(REFUSED, TimeoutError(110, "timed out")), None),
    (connecting(FileNotFoundError(2, "a socket of the user's own")), None),
    (chained(httpx.ConnectTimeout("t"), ssl.SSLWantReadError(2, "w")), None),
    (httpx.ConnectError("of a user's own transport"), None),
    (httpx.PoolTimeout("p"), None),
    (httpx.ReadTimeout("r"), None),
    (httpx.ReadError("r"), None),
    (httpx.RemoteProtocolError("Server disconnected without sending a response."), None),
]


@pytest.mark.parametrize(("error", "what"), PASSING)
def test_what_may_pass_is_an_outage(error: BaseException, what: str | None) -> None:
    """A container that starts before its resolver waits; a hanging connection is no answer."""
    fault = fault_of(error, PROXIED if isinstance(error, httpx.ProxyError) else DIRECT)
    if what is None:
        assert fault is None
    else:
        assert fault is not None
        assert not fault.lasts
        assert what in fault.what


def test_every_answer_of_a_resolver_is_sorted() -> None:
    """What the system may say: for good, or for now."""
    names = [name for name in dir(socket) if name.startswith("EAI_")]
    lasting = {n for n in names if (fault := fault_of(resolver(n), DIRECT)) and fault.lasts}
    assert lasting <= {"EAI_NONAME", "EAI_NODATA", "EAI_ADDRFAMILY", "EAI_SERVICE"}
    assert "EAI_NONAME" in lasting


def test_a_chain_that_bites_its_own_tail_ends() -> None:
    """A user's own transport may raise anything."""
    error, other = httpx.ConnectError("c"), OSError("o")
    error.__cause__, other.__cause__ = other, error
    assert fault_of(error, DIRECT) is None


@pytest.mark.parametrize(
    ("error", "way", "expected"),
    [
        (httpx.ReadError("cut"), DIRECT, False),
        (httpx.RemoteProtocolError("illegal status line"), DIRECT, False),
        (httpx.ReadError("cut"), DIRECT._replace(speaks_tls=True), True),
        (tls("TLSV13_ALERT_CERTIFICATE_REQUIRED"), DIRECT, True),
        (tls("TLSV1_ALERT_INTERNAL_ERROR"), DIRECT, False),
        (connecting(ConnectionResetError(104, "reset")), DIRECT, False),
    ],
)
def test_only_what_nobody_can_have_read_is_not_billed(
    error: BaseException, way: Way, *, expected: bool
) -> None:
    """The bytes had left: in doubt, unless the peer can't have understood them."""
    assert is_unread(error, way) is expected


NGINX = b"<html><title>400 The plain HTTP request was sent to HTTPS port</title></html>"
GO = b"Client sent an HTTP request to an HTTPS server.\n"
APACHE = b"You're speaking plain HTTP to an SSL-enabled server port."
TOMCAT = b"Bad Request\nThis combination of host and port requires TLS.\n"


@pytest.mark.parametrize(
    ("status", "body", "is_plain", "what"),
    [
        (407, b"", True, "asks for a user and a password"),
        (407, b"{}", False, "asks for a user and a password"),
        *[(400, page, True, "speaks TLS") for page in (NGINX, GO, APACHE, TOMCAT)],
        (400, NGINX, False, None),
        (200, NGINX, True, None),
        (400, b'{"code": "InvalidParameter"}', True, None),
        (400, b" " * 5000 + GO, True, None),
        (401, b"", True, None),
        (403, b"", True, None),
        (502, b"", True, None),
    ],
)
def test_an_answer_that_is_not_the_services(
    status: int, body: bytes, what: str | None, *, is_plain: bool
) -> None:
    """A proxy's, or that of a port which waits for TLS."""
    fault = fault_of_answer(status, body, PROXIED, is_plain=is_plain)
    assert (fault is None) == (what is None)
    assert fault is None or str(what) in fault.what


HIDDEN = "S3CR3T"


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("socks4://a:1", "scheme 'socks4'"),
        ("socks://a:1", "scheme 'socks'"),
        ("htp://a", "scheme 'htp'"),
        ("htp:a", "can't be read"),
        ("://x", "scheme ''"),
        (f"{HIDDEN}!://x", "can't be read|scheme ''"),
        ("http://a:99999", "no port 99999"),
        ("http://a:0", "no port 0"),
        ("http://a:port", "can't be read"),
        (f"http://me:{HIDDEN}#@a:80", "can't be read"),
        (f"http://me:{HIDDEN}@", "no host"),
        (f"http://me:{HIDDEN}@a:99999", "no port"),
        ("http://", "no host"),
        ("  ", "no host"),
        ("http://a b:80", "no host"),
        ("http://[::1", "can't be read"),
        ("http://\N{SNOWMAN}", "can't be read"),
        ("http://a\n:80", "can't be read"),
        ("/a", "no host"),
    ],
)
def test_a_variable_that_names_no_proxy_is_named(value: str, why: str) -> None:
    """In each of its spellings, and a password in it is not shown."""
    for variable in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        fault = fault_of_proxies({variable: value})
        assert fault is not None
        assert any(each in fault.what for each in why.split("|")), fault
        assert f"{variable} names no proxy" in fault.what
        assert f"Correct {variable}" in fault.do
        assert HIDDEN not in "".join(map(str, fault))


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"HTTPS_PROXY": ""},
        {"HTTPS_PROXY": "htp://a", "https_proxy": ""},  # as Python reads them: switched off
        {"HTTPS_PROXY": "htp://a", "https_proxy": "http://a"},
        {"HTTPS_PROXY": "htp://a", "NO_PROXY": "a, *"},
        {"HTTPS_PROXY": "a:1"},
        {"ALL_PROXY": "socks5h://me:word@[::1]:1080"},
        {"FTP_PROXY": "htp://a"},
    ],
)
def test_a_proxy_that_is_one_or_is_not_used_is_no_fault(environ: dict[str, str]) -> None:
    """As httpx reads the variables."""
    assert fault_of_proxies(environ) is None


def test_a_proxy_is_known_by_its_address() -> None:
    """Its port may be left out, and its user and password are no part of that."""
    environ = {
        "https_proxy": "http://me:word@proxy.example",
        "HTTP_PROXY": "bücher.example:3128",
        "ALL_PROXY": "socks5://[::1]",
        "REQUESTS_CA_BUNDLE": "/a.pem",
    }
    network = network_of(environ)
    assert network.proxies == {
        "proxy.example:80": "https_proxy",
        "xn--bcher-kva.example:3128": "HTTP_PROXY",
        "[::1]:1080": "ALL_PROXY",
    }
    assert network.certificates == "REQUESTS_CA_BUNDLE"
    assert network_of({**environ, "SSL_CERT_DIR": "/c"}).certificates == "SSL_CERT_DIR"


@pytest.mark.parametrize(
    ("variable", "do"),
    [
        ("SSL_CERT_FILE", "Correct SSL_CERT_FILE"),
        ("SSL_CERT_DIR", "Correct SSL_CERT_DIR"),
        ("REQUESTS_CA_BUNDLE", "in SSL_CERT_FILE: REQUESTS_CA_BUNDLE is not read"),
    ],
)
def test_who_is_trusted_is_read_from_one_variable(variable: str, do: str) -> None:
    """And the one that other tools read is told of."""
    fault = fault_of(certificate(20, "no"), DIRECT._replace(network=Network({}, variable)))
    assert fault is not None
    assert do in fault.do


NO_FILE = FileNotFoundError(2, "No such file or directory")
NO_PEM = ssl.SSLError(136, "x")
NO_PEM.reason = "NO_CERTIFICATE_OR_CRL_FOUND"
NO_LOG = IsADirectoryError(21, "Is a directory", "/log")
SOCKS = ImportError("Using SOCKS proxy, but …")


@pytest.mark.parametrize(
    ("error", "environ", "what"),
    [
        (NO_FILE, {"SSL_CERT_FILE": "/no.pem"}, "SSL_CERT_FILE names can't be read: /no.pem (No s"),
        (NO_PEM, {"SSL_CERT_FILE": "/a"}, "names can't be read: /a (NO_CERTIFICATE_OR_CRL_FOUND)"),
        (NO_FILE, {"SSL_CERT_DIR": "/no"}, "SSL_CERT_DIR names can't be read: /no"),
        (NO_FILE, {}, "certificates of this Python"),
        (
            NO_LOG,
            {"SSLKEYLOGFILE": "/log", "SSL_CERT_FILE": "/a"},
            "SSLKEYLOGFILE names can't be w",
        ),
        (SOCKS, {"all_proxy": "SOCKS5://a"}, "all_proxy names a SOCKS proxy"),
        (SOCKS, {}, "the system names a SOCKS proxy"),
        (httpx.InvalidURL("Invalid port"), {"no_proxy": "[::1]"}, "no_proxy can't be read"),
        (httpx.InvalidURL("Invalid port"), {}, "settings of the network can't be read"),
    ],
)
def test_why_there_can_be_no_client_is_told_by_the_variable(
    error: Exception, environ: Mapping[str, str], what: str
) -> None:
    """The file or the setting that httpx could not use."""
    fault = fault_of_opening(error, environ)
    assert isinstance(fault, Fault)
    assert what in fault.what
    assert fault.lasts
