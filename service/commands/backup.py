"""`python -m service backup`."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from service.commands.options import artifact_options, open_store_and_artifacts
from spaces.console.group import example
from spaces.console.outputs import OUTPUT_FILE


@click.command(epilog=example("python -m service backup monday.tar.gz --data runs/service"))
@click.argument("file", type=OUTPUT_FILE)
@artifact_options
def backup(file: Path, data: Path, database: str | None, artifacts: str | None) -> None:
    """Write jobs and artifacts to one archive, whether the service runs or not.

    The archive has the layout of a data folder: unpack it into an empty one with tar -xf, and serve
    that.
    """
    from service.operation.backup import back_up
    from spaces.console.progress import Bar

    store, artifact_store = open_store_and_artifacts(data, database, artifacts)
    with closing(store), Bar(f"backing up {data}") as bar:
        result = back_up(
            store,
            artifact_store,
            file,
            lambda done, total: bar.update(done / total, f"{done}/{total}"),
        )

    size = f"{result.size / (1 << 20):.1f} MiB"
    click.echo(f"wrote {file}: the jobs and {result.artifacts} artifacts, {size}")
