"""Idempotency: repeated requests get the same job for a day."""

import threading
from dataclasses import replace
from typing import Any

import pytest

from service.store import IdempotencyConflict, IdempotencyKey, QuotaExceeded, Store

SEARCH = IdempotencyKey("key", "POST", "/search", "0" * 64)


def test_a_repeated_request_gets_the_same_job(store: Store) -> None:
    job, created = store.jobs.create("search", {"space": "x"}, {}, idempotency=SEARCH)
    again, repeated = store.jobs.create("search", {"space": "x"}, {}, idempotency=SEARCH)
    assert (created, repeated) == (True, False)
    assert again == job
    store.leases.claim("e")
    assert store.jobs.create("search", {}, {}, idempotency=SEARCH)[0].state == "running"
    assert store.jobs.list()[1] == 1


@pytest.mark.parametrize("part", [{"key": "other"}, {"method": "PUT"}, {"path": "/retrain"}])
def test_another_key_method_or_path_creates_another_job(store: Store, part: dict[str, str]) -> None:
    job, _ = store.jobs.create("search", {}, {}, idempotency=SEARCH)
    other, created = store.jobs.create("search", {}, {}, idempotency=replace(SEARCH, **part))
    assert created
    assert other.id != job.id


def test_owners_do_not_share_keys(store: Store) -> None:
    jobs = [
        store.jobs.create("search", {}, {}, owner, idempotency=SEARCH)
        for owner in (None, "me", "you")
    ]
    assert all(created for _, created in jobs)
    assert len({job.id for job, _ in jobs}) == 3


def test_a_key_with_another_body_raises(store: Store) -> None:
    store.jobs.create("search", {}, {}, idempotency=SEARCH)
    with pytest.raises(
        IdempotencyConflict,
        match="the Idempotency-Key 'key' was used for a request with another body",
    ):
        store.jobs.create("search", {}, {}, idempotency=replace(SEARCH, body_sha256="1" * 64))
    assert store.jobs.list()[1] == 1


def test_a_key_expires_after_a_day(store: Store, clock: Any) -> None:
    job, _ = store.jobs.create("search", {}, {}, idempotency=SEARCH)
    clock.now += 24 * 3600 - 1
    assert store.jobs.create("search", {}, {}, idempotency=SEARCH)[0].id == job.id
    clock.now += 1
    other = replace(SEARCH, body_sha256="1" * 64)
    assert store.jobs.create("search", {}, {}, idempotency=other)[1]


def test_a_repeated_request_counts_once_for_the_quota(store: Store) -> None:
    token = store.tokens.check(store.tokens.create("one", quota=1))
    assert token is not None
    job, _ = store.jobs.create("search", {}, {}, token.id, idempotency=SEARCH)
    assert store.jobs.create("search", {}, {}, token.id, idempotency=SEARCH) == (job, False)
    other = replace(SEARCH, key="other")
    with pytest.raises(QuotaExceeded):
        store.jobs.create("search", {}, {}, token.id, idempotency=other)
    store.jobs.cancel(job.id)
    assert store.jobs.create("search", {}, {}, token.id, idempotency=other)[1], (
        "what was refused used up no key"
    )


def test_concurrent_requests_with_one_key_get_one_job(store: Store, url: str, clock: Any) -> None:
    stores = [store, Store(url, clock), Store(url, clock)]
    found: list[tuple[str, bool]] = []
    start = threading.Barrier(9)

    def ask(mine: Store) -> None:
        start.wait()
        for number in range(5):
            job, created = mine.jobs.create(
                "search", {}, {}, idempotency=replace(SEARCH, key=str(number))
            )
            found.append((job.id, created))

    threads = [threading.Thread(target=ask, args=(stores[index % 3],)) for index in range(9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for other in stores[1:]:
        other.close()
    assert len(found) == 45
    assert (
        sum(created for _, created in found)
        == 5
        == len({job_id for job_id, _ in found})
        == store.jobs.list()[1]
    )
