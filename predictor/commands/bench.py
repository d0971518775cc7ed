"""`python -m predictor bench`: measure predictors on a benchmark."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from predictor.commands.options import OUTPUT
from predictor.registry import DEFAULT, available
from spaces.console import example, typed


def _counts(ctx: click.Context, parameter: click.Parameter, text: str) -> list[int]:
    try:
        counts = [int(part) for part in text.split(",")]
    except ValueError as error:
        raise click.BadParameter(f"write numbers with commas between, such as 78,390, not {text!r}") from error
    if min(counts) < 10:
        raise click.BadParameter(f"a predictor needs at least 10 architectures; got {min(counts)}")
    return counts


@click.command(
    epilog=example("python -m predictor bench --benchmark nasbench201 --train 78,390,781 --seeds 5 -o bench.json")
)
@click.option("--benchmark", "name", default="nasbench201", show_default=True, help="See `python -m tables`.")
@click.option("--data", type=click.Path(exists=True, path_type=Path), default=None, help="Its file, or a folder.")
@click.option("--metric", default=None, help="What to predict; by default the benchmark's own.")
@click.option("--train", "counts", default="78,390,781", show_default=True, callback=_counts, help="To fit on.")
@click.option("--seeds", type=click.IntRange(min=1), default=5, show_default=True, help="Seeds 0, 1, ... of each.")
@click.option("--first-seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option(
    "--encoder",
    "kinds",
    type=click.Choice(available()),
    multiple=True,
    default=[DEFAULT],
    show_default=True,
    help="May be given several times.",
)
@click.option(
    "--split",
    "splits",
    type=click.Choice(["random", "classes"]),
    multiple=True,
    default=["random"],
    show_default=True,
    help="classes: test on no network that is isomorphic to one trained on. May be given twice.",
)
@click.option("--auxiliary", multiple=True, help="A metric known of all architectures, NAME or NAME:EPOCHS.")
@click.option("--journal", type=OUTPUT, default=None, help="Keep every trial here; what stands there is not repeated.")
@click.option("--plot", type=OUTPUT, default=None, help="Draw tau over the training architectures.")
@click.option("-o", "--output", type=OUTPUT, default=None, help="Write all figures (JSON).")
def bench(
    name: str,
    data: Path | None,
    metric: str | None,
    counts: list[int],
    seeds: int,
    first_seed: int,
    kinds: tuple[str, ...],
    splits: tuple[Any, ...],
    auxiliary: tuple[str, ...],
    journal: Path | None,
    plot: Path | None,
    output: Path | None,
) -> None:
    """Fit on some architectures of a benchmark, test on the rest: Kendall's tau, mean and deviation over seeds."""
    from predictor.trial import Trials
    from predictor.trial_journal import TrialJournal
    from spaces.files import write_text
    from spaces.progress import Bar
    from tables.benchmarks.registry import benchmark as load

    source = load(name, data)
    click.echo(f"benchmark: {source.source}")
    trials = Trials.of(source, metric, auxiliary)
    settings: dict[str, Any] = {
        "benchmark": name,
        "metric": metric or source.default_metric,
        "auxiliary": sorted(auxiliary),
    }
    kept = TrialJournal(journal, settings)
    every = range(first_seed, first_seed + seeds)
    fits = [(kind, count, seed) for count in counts for kind in kinds for seed in every]
    with Bar(f"{len(fits)} fits on {name}") as bar:
        for index, (kind, count, seed) in enumerate(fits):
            left = [split for split in splits if (kind, split, count, seed) not in kept.done]
            if not left:
                continue
            state = f"{kind}, {count} architectures, seed {seed}"

            def told(share: float, text: str, index: int = index, state: str = state) -> None:
                bar.update((index + share) / len(fits), state)

            for split, figures in trials.run(kind, count, seed, left, told).items():
                kept.append((kind, split, count, seed), figures)
    keys = [(kind, split, count, seed) for kind, count, seed in fits for split in splits]
    found = {key: kept.done[key] for key in keys}
    rows = _rows(found, kinds, splits, counts)
    known = f", knowing {', '.join(auxiliary)}" if auxiliary else ""
    _show(rows, name, counts, f"Kendall's tau on {name}, {settings['metric']}{known}")
    if plot is not None:
        from predictor.plot import tau_plot

        tau_plot(plot, rows, name)
    if output is not None:
        listed = [{"trial": list(key), **figures} for key, figures in found.items()]
        report = {"command": typed(), **settings, "source": str(source.source), "rows": rows, "trials": listed}
        write_text(output, json.dumps(report, indent=1) + "\n")
        click.echo(f"wrote {output}")


def _rows(found: Any, kinds: tuple[str, ...], splits: tuple[str, ...], counts: list[int]) -> list[dict[str, Any]]:
    import numpy as np

    rows = []
    for kind in kinds:
        for split in splits:
            cells = {}
            for count in counts:
                taus = [f["kendall_tau"] for key, f in found.items() if key[:3] == (kind, split, count)]
                cells[count] = {"mean": float(np.mean(taus)), "deviation": float(np.std(taus)), "seeds": len(taus)}
            rows.append({"predictor": kind, "split": split, "kendall_tau": cells})
    return rows


def _show(rows: list[dict[str, Any]], name: str, counts: list[int], title: str) -> None:
    from rich.console import Console
    from rich.table import Table

    from predictor.published import PUBLISHED

    table = Table("predictor", "split", *map(str, counts), title=title)
    for row in rows:
        cells = (row["kendall_tau"][count] for count in counts)
        table.add_row(row["predictor"], row["split"], *(f"{c['mean']:.3f} ± {c['deviation']:.3f}" for c in cells))
    for who, taus in PUBLISHED.get(name, {}).items():
        table.add_row(f"{who} (published)", "", *(f"{taus[count]:.3f}" if count in taus else "" for count in counts))
    Console().print(table)
