"""`python -m predictor bench`: measure predictors on a benchmark."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from predictor.commands.options import FILE, load_source, threads_option
from predictor.encoders.registry import ENCODERS
from predictor.metrics import FIGURES
from predictor.registry import DEFAULT, available
from spaces.console.group import command_line, example
from spaces.console.outputs import OUTPUT_FILE, OUTPUT_LINES

if TYPE_CHECKING:
    from predictor.bench.comparison import Comparison
    from predictor.ensemble.predictor import GraphPredictor


def _parse_counts(ctx: click.Context, parameter: click.Parameter, text: str) -> list[int]:
    try:
        counts = [int(number) for number in text.split(",")]
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
    "--benchmark",
    "name",
    default="nasbench201",
    show_default=True,
    help="Benchmark; see `python -m tables`.",
)
@click.option(
    "--data",
    type=click.Path(exists=True, path_type=Path),
    default=None,
    help="File of the benchmark, or its folder.",
)
@click.option("--metric", default=None, help="Metric to predict.  [default: the benchmark's]")
@click.option(
    "--train",
    "counts",
    default="78,390,781",
    show_default=True,
    callback=_parse_counts,
    help="Numbers of architectures to fit on.",
)
@click.option(
    "--seeds",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    help="Number of seeds of each fit.",
)
@click.option(
    "--first-seed", type=click.IntRange(min=0), default=0, show_default=True, help="First seed."
)
@click.option(
    "--encoder",
    "kinds",
    type=click.Choice(available()),
    multiple=True,
    default=[DEFAULT],
    show_default=True,
    help="Predictor; may be given several times.",
)
@click.option(
    "--split",
    "splits",
    type=click.Choice(["random", "classes"]),
    multiple=True,
    default=["random"],
    show_default=True,
    help="classes: leave out networks that are isomorphic to a training one. May be given twice.",
)
@click.option(
    "--auxiliary",
    multiple=True,
    help=(
        "Further values of all architectures: a metric of the benchmark, NAME or NAME:EPOCHS, or"
        " evaluations such as those of `oneshot proxies`, FILE.jsonl or FILE.jsonl:NAME. May be"
        " given several times."
    ),
)
@click.option(
    "--transfer",
    type=FILE,
    default=None,
    help="Graph predictor of another space whose weights those of its kind begin with.",
)
@click.option(
    "--figure",
    "figures",
    type=click.Choice(FIGURES),
    multiple=True,
    default=["kendall_tau"],
    show_default=True,
    help="Figure to print; the output has all. May be given several times.",
)
@click.option(
    "--journal",
    type=OUTPUT_LINES,
    default=None,
    help="File of all trials; those that it contains are not repeated.",
)
@threads_option
@click.option("--plot", type=OUTPUT_FILE, default=None, help="File of a plot of Kendall's tau.")
@click.option("-o", "--output", type=OUTPUT_FILE, default=None, help="File of all figures (JSON).")
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
    """Compare predictors on a benchmark.

    Each is fitted on some of the architectures and tested on the others. The table has the mean and
    the deviation of a figure, such as Kendall's tau, over seeds.
    """
    from predictor.bench.comparison import Comparison, ComparisonSettings
    from predictor.bench.plot import check_plot, tau_plot
    from spaces.console.progress import Bar
    from spaces.files import write_text
    from tables.benchmarks.registry import benchmark as load_benchmark

    # Refused here, since the fits may take hours.
    if plot is not None:
        check_plot(plot)
    benchmark = load_benchmark(name, data)
    click.echo(f"benchmark: {benchmark.source}")
    settings = ComparisonSettings(
        kinds,
        splits,
        counts,
        range(first_seed, first_seed + seeds),
        metric,
        auxiliary,
        transfer,
    )

    comparison = Comparison(benchmark, name, settings, _source(transfer, kinds), journal)
    target = comparison.description["metric"]
    num_known = len(benchmark.known_rows(target))
    if num_known < len(benchmark):
        click.echo(f"only {num_known} of its {len(benchmark)} architectures have {target}")
    with Bar(f"{comparison.num_fits} fits on {name}") as bar:
        comparison.run(bar.update)

    rows = comparison.rows()
    for figure in figures:
        _print_table(rows, figure, name, counts, _title(comparison, figure))
    if plot is not None:
        tau_plot(plot, rows, name)
        click.echo(f"wrote {plot}")

    if output is not None:
        report = _report(comparison, str(benchmark.source), rows)
        write_text(output, json.dumps(report, indent=1) + "\n")
        click.echo(f"wrote {output}")


def _report(comparison: Comparison, source: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return everything that the command reports, as JSON."""
    return {
        "command": command_line(),
        **comparison.description,
        "source": source,
        "rows": rows,
        "trials": [{"trial": list(key), **trial} for key, trial in comparison.trials().items()],
    }


def _source(transfer: Path | None, kinds: tuple[str, ...]) -> GraphPredictor | None:
    """Load the predictor that graph predictors begin with."""
    if transfer is None:
        return None

    # Where no kind can begin with another's weights, the error names the first kind.
    graph_kinds = [kind for kind in kinds if kind in ENCODERS]
    return load_source(transfer, graph_kinds[0] if graph_kinds else kinds[0])


def _title(comparison: Comparison, figure: str) -> str:
    settings = comparison.settings
    seeds = settings.seeds
    title = (
        f"{FIGURES[figure]} on {comparison.description['benchmark']},"
        f" {comparison.description['metric']}"
    )
    if settings.auxiliary:
        title += f", knowing {', '.join(settings.auxiliary)}"
    if settings.transfer is not None:
        title += f", beginning with {settings.transfer.name}"
    if len(seeds) == 1:
        return f"{title}; seed {seeds[0]}"

    return f"{title}; seeds {seeds[0]} to {seeds[-1]}"


def _print_table(
    rows: list[dict[str, Any]], figure: str, name: str, counts: list[int], title: str
) -> None:
    """Print one figure of all predictors, with published figures of the benchmark."""
    from rich.console import Console
    from rich.table import Column, Table

    from predictor.bench.published import PUBLISHED

    numbers = [Column(f"{count:,}", no_wrap=True) for count in counts]
    table = Table("predictor", "split", *numbers)
    for row in rows:
        cells = (row[figure][count] for count in counts)
        table.add_row(row["predictor"], row["split"], *(_cell(figure, **cell) for cell in cells))

    published = PUBLISHED.get(name, {}) if figure == "kendall_tau" else {}
    for predictor, taus in published.items():
        texts = (f"{taus[count]:.3f}" if count in taus else "" for count in counts)
        table.add_row(f"{predictor} (published)", "", *texts)

    # Above the table, which would wrap a title at its own width.
    click.echo(title)
    Console().print(table)


def _cell(figure: str, mean: float, deviation: float, seeds: int) -> str:
    digits = 1 if figure.startswith("best_rank") else 3
    text = f"{mean:.{digits}f}"
    return f"{text} ± {deviation:.{digits}f}" if seeds > 1 else text
