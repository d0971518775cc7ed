"""`python -m tables estimate`: the costs of an architecture by a lookup table."""

from __future__ import annotations

from typing import Any

import click

from spaces.console.group import example


@click.command(epilog=example("python -m tables estimate arch.json --table my-cpu.json"))
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option("--table", "name", required=True, help="Name or path of the lookup table.")
@click.option(
    "--index",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Index of the architecture in a file of several, such as a search result.",
)
def estimate(file: str, name: str, index: int) -> None:
    """Estimate the costs of an architecture by a lookup table, as JSON.

    FILE holds an architecture in any format that can be detected, a search result, or a list.

    The report includes the peak memory of activations and the energy where the table has figures
    of them. Of networks of text it has the latencies of a prompt and of a token, and memory is that
    of weights and cache.
    """
    import json

    from spaces import formats
    from spaces.registry import get
    from tables.cost.builders import measured_models
    from tables.store import load

    architecture = formats.read_architecture(file, index=index)
    space, table = get(architecture.space), load(name)
    models = measured_models(table, space)
    report: dict[str, Any] = {"table": table.name}
    # Every table has latencies, while memory and energy depend on the device.
    for metric in table.latency_metrics:
        latency = models[metric]
        prefix = "" if metric == "latency_ms" else f"{metric.removesuffix('_ms')}_"
        report[metric] = round(float(latency.estimate([architecture])[0]), 4)
        report[f"{prefix}sigma_ms"] = None if latency.sigma is None else round(latency.sigma, 4)

    report["macs"] = space.macs(architecture)
    if space.has_binary_macs:
        report["binary_macs"] = space.binary_macs(architecture)
    report["params"] = space.params(architecture)
    if "memory_bytes" in models:
        report["memory_bytes"] = int(models["memory_bytes"].estimate([architecture])[0])
    if "energy_mj" in models:
        energy = models["energy_mj"]
        report["energy_mj"] = round(float(energy.estimate([architecture])[0]), 4)
        report["sigma_mj"] = None if energy.sigma is None else round(energy.sigma, 4)
    click.echo(json.dumps(report, indent=1))
