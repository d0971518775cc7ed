"""`python -m profiler`: commands that measure blocks and networks on a device."""

from __future__ import annotations

from pathlib import Path

import click

from profiler.commands.build import build
from profiler.commands.parameters import PRECISIONS, SEED
from profiler.commands.validate import validate
from spaces.console.group import Group, example
from spaces.console.outputs import OUTPUT_FILE


@click.group(cls=Group)
def main() -> None:
    """Measure blocks and networks on a device."""


main.add_command(build)


@main.command(
    epilog=example("python -m profiler measure arch.json network.onnx --table my-cpu.json")
)
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option("--device", "device_name", default="cpu", show_default=True, help="cpu, gpu, gpu:1")
@click.option(
    "--table",
    "name",
    default=None,
    help="Table whose estimates are reported as well; it sets the conditions.",
)
@click.option(
    "--backend",
    "backend_name",
    default="torch",
    show_default=True,
    help="Backend that runs architectures.",
)
@click.option(
    "--batch", type=click.IntRange(min=1), default=1, show_default=True, help="Batch size."
)
@click.option("--precision", type=click.Choice(PRECISIONS), default="fp32", show_default=True)
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    default=None,
    help="Number of threads.  [default: all cores]",
)
@click.option(
    "--rounds",
    type=click.IntRange(min=3),
    default=20,
    show_default=True,
    help="Number of rounds; each times every file.",
)
@click.option(
    "--seed", type=SEED, default=0, show_default=True, help="Seed of the order in each round."
)
@click.option(
    "-o",
    "--output",
    type=OUTPUT_FILE,
    default=None,
    help="File to write the JSON to.",
)
def measure(
    files: tuple[Path, ...],
    device_name: str,
    name: str | None,
    backend_name: str,
    batch: int,
    precision: str,
    threads: int | None,
    rounds: int,
    seed: int,
    output: Path | None,
) -> None:
    """Measure architectures (JSON) and ONNX models in interleaved rounds, and print JSON.

    An architecture runs in the backend as for tables, an ONNX model in onnxruntime. With a table,
    the latencies of its backend's networks are also reported as they would have been in the
    device's state at the build. An ONNX model is one of these networks if `oneshot export` wrote it
    and the table is of onnxruntime.
    """
    import json

    from profiler.backends.base import Conditions
    from profiler.backends.registry import make_backend
    from profiler.instruments.devices import find
    from profiler.measurement import measure_files
    from spaces.files import write_text
    from tables.store import load

    table = load(name) if name else None
    if table is not None:
        # Latencies under other conditions would not compare with the estimates.
        backend_name = str(table.conditions["backend"])
        precision = str(table.conditions["precision"])
        batch = int(table.conditions["batch"])
        threads = int(table.conditions["threads"])
    device = find(device_name)
    threads = threads or device.threads
    conditions = Conditions(device.torch_name, batch, precision, threads, seed)
    backend = make_backend(backend_name, conditions)
    report = {
        "device": device.processor,
        "batch": batch,
        "precision": precision,
        "threads": threads,
        "table": name,
        "rounds": rounds,
        "measured": measure_files(files, backend, conditions, table=table, rounds=rounds),
    }
    text = json.dumps(report, indent=1)
    if output is not None:
        write_text(output, text + "\n")
    click.echo(text)


main.add_command(validate)


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
    type=click.Choice(["ridge", "linear", "mlp", "none", "best"]),
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
