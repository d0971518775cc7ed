"""Contents of uploads that no job and no name needs any more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from service.artifacts import FRESH, UPLOADS, Artifacts, MissingArtifact
from service.store import FileVersion, Store


def find_old_versions(store: Store, older_than_s: float) -> Sequence[FileVersion]:
    """Find the versions that were removed or replaced long ago, and that no job needs.

    Args:
        store: Has the versions and the jobs.
        older_than_s: Seconds since the removal, or since the upload of a replaced version.
    """
    versions = store.files.list_obsolete(older_than_s)
    needed = _needed_artifacts(store)
    return [version for version in versions if version.artifact not in needed]


def find_unused_contents(store: Store, artifacts: Artifacts) -> Sequence[str]:
    """Find the contents of uploads that no version refers to, and that no job needs.

    Contents that were written within the last hour are left out, since their versions may be about
    to be added.

    Args:
        store: Has the versions and the jobs.
        artifacts: Stores the contents.

    Raises:
        ArtifactFailed: The artifacts cannot be listed.
    """
    contents = [path for path in artifacts.paths() if path.startswith(f"{UPLOADS}/")]
    # Read after the list: a version that is added meanwhile has its content kept.
    used = store.files.present_artifacts() | _needed_artifacts(store)
    return [path for path in contents if path not in used and _is_old(artifacts, path)]


def _is_old(artifacts: Artifacts, path: str) -> bool:
    try:
        return artifacts.age(path) > FRESH
    except MissingArtifact:
        return False


def _needed_artifacts(store: Store) -> set[str]:
    """Return the artifacts that the tasks of unfinished jobs are pinned to."""
    return {path for task in store.jobs.unfinished_tasks() for path in _artifacts_in(task)}


def _artifacts_in(value: Any) -> Iterator[str]:
    # Wherever a task has a file, as each kind of job has its own fields.
    if isinstance(value, dict):
        if isinstance(value.get("artifact"), str):
            yield value["artifact"]
        for item in value.values():
            yield from _artifacts_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from _artifacts_in(item)
