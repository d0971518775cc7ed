"""Real PostgreSQL servers, and a proxy that freezes or cuts the connections to one."""

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
from sqlalchemy import text

from service.store import Store
from service.store.database import Database
from service.store.schema import Base


def programs() -> Path | None:
    """The folder of PostgreSQL's programs; Debian keeps each version's apart."""
    found = shutil.which("initdb")
    folders = (
        [Path(found).resolve().parent]
        if found
        else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    )
    return next((folder for folder in reversed(folders) if (folder / "initdb").is_file()), None)


def server_user() -> str | None:
    """Whom the server runs as: it refuses root."""
    if os.getuid() != 0:
        return None
    entries = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in entries else "nobody"


@contextlib.contextmanager
def server(folder: Path) -> Iterator[str]:
    """A PostgreSQL server of its own in a folder; its URL."""
    where, user = programs(), server_user()
    assert where is not None
    password = secrets.token_hex(8)
    (folder / "password").write_text(password)
    if user is not None:
        for path in (folder, folder / "password"):
            shutil.chown(path, user)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    make = [
        where / "initdb",
        "-D",
        folder / "data",
        "-U",
        "pathfit",
        "-A",
        "scram-sha-256",
        "-E",
        "UTF8",
        "--no-sync",
    ]
    created = subprocess.run(
        [*make, f"--pwfile={folder / 'password'}"],
        user=user,
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert created.returncode == 0, created.stdout + created.stderr
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": folder,
        "fsync": "off",
        "shared_buffers": "16MB",
    }
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            [where / "postgres", "-D", folder / "data", *options],
            user=user,
            cwd=folder,
            stdout=log,
            stderr=log,
        )
    try:
        wait_for(process, port, folder / "log")
        yield f"postgresql://pathfit:{password}@127.0.0.1:{port}/postgres"
    finally:
        # A fast shutdown: the one of SIGTERM waits for the connections of whoever still listens.
        process.send_signal(signal.SIGINT)
        process.wait(20)


def wait_for(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + 60
    where = programs()
    assert where is not None
    while subprocess.run(
        [where / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
    ).returncode:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)


def emptied(url: str) -> str:
    """A PostgreSQL database without any tables of ours."""
    database = Database(url)
    with database.engine.begin() as connection:
        Base.metadata.drop_all(connection)
        connection.execute(text("DROP TABLE IF EXISTS alembic_version, meta"))
    database.close()
    return url


def cleared(url: str) -> str:
    """A PostgreSQL database with our tables and nothing in them: quicker than making them anew."""
    store = Store(url)
    names = ", ".join(Base.metadata.tables)
    with store.database.engine.begin() as connection:
        connection.execute(text(f"TRUNCATE {names}"))
    store.close()
    return url


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of a PostgreSQL server."""
    if programs() is None:
        if os.environ.get("CI"):
            pytest.fail("no PostgreSQL: apt-get install postgresql")
        pytest.skip("no PostgreSQL: initdb is neither on PATH nor below /usr/lib/postgresql")
    # Not below pytest's own folder, which only this user may enter.
    folder = Path(tempfile.mkdtemp(prefix="pathfit-postgresql-"))
    try:
        with server(folder) as url:
            yield url
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def shared_url(postgresql: str) -> str:
    """The URL of a store that several services can share, without any jobs."""
    return cleared(postgresql)


class Proxy:
    """Passes connections on to a server, until the test freezes or cuts them.

    Attributes:
        url: URL of the database through the proxy.
        cuts: Number of connections that were cut between a commit and its answer.
    """

    def __init__(self, url: str):
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        self._target = (parts.hostname, parts.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        address = parts.netloc.replace(f":{parts.port}", f":{port}")
        self.url = urlunsplit(parts._replace(netloc=address))
        self.cuts = 0
        self._thawed = threading.Event()
        self._thawed.set()
        self._commits_to_cut = 0
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def freeze(self) -> None:
        """Pass nothing on any more, and keep every connection open, as a stopped server does."""
        self._thawed.clear()

    def thaw(self) -> None:
        """Pass on again, first of all what has waited."""
        self._thawed.set()

    def cut_next_commit(self) -> None:
        """Have the server carry out the next commit, and cut the connection before its answer."""
        self._commits_to_cut += 1

    def close(self) -> None:
        """End all connections."""
        self._listener.close()
        self._thawed.set()
        for end in self._sockets:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
                self._sockets += [client, server]
                threading.Thread(target=self._serve, args=(client, server), daemon=True).start()

    def _serve(self, client: socket.socket, server: socket.socket) -> None:
        cut = threading.Event()
        answers = threading.Thread(target=self._answer, args=(client, server, cut), daemon=True)
        answers.start()
        with contextlib.suppress(OSError):
            while content := client.recv(1 << 16):
                self._thawed.wait()
                if self._commits_to_cut and b"COMMIT" in content:
                    self._commits_to_cut -= 1
                    cut.set()
                server.sendall(content)
            server.shutdown(socket.SHUT_RDWR)
        answers.join()
        client.close()
        server.close()

    def _answer(self, client: socket.socket, server: socket.socket, cut: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while content := server.recv(1 << 16):
                self._thawed.wait()
                if cut.is_set():
                    # Counted first: the client notices the end at once.
                    self.cuts += 1
                    break
                client.sendall(content)
            client.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def proxy(shared_url: str) -> Iterator[Proxy]:
    """A proxy to an empty store in PostgreSQL."""
    created = Proxy(shared_url)
    yield created
    created.close()
