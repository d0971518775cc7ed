"""`python -m tables`: look at lookup tables."""

from __future__ import annotations

import click

from spaces.console import Group, example


@click.group(cls=Group)
def main() -> None:
    """Lookup tables: what was measured, and what networks cost by it."""


@main.command("list", epilog=example("python -m tables list"))
def list_() -> None:
    """List the tables that can be named, with their devices and conditions."""
    from rich.console import Console
    from rich.table import Table

    from tables.errors import InvalidTable
    from tables.lookup_table import LookupTable
    from tables.store import available

    table = Table("table", "space", "device", "conditions", "blocks", "networks", "date")
    for name, path in available().items():
        try:
            found = LookupTable.read(path)
        except InvalidTable as error:  # one bad file must not hide the others
            table.add_row(name, f"[red]{error}[/red]")
            continue
        conditions = " ".join(f"{key}={value}" for key, value in found.conditions.items())
        counts = str(len(found.blocks)), str(len(found.networks))
        table.add_row(name, found.space, str(found.device["processor"]), conditions, *counts, found.created[:10])
    Console().print(table)


@main.command(epilog=example("python -m tables estimate arch.json --table my-cpu.json"))
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option("--table", "name", required=True, help="A table's name or path.")
def estimate(file: str, name: str) -> None:
    """Estimate the costs of an architecture by a table, as JSON."""
    import json

    from spaces.architecture import Architecture
    from spaces.registry import get
    from tables.store import load

    architecture = Architecture.read(file)
    space, table = get(architecture.space), load(name)
    model = table.cost_model(space, "latency_ms")
    report = {
        "table": table.name,
        "latency_ms": round(float(model.estimate([architecture])[0]), 4),
        "sigma_ms": None if model.sigma is None else round(model.sigma, 4),
        "macs": space.macs(architecture),
        "params": space.params(architecture),
    }
    click.echo(json.dumps(report, indent=1))
