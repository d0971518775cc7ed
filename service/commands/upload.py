"""`python -m service upload`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from service.commands.connection import connected
from spaces.console.group import example

if TYPE_CHECKING:
    from service.client import Client, Uploaded

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(
    epilog=example(
        """
        python -m service upload runs/tables/my-phone.json --url https://nas.example.org
        python -m service upload runs/evaluations.jsonl --name phone-supernet
        """
    )
)
@connected
@click.argument("files", nargs=-1, required=True, type=FILE)
@click.option(
    "--name", default=None, help="What requests will call it, of one file.  [default: its own]"
)
def upload(client: Client, files: tuple[Path, ...], name: str | None) -> None:
    """Hand lookup tables (.json) and evaluations (.jsonl) to a service; requests there may name
    them at once.

    The same name with other content becomes a new version, which later jobs use.
    """
    if name is not None and len(files) > 1:
        raise click.UsageError(f"--name is for one file, not for {len(files)}")
    for path in files:
        kept = _handed_over(client, path, name)
        what = "that table" if kept.kind == "table" else "these evaluations"
        click.echo(f"{kept.name} is version {kept.version} of {what}")


def _handed_over(client: Client, path: Path, name: str | None) -> Uploaded:
    if path.suffix == ".jsonl":
        return client.upload_evaluations(name or path.stem, path)
    return client.upload_table(path, name)
