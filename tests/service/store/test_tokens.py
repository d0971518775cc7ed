"""Tokens, browser sessions and uploads."""

import threading
from typing import Any

import pytest
from sqlalchemy import select

from service.store import InvalidToken, Store
from service.store.schema import SessionRow, TokenRow
from spaces.errors import UnknownName


def test_a_secret_identifies_its_token_and_is_not_stored(store: Store) -> None:
    assert store.tokens.list() == []
    secret = store.tokens.create("alice", quota=3)
    token = store.tokens.check(secret)
    assert token is not None
    assert (token.name, token.quota, token.expires, token.revoked) == ("alice", 3, None, None)
    assert store.tokens.list() == [token]
    random = secret.rpartition(f"{token.id}_")[2]
    assert len(random) == 43
    with store.database.reading() as session:
        row = session.scalars(select(TokenRow)).one()
        assert random not in "".join(str(value) for value in vars(row).values())
        assert len(row.digest) == 64


def test_malformed_secrets_identify_no_token(store: Store) -> None:
    secret = store.tokens.create("alice")
    other = store.tokens.create("bob")
    mixed = "_".join([*secret.split("_")[:2], other.split("_", 2)[2]])
    changed = secret[:-1] + ("A" if secret[-1] != "A" else "B")
    foreign = f"{secret[:20]}\0{secret[21:]}"
    for wrong in ("", "_", "pathfit__", "alice", mixed, changed, secret + "x", secret[1:], foreign):
        assert store.tokens.check(wrong) is None
    assert store.tokens.check(secret.replace("pathfit", "session")) is None
    assert store.sessions.check(secret) is None


def test_a_token_is_refused_after_its_expiry(store: Store, clock: Any) -> None:
    secret = store.tokens.create("alice", expires=clock.now + 60)
    assert store.tokens.check(secret) is not None
    clock.now += 60
    assert store.tokens.check(secret) is None
    with pytest.raises(InvalidToken, match="expires: a token must expire"):
        store.tokens.create("bob", expires=clock.now)


@pytest.mark.parametrize("by", ["name", "id"])
def test_a_revoked_token_is_refused_and_frees_its_name(store: Store, by: str) -> None:
    secret = store.tokens.create("alice")
    token = store.tokens.check(secret)
    assert token is not None
    browser = store.sessions.create(token)
    with pytest.raises(InvalidToken, match="there is a token 'alice' already"):
        store.tokens.create("alice")
    assert store.tokens.revoke(getattr(token, by)).revoked is not None
    assert store.tokens.check(secret) is None
    assert store.sessions.check(browser) is None
    with pytest.raises(InvalidToken, match="there is no token 'alice' to revoke"):
        store.tokens.revoke("alice")
    assert store.tokens.check(store.tokens.create("alice")) is not None
    assert len(store.tokens.list()) == 2


@pytest.mark.parametrize("name", ["", " ", "a\nb", "a\0b", "x" * 129, " alice"])
def test_malformed_token_names_are_refused(store: Store, name: str) -> None:
    with pytest.raises(InvalidToken, match="1 to 128 printable characters"):
        store.tokens.create(name)
    with pytest.raises(InvalidToken, match="no token"):
        store.tokens.revoke(name)
    with pytest.raises(InvalidToken, match="quota must be positive, not 0"):
        store.tokens.create("alice", quota=0)


def test_a_session_identifies_its_token(store: Store, clock: Any) -> None:
    token = store.tokens.check(store.tokens.create("alice"))
    assert token is not None
    first, second = (store.sessions.create(token, lifetime) for lifetime in (60, 120))
    assert store.sessions.check(first) == token
    store.sessions.end(first)
    store.sessions.end(first)
    store.sessions.end("nonsense")
    assert store.sessions.check(first) is None
    assert store.sessions.check(second) == token
    clock.now += 120
    assert store.sessions.check(second) is None
    store.sessions.create(token)
    with store.database.reading() as session:
        assert len(session.scalars(select(SessionRow)).all()) == 1, (
            "those that are over are dropped"
        )


def test_a_session_ends_with_its_token(store: Store, clock: Any) -> None:
    token = store.tokens.check(store.tokens.create("alice", expires=clock.now + 60))
    assert token is not None
    browser = store.sessions.create(token, 600)
    clock.now += 61
    assert store.sessions.check(browser) is None


def test_uploads_of_a_name_are_numbered_versions(store: Store) -> None:
    first = store.files.add("table", "cpu", "a" * 64, "uploads/a", "me")
    assert (first.version, first.owner) == (1, "me")
    assert store.files.add("table", "cpu", "a" * 64, "uploads/a", "you") == first
    second = store.files.add("table", "cpu", "b" * 64, "uploads/b")
    third = store.files.add("table", "cpu", "a" * 64, "uploads/a")
    assert [second.version, third.version] == [2, 3]
    assert store.files.add("predictor", "cpu", "a" * 64, "uploads/a").version == 1
    assert store.files.latest("table", "cpu") == third
    assert store.files.latest("table", "gpu") is None
    assert store.files.latest("table", "a\0b") is None
    assert store.files.list("table", "cpu") == [third, second, first]
    assert [(each.kind, each.version) for each in store.files.list()] == [
        ("predictor", 1),
        ("table", 3),
    ]
    assert store.files.list("evaluations") == []
    with pytest.raises(UnknownName, match="unknown kind of file 'picture'"):
        store.files.add("picture", "cpu", "a" * 64, "x")


def test_concurrent_uploads_get_different_versions(store: Store, url: str) -> None:
    stores = [Store(url) for _ in range(3)]

    def add(index: int) -> None:
        for number in range(4):
            stores[index].files.add("table", "cpu", f"{index}{number}".ljust(64, "0"), "x")

    threads = [threading.Thread(target=add, args=(index,)) for index in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for other in stores:
        other.close()
    assert sorted(each.version for each in store.files.list("table", "cpu")) == list(range(1, 13))
