"""A bucket of any size that only lists: pages of keys, made when they are asked for, on a socket.

A page may be answered with a fault in its place.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

PAGE = 1000


class Fault(NamedTuple):
    """What comes in place of a page."""

    status: int
    body: bytes = b""
    cut: bool = False
    """Whether the connection ends before the body does."""


class Lister(ThreadingHTTPServer):
    """Lists so many keys below whatever prefix it is asked for."""

    daemon_threads = True

    def __init__(self, keys: int, *, page: int, faults: Mapping[int, Fault]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.keys = keys
        self.page = page
        self.faults = faults
        self.pages_at: list[float] = []
        """When each page was given, by `time.monotonic`."""
        self.cpu_at: list[float] = []
        """The same by `time.process_time`."""

    @property
    def endpoint(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_port}"

    def listing(self, number: int) -> bytes:
        """Return one page, from 0."""
        first = number * self.page
        last = min(first + self.page, self.keys)
        is_truncated = last < self.keys
        token = f"<NextContinuationToken>{number + 1}</NextContinuationToken>"
        contents = "".join(
            f"<Contents><Key>faces/{n:07}.jpg</Key><LastModified>2026-11-26T06:00:00.000Z"
            f"</LastModified><ETag>&quot;{n:032x}&quot;</ETag><Size>48213</Size>"
            "<StorageClass>STANDARD</StorageClass></Contents>"
            for n in range(first, last)
        )
        return (
            '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult><Name>portraits</Name>'
            f"<IsTruncated>{str(is_truncated).lower()}</IsTruncated>"
            f"{token if is_truncated else ''}{contents}</ListBucketResult>"
        ).encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Lister

    def do_GET(self) -> None:  # the name that `http.server` calls
        query = parse_qs(urlsplit(self.path).query)
        number = int(query.get("continuation-token", ["0"])[0])
        fault = self.server.faults.get(number)
        body = fault.body if fault else self.server.listing(number)
        self.send_response(fault.status if fault else 200)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body) + (fault.cut if fault else 0)))
        self.end_headers()
        self.wfile.write(body)
        self.server.pages_at.append(time.monotonic())
        self.server.cpu_at.append(time.process_time())
        self.close_connection = bool(fault)

    def log_message(self, *_: object) -> None:
        """Say nothing on stderr."""


@contextmanager
def listing(
    keys: int, *, page: int = PAGE, faults: Mapping[int, Fault] | None = None
) -> Iterator[Lister]:
    """Run a lister in a thread."""
    server = Lister(keys, page=page, faults=faults or {})
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
