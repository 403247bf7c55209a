"""What no waiting mends: a fault of the set-up, told by its name and with what to do about it.

A request that did not reach the service ends with an exception of httpx, behind which stand those
of httpcore, of `ssl`, of the resolver and of the system. `fault_of` knows each by its type and its
code, not by its words; a proxy's answer alone is known by its status, which httpcore tells in words
only. What is in no row may pass, and so does what a resolver or a proxy calls temporary.

Whether such a fault stops a run is not decided here: once the service has answered, the same cause
is an outage.
"""

import re
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import httpx

_MAY_PASS = (408, 425, 429, 500, 502, 503, 504)
"""Of a proxy: it is busy, or what is behind it is out. All else is its answer for good."""
_PROXY_AUTH_STATUS = 407
_SOCKS_LASTS = ("not allowed", "refused", "not supported")
_SOCKS_AUTH = ("Invalid username/password", "Requested ")

_EXPIRED, _NOT_YET_VALID, _OTHER_NAMES = 10, 9, (62, 63, 64)
"""Numbers of OpenSSL's X509_V_ERR."""
_NO_TLS = (
    *("WRONG_VERSION_NUMBER", "UNKNOWN_PROTOCOL", "HTTP_REQUEST", "HTTPS_PROXY_REQUEST"),
    *("RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG", "UNEXPECTED_MESSAGE"),
)
"""What answered the handshake is no TLS. The name differs by the version of OpenSSL."""
_TLS_CUT = (
    *("TLSV1_ALERT_INTERNAL_ERROR", "TLSV1_ALERT_USER_CANCELLED", "SSLV3_ALERT_CLOSE_NOTIFY"),
    *("SSLV3_ALERT_BAD_RECORD_MAC", "DECRYPTION_FAILED_OR_BAD_RECORD_MAC", "BAD_RECORD_MAC"),
    "UNEXPECTED_EOF_WHILE_READING",
)
"""The peer is in trouble, or the bytes were damaged on the way."""
_CLIENT_CERTIFICATE = re.compile(r"ALERT_.*CERTIFICATE|ALERT_UNKNOWN_CA|ALERT_ACCESS_DENIED")
"""The peer refuses this client: it asks for a certificate. Nothing it was sent has been read."""

_NO_NAME = {
    getattr(socket, name)
    for name in ("EAI_NONAME", "EAI_NODATA", "EAI_ADDRFAMILY", "EAI_SERVICE")
    if hasattr(socket, name)  # which there are differs by system
}

_NO_HTTP = "illegal status line"
"""In the words of h11."""
_PLAIN_TO_TLS = (  # of a 400, in the words of nginx, Go, Apache and Tomcat
    *(b"plain http request was sent to https port", b"http request to an https server"),
    *(b"speaking plain http to an ssl-enabled server", b"host and port requires tls"),
)
_LOOKED_AT_BYTES = 2000
_SHOWN_CHARACTERS = 60
_BAD_REQUEST_STATUS = 400

CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""What httpx reads whom to trust from."""


class Fault(NamedTuple):
    """Why a request could not reach the service."""

    what: str
    do: str
    lasts: bool = True
    """Whether no waiting mends it."""


class Network(NamedTuple):
    """What the environment says of the network, without its secrets."""

    proxies: Mapping[str, str] = {}
    """The variable that names a proxy, by its address."""
    certificates: str = ""
    """The variable that names whom to trust; or one that does so for others, and is not read."""


class Way(NamedTuple):
    """How a request was to reach its host."""

    target: str
    """The address that its URL names, as `host:port`."""
    address: str = ""
    """The one that was connected to: the target's or a proxy's. Empty where nobody told."""
    tls_host: str = ""
    """With whom the latest handshake of TLS was. Empty: with nobody."""
    speaks_tls: bool = False
    """Whether what was asked in plain http speaks TLS."""
    is_service: bool = True
    """Whether that is the base URL's host, and not the store's."""
    network: Network = Network()

    @property
    def is_proxy(self) -> bool:
        """Whether a proxy was connected to."""
        return self.address not in ("", self.target)

    @property
    def variable(self) -> str:
        """The variable that names the proxy, where one does."""
        return self.network.proxies.get(self.address, "")

    @property
    def place(self) -> str:
        """What was connected to, in words."""
        if not self.is_proxy:
            return self.target
        return f"the proxy {self.address}" + (f" ({self.variable})" if self.variable else "")

    @property
    def peer(self) -> str:
        """With whom the handshake was, in words."""
        return self.target if self.tls_host == host_in(self.target) else self.place


def address_of(host: str, port: int | None) -> str:
    """Return `host:port`."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def host_in(address: str) -> str:
    """Return the host of an address."""
    return address.rpartition(":")[0].strip("[]")


def fault_of(error: BaseException, way: Way) -> Fault | None:
    """Return why a request did not reach its host; None where that is not known."""
    if way.speaks_tls:
        return _asked_in_plain(way)
    if isinstance(error, httpx.ProxyError):
        return _refused_by_proxy(str(error), way)
    causes = list(_causes(error))
    if any(isinstance(cause, TimeoutError | httpx.TimeoutException) for cause in causes):
        return None  # one of several addresses may be slow: that is no answer for good
    if isinstance(error, httpx.RemoteProtocolError) and _NO_HTTP in str(error):
        return Fault(f"{way.place} speaks no HTTP", _correct(way))
    for kind, fault in _BY_CAUSE:
        for cause in causes:
            if isinstance(cause, kind):
                return fault(cause, way)
    return None


def is_unread(error: BaseException, way: Way) -> bool:
    """Whether what was sent can't have been read: so it is not billed."""
    alerts = (_reason(each) for each in _causes(error) if isinstance(each, ssl.SSLError))
    return way.speaks_tls or any(_CLIENT_CERTIFICATE.search(alert) for alert in alerts)


def fault_of_answer(status: int, body: bytes, way: Way, *, is_plain: bool) -> Fault | None:
    """Return the fault that an answer tells of, where it is none of the service's."""
    if status == _PROXY_AUTH_STATUS:
        return _asks_for_password(way)
    if is_plain and status == _BAD_REQUEST_STATUS:
        words = body[:_LOOKED_AT_BYTES].lower()
        if any(phrase in words for phrase in _PLAIN_TO_TLS):
            return _asked_in_plain(way)
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and all that it came from, those of a group too."""
    seen: set[int] = set()
    left: list[BaseException | None] = [error]
    while left:
        each = left.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        left.append(each.__cause__ or each.__context__)  # httpcore's pool suppresses the first
        left += each.exceptions if isinstance(each, BaseExceptionGroup) else ()


def _reason(error: ssl.SSLError) -> str:
    """Return OpenSSL's word; one that a transport of the user's own has made has none."""
    return str(getattr(error, "reason", None) or "unknown")


def _correct(way: Way) -> str:
    """Return what to do about an address."""
    if way.is_proxy:
        return f"Correct {way.variable}, or unset it" if way.variable else "Correct the proxy"
    if way.is_service:
        return "Correct the base URL"
    return "Let this network reach that address: uploads go there"


def _asks_for_password(way: Way) -> Fault:
    variable = way.variable or "the proxy's address"
    place = way.place if way.is_proxy else f"a proxy before {way.target}"
    return Fault(
        f"{place} asks for a user and a password (407)",
        f"Write USER:PASSWORD@ before the host in {variable}",
    )


def _refused_by_proxy(said: str, way: Way) -> Fault:
    status = int(said[:3]) if re.match(r"\d{3}\b", said) else 0
    if status == _PROXY_AUTH_STATUS or said.startswith(_SOCKS_AUTH):
        return _asks_for_password(way)
    place = way.place if way.is_proxy else "the proxy"
    what = f"{place} does not pass on {way.target} ({status or said[:_SHOWN_CHARACTERS]})"
    lasts = status not in _MAY_PASS if status else any(word in said for word in _SOCKS_LASTS)
    if not lasts:
        return Fault(what, "Check the network behind that proxy", lasts)
    other = f"correct {way.variable}" if way.variable else "take another proxy"
    return Fault(what, f"Let it pass on {way.target}, or {other}", lasts)


def _asked_in_plain(way: Way) -> Fault:
    where = (way.variable or "the proxy's address") if way.is_proxy else "the base URL"
    return Fault(
        f"{way.place} speaks TLS, and was asked in plain http",
        f"Write https:// in {where}, or give another port",
    )


def _untrusted(cause: Any, way: Way) -> Fault:
    code, variable = getattr(cause, "verify_code", 0), way.network.certificates
    why = getattr(cause, "verify_message", "unknown")
    whose = f"the certificate of {way.peer}"
    if code == _EXPIRED:
        return Fault(f"{whose} has expired", "Set the clock of this machine; else it is theirs")
    if code == _NOT_YET_VALID:
        return Fault(f"{whose} is not valid yet", "Set the clock of this machine")
    if code in _OTHER_NAMES:
        return Fault(f"{whose} is for another name ({why})", _correct(way))
    do = "Where a proxy of this network signs, name the file of its certificate in SSL_CERT_FILE"
    if variable in CERTIFICATES:
        do = f"Correct {variable}, which names those that are trusted"
    elif variable:
        do += f": {variable} is not read"
    return Fault(f"{whose} is not trusted ({why})", do)


def _no_handshake(cause: Any, way: Way) -> Fault:
    reason = _reason(cause)
    if type(cause) is not ssl.SSLError or reason in _TLS_CUT:
        return Fault(f"the TLS handshake with {way.peer} was cut", "Check the network", lasts=False)
    if reason in _NO_TLS:
        where = (way.variable or "the proxy's address") if way.is_proxy else "the base URL"
        at_target = way.peer == way.target and way.is_proxy
        do = "Correct the port in the base URL" if at_target else ""
        return Fault(
            f"{way.peer} speaks no TLS",
            do or f"Write http:// in {where}, or give another port",
        )
    if _CLIENT_CERTIFICATE.search(reason):
        return Fault(
            f"{way.peer} asks for a certificate of this client ({reason})",
            "Give an `http_client` that has one",
        )
    return Fault(f"{way.peer} refuses the TLS handshake ({reason})", _correct(way))


def _no_name(cause: Any, way: Way) -> Fault:
    host = host_in(way.address or way.target)
    place = f"the proxy's name {host}" if way.is_proxy else f"the name {host}"
    if cause.errno in _NO_NAME:
        return Fault(f"{place} does not exist ({cause.strerror})", _correct(way))
    return Fault(
        f"{place} can't be resolved for now ({cause.strerror})", "Check the network", lasts=False
    )


def _forbidden(_: Any, way: Way) -> Fault:
    return Fault(f"this machine forbids connections to {way.place}", "Look at its firewall")


def _refused(_: Any, way: Way) -> Fault:
    do = _correct(way)
    return Fault(
        f"{way.place} refuses connections",
        f"Start what should listen there, or {do[0].lower()}{do[1:]}",
    )


def _no_address(_: Any, way: Way) -> Fault:
    return Fault(f"{way.place} is no address", _correct(way))


_BY_CAUSE: tuple[tuple[Any, Callable[[Any, Way], Fault]], ...] = (
    (ssl.SSLCertVerificationError, _untrusted),
    (ssl.SSLError, _no_handshake),
    (socket.gaierror, _no_name),
    (PermissionError, _forbidden),
    (ConnectionRefusedError, _refused),
    ((OverflowError, UnicodeError), _no_address),
)
"""From the special to the general: the first three are OSErrors, with numbers of their own."""
