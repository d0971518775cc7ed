"""`python -m service gc`."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from service.commands.options import Duration, artifact_options, opened_with_artifacts
from spaces.console.group import example

_AT_ONCE = 50


@click.command(epilog=example("python -m service gc --older-than 30d --dry-run"))
@click.option(
    "--older-than", type=Duration(), required=True, help="Since their end, such as 30d, 12h or 90m."
)
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@artifact_options
def gc(
    older_than: float, dry_run: bool, data: Path, database: str | None, artifacts: str | None
) -> None:
    """Remove jobs that ended long ago, with their events and artifacts, while the service runs or
    not.
    """
    from spaces.console.progress import Bar

    store, place = opened_with_artifacts(data, database, artifacts)
    with closing(store):
        ids = store.jobs.ended(older_than)
        if dry_run:
            for job_id in ids:
                click.echo(job_id)
            click.echo(f"{len(ids)} jobs would be removed")
            return
        removed = 0
        with Bar("removing old jobs") as bar:
            for start in range(0, len(ids), _AT_ONCE):
                some = ids[start : start + _AT_ONCE]
                # The artifacts first: what is interrupted here is found again by its job.
                for job_id in some:
                    place.remove(job_id)
                removed += store.jobs.remove(some)
                bar.update((start + len(some)) / len(ids), f"{removed}/{len(ids)}")
        store.remove_expired()
    click.echo(f"removed {removed} jobs")
