"""Doctor: looks at everything that a service needs, changes nothing, and says what is wrong."""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from service.artifacts import Artifacts
from service.catalog.catalog import Catalog
from service.jobs import JobState
from service.operation.lock import holder
from service.settings import Settings
from service.store import InvalidStore, Store
from service.store.database import Database
from service.store.migration import revision_of
from service.store.schema import HEAD
from spaces.errors import PathfitError

Level = Literal["ok", "note", "fault"]

SCARCE, TOO_LITTLE = 2 << 30, 200 << 20
"""Bytes free below which a disk is worth a note, and a fault."""

SILENT = 10.0
"""Seconds after which an engine that said nothing is taken for dead."""


@dataclass(frozen=True)
class Finding:
    """What was found of one thing.

    Args:
        subject: what was looked at.
        level: fine, worth a note, or a fault that must be mended.
        detail: in one sentence.
    """

    subject: str
    level: Level
    detail: str


def examine(settings: Settings) -> Iterator[Finding]:
    """Look at everything, one thing after the other.

    Args:
        settings: of the service: where its data, tables and predictors are.
    """
    yield from _packages()
    yield from _disk(settings.data)
    store, finding = _database(settings.store)
    yield finding
    yield _artifacts(settings.artifacts_url)
    yield from _tables(settings)
    yield from _predictors(settings)
    if store is not None:
        with contextlib.closing(store):
            yield from _uploads(store, settings.artifacts_url)
            yield _jobs(store)
            yield from _engines(store, settings.data)


def _packages() -> Iterator[Finding]:
    needed = (
        "torch",
        "torch_geometric",
        "ray",
        "gunicorn",
        "apiflask",
        "sqlalchemy",
        "alembic",
        "fsspec",
    )
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        yield Finding(
            "packages",
            "fault",
            f"not installed: {', '.join(missing)}; pip install 'pathfit[service]'",
        )
    else:
        yield Finding("packages", "ok", f"{', '.join(needed)} are installed")


def _disk(folder: Path) -> Iterator[Finding]:
    there = next(
        (place for place in (folder, *folder.resolve().parents) if place.is_dir()), Path("/")
    )
    free = shutil.disk_usage(there).free
    level: Level = "fault" if free < TOO_LITTLE else "note" if free < SCARCE else "ok"
    hint = "" if level == "ok" else "; python -m service gc --older-than 30d removes old jobs"
    yield Finding("disk", level, f"{free / (1 << 30):.1f} GiB free for {folder}{hint}")


def _database(url: str | Path) -> tuple[Store | None, Finding]:
    """The store where it can be used as it is; it is neither made nor brought up to date here."""
    subject = "database"
    try:
        database = Database(url)
        if database.path is not None and not database.path.exists():
            return None, Finding(
                subject, "note", f"{database.name} is not there yet; the first start makes it"
            )
        with contextlib.closing(database), database.engine.connect() as connection:
            found = revision_of(connection)
            if (
                database.path is not None
                and (said := connection.scalar(text("PRAGMA quick_check(1)"))) != "ok"
            ):
                return None, Finding(
                    subject, "fault", f"{database.name} is damaged: {said}; restore a backup"
                )
        if found is None or found < HEAD:
            have = "no tables" if found is None else f"schema version {found}"
            return None, Finding(
                subject, "note", f"{database.name} has {have}; the next start makes it {HEAD}"
            )
        store = Store(url)
    except InvalidStore as error:
        return None, Finding(subject, "fault", str(error))
    except (SQLAlchemyError, ModuleNotFoundError) as error:
        reason = " ".join(str(getattr(error, "orig", None) or error).split())
        return None, Finding(subject, "fault", f"cannot use {database.name}: {reason}")
    return store, Finding(subject, "ok", f"{store.name}, schema version {HEAD}")


def _artifacts(url: str | Path) -> Finding:
    try:
        place = Artifacts(url)
        if place.folder is not None and not place.folder.exists():
            return Finding("artifacts", "note", f"{url} is not there yet; the first start makes it")
        place.check()
    except PathfitError as error:
        return Finding("artifacts", "fault", str(error))
    return Finding("artifacts", "ok", f"{url} can be written and read")


def _tables(settings: Settings) -> Iterator[Finding]:
    catalog = Catalog(settings)
    read, broken = 0, []
    for name in catalog.tables():
        try:
            catalog.table(name)
            read += 1
        except PathfitError as error:
            broken.append(Finding("tables", "fault", str(error)))
    yield from broken or [Finding("tables", "ok" if read else "note", f"{read} can be read")]


def _predictors(settings: Settings) -> Iterator[Finding]:
    catalog = Catalog(settings)
    read, broken = 0, []
    for name in catalog.predictors():
        try:
            catalog.predictor(name)
            read += 1
        except PathfitError as error:
            broken.append(Finding("predictors", "fault", str(error)))
    hint = "" if read else "; train one with: python -m predictor train"
    yield from broken or [
        Finding("predictors", "ok" if read else "note", f"{read} can be read{hint}")
    ]


def _uploads(store: Store, url: str) -> Iterator[Finding]:
    versions = store.files.list()
    try:
        place = Artifacts(url)
        gone = [version.name for version in versions if not place.exists(version.artifact)]
    except PathfitError:  # told already
        return
    if gone:
        yield Finding(
            "uploads",
            "fault",
            f"the content is gone of: {', '.join(gone)}; upload again, or restore a backup",
        )
    elif versions:
        yield Finding("uploads", "ok", f"{len(versions)} are there")


def _jobs(store: Store) -> Finding:
    counts = {state: store.jobs.list(state=state, limit=1)[1] for state in JobState}
    said = ", ".join(f"{count} {state}" for state, count in counts.items() if count) or "none"
    return Finding("jobs", "ok", said)


def _engines(store: Store, folder: Path) -> Iterator[Finding]:
    alive = [
        engine
        for engine in store.engines.list()
        if engine.state != "stopped" and engine.age_s < SILENT
    ]
    for engine in alive:
        level: Level = "fault" if engine.state == "fault" else "ok"
        said = f"{engine.id} is {engine.state}, heard {engine.age_s:.1f} s ago"
        yield Finding("engine", level, said + (f": {engine.detail}" if engine.detail else ""))
    process = holder(folder)
    if not alive and process is not None:
        yield Finding(
            "engine", "fault", f"the service (process {process}) runs, but its engine says nothing"
        )
    elif not alive:
        yield Finding(
            "engine", "note", "no service runs here; start one with: python -m service serve"
        )
