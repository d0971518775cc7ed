"""Migrations of empty, old, newer and foreign databases."""

import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from service.jobs import Resources
from service.store import InvalidStore, Store
from service.store.database import Database
from service.store.schema import HEAD, Base

VERSION_1 = """
CREATE TABLE meta ("key" VARCHAR(64) NOT NULL, value VARCHAR(256) NOT NULL, PRIMARY KEY ("key"));
CREATE TABLE jobs (
    sequence INTEGER NOT NULL, id VARCHAR(32) NOT NULL, kind VARCHAR(32) NOT NULL,
    state VARCHAR(16) NOT NULL, request JSON NOT NULL, task JSON NOT NULL, attempt INTEGER NOT NULL,
    deaths INTEGER NOT NULL, progress JSON, result JSON, artifact VARCHAR(256), error JSON,
    created FLOAT NOT NULL, started FLOAT, finished FLOAT,
    PRIMARY KEY (sequence), UNIQUE (id));
CREATE INDEX ix_jobs_state ON jobs (state);
INSERT INTO meta VALUES ('schema_version', '1');
INSERT INTO jobs VALUES
    (1, 'a', 'search', 'done', '{"space": "x"}', '{"seed": 1}', 1, 0, '{"evaluated": 9}',
     '{"best": []}', 'a.1.json', NULL, 100.5, 101.0, 102.0),
    (2, 'b', 'search', 'running', '{"space": "y"}', '{"seed": 2}', 2, 1, '{"evaluated": 1}',
     NULL, NULL, NULL, 103.0, 104.0, NULL),
    (3, 'c', 'search', 'queued', '{}', '{}', 0, 0, NULL, NULL, NULL, NULL, 105.0, NULL, NULL);
"""


def differences(url: str) -> list[Any]:
    """In what a database's tables differ from those that the program reads."""
    database = Database(url)
    try:
        with database.engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            return list(compare_metadata(context, Base.metadata))
    finally:
        database.close()


@pytest.fixture
def version_1(tmp_path: Path) -> Path:
    """A store as the first version left it."""
    path = tmp_path / "jobs.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript(VERSION_1)
    connection.close()
    return path


def test_migrations_create_the_tables_of_the_schema(empty_url: str) -> None:
    Store(empty_url).close()
    assert differences(empty_url) == []


def test_head_is_the_last_migration() -> None:
    config = Config()
    config.set_main_option("script_location", "service:migrations")
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_current_head() == HEAD
    revisions = [script.revision for script in scripts.walk_revisions()]
    assert revisions == sorted(revisions, reverse=True)


def test_a_store_of_the_first_version_is_upgraded(version_1: Path) -> None:
    store = Store(version_1)
    done, interrupted, queued = (store.jobs.get(job_id) for job_id in "abc")
    assert (done.state, done.result, done.artifact, done.created) == (
        "done",
        {"best": []},
        "a.1.json",
        100.5,
    )
    assert (
        interrupted.state,
        interrupted.attempt,
        interrupted.worker_crashes,
        interrupted.progress,
    ) == (
        "queued",
        2,
        1,
        None,
    )
    assert (queued.state, queued.resources, queued.owner) == (
        "queued",
        Resources(),
        None,
    )
    assert [job.id for job in store.jobs.list(space="y")[0]] == ["b"]
    assert store.events.wait("a", 0, 20) == []
    claimed = store.leases.claim("e")
    assert claimed is not None
    assert (claimed.id, claimed.attempt) == ("b", 3)
    store.close()
    assert differences(f"sqlite:///{version_1}") == []
    Store(version_1).close()


def test_a_failed_upgrade_changes_nothing(version_1: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = sqlite3.connect(version_1)
    before = connection.execute("SELECT sql FROM sqlite_master ORDER BY name").fetchall()
    connection.close()
    monkeypatch.setattr("alembic.operations.ops.DropTableOp.drop_table", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        Store(version_1)
    connection = sqlite3.connect(version_1)
    assert connection.execute("SELECT sql FROM sqlite_master ORDER BY name").fetchall() == before
    assert connection.execute("SELECT count(*) FROM jobs WHERE state = 'running'").fetchall() == [
        (1,)
    ]
    connection.close()
    monkeypatch.undo()
    Store(version_1).close()


def test_many_processes_open_an_empty_database_at_once(empty_url: str) -> None:
    stores: list[Store] = []
    start = threading.Barrier(4)

    def begin() -> None:
        start.wait()
        stores.append(Store(empty_url))

    threads = [threading.Thread(target=begin) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for store in stores:
        store.close()
    assert len(stores) == 4
    assert differences(empty_url) == []


@pytest.mark.parametrize("version", ["0099", "9f8e7d"])
def test_a_newer_schema_is_refused(empty_url: str, version: str) -> None:
    Store(empty_url).close()
    database = Database(empty_url)
    with database.writing() as session:
        session.execute(
            text("UPDATE alembic_version SET version_num = :version"), {"version": version}
        )
    said = rf"has schema version {version}; this Pathfit reads versions up to {HEAD}"
    with pytest.raises(InvalidStore, match=said) as caught:
        Store(empty_url)
    assert "pathfit:***@" in str(caught.value) or "jobs.sqlite" in str(caught.value)
    with database.reading() as session:
        assert session.scalar(text("SELECT version_num FROM alembic_version")) == version
    with database.writing() as session:
        session.execute(
            text("UPDATE alembic_version SET version_num = :version"), {"version": HEAD}
        )
    database.close()


def test_other_databases_are_refused_and_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite"
    path.write_text("my notes, not to be lost " * 50, encoding="utf-8")
    with pytest.raises(
        InvalidStore, match=r"cannot use .*jobs.sqlite as a job store: file is not a database"
    ):
        Store(path)
    assert path.read_text(encoding="utf-8").startswith("my notes")
    with pytest.raises(InvalidStore, match="cannot use"):
        Store(path / "below-a-file" / "jobs.sqlite")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("jobs", "not the URL of a database; expected sqlite:"),
        ("oracle://x", "'oracle://x' cannot be a job store"),
        ("nosuch://x", "'nosuch://x' cannot be a job store"),
        ("sqlite://", "'sqlite://' cannot be a job store"),
        ("sqlite:///:memory:", "cannot be a job store"),
        (
            "postgresql://me:secret@127.0.0.1:1/jobs",
            r"cannot use postgresql\+psycopg://me:\*\*\*@127.0.0.1:1/jobs",
        ),
        ("postgresql://me:secret@127.0.0.1:port/jobs", "not the URL of a database"),
    ],
)
def test_invalid_urls_are_named_without_their_passwords(url: str, said: str) -> None:
    with pytest.raises(InvalidStore, match=said) as caught:
        Store(url)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


LIBRARIES_BEFORE = """
INSERT INTO tokens (id, name, digest, created) VALUES
    ('t1', 'ada', 'x', 1.0), ('t2', 'shared', 'x', 2.0);
INSERT INTO files (kind, name, version, sha256, artifact, owner, created) VALUES
    ('table', 'phone', 1, 'a', 'uploads/a', 't1', 10.0),
    ('table', 'phone', 2, 'b', 'uploads/b', 't2', 11.0),
    ('evaluations', 'phone', 1, 'c', 'uploads/c', NULL, 12.0);
"""


def fill_store_of(url: str, revision: str, statements: str) -> None:
    """Create the tables of an earlier version, and insert rows."""
    database = Database(url)
    with database.exclusive() as connection:
        config = Config()
        config.set_main_option("script_location", "service:migrations")
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        for statement in statements.strip().rstrip(";").split(";"):
            # Not as the text of a query, in which a colon begins a parameter.
            connection.exec_driver_sql(statement)
    database.close()


def test_uploads_of_the_second_version_become_shared(empty_url: str) -> None:
    fill_store_of(empty_url, "0002", LIBRARIES_BEFORE)

    store = Store(empty_url)
    assert differences(empty_url) == []
    versions = store.files.list("table", "phone")
    assert [(each.version, each.owner, each.library) for each in versions] == [
        (2, "t2", ""),
        (1, "t1", ""),
    ]
    assert store.files.latest("evaluations", "phone") is not None
    names = {token.id: (token.name, token.administrator) for token in store.tokens.list()}
    assert names == {"t1": ("ada", False), "t2": ("shared-t2", False)}

    # A library of one's own may have the same names, and numbers its versions by itself.
    assert store.files.add("table", "phone", "d", "uploads/d", "t1", "t1").version == 1
    assert store.files.add("table", "phone", "d", "uploads/d", "t1").version == 3
    store.close()


def test_emptied_sqlite_file_is_no_new_store(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite"
    for _ in range(2):
        store = Store(path)
        store.jobs.create("search", {}, {})
        store.close()

    path.write_bytes(b"")
    with pytest.raises(InvalidStore, match="was a job store and is empty now: restore a backup"):
        Store(path)
    assert path.read_bytes() == b"", "it is left as it was"

    # As the message says, and where somebody has removed the store on purpose.
    (tmp_path / "jobs.sqlite.marker").unlink()
    Store(path).close()
    path.unlink()
    Store(path).close()
    assert path.stat().st_size > 0


JOBS_BEFORE_LABELS = """
INSERT INTO jobs (id, kind, state, request, task, attempt, deaths, created) VALUES
    ('a', 'search', 'done', '{"space": "spos-tiny", "device": "My-Phone"}', '{}', 1, 0, 1.0),
    ('b', 'retrain', 'queued', '{"data": "digits"}', '{}', 0, 0, 2.0);
"""


def test_labels_of_earlier_jobs_are_filled_in_every_kind_of_store(empty_url: str) -> None:
    fill_store_of(empty_url, "0006", JOBS_BEFORE_LABELS)

    store = Store(empty_url)

    assert differences(empty_url) == []
    found = {
        text: [job.id for job in store.jobs.list(text=text)[0]]
        for text in ("search my-phone", "DIGITS", "retrain phone", "")
    }
    assert found == {"search my-phone": ["a"], "DIGITS": ["b"], "retrain phone": [], "": ["b", "a"]}
    assert {(job.name, job.tags) for job in store.jobs.list()[0]} == {(None, ())}
    store.close()


def test_jobs_of_earlier_stores_are_found_by_their_requests(version_1: Path) -> None:
    store = Store(version_1)

    labelled = store.jobs.label("b", name="Second", tags=["New"])

    assert (labelled.name, labelled.tags) == ("Second", ("new",))
    assert (store.jobs.get("a").name, store.jobs.get("a").tags) == (None, ())
    assert [job.id for job in store.jobs.list(text="search x")[0]] == ["a"]
    assert [job.id for job in store.jobs.list(text="second", tag="new")[0]] == ["b"]
    store.close()
