"""Compare the corrections of block sums on lookup tables, by cross-validation.

    python benchmarks/corrections.py amd-epyc-spos-b1-fp32-t2 amd-epyc-proxylessnas-b1-fp32-t2

`linear`, `mlp` and `lstm` are the performance models of aw_nas, `ridge` is Pathfit's own. The
relative error is the root mean square of 5-fold residuals over the mean latency of the networks.
Block sums of tables whose costs were solved from these networks have no such error.
"""

from __future__ import annotations

import click
import numpy as np
from rich.console import Console
from rich.table import Table

import tables
from spaces.registry import get
from tables.cost.fitting import CORRECTIONS


@click.command()
@click.argument("names", nargs=-1, required=True)
@click.option("--kind", "kinds", type=click.Choice(CORRECTIONS), multiple=True, default=CORRECTIONS)
def main(names: tuple[str, ...], kinds: tuple[str, ...]) -> None:
    """Print the relative error of each correction on each lookup table."""
    table = Table("table", "networks", "block sums", *kinds)
    for name in names:
        lookup_table = tables.load(name)
        space = get(lookup_table.space)
        codes, latencies = lookup_table.network_latencies()
        mean = float(np.mean(latencies))

        errors: list[float | None] = [None]
        # Solved costs explain the networks that they are of better than others.
        if not lookup_table.is_solved:
            sums = lookup_table.cost_model(space, correction="none").estimate(space.check(codes))
            errors = [float(np.sqrt(np.mean((latencies - sums) ** 2)))]

        for kind in kinds:
            correction = lookup_table.cost_model(space, correction=kind).correction
            assert correction is not None
            errors.append(correction.residual)

        cells = ("-" if error is None else f"{error / mean:.4f}" for error in errors)
        table.add_row(name, str(len(codes)), *cells)
    Console().print(table)


if __name__ == "__main__":
    main()
