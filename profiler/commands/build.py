"""`python -m profiler build`: one lookup table for each combination of conditions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from profiler.commands.parameters import (
    BACKEND_OPTION,
    DEVICE_OPTION,
    TABLE_FILE_OPTION,
    TABLE_NAME_OPTION,
    THREADS_OPTION,
    exit_if_interrupted,
    length_options,
    seconds,
    seed_option,
    warn_of_threads,
)
from profiler.commands.plans import make_plans
from profiler.commands.ranges import cost_range
from spaces.console.group import example
from spaces.console.options import ListOf
from tables.conditions import PRECISIONS
from tables.metrics import MARGIN

if TYPE_CHECKING:
    from rich.console import Console

    from tables.cost.model import CostModel
    from tables.lookup_table import LookupTable, Measurement

# Error of networks, relative to their latency, that a table should not exceed.
_LARGEST_ERROR = 0.03


@click.command(
    epilog=example(
        "python -m profiler build --device cpu --space spos --batch 1,8 --budget 90s -o my-cpu.json"
    )
)
@DEVICE_OPTION
@BACKEND_OPTION
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
    help="Precisions, separated by commas.",
)
@click.option(
    "--resolution",
    "resolutions",
    type=ListOf(click.IntRange(min=1)),
    default=None,
    help="Input sizes in pixels, separated by commas.  [default: the space's]",
)
@length_options
@THREADS_OPTION
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
@seed_option(0, "the sampled networks")
@TABLE_NAME_OPTION
@click.option("--upload", "url", default=None, help="Address of a service to upload the tables to.")
@TABLE_FILE_OPTION
def build(
    device_name: str,
    backend: str,
    space_name: str,
    batches: tuple[int, ...],
    precisions: tuple[str, ...],
    resolutions: tuple[int, ...] | None,
    prompt: int | None,
    cache: int | None,
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
    conditions that differ are added to the file's name. Networks of text are measured as they read
    a prompt and as they decode one token with a cache; the table has both. Ctrl-C writes the table
    of the rounds so far. The environment variable PATHFIT_TOKEN has the bearer token of a service.
    """
    budget_s = seconds(budget)
    # Before torch is imported, which starts its threads.
    if cores is not None:
        pin(cores)
    from profiler.instruments.devices import find
    from spaces.files import check_writable_file

    device = find(device_name)
    threads = threads or device.threads
    warn_of_threads(threads, device)
    lengths = {"prompt": prompt, "cache": cache}
    plans = make_plans(
        space_name, resolutions, device, backend, batches, precisions, threads, lengths
    )

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

        # The tables that would follow an interrupted one are not built.
        exit_if_interrupted(table.measured.stopped_by == "interrupt")


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

    # A container may allow fewer cores than the machine has.
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
    space = get(table.space)
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

    phases = measured.phases or {"latency": measured.reference_ms}
    for metric, reference_ms in zip(table.latency_metrics, phases.values(), strict=True):
        _summarise_latency(console, table.cost_model(space, metric), reference_ms, measured)

    console.print(f"wrote {path}")


def _summarise_latency(
    console: Console, model: CostModel, reference_ms: float, measured: Measurement
) -> None:
    """Print the range of a latency, and how far estimates are off.

    Args:
        console: The terminal.
        model: Model of the latency.
        reference_ms: Mean latency of the reference networks.
        measured: Circumstances of the measurement.
    """
    phase = "" if model.metric == "latency_ms" else f"{model.metric}: "
    console.print(f"{phase}networks of {model.space.name} take {cost_range(model, 'ms')}")

    # Sigma is unknown where too few whole networks were measured.
    if model.sigma is None:
        return
    error = model.sigma / reference_ms
    console.print(
        f"{phase}estimates of networks that were left out of the fit are off by {error:.1%}"
        f" (sigma {model.sigma:.3g} ms)"
    )
    if error > _LARGEST_ERROR:
        console.print(
            f"[yellow]{phase}that is more than {_LARGEST_ERROR:.0%}, and searches keep a margin of"
            f" {MARGIN:g} sigma: {_remedy(measured)}[/yellow]"
        )


def _remedy(measured: Measurement) -> str:
    """Return what makes estimates of a table better."""
    if measured.stopped_by == "precision":
        return "build the table while nothing else runs on the machine"
    if measured.stopped_by == "interrupt":
        return "let the build use its whole budget"
    return (
        f"--budget {2 * measured.budget_s:g}s measures more networks, and a quiet machine disturbs"
        " them less"
    )
