"""`python -m service gc`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import click

from service.commands.options import Duration, artifact_options, open_store_and_artifacts
from spaces.console.group import example

# Jobs of one transaction, so that a running service never waits long for the store.
_BATCH_SIZE = 50


@click.command(epilog=example("python -m service gc --older-than 30d --dry-run"))
@click.option(
    "--older-than",
    type=Duration(),
    required=True,
    help="Time since their end, such as 30d, 12h or 90m.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Print the jobs, and the attempts whose files would be removed, and remove nothing.",
)
@artifact_options
def gc(
    older_than: float, dry_run: bool, data: Path, database: str | None, artifacts: str | None
) -> None:
    """Remove jobs that ended long ago, with their events and artifacts.

    The artifacts of attempts without a result go as well, as soon as their job has ended, and
    versions of uploads that were replaced or removed as long ago and that no job needs. The service
    may run meanwhile.
    """
    from service.operation.leftovers import find_leftovers
    from service.operation.old_uploads import find_old_versions, find_unused_contents
    from spaces.console.progress import Bar

    store, artifact_store = open_store_and_artifacts(data, database, artifacts)
    with closing(store):
        ids = store.jobs.list_ended(older_than)
        if dry_run:
            # The files of these jobs go with them.
            remaining = [
                (job_id, attempt)
                for job_id, attempt in find_leftovers(store, artifact_store)
                if job_id not in set(ids)
            ]
            for line in (*ids, *(f"{job_id}/{attempt}" for job_id, attempt in remaining)):
                click.echo(line)
            versions = find_old_versions(store, older_than)
            for version in versions:
                click.echo(f"{version.kind} {version.name}, version {version.version}")
            uploads = _uploads_of(len(versions))
            click.echo(f"{len(ids)} jobs{_files_of(remaining)}{uploads} would be removed")
            return

        removed = 0
        with Bar("removing old jobs") as bar:
            for start in range(0, len(ids), _BATCH_SIZE):
                batch = ids[start : start + _BATCH_SIZE]
                # The artifacts first: the job still exists if this is interrupted.
                for job_id in batch:
                    artifact_store.remove(job_id)
                removed += store.jobs.remove(batch)
                bar.update((start + len(batch)) / len(ids), f"{removed}/{len(ids)}")
        leftovers = find_leftovers(store, artifact_store)
        for job_id, attempt in leftovers:
            artifact_store.remove(job_id, attempt)
        versions = find_old_versions(store, older_than)
        store.files.collect([version.id for version in versions])
        for path in find_unused_contents(store, artifact_store):
            artifact_store.remove_upload(path)
        # Keys and sessions accumulate as jobs do.
        store.remove_expired()

    click.echo(f"removed {removed} jobs{_files_of(leftovers)}{_uploads_of(len(versions))}")


def _uploads_of(count: int) -> str:
    return f" and {count} versions of uploads" if count else ""


def _files_of(leftovers: Sequence[tuple[str, int]]) -> str:
    return f" and the files of {len(leftovers)} attempts without a result" if leftovers else ""
