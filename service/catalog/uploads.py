"""Uploaded files and trained predictors, as immutable versions among the artifacts."""

from __future__ import annotations

import threading
from collections.abc import Collection
from pathlib import Path

from service.artifacts import Artifacts, MissingArtifact
from service.catalog.names import make_labels
from service.catalog.pipeline_files import PipelineFiles
from service.jobs import Job, JobState
from service.store import ANY, FileVersion, Store
from service.store.files import SHARED_LIBRARY

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
        self._pipelines = PipelineFiles(store, artifacts)
        self._published_jobs: set[str] = set()
        self._lock = threading.Lock()

    def add(
        self, kind: str, name: str, content: bytes, owner: str | None, library: str
    ) -> tuple[FileVersion, bool]:
        """Add a version, unless the newest has the same content.

        Args:
            kind: Kind of the file, such as "table".
            name: Plain name of the file.
            content: Content of the file.
            owner: Id of the token that uploads it; None without tokens.
            library: Id of the library that is to have it.

        Returns:
            The newest version, and whether it is new.

        Raises:
            ArtifactFailed: The content cannot be stored.
        """
        previous = self._store.files.latest(kind, name, library)
        # The content first: a version must never refer to content that is not stored yet.
        path, sha256 = self._artifacts.keep(content)
        version = self._store.files.add(kind, name, sha256, path, owner, library)
        return version, previous is None or previous.version != version.version

    def latest(
        self, kind: str, libraries: Collection[str] | None
    ) -> dict[str, dict[str, FileVersion]]:
        """Find the newest version of every name of a kind.

        Args:
            kind: Kind of the files, such as "table".
            libraries: Ids of the libraries; None for every library.

        Returns:
            Id of the library -> plain name -> newest version.
        """
        if kind == "predictor":
            self._publish_trained()
        self._pipelines.publish()

        versions: dict[str, dict[str, FileVersion]] = {}
        for version in self._store.files.list(kind, libraries=libraries):
            versions.setdefault(version.library, {})[version.name] = version

        return versions

    def owners(self) -> dict[str, str]:
        """Map the ids of libraries to the names of their owners."""
        return make_labels(self._store.tokens.list())

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
                self._publish(job, path, sha256)
                self._published_jobs.add(job.id)

    def _publish(self, job: Job, path: str, sha256: str) -> None:
        name = str(job.request["name"])
        versions = self._store.files.list("predictor", name)
        # After a restart every job is visited again; existing versions are not added twice, also
        # where an earlier version of this program added them to the shared library.
        if any((version.sha256, version.owner) == (sha256, job.owner) for version in versions):
            return

        # Without tokens the shared library is everybody's own.
        library = SHARED_LIBRARY if job.request.get("shared") else job.owner or SHARED_LIBRARY
        self._store.files.add("predictor", name, sha256, path, job.owner, library)
