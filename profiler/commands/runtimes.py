"""`python -m profiler runtimes`: one network on all runtimes of this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from profiler.commands.parameters import (
    BATCH_OPTION,
    DEVICE_OPTION,
    INDEX_OPTION,
    THREADS_OPTION,
    rounds_option,
    seed_option,
    warn_of_threads,
)
from spaces.console.group import example
from spaces.console.outputs import OUTPUT_FILE
from tables.conditions import PRECISIONS

if TYPE_CHECKING:
    from profiler.runtimes import RuntimeLatency

_LEAST_ROUNDS = 3

# Characters of the longest bar.
_BAR = 40


@click.command(
    epilog=example("""
        python -m profiler runtimes arch.json --threads 2
        python -m profiler runtimes found.json --precision int8 --plot runtimes.png
        """)
)
@click.argument("network", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@DEVICE_OPTION
@BATCH_OPTION
@click.option(
    "--precision",
    type=click.Choice(PRECISIONS),
    default="fp32",
    show_default=True,
    help="Precision of the network.",
)
@INDEX_OPTION
@THREADS_OPTION
@rounds_option(_LEAST_ROUNDS, "every runtime")
@seed_option(0, "weights, input and the order in each round")
@click.option("--plot", type=OUTPUT_FILE, default=None, help="PNG file to write the bar chart to.")
@click.option(
    "-o", "--output", type=OUTPUT_FILE, default=None, help="File to write the latencies to as JSON."
)
def runtimes(
    network: Path,
    device_name: str,
    batch: int,
    precision: str,
    index: int,
    threads: int | None,
    rounds: int,
    seed: int,
    plot: Path | None,
    output: Path | None,
) -> None:
    """Measure one network on every runtime of this machine, the fastest first.

    NETWORK is a file with an architecture. Runtimes that are not installed, or that cannot run the
    network under these conditions, are listed with the reason.
    """
    import json

    import numpy as np

    from profiler.backends.base import Conditions
    from profiler.backends.registry import available
    from profiler.errors import UnsupportedConditions
    from profiler.instruments.devices import find
    from profiler.runtimes import measure_runtimes, plot_runtimes
    from spaces.files import write_text
    from spaces.formats import read_architecture
    from spaces.registry import get

    architecture = read_architecture(network, index=index)
    space = get(architecture.space)
    device = find(device_name)
    conditions = Conditions(device.torch_name, batch, precision, threads or device.threads, seed)
    warn_of_threads(conditions.threads, device)

    rng = np.random.default_rng(seed)
    latencies = measure_runtimes(
        space, architecture, conditions, available(), rounds=rounds, rng=rng
    )
    title = (
        f"{space.name} on {device.processor} (batch {batch}, {precision}, threads"
        f" {conditions.threads})"
    )
    _print(latencies, title)
    if all(entry.latency is None for entry in latencies):
        raise UnsupportedConditions(f"no runtime runs {network} under these conditions")

    if plot is not None:
        plot_runtimes(latencies, title, plot)
        click.echo(f"wrote {plot}")
    if output is not None:
        report: dict[str, Any] = {
            "device": device.processor,
            "batch": batch,
            "precision": precision,
            "threads": conditions.threads,
            "rounds": rounds,
            "runtimes": [entry.to_dict() for entry in latencies],
        }
        write_text(output, json.dumps(report, indent=1) + "\n")
        click.echo(f"wrote {output}")


def _print(latencies: list[RuntimeLatency], title: str) -> None:
    """Print latencies with their bars, and why other runtimes have none."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(soft_wrap=True)
    measured = {entry.runtime: entry.latency for entry in latencies if entry.latency is not None}
    if measured:
        fastest = next(iter(measured.values())).latency_ms
        slowest = max(latency.latency_ms for latency in measured.values())
        rows = Table("runtime", "latency", "IQR", "x fastest", "", title=escape(title))
        for name, latency in measured.items():
            bar = "█" * max(1, round(_BAR * latency.latency_ms / slowest))
            rows.add_row(
                name,
                f"{latency.latency_ms:.4g} ms",
                f"{latency.iqr_ms:.2g} ms",
                f"{latency.latency_ms / fastest:.2f}",
                bar,
            )
        console.print(rows)

    for entry in latencies:
        if entry.latency is None:
            console.print(f"{entry.runtime}: {escape(entry.reason)}")
