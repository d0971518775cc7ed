"""`python -m service upload`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from service.commands.connection import connected
from spaces.console import example

if TYPE_CHECKING:
    from service.client import Client


@click.command(epilog=example("python -m service upload runs/tables/my-phone.json --url https://nas.example.org"))
@connected
@click.argument("tables", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
def upload(client: Client, tables: tuple[Path, ...]) -> None:
    """Hand lookup tables to a service; searches there may name them at once.

    The same name with other content becomes a new version, which later searches use.
    """
    for path in tables:
        kept = client.upload_table(path)
        click.echo(f"{kept.name} is version {kept.version} of that table")
