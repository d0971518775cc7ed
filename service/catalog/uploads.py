"""Uploads: files that came over HTTP or from jobs, as immutable versions among the artifacts."""

from __future__ import annotations

import threading
from pathlib import Path

from service.artifacts import Artifacts, MissingArtifact
from service.jobs import JobState
from service.store import ANY, FileVersion, Store

_MOST = 100


class Uploads:
    """The uploads of a service.

    Args:
        store: knows their names and versions.
        artifacts: holds their content.
        cache: folder for copies of what lies elsewhere.
    """

    def __init__(self, store: Store, artifacts: Artifacts, cache: Path):
        self._store, self._artifacts, self._cache = store, artifacts, cache
        self._taken: set[str] = set()
        self._lock = threading.Lock()

    def add(
        self, kind: str, name: str, content: bytes, owner: str | None
    ) -> tuple[FileVersion, bool]:
        """Keep a new version, unless the newest is the same; gives it, and whether it is new.

        Raises:
            ArtifactFailed: it cannot be kept.
        """
        before = self._store.files.latest(kind, name)
        path, sha256 = self._artifacts.keep(content)
        version = self._store.files.add(kind, name, sha256, path, owner)
        return version, before is None or before.version != version.version

    def latest(self, kind: str) -> dict[str, FileVersion]:
        """Name -> newest version."""
        if kind == "predictor":
            self._take_trained()
        return {version.name: version for version in self._store.files.list(kind)}

    def path(self, version: FileVersion) -> Path:
        """A file with a version's content on this machine; raises ArtifactFailed."""
        return self._artifacts.local(version.artifact, self._cache)

    def _take_trained(self) -> None:
        """Have the predictors of finished jobs be versions of their own, which outlive the jobs."""
        with self._lock:
            done, _ = self._store.jobs.list(ANY, kind="predictor", state=JobState.DONE, limit=_MOST)
            # Oldest first, so that the newest of one name is the newest version.
            for job in reversed(done):
                if job.id in self._taken or job.artifact is None:
                    continue
                try:
                    path, sha256 = self._artifacts.keep(self._artifacts.read(job.artifact))
                except MissingArtifact:  # cleared away
                    self._taken.add(job.id)
                    continue
                name = str(job.request["name"])
                # After a restart every job is looked at again; what is a version already stays one.
                if all(
                    version.sha256 != sha256
                    for version in self._store.files.list("predictor", name)
                ):
                    self._store.files.add("predictor", name, sha256, path, job.owner)
                self._taken.add(job.id)
