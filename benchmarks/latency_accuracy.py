"""How well a table predicts whole networks that it has not seen.

    python benchmarks/latency_accuracy.py --space spos --budget 80 --threads 2

Builds a table, then measures random networks in interleaved rounds in the same process and prints, for the corrected
estimate and for the plain block sum: the mean and largest absolute error, as measured and after dividing by the drift
of the reference network, and the rank correlation beside its ceiling, the agreement of two halves of the rounds.
"""

from __future__ import annotations

import click
import numpy as np
from rich.console import Console
from rich.table import Table

import spaces
from profiler.backends.torch_eager import TorchEager
from profiler.builder import Settings, build
from profiler.devices import find
from profiler.timing import interleaved, quiet
from spaces.progress import Bar


@click.command()
@click.option("--space", "name", default="spos", show_default=True)
@click.option("--budget", type=float, default=80.0, show_default=True, help="Seconds to build the table for.")
@click.option("--threads", type=int, default=2, show_default=True)
@click.option("--networks", type=int, default=30, show_default=True)
@click.option("--rounds", type=int, default=20, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
def main(name: str, budget: float, threads: int, networks: int, rounds: int, seed: int) -> None:
    """Measure the accuracy of a fresh table on this processor."""
    from scipy.stats import kendalltau, spearmanr

    space, device = spaces.get(name), find("cpu")
    conditions = {"backend": "torch", "batch": 1, "precision": "fp32", "threads": threads}
    with Bar(f"building {name}") as bar:
        settings = Settings(budget_s=budget, threads=threads, seed=seed)
        backend = TorchEager("cpu", seed=seed)
        table = build(
            space,
            backend,
            settings,
            name=name,
            device=device.to_dict(),
            conditions=conditions,
            progress=bar.update,
        )
    rng = np.random.default_rng(seed + 1)
    codes = space.sample(rng, networks)
    runners = [backend.runner(space.blocks(architecture)) for architecture in space.decode(codes)]
    reference = space.architecture(table.measurement.reference_codes)
    with quiet(threads):
        for runner in runners:
            runner.whole()
        times = np.array(interleaved([*runners, backend.runner(space.blocks(reference))], rounds, 3, rng))
    measured, halves = np.median(times[:-1], 1), [np.median(times[:-1, part::2], 1) for part in (0, 1)]
    drift = table.measurement.reference_ms / np.median(times[-1])
    model = table.cost_model(space)
    assert model.block_sum is not None
    console = Console()
    rows = Table(
        "estimate", "MAPE raw", "MAPE drift divided", "largest", "Spearman", "Kendall", title=f"{networks} of {name}"
    )
    for title, estimate in (("corrected", model.estimate(codes)), ("block sum", model.block_sum.sum(codes))):
        raw, even = np.abs(estimate / measured - 1), np.abs(estimate / (measured * drift) - 1)
        errors = f"{raw.mean():.2%}", f"{even.mean():.2%}", f"{even.max():.2%}"
        ranks = f"{spearmanr(estimate, measured).statistic:.3f}", f"{kendalltau(estimate, measured).statistic:.3f}"
        rows.add_row(title, *errors, *ranks)
    ceiling = f"{spearmanr(*halves).statistic:.3f}", f"{kendalltau(*halves).statistic:.3f}"
    rows.add_row("ceiling (halves)", "", "", "", *ceiling)
    console.print(rows)
    found = table.measurement
    console.print(
        f"built in {found.seconds:.0f} s, {found.rounds} rounds, stopped by {found.stopped_by}; drift {drift:.3f}; "
        f"sigma {model.sigma:.3g} ms; measured {measured.min():.4g} to {measured.max():.4g} ms; "
        f"{np.mean(measured * drift <= model.upper(codes)):.0%} within estimate + 1.64 sigma"
    )


if __name__ == "__main__":
    main()
