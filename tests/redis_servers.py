"""A real Redis for a test: started from PATH on a free port, with nothing kept on a disk."""

import asyncio
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis.asyncio


class RedisServer:
    """One server on one port, that can be killed, stopped and started again."""

    def __init__(self, folder: str, *options: str) -> None:
        program = shutil.which("redis-server")
        assert program, "These tests need a Redis: apt-get install redis-server"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}"
        self._command = [program, "--port", str(self.port), "--bind", "127.0.0.1"]
        self._command += ["--save", "", "--appendonly", "no", "--dir", folder, *options]
        self.start()

    def start(self) -> None:
        """Have it run, with nothing in it."""
        self._process = subprocess.Popen(  # noqa: S603  # our own command
            self._command, stdout=subprocess.DEVNULL
        )
        until = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                assert time.monotonic() < until, "the server does not start"
                time.sleep(0.01)
            else:
                return

    def kill(self) -> None:
        """Have it gone, without a word."""
        self.thaw()
        self._process.kill()
        self._process.wait()

    def freeze(self) -> None:
        """Have it answer nothing, with its connections open."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Have it go on."""
        self._process.send_signal(signal.SIGCONT)


@contextmanager
def redis_server(*options: str) -> Iterator[RedisServer]:
    """Have a server of its own."""
    with tempfile.TemporaryDirectory() as folder:
        server = RedisServer(folder, *options)
        try:
            yield server
        finally:
            server.kill()


class AtOnce(redis.asyncio.Redis):
    """A client whose calls take no time of the event loop: for a virtual clock.

    What stands between it and the server can fail.
    """

    def __init__(self, server: Any) -> None:
        super().__init__()
        self._server = server
        self.calls = 0
        self.fault: Exception | None = None
        """What every call raises."""
        self.is_frozen = False
        """Whether calls end only by a cancellation."""

    async def execute_command(self, *words: Any, **options: Any) -> Any:
        """Ask the server, and wait for the answer."""
        self.calls += 1
        await asyncio.sleep(1e6 if self.is_frozen else 0)
        if self.fault is not None:
            raise self.fault
        return self._server.execute_command(*words, **options)
