"""`python -m service refine`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from service.commands.connection import with_client
from spaces.console.group import example

if TYPE_CHECKING:
    from service.client import Client


@click.command(epilog=example("python -m service refine my-board-spos-tiny SEARCH"))
@with_client
@click.argument("table")
@click.argument("search")
@click.option("--name", default=None, help="Name of the new version.  [default: TABLE]")
@click.option("--shared", is_flag=True, help="Add it to the shared library.")
def refine(client: Client, table: str, search: str, name: str | None, shared: bool) -> None:
    """Add the networks that a search measured to a table, as a new version.

    SEARCH is the id of a search with `verify` on the device of TABLE.
    """
    refined = client.refine_table(table, search, name, shared=shared)
    before, after = (sigma or 0.0 for sigma in (refined.sigma_before_ms, refined.sigma_ms))
    click.echo(
        f"{refined.uploaded.name}, version {refined.uploaded.version}: added {refined.added} to"
        f" {refined.networks - refined.added} networks, sigma {before:.4g} -> {after:.4g} ms"
    )
