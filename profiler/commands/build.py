"""`python -m profiler build`: one lookup table for each condition that is asked for."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from profiler.commands.parameters import PRECISIONS, SEED, ListOf, seconds, table_name
from profiler.instruments.allocator import condition
from spaces.console.group import example

if TYPE_CHECKING:
    from profiler.instruments.devices import Device
    from spaces.space import SearchSpace
    from tables.lookup_table import LookupTable

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
    help="What runs networks; an unknown name lists those there are.",
)
@click.option(
    "--space",
    "space_name",
    default="spos",
    show_default=True,
    help="The space whose blocks are measured.",
)
@click.option(
    "--batch",
    "batches",
    type=ListOf(click.IntRange(min=1)),
    default="1",
    show_default=True,
    help="Images at a time.",
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
    help="Input sizes in pixels.  [default: the space's own]",
)
@click.option(
    "--threads", type=click.IntRange(min=1), default=None, help="Threads.  [default: all cores]"
)
@click.option(
    "--cores", type=ListOf(click.IntRange(min=0)), default=None, help="Run on these cores alone."
)
@click.option(
    "--budget",
    default="60s",
    show_default=True,
    help="Time to measure each table for, such as 60s or 2m.",
)
@click.option("--seed", type=SEED, default=0, show_default=True, help="Of the sampled networks.")
@click.option("--name", default=None, help="The table's name.  [default: the file's name]")
@click.option(
    "--upload", "url", default=None, help="Hand the tables to the service at this address as well."
)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), default=None)
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
    """Measure a space's blocks inside whole networks and write a lookup table.

    Batch, precision and resolution may be lists: one table is written for each combination, and
    what differs is added to the file's name. A service is told its bearer token by the environment
    variable PATHFIT_TOKEN.
    """
    budget_s = seconds(budget)
    if cores is not None:
        pin(cores)
    from profiler.instruments.devices import find
    from spaces.registry import get

    device = find(device_name)
    spaces = [sized(space_name, size) for size in resolutions] if resolutions else [get(space_name)]
    threads = threads or device.threads
    lists = {"r": len(spaces), "b": len(batches), "p": len(precisions)}
    plans = []
    for (place, space), batch, precision in itertools.product(
        enumerate(spaces), batches, precisions
    ):
        told = {"r": f"r{(resolutions or (0,))[place]}", "b": f"b{batch}", "p": precision}
        ending = "".join(f"-{told[key]}" for key, count in lists.items() if count > 1)
        plans.append(_Plan(space, device, backend, batch, precision, threads, ending))
    # Conditions that cannot be met are told before anything is measured.
    made = [plan.backend(seed) for plan in plans]
    for plan, runtime in zip(plans, made, strict=True):
        path = plan.path(output)
        table = plan.measure(runtime, budget_s, seed, f"{name}{plan.ending}" if name else path.stem)
        table.save(path)
        _summarise(table, path)
        if url is not None:
            from profiler.upload import upload

            click.echo(f"handed to {upload(table, url)}")


@dataclass(frozen=True)
class _Plan:
    """One table to build; `ending` tells it from the others of the same command."""

    space: SearchSpace
    device: Device
    runtime: str
    batch: int
    precision: str
    threads: int
    ending: str

    def backend(self, seed: int) -> Any:
        from profiler.backends.base import Conditions
        from profiler.backends.registry import make

        conditions = Conditions(
            self.device.torch_name, self.batch, self.precision, self.threads, seed
        )
        return make(self.runtime, conditions)

    def path(self, output: Path | None) -> Path:
        from tables.store import DEFAULT_FOLDER

        if output is not None:
            return output.with_name(f"{output.stem}{self.ending}{output.suffix}")
        conditions = self.runtime, self.batch, self.precision, self.threads
        return (
            DEFAULT_FOLDER
            / f"{table_name(self.space.name, self.device.processor, *conditions)}.json"
        )

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
    """The space of a name with images of `size` pixels; raises InvalidParameter where it leaves no
    choice of that.
    """
    from spaces.errors import InvalidParameter
    from spaces.registry import get

    try:
        return get(name, input_size=size)
    except InvalidParameter as error:
        try:
            return get(name, resolutions=(size,))
        except InvalidParameter:
            raise error from None


def affinity() -> dict[str, list[int]]:
    """The cores that this process may run on, as a table's conditions record them; nothing where
    that is not told.
    """
    import os

    return {"affinity": sorted(os.sched_getaffinity(0))} if hasattr(os, "sched_getaffinity") else {}


def pin(cores: tuple[int, ...]) -> None:
    """Run this process, and the threads that it will start, on these cores alone; raises
    click.BadParameter.
    """
    import os

    if not hasattr(os, "sched_setaffinity"):
        raise click.BadParameter(
            "this system does not let a process choose its cores", param_hint="--cores"
        )
    there = os.sched_getaffinity(0)
    if not set(cores) <= there:
        wrong = sorted(set(cores) - there)[0]
        raise click.BadParameter(
            f"there is no core {wrong}; there is: {', '.join(map(str, sorted(there)))}",
            param_hint="--cores",
        )
    os.sched_setaffinity(0, cores)


def _summarise(table: LookupTable, path: Path) -> None:
    from rich.console import Console

    from spaces.registry import get

    measured, model = table.measured, table.cost_model(get(table.space))
    least, greatest = model.bounds()
    console = Console(soft_wrap=True)
    console.print(
        f"{len(table.blocks)} blocks and {len(table.networks)} networks in {measured.rounds}"
        f" rounds, {measured.seconds:.0f} s; stopped by {measured.stopped_by}, largest standard"
        f" error {measured.standard_error:.1%}"
    )
    spread = f", sigma {model.sigma:.3g} ms" if model.sigma is not None else ""
    console.print(
        f"networks of {table.space} take {least.value:.4g} to {greatest.value:.4g} ms{spread}"
    )
    if model.sigma is not None and model.sigma > _NOISY * measured.reference_ms:
        console.print(
            f"[yellow]sigma is {model.sigma / measured.reference_ms:.0%} of a network's latency,"
            " and searches keep 1.64 sigma free: a quiet machine or a longer --budget narrows"
            " it[/yellow]"
        )
    console.print(f"wrote {path}")
