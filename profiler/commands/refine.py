"""`python -m profiler refine`: a new version of a table, with networks that were measured later."""

from __future__ import annotations

from pathlib import Path

import click

from profiler.commands.parameters import TABLE_NAME_OPTION
from spaces.console.group import example
from spaces.console.outputs import OUTPUT_FILE


@click.command(
    epilog=example(
        "python -m profiler refine my-cpu.json found.json.measured.json -o my-cpu-2.json"
    )
)
@click.argument("table")
@click.argument("measured", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@TABLE_NAME_OPTION
@click.option(
    "-o",
    "--output",
    type=OUTPUT_FILE,
    required=True,
    help="File of the new version.",
)
def refine(table: str, measured: Path, name: str | None, output: Path) -> None:
    """Add measured networks to a table as a new version, so that its estimates err less.

    MEASURED is the file that `oneshot search --verify` writes next to its result. Its networks must
    have been measured on the table's device, under its conditions and next to its reference
    networks; those with a standard error of more than 5%, on a busy device, are left out. `python
    -m profiler validate NEW --before TABLE` compares both versions.
    """
    from profiler.refining import MAX_ERROR, without_unsteady
    from profiler.refining import refine as refine_table
    from spaces.registry import get
    from tables.network_measurements import NetworkMeasurements
    from tables.store import load

    old = load(table)
    measurements = NetworkMeasurements.read(measured)
    new = refine_table(old, measurements, name=name or output.stem)
    new.save(output)

    space = get(old.space)
    before, after = (version.cost_model(space).sigma or 0.0 for version in (old, new))
    added = len(new.networks) - len(old.networks)
    unsteady = len(measurements.networks) - len(without_unsteady(measurements).networks)
    if unsteady:
        click.echo(
            f"left out {unsteady} networks with standard errors of more than {MAX_ERROR:.0%}"
        )
    click.echo(
        f"added {added} of {len(measurements.networks)} networks to the {len(old.networks)} of"
        f" {old.name}; sigma {before:.4g} -> {after:.4g} ms"
    )
    click.echo(f"wrote {output}")
