"""Uploaded files and trained predictors, as immutable versions among the artifacts."""

from __future__ import annotations

import threading
from pathlib import Path

from service.artifacts import Artifacts, MissingArtifact
from service.jobs import JobState
from service.store import ANY, FileVersion, Store

# Jobs whose predictors are published at most in one pass.
_MAX_JOBS = 100


class Uploads:
    """The uploads of a service.

    Args:
        store: Store of their names and versions.
        artifacts: Storage of their content.
        cache: Folder for local copies, if the storage is not on this machine.
    """

    def __init__(self, store: Store, artifacts: Artifacts, cache: Path):
        self._store = store
        self._artifacts = artifacts
        self._cache = cache
        self._published_jobs: set[str] = set()
        self._lock = threading.Lock()

    def add(
        self, kind: str, name: str, content: bytes, owner: str | None
    ) -> tuple[FileVersion, bool]:
        """Add a version, unless the newest has the same content.

        Returns:
            The newest version, and whether it is new.

        Raises:
            ArtifactFailed: The content cannot be stored.
        """
        previous = self._store.files.latest(kind, name)
        # The content first: a version must never refer to content that is not stored yet.
        path, sha256 = self._artifacts.keep(content)
        version = self._store.files.add(kind, name, sha256, path, owner)
        return version, previous is None or previous.version != version.version

    def latest(self, kind: str) -> dict[str, FileVersion]:
        """Map the names of a kind to their newest versions."""
        if kind == "predictor":
            self._publish_trained()
        return {version.name: version for version in self._store.files.list(kind)}

    def path(self, version: FileVersion) -> Path:
        """Return a file on this machine with a version's content; raises ArtifactFailed."""
        return self._artifacts.local(version.artifact, self._cache)

    def _publish_trained(self) -> None:
        """Make the predictors of finished jobs versions, which outlive the jobs."""
        with self._lock:
            jobs, _ = self._store.jobs.list(
                ANY, kind="predictor", state=JobState.DONE, limit=_MAX_JOBS
            )
            # Oldest first, so that the newest of one name is the newest version.
            for job in reversed(jobs):
                if job.id in self._published_jobs or job.artifact is None:
                    continue
                try:
                    path, sha256 = self._artifacts.keep(self._artifacts.read(job.artifact))
                except MissingArtifact:
                    # The job was cleaned up.
                    self._published_jobs.add(job.id)
                    continue
                name = str(job.request["name"])
                # After a restart every job is visited again; existing versions are not added twice.
                if all(
                    version.sha256 != sha256
                    for version in self._store.files.list("predictor", name)
                ):
                    self._store.files.add("predictor", name, sha256, path, job.owner)
                self._published_jobs.add(job.id)
