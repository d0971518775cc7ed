"""Stores over SQLite and over a real PostgreSQL server, which is started for the session."""

import contextlib
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from service.store import Store
from service.store.database import Database
from service.store.schema import Base


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


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
        process.terminate()
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


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database of either kind, without any tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'jobs.sqlite'}"
    return emptied(request.getfixturevalue("postgresql"))


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a store of either kind, without any jobs."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'jobs.sqlite'}"
    return cleared(request.getfixturevalue("postgresql"))


@pytest.fixture
def shared_url(postgresql: str) -> str:
    """The URL of a store that several services can share, without any jobs."""
    return cleared(postgresql)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(url: str, clock: Clock) -> Iterator[Store]:
    created = Store(url, clock)
    yield created
    created.close()
