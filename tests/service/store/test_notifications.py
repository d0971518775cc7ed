"""Notifications of changes between the processes that share a store."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import event, text

from service.store import Store

ROOT = Path(__file__).resolve().parents[3]


@contextmanager
def counted_statements(store: Store) -> Iterator[list[str]]:
    """Collect the statements that a store sends to its database during the block."""
    statements: list[str] = []

    def note(connection: object, cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    event.listen(store.database.engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(store.database.engine, "before_cursor_execute", note)


def is_listening(store: Store) -> bool:
    """Wait until a store receives notifications, and return whether it does."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if store.path is not None:
            folder = store.path.with_name(f"{store.path.name}-changes")
            if folder.is_dir() and any(folder.iterdir()):
                return True
        else:
            with store.database.reading() as session:
                query = text("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")
                if session.scalar(query):
                    return True
        time.sleep(0.02)
    return False


def test_a_waiting_reader_queries_only_after_changes(store: Store, url: str) -> None:
    job, _ = store.jobs.create("search", {}, {})
    other = Store(url)
    states: list[str] = []
    waiting = threading.Thread(target=lambda: states.append(store.jobs.wait(job.id, 30).state))
    waiting.start()
    assert is_listening(store)
    time.sleep(0.2)

    with counted_statements(store) as statements:
        time.sleep(1.0)
        num_quiet = len([statement for statement in statements if "SELECT" in statement])
        other.jobs.cancel(job.id)
        begin = time.monotonic()
        waiting.join(30)

    other.close()
    assert states == ["cancelled"]
    assert time.monotonic() - begin < 15
    assert num_quiet == 0


def test_a_subscriber_is_called_for_jobs_of_other_processes(store: Store, url: str) -> None:
    called = threading.Event()
    other = Store(url)
    with store.changes.subscribed(called.set):
        assert is_listening(store)
        time.sleep(0.2)
        called.clear()
        other.jobs.create("search", {}, {})
        assert called.wait(30)

    other.close()


def test_the_socket_of_a_killed_process_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite"
    store = Store(path)
    job, _ = store.jobs.create("search", {}, {})
    code = (
        "import sys; from pathlib import Path; from service.store import Store\n"
        "store = Store(Path(sys.argv[1]))\n"
        "with store.changes.subscribed(lambda: None): print('ready', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, path],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        assert is_listening(store)
        process.kill()

    store.jobs.cancel(job.id)

    assert list(tmp_path.glob("jobs.sqlite-changes/*")) == []
    store.close()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such sockets")
def test_a_folder_of_a_long_path_has_notifications_too(tmp_path: Path) -> None:
    folder = tmp_path / ("a-long-name-" * 12)
    store = Store(folder / "jobs.sqlite")
    other = Store(folder / "jobs.sqlite")
    called = threading.Event()
    with store.changes.subscribed(called.set):
        assert is_listening(store)
        time.sleep(0.2)
        called.clear()
        other.jobs.create("search", {}, {})
        assert called.wait(30)

    other.close()
    store.close()


def test_readers_are_woken_where_no_socket_can_be_made(tmp_path: Path) -> None:
    store = Store(tmp_path / "jobs.sqlite")
    other = Store(tmp_path / "jobs.sqlite")
    # In the place of the folder of the sockets.
    (tmp_path / "jobs.sqlite-changes").write_text("")
    job, _ = store.jobs.create("search", {}, {})
    states: list[str] = []
    waiting = threading.Thread(target=lambda: states.append(store.jobs.wait(job.id, 30).state))
    waiting.start()
    time.sleep(0.2)

    other.jobs.cancel(job.id)
    begin = time.monotonic()
    waiting.join(30)

    assert states == ["cancelled"]
    assert time.monotonic() - begin < 15
    other.close()
    store.close()


def test_a_lost_connection_for_notifications_is_opened_again(store: Store, url: str) -> None:
    if store.path is not None:
        pytest.skip("SQLite has no connections")
    job, _ = store.jobs.create("search", {}, {})
    states: list[str] = []
    waiting = threading.Thread(target=lambda: states.append(store.jobs.wait(job.id, 30).state))
    waiting.start()
    assert is_listening(store)

    other = Store(url)
    with other.database.writing() as session:
        session.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
            )
        )
        other.jobs.cancel(job.id)
    begin = time.monotonic()
    waiting.join(30)

    other.close()
    assert states == ["cancelled"]
    assert time.monotonic() - begin < 15
