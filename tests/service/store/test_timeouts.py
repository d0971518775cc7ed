"""Stores that do not answer: nobody waits for one without end."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from service.jobs import JobState
from service.store import InvalidStore, Store, Timeouts
from service.store.postgresql import is_locked
from tests.waiting import PATIENCE

QUICK = Timeouts(connect=2, pool=0.5, lock=0.2, statement=0.4, response=0.6, busy=0.3)


def seconds_until_failure(call: Callable[[], Any]) -> tuple[float, Exception]:
    started = time.monotonic()
    with pytest.raises((SQLAlchemyError, InvalidStore)) as caught:
        call()
    return time.monotonic() - started, caught.value


@pytest.fixture
def proxied(proxy: Any) -> Iterator[Store]:
    """A store in PostgreSQL behind the proxy."""
    store = Store(proxy.url, timeouts=QUICK)
    yield store
    store.close()


@pytest.mark.parametrize("pooled", [True, False], ids=["pooled", "new"])
def test_frozen_server_fails_in_time_and_recovers(proxied: Store, proxy: Any, pooled: bool) -> None:
    job, _ = proxied.jobs.create("search", {}, {})
    if not pooled:
        proxied.database.engine.dispose()

    proxy.freeze()
    seconds, error = seconds_until_failure(lambda: proxied.jobs.get(job.id))
    # A pooled connection is tested, found dead, and another one cannot be opened either.
    assert seconds < (QUICK.connect + QUICK.response + 2) * PATIENCE, error
    seconds, error = seconds_until_failure(proxied.check)
    assert seconds < (QUICK.connect + 2) * PATIENCE, "pooled connections are not tried one by one"
    assert "does not answer" in str(error)

    proxy.thaw()
    assert proxied.jobs.get(job.id).id == job.id


def test_server_frozen_within_a_transaction_fails_in_time(proxied: Store, proxy: Any) -> None:
    def freeze_between_statements() -> None:
        with proxied.database.writing() as session:
            session.execute(text("SELECT 1"))
            proxy.freeze()
            session.execute(text("SELECT 2"))

    with pytest.raises(DBAPIError, match=r"has not answered for 0\.6 s"):
        freeze_between_statements()


def test_slow_statement_is_ended_by_the_server(proxied: Store) -> None:
    seconds, error = seconds_until_failure(lambda: sleep_in(proxied, 30))
    assert "statement timeout" in str(error)
    assert seconds < 20


def sleep_in(store: Store, seconds: float) -> None:
    with store.database.reading() as session:
        session.execute(text(f"SELECT pg_sleep({seconds})"))


def test_migrations_may_take_longer_than_statements(proxied: Store) -> None:
    with proxied.database.exclusive() as connection:
        connection.execute(text("SELECT pg_sleep(0.8)"))
    # Only within that transaction.
    seconds_until_failure(lambda: sleep_in(proxied, 30))


def test_connections_above_the_pool_are_refused_in_time(proxied: Store) -> None:
    engine = proxied.database.engine
    held = [engine.connect() for _ in range(64)]
    seconds, _ = seconds_until_failure(lambda: proxied.jobs.list())
    assert seconds < 5 * PATIENCE
    with pytest.raises(InvalidStore, match="does not answer"):
        proxied.check()
    for connection in held:
        connection.close()
    proxied.check()


def test_locked_job_is_refused_in_time(proxied: Store, shared_url: str) -> None:
    job, _ = proxied.jobs.create("search", {}, {})
    other = Store(shared_url)
    with other.database.writing() as session:
        session.execute(text("SELECT * FROM jobs FOR UPDATE"))
        seconds, error = seconds_until_failure(lambda: proxied.jobs.cancel(job.id))
        assert seconds < 5 * PATIENCE
        assert isinstance(error, DBAPIError)
        assert is_locked(error)
        assert proxied.jobs.get(job.id).state is JobState.QUEUED, "readers do not wait"
    assert proxied.jobs.cancel(job.id).state is JobState.CANCELLED
    other.close()


def test_busy_sqlite_refuses_all_writers_in_time(tmp_path: Path) -> None:
    store = Store(tmp_path / "jobs.sqlite", timeouts=QUICK)
    other = Store(tmp_path / "jobs.sqlite")
    seconds: list[float] = []

    def create() -> None:
        seconds.append(seconds_until_failure(lambda: store.jobs.create("search", {}, {}))[0])

    with other.database.writing():
        threads = [threading.Thread(target=create) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    # Twice the limit: for the threads of this process, then for the other process.
    assert len(seconds) == 20
    assert max(seconds) < 2 * QUICK.busy + 2
    assert store.jobs.create("search", {}, {})[1]
    for opened in (store, other):
        opened.close()


def test_time_of_a_write_is_that_after_its_wait(tmp_path: Path) -> None:
    store = Store(tmp_path / "jobs.sqlite")
    other = Store(tmp_path / "jobs.sqlite")
    store.jobs.create("search", {}, {})
    claimed: list[Any] = []
    thread = threading.Thread(target=lambda: claimed.append(store.leases.claim("one")))
    with other.database.writing():
        thread.start()
        time.sleep(0.5)
        freed = time.time()
    thread.join()
    assert claimed[0].started >= freed
    for opened in (store, other):
        opened.close()
