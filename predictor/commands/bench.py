"""`python -m predictor bench`: measure predictors on a benchmark."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from predictor.commands.options import FILE, OUTPUT, load_source
from predictor.encoders.registry import ENCODERS
from predictor.metrics import FIGURES
from predictor.registry import DEFAULT, available
from spaces.console.group import example, typed


def _counts(ctx: click.Context, parameter: click.Parameter, text: str) -> list[int]:
    try:
        counts = [int(part) for part in text.split(",")]
    except ValueError as error:
        raise click.BadParameter(
            f"write numbers with commas between, such as 78,390, not {text!r}"
        ) from error
    if min(counts) < 10:
        raise click.BadParameter(f"a predictor needs at least 10 architectures; got {min(counts)}")
    return counts


@click.command(
    epilog=example(
        "python -m predictor bench --benchmark nasbench201 --train 78,390,781 --seeds 5 -o"
        " bench.json"
    )
)
@click.option(
    "--benchmark", "name", default="nasbench201", show_default=True, help="See `python -m tables`."
)
@click.option(
    "--data",
    type=click.Path(exists=True, path_type=Path),
    default=None,
    help="Its file, or a folder.",
)
@click.option("--metric", default=None, help="What to predict; by default the benchmark's own.")
@click.option(
    "--train",
    "counts",
    default="78,390,781",
    show_default=True,
    callback=_counts,
    help="To fit on.",
)
@click.option(
    "--seeds",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    help="Seeds 0, 1, ... of each.",
)
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
@click.option(
    "--auxiliary",
    multiple=True,
    help=(
        "Known of all architectures: a metric of the benchmark, NAME or NAME:EPOCHS, or evaluations"
        " such as `oneshot proxies` writes, FILE.jsonl or FILE.jsonl:NAME. May be given several"
        " times."
    ),
)
@click.option(
    "--transfer",
    type=FILE,
    default=None,
    help="Graph predictors of its kind begin with this one, of another space.",
)
@click.option(
    "--figure",
    "figures",
    type=click.Choice(FIGURES),
    multiple=True,
    default=["kendall_tau"],
    show_default=True,
    help="What is shown; the output has all. May be given several times.",
)
@click.option(
    "--journal",
    type=OUTPUT,
    default=None,
    help="Keep every trial here; what stands there is not repeated.",
)
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
    transfer: Path | None,
    figures: tuple[str, ...],
    journal: Path | None,
    plot: Path | None,
    output: Path | None,
) -> None:
    """Fit on some architectures of a benchmark, test on the rest: Kendall's tau, mean and deviation
    over seeds.
    """
    from predictor.bench.columns import file_of
    from predictor.bench.journal import TrialJournal
    from predictor.bench.trials import Trials
    from spaces.console.progress import Bar
    from spaces.files import digest, write_text
    from tables.benchmarks.registry import benchmark as load

    source = load(name, data)
    click.echo(f"benchmark: {source.source}")
    trials = Trials.of(source, metric, auxiliary)
    settings: dict[str, Any] = {
        "benchmark": name,
        "metric": metric or source.default_metric,
        "auxiliary": sorted(auxiliary),
    }
    files = {named[0] for text in auxiliary if (named := file_of(text)) is not None}
    if files:
        settings["files"] = {str(path): digest(path) for path in sorted(files)}
    begin_with = None
    if transfer is not None:
        begin_with = load_source(
            transfer, next((kind for kind in kinds if kind in ENCODERS), kinds[0])
        )
        settings["transfer"] = {str(transfer): digest(transfer)}
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

            for split, trial in trials.run(kind, count, seed, left, told, begin_with).items():
                kept.append((kind, split, count, seed), trial)
    keys = [(kind, split, count, seed) for kind, count, seed in fits for split in splits]
    found = {key: kept.done[key] for key in keys}
    rows = _rows(found, kinds, splits, counts)
    known = f", knowing {', '.join(auxiliary)}" if auxiliary else ""
    known += f", beginning with {transfer.name}" if transfer is not None else ""
    drawn = f"seed {first_seed}" if seeds == 1 else f"seeds {first_seed} to {every[-1]}"
    for figure in figures:
        title = f"{FIGURES[figure]} on {name}, {settings['metric']}{known}; {drawn}"
        _show(rows, figure, name, counts, title)
    if plot is not None:
        from predictor.bench.plot import tau_plot

        tau_plot(plot, rows, name)
        click.echo(f"wrote {plot}")
    if output is not None:
        listed = [{"trial": list(key), **trial} for key, trial in found.items()]
        report = {
            "command": typed(),
            **settings,
            "source": str(source.source),
            "rows": rows,
            "trials": listed,
        }
        write_text(output, json.dumps(report, indent=1) + "\n")
        click.echo(f"wrote {output}")


def _rows(
    found: Any, kinds: tuple[str, ...], splits: tuple[str, ...], counts: list[int]
) -> list[dict[str, Any]]:
    """For every predictor and split: figure -> count -> its mean and deviation over seeds."""
    import numpy as np

    rows = []
    for kind in kinds:
        for split in splits:
            row: dict[str, Any] = {"predictor": kind, "split": split}
            for figure in FIGURES:
                row[figure] = {}
                for count in counts:
                    values = [
                        trial[figure]
                        for key, trial in found.items()
                        if key[:3] == (kind, split, count)
                    ]
                    mean, deviation = float(np.mean(values)), float(np.std(values))
                    row[figure][count] = {
                        "mean": mean,
                        "deviation": deviation,
                        "seeds": len(values),
                    }
            rows.append(row)
    return rows


def _show(
    rows: list[dict[str, Any]], figure: str, name: str, counts: list[int], title: str
) -> None:
    from rich.console import Console
    from rich.table import Column, Table

    from predictor.bench.published import PUBLISHED

    numbers = [Column(f"{count:,}", no_wrap=True) for count in counts]
    table = Table("predictor", "split", *numbers)
    for row in rows:
        cells = (row[figure][count] for count in counts)
        table.add_row(row["predictor"], row["split"], *(_cell(figure, **cell) for cell in cells))
    for who, taus in PUBLISHED.get(name, {}).items() if figure == "kendall_tau" else ():
        table.add_row(
            f"{who} (published)",
            "",
            *(f"{taus[count]:.3f}" if count in taus else "" for count in counts),
        )
    click.echo(title)  # above the table, which would break it at its own width
    Console().print(table)


def _cell(figure: str, mean: float, deviation: float, seeds: int) -> str:
    digits = 1 if figure.startswith("best_rank") else 3
    return f"{mean:.{digits}f}" + (f" ± {deviation:.{digits}f}" if seeds > 1 else "")
