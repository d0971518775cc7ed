"""`python -m service remove`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from service.commands.connection import with_client
from spaces.console.group import example

if TYPE_CHECKING:
    from service.client import Client


@click.command(epilog=example("python -m service remove table my-phone old-phone"))
@with_client
@click.argument("kind", type=click.Choice(["table", "evaluations", "predictor"]))
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
def remove(client: Client, kind: str, names: tuple[str, ...]) -> None:
    """Remove all versions of uploads or of trained predictors from a service.

    Jobs that were accepted before keep what they need of them.
    """
    for name in names:
        number = client.remove(kind, name)
        click.echo(f"removed {kind} {name}: {number} version{'' if number == 1 else 's'}")
