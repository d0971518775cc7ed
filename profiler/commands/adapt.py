"""`python -m profiler adapt`: a table from a few measured networks and other devices' tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from profiler.commands.parameters import (
    BACKEND_OPTION,
    BATCH_OPTION,
    DEVICE_OPTION,
    TABLE_FILE_OPTION,
    TABLE_NAME_OPTION,
    THREADS_OPTION,
    exit_if_interrupted,
    seconds,
    seed_option,
    warn_of_threads,
)
from profiler.commands.plans import TablePlan, make_plans
from profiler.commands.ranges import cost_range
from spaces.console.group import example
from spaces.console.options import ListOf
from tables.conditions import PRECISIONS

if TYPE_CHECKING:
    from profiler.instruments.devices import Device
    from tables.lookup_table import LookupTable


@click.command(
    epilog=example(
        "python -m profiler adapt --from my-cpu.json,my-gpu.json --networks 10 -o my-board.json"
    )
)
@click.option(
    "--from",
    "sources",
    type=ListOf(click.STRING),
    required=True,
    help="Tables of other devices, separated by commas; all of one space.",
)
@DEVICE_OPTION
@BACKEND_OPTION
@click.option(
    "--networks",
    type=click.IntRange(min=3),
    default=10,
    show_default=True,
    help="Number of networks to measure.",
)
@BATCH_OPTION
@click.option(
    "--precision",
    type=click.Choice(PRECISIONS),
    default="fp32",
    show_default=True,
    help="Precision of the numbers.",
)
@THREADS_OPTION
@click.option(
    "--budget",
    default="30s",
    show_default=True,
    help="Time for the measurement, such as 30s or 2m; at least 4 rounds are measured.",
)
@seed_option(0, "the measured networks and their orders")
@TABLE_NAME_OPTION
@click.option("--upload", "url", default=None, help="Address of a service to upload the table to.")
@TABLE_FILE_OPTION
def adapt(
    sources: tuple[str, ...],
    device_name: str,
    backend: str,
    networks: int,
    batch: int,
    precision: str,
    threads: int | None,
    budget: str,
    seed: int,
    name: str | None,
    url: str | None,
    output: Path | None,
) -> None:
    """Make a device's table from a few measured networks and the tables of other devices.

    The networks are those from which the others learn most. Their latencies, the costs of all
    networks on the other devices and the networks' architectures predict the latencies of the space
    on this device; the table has blocks that sum up to the predictions, and the predictions'
    deviation as sigma. Ctrl-C uses the rounds so far, if there are four, with exit code 130. The
    environment variable PATHFIT_TOKEN has the bearer token of a service.
    """
    from profiler.adapting.adapter import adapt as adapt_table
    from profiler.adapting.table import Adaptation
    from profiler.instruments.devices import find
    from spaces.console.progress import Bar
    from spaces.files import check_writable_file
    from tables.store import load

    budget_s = seconds(budget)
    adaptation = Adaptation.from_tables([load(source) for source in sources], seed)
    device = find(device_name)
    threads = threads or device.threads
    warn_of_threads(threads, device)

    plan = _plan(adaptation.space.name, device, backend, batch, precision, threads)
    path = plan.path(output)
    check_writable_file(path)
    runtime = plan.backend(seed)

    with Bar(f"measuring {networks} networks on {device.processor}") as bar:
        table = adapt_table(
            adaptation,
            runtime,
            name=name or path.stem,
            device=device.to_dict(),
            conditions=plan.conditions,
            networks=networks,
            budget_s=budget_s,
            threads=threads,
            seed=seed,
            progress=bar.update,
        )
    table.save(path)
    _summarise(table, adaptation.sources, networks, path)

    if url is not None:
        _upload(table, url)
    exit_if_interrupted(table.measured.stopped_by == "interrupt")


def _plan(
    space_name: str, device: Device, backend: str, batch: int, precision: str, threads: int
) -> TablePlan:
    """Return the plan of a built table, which has the same conditions and default file."""
    (plan,) = make_plans(space_name, None, device, backend, (batch,), (precision,), threads, {})
    return plan


def _upload(table: LookupTable, url: str) -> None:
    from profiler.upload import upload

    click.echo(f"uploaded to {upload(table, url)}")


def _summarise(table: LookupTable, sources: tuple[str, ...], networks: int, path: Path) -> None:
    from spaces.registry import get

    measured = table.measured
    click.echo(
        f"{networks} networks in {measured.rounds} rounds, {measured.seconds:.0f} s; stopped by"
        f" {measured.stopped_by}, largest standard error {measured.standard_error:.1%}"
    )
    model = table.cost_model(get(table.space))
    click.echo(
        f"networks of {table.space} take {cost_range(model, 'ms')}, sigma"
        f" {model.sigma:.3g} ms, adapted from {', '.join(sources)}"
    )
    click.echo(f"wrote {path}")
