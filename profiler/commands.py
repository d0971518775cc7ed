"""`python -m profiler`: measure blocks and networks on a device."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from spaces.console import Group, example

if TYPE_CHECKING:
    from tables.lookup_table import LookupTable

SEED = click.IntRange(0, 2**32 - 1)


_NOISY = 0.06


@click.group(cls=Group)
def main() -> None:
    """Measure blocks and networks on a device."""


@main.command(epilog=example("python -m profiler build --device cpu --space spos --budget 90s -o my-cpu.json"))
@click.option("--device", "device_name", default="cpu", show_default=True, help="cpu, gpu, gpu:1")
@click.option("--space", "space_name", default="spos", show_default=True, help="The space whose blocks are measured.")
@click.option("--batch", type=click.IntRange(min=1), default=1, show_default=True, help="Images at a time.")
@click.option("--precision", type=click.Choice(["fp32", "fp16", "bf16"]), default="fp32", show_default=True)
@click.option("--threads", type=click.IntRange(min=1), default=None, help="Torch threads.  [default: all cores]")
@click.option("--budget", default="60s", show_default=True, help="Time to measure for, such as 60s or 2m.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Of the sampled networks.")
@click.option("--name", default=None, help="The table's name.  [default: the file's name]")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), default=None)
def build(
    device_name: str,
    space_name: str,
    batch: int,
    precision: str,
    threads: int | None,
    budget: str,
    seed: int,
    name: str | None,
    output: Path | None,
) -> None:
    """Measure a space's blocks inside whole networks and write a lookup table."""
    budget_s = seconds(budget)
    from profiler.backends.torch_eager import TorchEager
    from profiler.builder import Settings
    from profiler.builder import build as build_table
    from profiler.devices import find
    from spaces.progress import Bar
    from spaces.registry import get
    from tables.store import DEFAULT_FOLDER

    space, device = get(space_name), find(device_name)
    threads = threads or device.threads
    conditions = {"backend": "torch", "batch": batch, "precision": precision, "threads": threads}
    path = output or DEFAULT_FOLDER / f"{table_name(space.name, device.processor, batch, precision, threads)}.json"
    with Bar(f"measuring {space.name} on {device.processor}") as bar:
        table = build_table(
            space,
            TorchEager(device.torch_name, batch, precision, seed),
            Settings(budget_s=budget_s, threads=threads, seed=seed),
            name=name or path.stem,
            device=device.to_dict(),
            conditions=conditions,
            progress=bar.update,
        )
    table.save(path)
    _summarise(table, path)


@main.command(epilog=example("python -m profiler measure arch.json network.onnx --table my-cpu.json"))
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--device", "device_name", default="cpu", show_default=True, help="cpu, gpu, gpu:1")
@click.option("--table", "name", default=None, help="Give this table's estimates beside; it sets the conditions.")
@click.option("--batch", type=click.IntRange(min=1), default=1, show_default=True, help="Images at a time.")
@click.option("--precision", type=click.Choice(["fp32", "fp16", "bf16"]), default="fp32", show_default=True)
@click.option("--threads", type=click.IntRange(min=1), default=None, help="Threads.  [default: all cores]")
@click.option("--rounds", type=click.IntRange(min=3), default=20, show_default=True, help="Turns of each file.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Of the turns' order.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), default=None, help="Write the JSON.")
def measure(
    files: tuple[Path, ...],
    device_name: str,
    name: str | None,
    batch: int,
    precision: str,
    threads: int | None,
    rounds: int,
    seed: int,
    output: Path | None,
) -> None:
    """Measure architectures (JSON) and ONNX models in interleaved rounds, and print JSON.

    An architecture runs in torch as tables are measured, an ONNX model under onnxruntime. With a table, what
    architectures measure is also given as it would have been in the state that the device was in at the build.
    """
    import json

    from profiler.backends.torch_eager import TorchEager
    from profiler.devices import find
    from profiler.measurement import measure_files
    from spaces.files import write_text
    from tables.store import load

    table = load(name) if name else None
    if table is not None:
        batch, precision = int(table.conditions["batch"]), str(table.conditions["precision"])
        threads = int(table.conditions["threads"])
    device = find(device_name)
    threads = threads or device.threads
    backend = TorchEager(device.torch_name, batch, precision, seed)
    found = measure_files(files, backend, threads=threads, table=table, rounds=rounds, seed=seed)
    conditions = {"device": device.processor, "batch": batch, "precision": precision, "threads": threads}
    text = json.dumps({**conditions, "table": name, "rounds": rounds, "measured": found}, indent=1)
    if output is not None:
        write_text(output, text + "\n")
    click.echo(text)


@main.command(epilog=example("python -m profiler show my-cpu.json"))
@click.argument("table")
def show(table: str) -> None:
    """Show a table: its conditions, its blocks, and how well they explain whole networks."""
    from profiler.show import print_table
    from tables.store import load

    print_table(load(table))


@main.command(epilog=example("python -m profiler devices"))
def devices() -> None:
    """List the devices of this machine."""
    from rich.console import Console
    from rich.table import Table

    from profiler.devices import devices as found

    table = Table("--device", "processor", "cores", "system")
    for device in found():
        table.add_row(device.name, device.processor, str(device.identity["cores"]), str(device.identity["system"]))
    Console().print(table)


def seconds(text: str) -> float:
    """A duration such as `60s`, `2m` or `45` in seconds; raises click.BadParameter."""
    units = {"s": 1.0, "m": 60.0, "h": 3600.0}
    number, unit = (text[:-1], units[text[-1]]) if text[-1:] in units else (text, 1.0)
    try:
        value = float(number) * unit
    except ValueError:
        value = -1.0
    if not 0 < value < float("inf"):
        raise click.BadParameter(f"{text!r} is no duration; write 60s, 2m or 1h", param_hint="--budget")
    return value


def table_name(space: str, processor: str, batch: int, precision: str, threads: int) -> str:
    """The name that a table gets by default, such as `spos-amd-epyc-b1-fp32-t2`."""
    words = f"{space} {processor}".lower()
    slug = "-".join("".join(letter if letter.isalnum() else " " for letter in words).split())
    return f"{slug}-b{batch}-{precision}-t{threads}"


def _summarise(table: LookupTable, path: Path) -> None:
    from rich.console import Console

    from spaces.registry import get

    measured, model = table.measurement, table.cost_model(get(table.space))
    least, greatest = model.bounds()
    console = Console(soft_wrap=True)
    console.print(
        f"{len(table.blocks)} blocks and {len(table.networks)} networks in {measured.rounds} rounds, "
        f"{measured.seconds:.0f} s; stopped by {measured.stopped_by}, largest standard error "
        f"{measured.standard_error:.1%}"
    )
    spread = f", sigma {model.sigma:.3g} ms" if model.sigma is not None else ""
    console.print(f"networks of {table.space} take {least.value:.4g} to {greatest.value:.4g} ms{spread}")
    if model.sigma is not None and model.sigma > _NOISY * measured.reference_ms:
        console.print(
            f"[yellow]sigma is {model.sigma / measured.reference_ms:.0%} of a network's latency, and searches keep "
            "1.64 sigma free: a quiet machine or a longer --budget narrows it[/yellow]"
        )
    console.print(f"wrote {path}")
