"""`python -m tables list`: the lookup tables that can be named."""

from __future__ import annotations

import click

from spaces.console.group import example


@click.command("list", epilog=example("python -m tables list"))
def list_() -> None:
    """List the tables that can be named, with their devices and conditions."""
    from rich.console import Console
    from rich.table import Column, Table

    from tables.errors import InvalidTable
    from tables.lookup_table import LookupTable
    from tables.store import available

    table = Table(
        Column("table", overflow="fold"),
        "space",
        "device",
        "conditions",
        "blocks",
        "networks",
        "date",
    )
    for name, path in available().items():
        try:
            found = LookupTable.read(path)
        except InvalidTable as error:  # one bad file must not hide the others
            table.add_row(name, f"[red]{error}[/red]")
            continue
        told = found.conditions
        conditions = f"{told['backend']} b{told['batch']} {told['precision']} t{told['threads']}"
        counts = str(len(found.blocks)), str(len(found.networks))
        table.add_row(
            name,
            found.space,
            str(found.device["processor"]),
            conditions,
            *counts,
            found.created[:10],
        )
    Console().print(table)
