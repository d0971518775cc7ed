"""`python -m tables estimate`: what an architecture costs by a table."""

from __future__ import annotations

import click

from spaces.console.group import example


@click.command(epilog=example("python -m tables estimate arch.json --table my-cpu.json"))
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option("--table", "name", required=True, help="A table's name or path.")
def estimate(file: str, name: str) -> None:
    """Estimate the costs of an architecture by a table, as JSON.

    Its peak memory of activations and its energy are told where the table has figures of them.
    """
    import json
    from pathlib import Path

    from spaces import formats
    from spaces.registry import get
    from tables.cost.builders import measured_models
    from tables.store import load

    architecture = formats.read(Path(file))
    space, table = get(architecture.space), load(name)
    found = measured_models(table, space)
    latency = found["latency_ms"]
    report = {
        "table": table.name,
        "latency_ms": round(float(latency.estimate([architecture])[0]), 4),
        "sigma_ms": None if latency.sigma is None else round(latency.sigma, 4),
        "macs": space.macs(architecture),
        "params": space.params(architecture),
    }
    if "memory_bytes" in found:
        report["memory_bytes"] = int(found["memory_bytes"].estimate([architecture])[0])
    if "energy_mj" in found:
        energy = found["energy_mj"]
        report["energy_mj"] = round(float(energy.estimate([architecture])[0]), 4)
        report["sigma_mj"] = None if energy.sigma is None else round(energy.sigma, 4)
    click.echo(json.dumps(report, indent=1))
