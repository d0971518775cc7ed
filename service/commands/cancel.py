"""`python -m service cancel`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from service.commands.connection import with_client
from spaces.console.group import OneLine, example

if TYPE_CHECKING:
    from service.client import Client


@click.command(epilog=example("python -m service cancel 5f0c9b7e61d24f6a"))
@with_client
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
def cancel(client: Client, ids: tuple[str, ...]) -> None:
    """Cancel searches and other jobs by their ids."""
    from service.client import ServiceProblem

    refusals = []
    for job_id in ids:
        try:
            client.cancel(job_id)
        except ServiceProblem as error:
            # A job that has ended must not keep the others from being cancelled.
            if error.status not in (404, 409):
                raise
            refusals.append(str(error))
        else:
            click.echo(f"cancelled {job_id}")

    if refusals:
        raise OneLine("; ".join(refusals))
