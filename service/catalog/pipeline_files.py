"""Files of finished pipelines that become the catalog's: tables, evaluations, predictors."""

from __future__ import annotations

import threading
from pathlib import Path

from service.artifacts import Artifacts, MissingArtifact
from service.catalog.summaries import summarise_artifact
from service.jobs import Job
from service.pipelines.files import catalog_entry
from service.store import Store
from service.store.files import SHARED_LIBRARY

# Jobs whose files are published at most in one pass.
_MAX_JOBS = 100


class PipelineFiles:
    """Makes the files of finished pipelines versions, which outlive the jobs.

    Args:
        store: Store of the jobs, and of names and versions.
        artifacts: Storage of their content.
        cache: Folder for local copies, if the storage is not on this machine.
    """

    def __init__(self, store: Store, artifacts: Artifacts, cache: Path):
        self._store = store
        self._artifacts = artifacts
        self._cache = cache
        self._published_jobs: set[str] = set()
        self._lock = threading.Lock()

    def publish(self) -> None:
        """Publish the files of jobs that are done; raises ArtifactFailed."""
        with self._lock:
            ids = self._store.jobs.list_done("pipeline", _MAX_JOBS)
            # Oldest first, so that the newest of one name is the newest version.
            for job_id in reversed(ids):
                if job_id not in self._published_jobs:
                    self._publish(self._store.jobs.get(job_id))
                    # The stages' files are among the results as well, and no attempt follows one
                    # that the store has as done.
                    self._artifacts.remove_checkpoints(job_id)
                    self._published_jobs.add(job_id)

    def _publish(self, job: Job) -> None:
        """Publish the files that the result of a job names."""
        published = (job.result or {}).get("published", {})
        for entry, name in published.items():
            try:
                content = self._artifacts.read(path_of_file(job, name))
            except MissingArtifact:
                # The job was cleaned up.
                continue
            self._add(job, entry, content)

    def _add(self, job: Job, published: str, content: bytes) -> None:
        kind, name = catalog_entry(published, str(job.request["name"]))
        path, sha256 = self._artifacts.keep(content)
        versions = self._store.files.list(kind, name, with_removed=True)
        # After a restart every job is visited again; existing versions are not added twice.
        if any((version.sha256, version.owner) == (sha256, job.owner) for version in versions):
            return

        # Without tokens the shared library is everybody's own.
        library = SHARED_LIBRARY if job.request.get("shared") else job.owner or SHARED_LIBRARY
        summary = summarise_artifact(kind, self._artifacts, path, self._cache)
        self._store.files.add(
            kind, name, sha256, path, job.owner, library, size=len(content), summary=summary
        )


def path_of_file(job: Job, name: str) -> str:
    """Return the path of a file next to a finished job's own artifact."""
    assert job.artifact is not None
    return f"{job.artifact.rpartition('/')[0]}/{name}"
