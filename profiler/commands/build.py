"""`python -m profiler build`: one lookup table for each combination of conditions."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from profiler.commands.parameters import (
    PRECISIONS,
    SEED,
    ListOf,
    default_name,
    seconds,
    warn_of_threads,
)
from profiler.instruments.allocator import condition
from spaces.console.group import example
from spaces.console.outputs import OUTPUT_FILE
from tables.metrics import MARGIN

if TYPE_CHECKING:
    from profiler.instruments.devices import Device
    from spaces.space import SearchSpace
    from tables.lookup_table import LookupTable

# Sigma over a network's latency beyond which a table is called noisy.
_NOISY = 0.06


@click.command(
    epilog=example(
        "python -m profiler build --device cpu --space spos --batch 1,8 --budget 90s -o my-cpu.json"
    )
)
@click.option("--device", "device_name", default="cpu", show_default=True, help="cpu, gpu, gpu:1")
@click.option(
    "--backend",
    default="torch",
    show_default=True,
    help="Backend that runs networks; `python -m profiler devices` lists them.",
)
@click.option(
    "--space",
    "space_name",
    default="spos",
    show_default=True,
    help="Space whose blocks are measured.",
)
@click.option(
    "--batch",
    "batches",
    type=ListOf(click.IntRange(min=1)),
    default="1",
    show_default=True,
    help="Batch sizes, separated by commas.",
)
@click.option(
    "--precision",
    "precisions",
    type=ListOf(click.Choice(PRECISIONS)),
    default="fp32",
    show_default=True,
)
@click.option(
    "--resolution",
    "resolutions",
    type=ListOf(click.IntRange(min=1)),
    default=None,
    help="Input sizes in pixels, separated by commas.  [default: the space's]",
)
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    default=None,
    help="Number of threads.  [default: all cores]",
)
@click.option(
    "--cores",
    type=ListOf(click.IntRange(min=0)),
    default=None,
    help="Cores to run on, separated by commas.  [default: all]",
)
@click.option(
    "--budget",
    default="60s",
    show_default=True,
    help="Time for each table, such as 60s or 2m; at least 8 rounds are measured.",
)
@click.option(
    "--seed", type=SEED, default=0, show_default=True, help="Seed of the sampled networks."
)
@click.option("--name", default=None, help="Name of the table.  [default: the file's name]")
@click.option("--upload", "url", default=None, help="Address of a service to upload the tables to.")
@click.option("-o", "--output", type=OUTPUT_FILE, default=None)
def build(
    device_name: str,
    backend: str,
    space_name: str,
    batches: tuple[int, ...],
    precisions: tuple[str, ...],
    resolutions: tuple[int, ...] | None,
    threads: int | None,
    cores: tuple[int, ...] | None,
    budget: str,
    seed: int,
    name: str | None,
    url: str | None,
    output: Path | None,
) -> None:
    """Measure a space's blocks within whole networks and write a lookup table.

    Batch, precision and resolution may be lists: one table is written for each combination, and the
    conditions that differ are added to the file's name. Ctrl-C writes the table of the rounds so
    far. The environment variable PATHFIT_TOKEN has the bearer token of a service.
    """
    budget_s = seconds(budget)
    if cores is not None:
        pin(cores)
    from profiler.instruments.devices import find
    from spaces.files import check_writable_file
    from spaces.registry import get

    device = find(device_name)
    threads = threads or device.threads
    warn_of_threads(threads, device)
    sizes: tuple[int | None, ...] = resolutions or (None,)
    spaces = [get(space_name) if size is None else sized(space_name, size) for size in sizes]
    plans: list[_Plan] = []
    for (size, space), batch, precision in itertools.product(
        zip(sizes, spaces, strict=True), batches, precisions
    ):
        # Only the conditions with several values distinguish the files.
        suffix = f"-r{size}" if len(sizes) > 1 else ""
        suffix += f"-b{batch}" if len(batches) > 1 else ""
        suffix += f"-{precision}" if len(precisions) > 1 else ""
        plans.append(_Plan(space, device, backend, batch, precision, threads, suffix))

    # All files and backends first: one that cannot be written, or conditions that cannot be met,
    # are an error before anything is measured.
    paths = [plan.path(output) for plan in plans]
    for path in paths:
        check_writable_file(path)
    runtimes = [plan.backend(seed) for plan in plans]
    for plan, runtime, path in zip(plans, runtimes, paths, strict=True):
        table_name = f"{name}{plan.suffix}" if name else path.stem
        table = plan.measure(runtime, budget_s, seed, table_name)
        table.save(path)
        _summarise(table, path, threads)
        if url is not None:
            from profiler.upload import upload

            click.echo(f"uploaded to {upload(table, url)}")

        if table.measured.stopped_by == "interrupt":
            # 128 + SIGINT, as shells report it; the tables that would follow are not built.
            raise SystemExit(130)


@dataclass(frozen=True)
class _Plan:
    """A table to build.

    Args:
        space: Space whose blocks are measured.
        device: Device to measure on.
        runtime: Name of the backend.
        batch: Batch size.
        precision: Precision of the numbers.
        threads: Number of threads.
        suffix: Suffix of the file's name, which distinguishes it from the command's other tables.
    """

    space: SearchSpace
    device: Device
    runtime: str
    batch: int
    precision: str
    threads: int
    suffix: str

    def backend(self, seed: int) -> Any:
        from profiler.backends.base import Conditions
        from profiler.backends.registry import make_backend

        conditions = Conditions(
            self.device.torch_name, self.batch, self.precision, self.threads, seed
        )
        return make_backend(self.runtime, conditions)

    def path(self, output: Path | None) -> Path:
        from tables.store import DEFAULT_FOLDER

        if output is not None:
            return output.with_name(f"{output.stem}{self.suffix}{output.suffix}")
        name = default_name(
            self.space.name,
            self.device.processor,
            self.runtime,
            self.batch,
            self.precision,
            self.threads,
        )
        return DEFAULT_FOLDER / f"{name}.json"

    def measure(self, runtime: Any, budget_s: float, seed: int, name: str) -> LookupTable:
        from profiler.building.builder import Instruments, Settings
        from profiler.building.builder import build as build_table
        from profiler.instruments.energy import find_counter
        from profiler.instruments.gpu_state import reader
        from spaces.console.progress import Bar

        conditions = {"backend": self.runtime, "batch": self.batch, "precision": self.precision}
        with Bar(f"measuring {self.space.name} on {self.device.processor}") as bar:
            return build_table(
                self.space,
                runtime,
                Settings(budget_s=budget_s, threads=self.threads, seed=seed),
                name=name,
                device=self.device.to_dict(),
                conditions={**conditions, "threads": self.threads, **condition(), **affinity()},
                progress=bar.update,
                instruments=Instruments(find_counter(self.device), reader(self.device)),
            )


def sized(name: str, size: int) -> SearchSpace:
    """Return the space of a name with images of `size` pixels.

    Raises:
        InvalidParameter: The space has a fixed size.
    """
    from spaces.errors import InvalidParameter
    from spaces.registry import get

    try:
        return get(name, input_size=size)
    except InvalidParameter as error:
        # Spaces that search for the resolution have a list of them in place of a size.
        try:
            return get(name, resolutions=(size,))
        except InvalidParameter:
            raise error from None


def affinity() -> dict[str, list[int]]:
    """Return the cores of this process as a table's conditions record them.

    The result is empty where the system does not report them.
    """
    import os

    if not hasattr(os, "sched_getaffinity"):
        return {}
    return {"affinity": sorted(os.sched_getaffinity(0))}


def pin(cores: tuple[int, ...]) -> None:
    """Run this process, and the threads that it will start, on these cores alone.

    Raises:
        click.BadParameter: The system does not support that, or has no such core.
    """
    import os

    if not hasattr(os, "sched_setaffinity"):
        raise click.BadParameter(
            "this system does not let a process choose its cores", param_hint="--cores"
        )

    usable = os.sched_getaffinity(0)
    if not set(cores) <= usable:
        unknown = sorted(set(cores) - usable)[0]
        raise click.BadParameter(
            f"there is no core {unknown}; available: {', '.join(map(str, sorted(usable)))}",
            param_hint="--cores",
        )

    os.sched_setaffinity(0, cores)


def _summarise(table: LookupTable, path: Path, threads: int) -> None:
    from rich.console import Console

    from profiler.building.settings import FEWEST_ROUNDS
    from spaces.registry import get

    measured = table.measured
    model = table.cost_model(get(table.space))
    least, greatest = model.bounds()
    console = Console(soft_wrap=True)
    console.print(
        f"{len(table.blocks)} blocks and {len(table.networks)} networks in {measured.rounds}"
        f" rounds, {measured.seconds:.0f} s; stopped by {measured.stopped_by}, largest standard"
        f" error {measured.standard_error:.1%}"
    )
    if measured.rounds == FEWEST_ROUNDS and measured.seconds > measured.budget_s:
        console.print(
            f"the budget of {measured.budget_s:g} s is exceeded: a table needs at least"
            f" {FEWEST_ROUNDS} rounds"
        )

    if table.conditions["threads"] != threads:
        console.print(
            f"[yellow]the runtime ran with {table.conditions['threads']} threads, not {threads},"
            " and the table records that[/yellow]"
        )

    spread = f", sigma {model.sigma:.3g} ms" if model.sigma is not None else ""
    console.print(
        f"networks of {table.space} take {least.value:.4g} to {greatest.value:.4g} ms{spread}"
    )
    if model.sigma is not None and model.sigma > _NOISY * measured.reference_ms:
        console.print(
            f"[yellow]sigma is {model.sigma / measured.reference_ms:.0%} of a network's latency,"
            f" and searches keep a margin of {MARGIN:g} sigma: a quiet machine or a longer --budget"
            " reduces it[/yellow]"
        )

    console.print(f"wrote {path}")
