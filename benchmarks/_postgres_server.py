"""A real PostgreSQL: made in a folder of its own, started on a free port.

The server refuses to run as root: there it runs as `postgres`, whom its package has made.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg

_AS = ["runuser", "-u", "postgres", "--"]
_NEEDED = "A PostgreSQL is needed: apt-get install postgresql"


def programs() -> Path:
    """Where the server's programs are: those of the package are not on PATH."""
    found = [Path(each).parent for each in [shutil.which("initdb")] if each]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda each: each.parent.name)
    assert found, _NEEDED
    return found[-1]


class PostgresServer:
    """One server on one port, that can be stopped, killed and started again."""

    def __init__(self, folder: Path, *options: str, copied: "PostgresServer | None" = None) -> None:
        self._folder = folder
        self._is_root = os.geteuid() == 0
        if self._is_root:
            shutil.chown(folder, "postgres", "postgres")
            folder.chmod(0o700)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        made = ["-D", str(folder / "data"), "--no-sync"]
        if copied:
            self._run("pg_basebackup", *made, "-c", "fast", "-R", "-d", copied.url)
        else:
            words = ["--no-instructions", "-E", "UTF8", "--locale=C"]
            self._run("initdb", *made, "-U", "books", "-A", "trust", *words)
            rules = folder / "data" / "pg_hba.conf"  # who is called so needs a password
            rules.write_text(f"host all guarded all scram-sha-256\n{rules.read_text()}")
        self._options = [
            f"-p {self.port} -k {folder} -c listen_addresses=127.0.0.1 -c max_connections=60",
            "-c shared_buffers=16MB -c max_wal_size=64MB",
            *options,
        ]
        self._databases = 0
        self.start()

    @property
    def url(self) -> str:
        """Its address, without a database."""
        return f"postgresql://books@127.0.0.1:{self.port}"

    def database(self) -> str:
        """The address of a new database with nothing in it."""
        self._databases += 1
        name = f"books_{self._databases}"
        with psycopg.connect(f"{self.url}/postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return f"{self.url}/{name}"

    def files_of(self, database: str) -> list[bytes]:
        """What lies on the disk of a database."""
        with psycopg.connect(f"{self.url}/{database}") as connection:
            row = connection.execute(
                "SELECT oid FROM pg_database WHERE datname = %s", (database,)
            ).fetchone()
        assert row
        folder = self._folder / "data" / "base" / str(row[0])
        return [path.read_bytes() for path in folder.iterdir() if path.is_file()]

    def start(self) -> None:
        """Have it run."""
        log = ["-l", str(self._folder / "log"), "-o", " ".join(self._options), "-s"]
        self._run("pg_ctl", "-D", str(self._folder / "data"), *log, "-w", "-t", "60", "start")

    def stop(self, mode: str = "fast") -> None:
        """Have it gone: `fast` as an administrator stops it, `immediate` as a crash does."""
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-s", "-w", "-m", mode, "stop")

    @property
    def is_running(self) -> bool:
        """Whether it was started, and not stopped since."""
        return (self._folder / "data" / "postmaster.pid").exists()

    def promote(self) -> None:
        """Have a standby take over."""
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-s", "-w", "promote")

    def set(self, option: str, value: str) -> None:
        """Have an option of the server's changed, as it runs."""
        with psycopg.connect(f"{self.url}/postgres", autocommit=True) as admin:
            admin.execute(f"ALTER SYSTEM SET {option} = '{value}'".encode())
            admin.execute("SELECT pg_reload_conf()")

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Have all its processes stand still; the kernel goes on to hold its connections."""
        first = int((self._folder / "data" / "postmaster.pid").read_text().split()[0])
        os.kill(first, signal.SIGSTOP)  # it makes no others then
        own = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        for pid in map(int, own):
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in [*map(int, own), first]:
                os.kill(pid, signal.SIGCONT)

    def _run(self, program: str, *words: str) -> None:
        command = [*(_AS if self._is_root else []), str(programs() / program), *words]
        done = subprocess.run(  # noqa: S603  # our own command
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd="/", check=False
        )
        assert not done.returncode, done.stderr.decode()


@contextmanager
def postgres_server(
    *options: str, copied: PostgresServer | None = None
) -> Iterator[PostgresServer]:
    """Have a server of its own; of another one's copy it is made a standby of that."""
    with tempfile.TemporaryDirectory() as folder:
        server = PostgresServer(Path(folder), *options, copied=copied)
        try:
            yield server
        finally:
            with suppress(AssertionError):  # a test has stopped it
                server.stop("immediate")
