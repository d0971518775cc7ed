"""`python -m tables estimate`: what an architecture costs by a table."""

from __future__ import annotations

import click

from spaces.console import example


@click.command(epilog=example("python -m tables estimate arch.json --table my-cpu.json"))
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
