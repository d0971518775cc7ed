"""`python -m profiler validate`: a table held against networks that it has not seen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from profiler.commands.parameters import SEED
from spaces.console.group import example

if TYPE_CHECKING:
    from profiler.validation import Accuracy, Validation
    from tables.lookup_table import LookupTable


@click.command(epilog=example("python -m profiler validate my-cpu.json --networks 30"))
@click.argument("table")
@click.option(
    "--networks", type=click.IntRange(min=3), default=30, show_default=True, help="Random networks."
)
@click.option(
    "--searched",
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    help="Searched networks at each limit.",
)
@click.option(
    "--rounds",
    type=click.IntRange(min=4),
    default=20,
    show_default=True,
    help="Turns of each network.",
)
@click.option(
    "--correction",
    type=click.Choice(["ridge", "linear", "mlp", "best"]),
    default="ridge",
    show_default=True,
    help="How whole networks correct the block sum.",
)
@click.option(
    "--device", "device_name", default=None, help="cpu, gpu, gpu:1  [default: of the table's kind]"
)
@click.option(
    "--seed", type=SEED, default=1, show_default=True, help="Of the networks and the orders."
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=None,
    help="Write JSON.",
)
def validate(
    table: str,
    networks: int,
    searched: int,
    rounds: int,
    correction: str,
    device_name: str | None,
    seed: int,
    output: Path | None,
) -> None:
    """Measure networks that a table has not seen, and hold its estimates against them.

    Random networks, none of them among the table's, tell its error and how it ranks; the agreement
    of two halves of the measurements is the ceiling of any ranking. Searched networks, which find
    what a table takes for cheap, are measured under limits at the 10th, 50th and 90th percentile of
    the range of limits.
    """
    import json

    import scipy.stats  # noqa: F401 - named as missing before anything is measured

    from profiler.backends.base import Conditions
    from profiler.backends.registry import make
    from profiler.instruments.devices import find
    from profiler.validation import validate as validate_table
    from spaces.console.progress import Bar
    from spaces.files import write_text
    from spaces.registry import get
    from tables.store import load

    found = load(table)
    space, told = get(found.space), found.conditions
    found.measured  # noqa: B018 - raises where the table was imported
    device = find(device_name or ("gpu" if found.device["kind"] == "cuda" else "cpu"))
    conditions = Conditions(
        device.torch_name,
        int(told["batch"]),
        str(told["precision"]),
        int(told["threads"]),
        found.seed,
    )
    backend = make(str(told["backend"]), conditions)
    with Bar(f"validating {found.name}") as bar:
        result = validate_table(
            found,
            space,
            backend,
            networks=networks,
            searched=searched,
            rounds=rounds,
            seed=seed,
            correction=correction,
            progress=bar.update,
        )
    if output is not None:
        write_text(
            output,
            json.dumps({"table": found.name, "seed": seed, **result.to_dict()}, indent=1) + "\n",
        )
    _print(found, result, device.processor)


def _print(table: LookupTable, found: Validation, processor: str) -> None:
    from rich.console import Console

    from profiler.commands.show import compact_table

    console = Console()
    if processor != table.device["processor"]:
        console.print(
            f"[yellow]the table is of {table.device['processor']}, this device is"
            f" {processor}[/yellow]"
        )
    title = f"{found.networks} random networks of {table.space}, {found.rounds} rounds"
    names = "estimate", "MAPE raw", "MAPE", "in 5%", "in 10%", "largest", "Spearman", "Kendall"
    rows = compact_table(*names, title=title)
    rows.add_row("cost model", *_cells(found.estimate))
    rows.add_row("block sum", *_cells(found.block_sum))
    ranks = f"{found.ceiling_spearman:.3f}", f"{found.ceiling_kendall:.3f}"
    rows.add_row("ceiling", "", f"{found.ceiling_mape:.2%}", *[""] * 3, *ranks)
    console.print(rows)
    console.print(
        "ceiling: how well two halves of the rounds agree; a perfect estimate would be off by so"
        " much"
    )
    console.print(
        f"the reference network takes {found.drift:.3f} times as long as at the build, "
        "which is divided out of all but what is called raw"
    )
    limits = compact_table(
        "percentile", "limit", "searched networks", "within it", "within it, raw"
    )
    for limit in found.limits:
        cells = (
            f"{limit.limit_ms:.4g} ms",
            str(limit.networks),
            str(limit.within),
            str(limit.within_raw),
        )
        limits.add_row(f"{limit.percentile}th", *cells)
    console.print(limits)


def _cells(found: Accuracy) -> list[str]:
    shares = found.mape_raw, found.mape
    near = found.within_5, found.within_10
    return [
        *(f"{share:.2%}" for share in shares),
        *(f"{share:.0%}" for share in near),
        f"{found.largest:.2%}",
        f"{found.spearman:.3f}",
        f"{found.kendall:.3f}",
    ]
