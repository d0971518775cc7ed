"""Checks of everything that a service needs, which change nothing."""

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
from service.operation.readiness import SILENCE
from service.settings import Settings
from service.store import InvalidStore, Store
from service.store.database import Database
from service.store.migration import revision_of
from service.store.schema import HEAD
from spaces.errors import PathfitError

Level = Literal["ok", "note", "fault"]

LOW_SPACE = 2 << 30
"""Free bytes of a disk below which there is a note."""

TOO_LITTLE_SPACE = 200 << 20
"""Free bytes of a disk below which there is a fault."""

_PACKAGES = (
    "torch",
    "torch_geometric",
    "ray",
    "gunicorn",
    "apiflask",
    "sqlalchemy",
    "alembic",
    "fsspec",
)


@dataclass(frozen=True)
class Finding:
    """The finding of one check.

    Args:
        subject: Subject of the check, such as disk.
        level: ok, note, or fault if the service cannot work until it is fixed.
        detail: One sentence.
    """

    subject: str
    level: Level
    detail: str


def examine(settings: Settings) -> Iterator[Finding]:
    """Check one subject after the other.

    Args:
        settings: Settings of the service, with the locations of its data, tables and predictors.
    """
    yield from _packages()
    yield from _disk(settings.data)
    store, finding = _database(settings.store)
    yield finding
    yield _artifacts(settings.artifacts_url)
    yield from _tables(settings)
    yield from _predictors(settings)

    # Without a store there is nothing to compare the artifacts with.
    if store is not None:
        with contextlib.closing(store):
            yield from _uploads(store, settings.artifacts_url)
            yield _jobs(store)
            yield from _engines(store, settings.data)


def _packages() -> Iterator[Finding]:
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        yield Finding(
            "packages",
            "fault",
            f"not installed: {', '.join(missing)}; pip install 'pathfit[service]'",
        )
    else:
        yield Finding("packages", "ok", f"{', '.join(_PACKAGES)} are installed")


def _disk(folder: Path) -> Iterator[Finding]:
    # The folder itself may not exist yet.
    candidates = (folder, *folder.resolve().parents)
    existing = next((path for path in candidates if path.is_dir()), Path("/"))
    free = shutil.disk_usage(existing).free
    level: Level = "ok"
    if free < TOO_LITTLE_SPACE:
        level = "fault"
    elif free < LOW_SPACE:
        level = "note"

    hint = "" if level == "ok" else "; python -m service gc --older-than 30d removes old jobs"
    yield Finding("disk", level, f"{free / (1 << 30):.1f} GiB free for {folder}{hint}")


def _database(url: str | Path) -> tuple[Store | None, Finding]:
    """Open the store if it can be used as it is; it is neither created nor upgraded here."""
    subject = "database"
    try:
        database = Database(url)
        if database.path is not None and not database.path.exists():
            return None, Finding(
                subject, "note", f"{database.name} does not exist yet; the first start creates it"
            )

        with contextlib.closing(database), database.engine.connect() as connection:
            revision = revision_of(connection)
            if database.path is not None:
                # quick_check skips the comparison of indices with tables, which takes minutes on
                # large stores.
                check = connection.scalar(text("PRAGMA quick_check(1)"))
                if check != "ok":
                    detail = f"{database.name} is damaged: {check}; restore a backup"
                    return None, Finding(subject, "fault", detail)

        # Opening it as a store would upgrade it; this command changes nothing.
        if revision is None or revision < HEAD:
            content = "no tables" if revision is None else f"schema version {revision}"
            detail = f"{database.name} has {content}; the next start upgrades it to {HEAD}"
            return None, Finding(subject, "note", detail)

        store = Store(url)
    except InvalidStore as error:
        return None, Finding(subject, "fault", str(error))
    except (SQLAlchemyError, ModuleNotFoundError) as error:
        reason = " ".join(str(getattr(error, "orig", None) or error).split())
        return None, Finding(subject, "fault", f"cannot use {database.name}: {reason}")

    return store, Finding(subject, "ok", f"{store.name}, schema version {HEAD}")


def _artifacts(url: str | Path) -> Finding:
    try:
        artifacts = Artifacts(url)
        if artifacts.folder is not None and not artifacts.folder.exists():
            detail = f"{url} does not exist yet; the first start creates it"
            return Finding("artifacts", "note", detail)

        artifacts.check()
    except PathfitError as error:
        return Finding("artifacts", "fault", str(error))

    return Finding("artifacts", "ok", f"{url} can be written and read")


def _tables(settings: Settings) -> Iterator[Finding]:
    catalog = Catalog(settings)
    num_readable = 0
    broken = []
    for entry in catalog.tables():
        try:
            catalog.read_table(entry)
            num_readable += 1
        except PathfitError as error:
            broken.append(Finding("tables", "fault", str(error)))

    level: Level = "ok" if num_readable else "note"
    yield from broken or [Finding("tables", level, f"{num_readable} can be read")]


def _predictors(settings: Settings) -> Iterator[Finding]:
    catalog = Catalog(settings)
    num_readable = 0
    broken = []
    for entry in catalog.predictors():
        try:
            catalog.predictor(entry.name)
            num_readable += 1
        except PathfitError as error:
            broken.append(Finding("predictors", "fault", str(error)))

    level: Level = "ok" if num_readable else "note"
    hint = "" if num_readable else "; train one with: python -m predictor train"
    yield from broken or [Finding("predictors", level, f"{num_readable} can be read{hint}")]


def _uploads(store: Store, url: str) -> Iterator[Finding]:
    versions = store.files.list()
    try:
        artifacts = Artifacts(url)
        missing = [version.name for version in versions if not artifacts.exists(version.artifact)]
    except PathfitError:
        # The check of the artifacts has reported it.
        return

    if missing:
        yield Finding(
            "uploads",
            "fault",
            f"content is missing of: {', '.join(missing)}; upload again, or restore a backup",
        )
    elif versions:
        yield Finding("uploads", "ok", f"{len(versions)} have their content")


def _jobs(store: Store) -> Finding:
    # A limit of 1, as only the totals are used.
    counts = {state: store.jobs.list(state=state, limit=1)[1] for state in JobState}
    detail = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    return Finding("jobs", "ok", detail or "none")


def _engines(store: Store, folder: Path) -> Iterator[Finding]:
    # Engines that stopped in order, and those of earlier runs, are no findings.
    living = [
        engine
        for engine in store.engines.list()
        if engine.state != "stopped" and engine.age_s < SILENCE
    ]
    for engine in living:
        level: Level = "fault" if engine.state == "fault" else "ok"
        detail = f"{engine.id} is {engine.state}, last report {engine.age_s:.1f} s ago"
        if engine.detail:
            detail += f": {engine.detail}"
        yield Finding("engine", level, detail)

    process = holder(folder)
    if not living and process is not None:
        yield Finding(
            "engine",
            "fault",
            f"the service (process {process}) runs, but its engine does not report",
        )
    elif not living:
        yield Finding(
            "engine", "note", "no service runs here; start one with: python -m service serve"
        )
