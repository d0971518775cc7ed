"""`python -m profiler plan` and `collect`: measurement on a device by the user's own means."""

from __future__ import annotations

from pathlib import Path

import click

from profiler.commands.parameters import TABLE_FILE_OPTION, TABLE_NAME_OPTION, seed_option
from spaces.console.group import command_line, example
from spaces.console.outputs import OUTPUT_LINES
from tables.commands.options import recorded_conditions


@click.command(epilog=example("python -m profiler plan --space spos -n 100 -o networks.jsonl"))
@click.option("--space", "space_name", required=True, help="Space of the networks.")
@click.option(
    "-n",
    "count",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    help="Number of networks; more where the blocks of the space need more.",
)
@seed_option(0, "the networks")
@click.option(
    "-o",
    "--output",
    type=OUTPUT_LINES,
    required=True,
    help="File for the architectures, JSON lines.",
)
def plan(space_name: str, count: int, seed: int, output: Path) -> None:
    """Write a list of networks to measure on a device that Pathfit does not run on.

    Measure them in any way, such as exported files by the vendor's compiler, and write their
    latencies to a CSV file with the columns network (number of the line, from 0) and latency_ms.
    `python -m profiler collect` makes a table of it.
    """
    from profiler.offline import plan_networks
    from spaces.files import write_text
    from spaces.registry import get

    space = get(space_name)
    codes = plan_networks(space, count, seed)
    lines = [architecture.to_json() for architecture in space.decode(codes)]
    write_text(output, "\n".join(lines) + "\n")
    keys, counts = space.block_counts(codes)
    occurring = int((counts.sum(0) > 0).sum())
    click.echo(f"wrote {output}: {len(lines)} networks with {occurring} of {len(keys)} blocks")


@click.command(
    epilog=example(
        "python -m profiler collect networks.jsonl latencies.csv --space spos --device 'my DPU' -o"
        " dpu.json"
    )
)
@click.argument("networks", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("latencies", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--space", "space_name", required=True, help="Space of the networks.")
@click.option("--device", "processor", default="unknown", show_default=True, help="Device's name.")
@recorded_conditions
@TABLE_NAME_OPTION
@TABLE_FILE_OPTION
def collect(
    networks: Path,
    latencies: Path,
    space_name: str,
    processor: str,
    name: str | None,
    output: Path | None,
    **conditions: object,
) -> None:
    """Make a table from the latencies of networks that `plan` wrote.

    LATENCIES is a CSV file with the columns network and latency_ms; of several rows of a network
    the median counts, and networks may be missing. The costs of blocks are solved from the
    latencies; sigma is that of networks that were left out.
    """
    from profiler.offline import collected_table, read_latencies
    from spaces.files import check_writable_file
    from spaces.formats import read_architectures
    from spaces.registry import get
    from tables.store import DEFAULT_FOLDER

    space = get(space_name)
    path = output or DEFAULT_FOLDER / f"{latencies.stem}.json"
    check_writable_file(path)
    architectures = read_architectures(networks, space)
    measured = read_latencies(latencies, len(architectures))
    table = collected_table(
        space,
        architectures,
        measured,
        name=name or path.stem,
        processor=processor,
        conditions=conditions,
        command=command_line(),
    )
    table.save(path)
    least, greatest = table.cost_model(space).bounds()
    click.echo(
        f"{len(measured)} of {len(architectures)} networks measured; networks take"
        f" {least.value:.4g} to {greatest.value:.4g} ms, sigma {table.sigma_ms:.3g} ms"
    )
    click.echo(f"wrote {path}")
