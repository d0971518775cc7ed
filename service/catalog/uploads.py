"""Uploaded files and trained predictors, as immutable versions among the artifacts."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from service.artifacts import ArtifactFailed, Artifacts, MissingArtifact
from service.catalog.library_files import LibraryFiles
from service.catalog.names import make_labels
from service.catalog.pipeline_files import PipelineFiles
from service.catalog.summaries import summarise_artifact
from service.jobs import Job, JsonObject, UnknownJob
from service.store import FileVersion, Store
from service.store.files import SHARED_LIBRARY

# Kinds of jobs whose files become the catalog's.
_PUBLISHING_KINDS = ("predictor", "pipeline")
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
        self._pipelines = PipelineFiles(store, artifacts, cache)
        self._published_jobs: set[str] = set()
        self._complete_kinds: set[str] = set()
        self._has_all_sizes = False
        self._last_done: tuple[int, float | None] = (0, None)
        self._lock = threading.Lock()

    def add(
        self,
        kind: str,
        name: str,
        content: bytes,
        owner: str | None,
        library: str,
        summary: JsonObject,
    ) -> tuple[FileVersion, bool]:
        """Add a version, unless the newest has the same content.

        Args:
            kind: Kind of the file, such as "table".
            name: Plain name of the file.
            content: Content of the file.
            owner: Id of the token that uploads it; None without tokens.
            library: Id of the library that is to have it.
            summary: Summary of the content for lists.

        Returns:
            The newest version, and whether it is new.

        Raises:
            ArtifactFailed: The content cannot be stored.
            StorageExceeded: The uploads of the token would have more bytes than its quota.
        """
        previous = self._store.files.latest(kind, name, library)
        # Before anything is stored; the store checks again under its lock. Unless it adds nothing.
        is_repeated = previous is not None and previous.sha256 == sha256(content).hexdigest()
        if owner is not None and not is_repeated:
            self._complete_sizes()
            self._store.files.check_storage(owner, len(content))
        # The content first: a version must never refer to content that is not stored yet.
        path, digest = self._artifacts.keep(content)
        version = self._store.files.add(
            kind,
            name,
            digest,
            path,
            owner,
            library,
            size=len(content),
            summary=summary,
            enforce_quota=True,
        )
        return version, previous is None or previous.version != version.version

    def _complete_sizes(self) -> None:
        """Measure the files that an earlier version of this program stored without a size."""
        # One look for each process: whatever this version adds has a size.
        if self._has_all_sizes:
            return

        is_complete = True
        for version in self._store.files.without_size():
            try:
                size = self._artifacts.size(version.artifact)
            except MissingArtifact:
                size = 0
            # The storage may answer again.
            except ArtifactFailed:
                is_complete = False
                continue
            self._store.files.record_size(version.id, size)
        self._has_all_sizes = is_complete

    def remove(self, kind: str, name: str, library: str) -> int:
        """Remove all versions of a name, and return their number; see `Files.remove`."""
        return self._store.files.remove(kind, name, library)

    def in_library(
        self, kind: str, library: str, local: Mapping[str, Path] | None = None
    ) -> LibraryFiles:
        """Return the files of a kind in a library, with those in folders of the service.

        Args:
            kind: Kind of the files, such as "table".
            library: Id of the library.
            local: Name -> file in a folder, which precedes an upload of the name; None for none.
        """
        self.publish_finished()
        return LibraryFiles(local or {}, self._store.files, kind, library)

    def libraries(self, kind: str) -> Sequence[str]:
        """List the ids of the libraries that have files of a kind."""
        return self._store.files.libraries(kind)

    # Summaries

    def summaries(self, kind: str, versions: Sequence[FileVersion]) -> dict[int, JsonObject]:
        """Map the ids of newest versions to their summaries."""
        self._complete_summaries(kind)
        summaries = self._store.files.summaries([version.id for version in versions])
        unread = {"error": "its content cannot be read at present"}
        return {version_id: summary or unread for version_id, summary in summaries.items()}

    def names_of(self, kind: str, library: str, space: str) -> list[str]:
        """List the names of the files of a library that are of a space."""
        self._complete_summaries(kind)
        versions = self._store.files.list(kind, libraries=[library], space=space)
        return [version.name for version in versions]

    def spaces(self, kind: str, libraries: Collection[str] | None) -> set[str]:
        """Return the spaces of the files of libraries; None for every library."""
        self.publish_finished()
        self._complete_summaries(kind)
        return self._store.files.spaces(kind, libraries)

    def _complete_summaries(self, kind: str) -> None:
        """Summarise the files that an earlier version of this program stored without a summary."""
        # One look for each process: whatever this version adds has a summary.
        if kind in self._complete_kinds:
            return

        is_complete = True
        for version in self._store.files.without_summary(kind):
            try:
                summary = summarise_artifact(kind, self._artifacts, version.artifact, self._cache)
            # The storage may answer again.
            except ArtifactFailed:
                is_complete = False
            else:
                self._store.files.summarise(version.id, summary)

        if is_complete:
            self._complete_kinds.add(kind)

    def owners(self) -> dict[str, str]:
        """Map the ids of libraries to the names of their owners."""
        return make_labels(self._store.tokens.list())

    def path(self, version: FileVersion) -> Path:
        """Return a file on this machine with a version's content; raises ArtifactFailed."""
        return self._artifacts.local(version.artifact, self._cache)

    def publish_finished(self) -> None:
        """Make the files of all finished jobs versions, before one of the jobs is removed."""
        # Every list and every search looks, and a job that makes files ends rarely.
        done = self._store.jobs.done_state(_PUBLISHING_KINDS)
        if done == self._last_done:
            return
        self._publish_trained()
        self._pipelines.publish()
        self._last_done = done

    def _publish_trained(self) -> None:
        """Make the predictors of finished jobs versions, which outlive the jobs."""
        with self._lock:
            ids = self._store.jobs.list_done("predictor", _MAX_JOBS)
            # Oldest first, so that the newest of one name is the newest version.
            for job_id in reversed(ids):
                if job_id not in self._published_jobs:
                    self._publish_job(job_id)
                    self._published_jobs.add(job_id)

    def _publish_job(self, job_id: str) -> None:
        # Neither a job that was removed nor one whose files were is an error.
        with suppress(UnknownJob, MissingArtifact):
            job = self._store.jobs.get(job_id)
            if job.artifact is not None:
                content = self._artifacts.read(job.artifact)
                self._publish_predictor(job, content)

    def _publish_predictor(self, job: Job, content: bytes) -> None:
        path, digest = self._artifacts.keep(content)
        name = str(job.request["name"])
        versions = self._store.files.list("predictor", name, with_removed=True)
        # After a restart every job is visited again; existing versions are not added twice, also
        # where an earlier version of this program added them to the shared library.
        if any((version.sha256, version.owner) == (digest, job.owner) for version in versions):
            return

        # Without tokens the shared library is everybody's own.
        library = SHARED_LIBRARY if job.request.get("shared") else job.owner or SHARED_LIBRARY
        summary = summarise_artifact("predictor", self._artifacts, path, self._cache)
        self._store.files.add(
            "predictor",
            name,
            digest,
            path,
            job.owner,
            library,
            size=len(content),
            summary=summary,
        )
