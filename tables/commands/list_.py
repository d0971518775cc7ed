"""`python -m tables list`: the lookup tables that are found by name."""

from __future__ import annotations

import click

from spaces.console.group import example


@click.command("list", epilog=example("python -m tables list"))
def list_() -> None:
    """List the lookup tables with their devices and conditions."""
    from rich.console import Console
    from rich.table import Column, Table

    from tables.errors import InvalidTable
    from tables.lookup_table import LookupTable
    from tables.store import available

    rows = Table(
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
            lookup_table = LookupTable.read(path)
        # One bad file must not hide the others.
        except InvalidTable as error:
            rows.add_row(name, f"[red]{error}[/red]")
            continue
        conditions = lookup_table.conditions
        rows.add_row(
            name,
            lookup_table.space,
            str(lookup_table.device["processor"]),
            f"{conditions['backend']} b{conditions['batch']} {conditions['precision']}"
            f" t{conditions['threads']}",
            str(len(lookup_table.blocks)),
            str(len(lookup_table.networks)),
            lookup_table.created[:10],
        )
    Console().print(rows)
