"""`python -m profiler`: measure blocks and networks on a device."""

from __future__ import annotations

from pathlib import Path

import click

from profiler.commands.build import build
from profiler.commands.parameters import PRECISIONS, SEED
from profiler.commands.validate import validate
from spaces.console.group import Group, example


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
    help="Give this table's estimates beside; it sets the conditions.",
)
@click.option(
    "--backend", "backend_name", default="torch", show_default=True, help="What runs architectures."
)
@click.option(
    "--batch", type=click.IntRange(min=1), default=1, show_default=True, help="Images at a time."
)
@click.option("--precision", type=click.Choice(PRECISIONS), default="fp32", show_default=True)
@click.option(
    "--threads", type=click.IntRange(min=1), default=None, help="Threads.  [default: all cores]"
)
@click.option(
    "--rounds",
    type=click.IntRange(min=3),
    default=20,
    show_default=True,
    help="Turns of each file.",
)
@click.option("--seed", type=SEED, default=0, show_default=True, help="Of the turns' order.")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=None,
    help="Write the JSON.",
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

    An architecture runs in the backend as tables are measured, an ONNX model under onnxruntime.
    With a table, what the networks of its backend measure is also given as it would have been in
    the state that the device was in at the build; an ONNX model is one of them where `oneshot
    export` wrote it and the table is of onnxruntime.
    """
    import json

    from profiler.backends.base import Conditions
    from profiler.backends.registry import make
    from profiler.instruments.devices import find
    from profiler.measurement import measure_files
    from spaces.files import write_text
    from tables.store import load

    table = load(name) if name else None
    if table is not None:
        backend_name, precision = (
            str(table.conditions["backend"]),
            str(table.conditions["precision"]),
        )
        batch, threads = int(table.conditions["batch"]), int(table.conditions["threads"])
    device = find(device_name)
    threads = threads or device.threads
    conditions = Conditions(device.torch_name, batch, precision, threads, seed)
    found = measure_files(
        files, make(backend_name, conditions), conditions, table=table, rounds=rounds
    )
    told = {"device": device.processor, "batch": batch, "precision": precision, "threads": threads}
    text = json.dumps({**told, "table": name, "rounds": rounds, "measured": found}, indent=1)
    if output is not None:
        write_text(output, text + "\n")
    click.echo(text)


main.add_command(validate)


@main.command(epilog=example("python -m profiler show my-cpu.json --plot my-cpu.png"))
@click.argument("table")
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
    default=None,
    help="Write a PNG as well.",
)
@click.option(
    "--correction",
    type=click.Choice(["ridge", "linear", "mlp", "none", "best"]),
    default="ridge",
    show_default=True,
    help="How whole networks correct the block sum; best compares them by cross-validation.",
)
def show(table: str, plot: Path | None, correction: str) -> None:
    """Show a table: its conditions, its blocks, and how well they explain whole networks.

    The picture has predicted over measured latency, and what each candidate of each layer costs.
    """
    from profiler.commands.show import print_table
    from tables.store import load

    found = load(table)
    if plot is None:
        print_table(found, correction)
        return
    from profiler.plots import plot_table

    plot_table(found, plot)
    print_table(found, correction)
    click.echo(f"wrote {plot}")


@main.command(epilog=example("python -m profiler compare my-cpu.json my-gpu.json"))
@click.argument("first")
@click.argument("second")
def compare(first: str, second: str) -> None:
    """Compare two tables: conditions, blocks, and how they rank networks."""
    from profiler.comparison import compare as compare_tables
    from profiler.comparison import print_comparison
    from tables.store import load

    tables = load(first), load(second)
    names = (
        (tables[0].name, tables[1].name) if tables[0].name != tables[1].name else (first, second)
    )
    print_comparison(compare_tables(*tables), names)


@main.command(epilog=example("python -m profiler devices"))
def devices() -> None:
    """List the devices of this machine, and the backends."""
    from rich.console import Console
    from rich.table import Table

    from profiler.backends.registry import available
    from profiler.instruments.devices import devices as found

    table = Table("--device", "processor", "cores", "system")
    for device in found():
        table.add_row(
            device.name,
            device.processor,
            str(device.identity["cores"]),
            str(device.identity["system"]),
        )
    Console().print(table)
    click.echo(f"backends: {', '.join(available())}")
