"""`python -m tables`: look at lookup tables, import those of others."""

from __future__ import annotations

from pathlib import Path

import click

from spaces.console import Group, example, typed


@click.group(cls=Group)
def main() -> None:
    """Lookup tables: what was measured, and what networks cost by it."""


@main.command("list", epilog=example("python -m tables list"))
def list_() -> None:
    """List the tables that can be named, with their devices and conditions."""
    from rich.console import Console
    from rich.table import Column, Table

    from tables.errors import InvalidTable
    from tables.lookup_table import LookupTable
    from tables.store import available

    table = Table(Column("table", overflow="fold"), "space", "device", "conditions", "blocks", "networks", "date")
    for name, path in available().items():
        try:
            found = LookupTable.read(path)
        except InvalidTable as error:  # one bad file must not hide the others
            table.add_row(name, f"[red]{error}[/red]")
            continue
        told = found.conditions
        conditions = f"{told['backend']} b{told['batch']} {told['precision']} t{told['threads']}"
        counts = str(len(found.blocks)), str(len(found.networks))
        table.add_row(name, found.space, str(found.device["processor"]), conditions, *counts, found.created[:10])
    Console().print(table)


@main.command(
    "import", epilog=example("python -m tables import mobile_trim.yaml --space proxylessnas --device 'Google Pixel 1'")
)
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--space", "space_name", required=True, help="The space whose blocks are looked for.")
@click.option("--device", "processor", default="unknown", show_default=True, help="What the times were measured on.")
@click.option("--backend", default="unknown", show_default=True, help="The runtime, such as tflite.")
@click.option("--batch", type=click.IntRange(min=1), default=1, show_default=True, help="Images at a time.")
@click.option("--precision", type=click.Choice(["fp32", "fp16", "bf16", "int8"]), default="fp32", show_default=True)
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--name", default=None, help="The table's name.  [default: the file's name]")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), default=None)
def import_(
    files: tuple[Path, ...],
    space_name: str,
    processor: str,
    backend: str,
    batch: int,
    precision: str,
    threads: int,
    name: str | None,
    output: Path | None,
) -> None:
    """Make a lookup table from latency tables of ProxylessNAS and OFA (YAML) or from a CSV file.

    These files do not tell the device and its conditions; the options do. A CSV row is
    key,latency_ms[,iqr_ms[,samples]], its key written as Pathfit or as ProxylessNAS's users do.
    """

    from spaces.registry import get
    from tables.importing import import_table
    from tables.store import DEFAULT_FOLDER

    path = output or DEFAULT_FOLDER / f"{files[0].stem}.json"
    conditions = {"backend": backend, "batch": batch, "precision": precision, "threads": threads}
    found = import_table(
        files,
        get(space_name),
        name=name or path.stem,
        processor=processor,
        conditions=conditions,
        command=typed(),
    )
    found.table.save(path)
    least, greatest = found.table.cost_model(get(space_name)).bounds()
    unused = f"; {len(found.unused)} rows are of other blocks" if found.unused else ""
    click.echo(f"{len(found.table.blocks)} blocks of {found.table.space}, written as {found.source} does{unused}")
    click.echo(f"networks take {least.value:.4g} to {greatest.value:.4g} ms")
    click.echo(f"wrote {path}")


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
