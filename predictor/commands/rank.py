"""`python -m predictor rank`: judge the ranking of architectures by an estimator."""

from __future__ import annotations

import json
from pathlib import Path

import click

from predictor.commands.options import FILE
from spaces.console.group import command_line, example
from spaces.console.outputs import OUTPUT_FILE


@click.command(
    epilog=example("""
        python -m predictor rank evaluations.jsonl --benchmark nasbench201
        python -m predictor rank evaluations.jsonl --truth retrained.jsonl --top 5 --plot rank.png
        """)
)
@click.argument("evaluations", type=FILE)
@click.option(
    "--benchmark", "name", default=None, help="Benchmark with the true values; see `tables`."
)
@click.option(
    "--data",
    type=click.Path(exists=True, path_type=Path),
    default=None,
    help="File of the benchmark, or its folder.",
)
@click.option(
    "--truth",
    type=FILE,
    default=None,
    help="Evaluations with the true values, in place of a benchmark.",
)
@click.option(
    "--metric",
    default=None,
    help="Metric that is judged.  [default: cross_entropy, top1 or the only one]",
)
@click.option(
    "--truth-metric",
    default=None,
    help="Metric of the true values.  [default: the benchmark's test accuracy; as --metric]",
)
@click.option(
    "--top",
    "tops",
    type=click.FloatRange(0, 100, min_open=True),
    multiple=True,
    default=(0.1, 1.0, 5.0),
    show_default=True,
    help="Percentage of the networks that count as the best; may be given several times.",
)
@click.option(
    "--resamples",
    type=click.IntRange(min=100),
    default=1000,
    show_default=True,
    help="Number of bootstrap resamples of the intervals.",
)
@click.option("--plot", type=OUTPUT_FILE, default=None, help="File of a plot of truth over score.")
@click.option("-o", "--output", type=OUTPUT_FILE, default=None, help="File of the verdict (JSON).")
def rank(
    evaluations: Path,
    name: str | None,
    data: Path | None,
    truth: Path | None,
    metric: str | None,
    truth_metric: str | None,
    tops: tuple[float, ...],
    resamples: int,
    plot: Path | None,
    output: Path | None,
) -> None:
    """Judge how well scores rank architectures by their true accuracies.

    EVALUATIONS are those of any estimator: a supernet (`oneshot evaluate`), zero-cost proxies
    (`oneshot proxies`), short trainings, or the lines of `predictor predict`. Each figure has its
    95% interval and its chance level. P@top K% is the fraction of the predicted best that is among
    the true best; BR@K% and WR@K% are the true ranks of the best and the worst of the predicted
    best, as fractions of all networks. Equal scores count as the mean over their orders.
    """
    from predictor.bench.plot import check_plot
    from predictor.verdict.plot import verdict_plot
    from predictor.verdict.scores import Scores
    from predictor.verdict.table import print_verdict
    from spaces.files import write_text
    from tables.benchmarks.registry import benchmark as load_benchmark

    if (name is None) == (truth is None):
        raise click.UsageError("give the true values by either --benchmark or --truth")
    if plot is not None:
        check_plot(plot)

    if name is not None:
        benchmark = load_benchmark(name, data)
        scores = Scores.from_file(evaluations, metric, benchmark.space.name)
        judged = scores.with_benchmark(benchmark, truth_metric)
        source = benchmark.source
    else:
        assert truth is not None
        scores = Scores.from_file(evaluations, metric)
        space = scores.architectures[0].space
        judged = scores.with_truth(Scores.from_file(truth, truth_metric, space))
        source = str(truth)
    verdict = judged.judge(tops, resamples)

    click.echo(f"{judged.labels[0]} of {evaluations} against {judged.labels[1]} ({source})")
    print_verdict(verdict)
    if plot is not None:
        verdict_plot(plot, judged, verdict)
        click.echo(f"wrote {plot}")
    if output is not None:
        report = {
            "command": command_line(),
            "evaluations": str(evaluations),
            "metric": judged.labels[0],
            "truth": judged.labels[1],
            "source": source,
            **verdict.to_dict(),
        }
        write_text(output, json.dumps(report, indent=1) + "\n")
        click.echo(f"wrote {output}")
