"""`python -m profiler`: commands that measure blocks and networks on a device."""

from __future__ import annotations

from pathlib import Path

import click

from profiler.commands.adapt import adapt
from profiler.commands.agent import agent
from profiler.commands.build import build
from profiler.commands.measure import measure
from profiler.commands.offline import collect, plan
from profiler.commands.refine import refine
from profiler.commands.runtimes import runtimes
from profiler.commands.validate import validate
from spaces.console.group import Group, example
from spaces.console.outputs import OUTPUT_FILE


@click.group(
    cls=Group,
    epilog=example("""
        python -m profiler devices
        python -m profiler build --device cpu --space spos -o my-cpu.json
        """),
)
def main() -> None:
    """Measure blocks and networks on a device."""


main.add_command(build)
main.add_command(adapt)
main.add_command(refine)
main.add_command(plan)
main.add_command(collect)


main.add_command(measure)
main.add_command(runtimes)
main.add_command(validate)
main.add_command(agent)


@main.command(epilog=example("python -m profiler show my-cpu.json --plot my-cpu.png"))
@click.argument("table")
@click.option(
    "--plot",
    type=OUTPUT_FILE,
    default=None,
    help="PNG file to write a picture to.",
)
@click.option(
    "--correction",
    type=click.Choice(["ridge", "linear", "mlp", "lstm", "none", "best"]),
    default="ridge",
    show_default=True,
    help="Correction of the block sum by whole networks; best compares them by cross-validation.",
)
def show(table: str, plot: Path | None, correction: str) -> None:
    """Show a table: its conditions, its blocks, and how well they explain whole networks.

    The picture shows predicted over measured latencies, and the cost of each candidate.
    """
    from profiler.commands.show import print_table
    from tables.store import load

    lookup_table = load(table)
    if plot is None:
        print_table(lookup_table, correction)
        return

    from profiler.plots import plot_table

    # The picture first: a folder that cannot be written to is an error without a long output.
    plot_table(lookup_table, plot)
    print_table(lookup_table, correction)
    click.echo(f"wrote {plot}")


@main.command(epilog=example("python -m profiler compare my-cpu.json my-gpu.json"))
@click.argument("first")
@click.argument("second")
def compare(first: str, second: str) -> None:
    """Compare two tables: conditions, blocks, and how they rank networks."""
    from profiler.comparison import compare as compare_tables
    from profiler.comparison import print_comparison
    from tables.store import load

    first_table = load(first)
    second_table = load(second)
    names = (first_table.name, second_table.name)

    # Tables of the same name are distinguished by their files.
    if first_table.name == second_table.name:
        names = (first, second)
    print_comparison(compare_tables(first_table, second_table), names)


@main.command(epilog=example("python -m profiler devices"))
def devices() -> None:
    """List the devices of this machine, and the backends."""
    from rich.console import Console
    from rich.table import Table

    from profiler.backends.registry import available
    from profiler.instruments.devices import devices as find_devices

    table = Table("--device", "processor", "cores", "system")
    for device in find_devices():
        table.add_row(
            device.name,
            device.processor,
            str(device.identity["cores"]),
            str(device.identity["system"]),
        )

    Console().print(table)
    click.echo(f"backends: {', '.join(available())}")
