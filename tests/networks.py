"""What may stand between us and the service, or in its place: over real sockets, in threads."""

import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import trustme

HERE, ELSEWHERE = "127.0.0.1", "127.0.0.2"
"""`ELSEWHERE` is no address of this machine to the client: there it heeds the environment."""
VERDICT = b'{"output": {"check_pass": true}, "usage": {"image_count": 1}}'


def answer(status: int, body: bytes = b"") -> bytes:
    """Return a whole answer, after which the connection is closed."""
    head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body


class _Answering(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    answers: list[bytes]
    tls: ssl.SSLContext | None = None


class _Handler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        server, connection = self.server, self.request
        assert isinstance(server, _Answering)
        connection.settimeout(5)
        with suppress(OSError):
            if server.tls:
                connection = server.tls.wrap_socket(connection, server_side=True)
            with connection:
                connection.recv(1 << 16)
                answers = server.answers
                answer = answers.pop(0) if len(answers) > 1 else answers[0]
                connection.sendall(answer)
                connection.settimeout(0.5)
                if answer:
                    connection.recv(1 << 16)  # what is unread at the end would be a reset


@contextmanager
def answering(
    *answers: bytes, tls: ssl.SSLContext | None = None, host: str = HERE, port: int = 0
) -> Iterator[int]:
    """Have a port that gives each connection the next of these answers, the last ever again."""
    with _Answering((host, port), _Handler) as server:
        server.answers, server.tls = list(answers), tls
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def closed_port(host: str = HERE) -> int:
    """Return a port that refuses."""
    with socket.socket() as bound:
        bound.bind((host, 0))
        return int(bound.getsockname()[1])


class Certificates:
    """An authority of a moment, and servers' certificates of it."""

    def __init__(self, folder: Path) -> None:
        self._authority = trustme.CA()
        self.file = folder / "authority.pem"
        """Whom to trust."""
        self._authority.cert_pem.write_to_path(str(self.file))

    def server(self, name: str = ELSEWHERE, *, year: int | None = None) -> ssl.SSLContext:
        """Return what a server of that name speaks TLS with; its certificate may be of a year."""
        begin, end = (None, None) if year is None else (_new_year(year), _new_year(year + 1))
        certificate = self._authority.issue_cert(name, not_before=begin, not_after=end)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        return context


def _new_year(year: int) -> datetime:
    return datetime(year, 1, 1, tzinfo=UTC)
