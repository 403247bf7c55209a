"""A real S3 server on this machine, for whatever lists a bucket."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from moto.server import ThreadedMotoServer

SECRET = "not-a-secret-of-anybody"  # noqa: S105  # the server asks for none
_numbers = count(1)


@dataclass(frozen=True)
class Bucket:
    """A bucket of its own for a test."""

    name: str
    endpoint: str

    @property
    def environment(self) -> Mapping[str, str]:
        """The settings of somebody who may read it."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "AKIATESTTESTTEST",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_MAX_ATTEMPTS": "1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        }

    def url(self, prefix: str = "") -> str:
        """Return the address of a part of it."""
        return f"s3://{self.name}/{prefix}"

    def fill(self, objects: Mapping[str, bytes]) -> None:
        """Put objects into it, past the socket: a key may be anything there."""
        backend = _backend()
        for key, content in objects.items():
            backend.put_object(self.name, key, content)


def _backend() -> Any:
    return s3_backends[DEFAULT_ACCOUNT_ID]["aws"]


@contextmanager
def s3_server() -> Iterator[str]:
    """Run a server, and give its address."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line for each request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def new_bucket(endpoint: str) -> Bucket:
    """Return an empty bucket."""
    name = f"portraits-{next(_numbers)}"
    _backend().create_bucket(name, "us-east-1")
    return Bucket(name, endpoint)
