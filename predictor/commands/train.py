"""`python -m predictor train`: train a predictor from evaluations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from predictor.commands.options import FILE, KINDS, load_source, threads_option
from predictor.registry import DEFAULT
from spaces.console.group import command_line, example
from spaces.console.outputs import OUTPUT_FILE

if TYPE_CHECKING:
    from predictor.training import PredictorTraining


@click.command(
    epilog=example(
        """
        python -m predictor train --data evaluations.jsonl --space spos -o predictor.safetensors
        python -m predictor train --data trained.jsonl --metric projected_cross_entropy \\
            --columns proxies.jsonl --columns supernet.jsonl --space spos -o predictor.safetensors
        python -m predictor train --columns proxies.jsonl --space spos -o predictor.safetensors
        python -m predictor train --encoder dele --data trained.jsonl --metric top1 \\
            --columns proxies.jsonl --columns supernet.jsonl --space spos -o predictor.safetensors
        """
    )
)
@click.option(
    "--data",
    type=FILE,
    default=None,
    help="Evaluations, JSON lines; required unless --columns are to vote without labels.",
)
@click.option(
    "--columns",
    multiple=True,
    help="Evaluations or proxies that the data's metric weighs, or that vote without data: FILE or"
    " FILE:METRIC; of dele, which learns each by an expert, also METRIC, another one of the data."
    " May be repeated.",
)
@click.option("--space", "space_name", required=True, help="Space of the evaluations.")
@click.option(
    "--encoder", type=KINDS, default=DEFAULT, show_default=True, help="Predictor to train."
)
@click.option(
    "--baseline",
    type=KINDS,
    default="forest",
    show_default=True,
    help="Predictor to fit on the same split, for comparison.",
)
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    help="Metric of the evaluations to predict; several teach the steps of ta-gates, the last is"
    " predicted.  [default: the score of their task, which is cross_entropy for a classification]",
)
@click.option(
    "--train-fraction",
    "fraction",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.8,
    show_default=True,
    help="Fraction of the evaluations to train on.",
)
@click.option(
    "--train",
    "count",
    type=click.IntRange(min=10),
    default=None,
    help="Number of evaluations to train on, in place of a fraction.",
)
@click.option(
    "--refit", is_flag=True, help="After testing, fit again on all evaluations before writing."
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Seed of the split and the fit.",
)
@click.option(
    "--pretraining",
    type=click.IntRange(min=0),
    default=None,
    help=(
        "Number of random architectures whose FLOPs a graph predictor learns first; dele learns"
        " their FLOPs and parameters where it has no columns.  [default: 0; 1000 of dele]"
    ),
)
@click.option(
    "--transfer",
    type=FILE,
    default=None,
    help="Graph predictor of another space whose weights one of its kind begins with.",
)
@click.option(
    "--benchmark",
    default=None,
    help="Benchmark of the space by whose true accuracies the predictor's ranking is judged.",
)
@threads_option
@click.option("--report", type=OUTPUT_FILE, default=None, help="File of the figures (JSON).")
@click.option(
    "-o", "--output", type=OUTPUT_FILE, required=True, help="File of the predictor (safetensors)."
)
def train(
    data: Path | None,
    columns: tuple[str, ...],
    space_name: str,
    encoder: str,
    baseline: str,
    metrics: tuple[str, ...],
    fraction: float,
    count: int | None,
    refit: bool,
    seed: int,
    pretraining: int | None,
    transfer: Path | None,
    benchmark: str | None,
    report: Path | None,
    output: Path,
) -> None:
    """Train a predictor on some of the evaluations and test its ranking on the others.

    No network is on both sides: evaluations of one architecture, or of isomorphic cells, are split
    together. Kendall's tau is printed with its standard error, which is large with few
    architectures. With --benchmark the ranking is judged on the networks that the predictor was not
    trained on; the verdict is recorded in the file.
    The same command resumes an interrupted training of a graph predictor: until it is done, its
    state is stored next to the output (FILE.ENCODER.part, FILE.refit.part).

    Several metrics, such as the accuracies after 12 and after 200 epochs, are those of any-time
    TA-GATES: each of its steps predicts one of them, and the last metric is the score.

    With --columns the predictor `evidence` is trained on all of the data: a few good values, such
    as of short trainings, weigh many cheap ones, such as proxies and a supernet's evaluations. Its
    rank correlation in cross-validation is printed. The columns' files may be of the same choices
    in another form of the space, such as one with fewer channels. Without --data each column has
    one vote, except where it contradicts all others; predictions are mean logarithms of ranks.

    With --columns and --encoder dele each column, of whichever architectures it is known, is
    learned by an expert of its own, then a gate over the experts learns the data's metric. Neither
    predictions nor searches need the columns.
    """
    if columns and not _has_experts(encoder):
        _train_on_evidence(data, columns, space_name, encoder, metrics, seed, report, output)
        return
    if data is None:
        raise click.UsageError(
            "Missing option '--data': name a file of evaluations, or --columns that vote."
        )

    from predictor.training import PredictorTraining, TrainingSettings
    from spaces.console.progress import Bar
    from spaces.files import write_text

    settings = TrainingSettings(
        space_name,
        encoder,
        baseline,
        metrics[-1] if metrics else None,
        fraction,
        count,
        seed,
        pretraining,
        load_source(transfer, encoder) if transfer is not None else None,
        metrics if len(metrics) > 1 else (),
        columns,
    )
    training = PredictorTraining(data, settings, output, open_progress=Bar)
    training.run()
    _print_figures(training)
    for name, tau in training.step_taus.items():
        click.echo(f"the step of {name}: Kendall's tau {tau:.3f}")

    if refit:
        training.refit()
    verdict = None
    if benchmark is not None:
        verdict = _judge(training, benchmark)
    training.save(command=command_line())
    if report is not None:
        summary = {
            "predictor": str(output),
            "data": str(data),
            "space": training.data.space.name,
            "metric": training.data.metric,
            **training.data.definition.to_dict(),
            "trained_on": training.count,
            "tested_on": len(training.test_rows),
            "refit": refit,
            "seed": seed,
            "encoder": encoder,
            "pretraining": pretraining,
            "transfer": None if transfer is None else str(transfer),
            "baseline": baseline,
            **({"columns": list(columns)} if columns else {}),
            "figures": training.figures,
            **({"steps": training.step_taus} if training.step_taus else {}),
            **({} if verdict is None else {"verdict": verdict}),
        }
        write_text(report, json.dumps(summary, indent=1) + "\n")

    used = len(training.data.codes) if refit else training.count
    click.echo(f"wrote {output}, trained on {used} evaluations")


def _has_experts(encoder: str) -> bool:
    """Return whether an encoder has experts, each of which learns a column."""
    from predictor.encoders.registry import ENCODERS

    return encoder in ENCODERS and bool(ENCODERS.get(encoder).expert_argument)


def _train_on_evidence(
    data: Path | None,
    columns: tuple[str, ...],
    space_name: str,
    encoder: str,
    metrics: tuple[str, ...],
    seed: int,
    report: Path | None,
    output: Path,
) -> None:
    """Train the predictor of mixed evidence, and print how well it ranks in cross-validation."""
    from predictor.errors import InvalidValues
    from predictor.evidence.training import train_on_evidence, train_without_labels
    from spaces.console.progress import Bar
    from spaces.files import write_text

    if encoder not in (DEFAULT, "evidence"):
        raise InvalidValues(f"--columns are for --encoder evidence or dele, not for {encoder}")
    if len(metrics) > 1:
        raise InvalidValues(f"--metric: evidence is of one metric, not of {', '.join(metrics)}")
    metric = metrics[0] if metrics else None
    if data is None and metric is not None:
        raise InvalidValues(f"--metric {metric} is one of --data, which is missing")

    with Bar("fitting evidence") as bar:
        if data is None:
            model = train_without_labels(columns, space_name, seed, bar.update)
        else:
            model = train_on_evidence(data, columns, space_name, metric, seed, bar.update)
    model.record_training({"command": command_line()})
    model.save(output)
    if report is not None:
        write_text(report, json.dumps({**model.trained_on, "seed": seed}, indent=1) + "\n")
    click.echo(model.trained_on["evidence"])
    count = model.trained_on["architectures"]
    nouns = "evaluations" if data is not None else "architectures without labels"
    click.echo(f"wrote {output}, trained on {count} {nouns}")


def _judge(training: PredictorTraining, benchmark: str) -> dict[str, Any] | None:
    """Judge a predictor by a benchmark, and print the verdict in one sentence."""
    from predictor.errors import TooFewArchitectures

    try:
        verdict = training.judge(benchmark)
    except TooFewArchitectures as error:
        # The predictor is as good as without a benchmark.
        click.echo(f"no verdict by {benchmark}: {error}", err=True)
        return None
    click.echo(f"{verdict['truth']}: {verdict['sentence']}")
    return verdict


def _print_figures(training: PredictorTraining) -> None:
    """Print one row of figures for each predictor."""
    from rich.console import Console
    from rich.table import Table

    num_rows = len(training.test_rows)
    num_networks = training.data.num_networks(training.test_rows)
    tested = f"{num_rows} unseen"

    # Several rows may be evaluations of one network, such as those of other seeds.
    if num_networks < num_rows:
        tested = f"{num_rows} evaluations of {num_networks} unseen networks"
    table = Table(
        "predictor",
        "Kendall's tau",
        "Spearman",
        "seconds",
        title=f"{training.data.metric} of {tested}",
    )
    for kind, figures in training.figures.items():
        tau = _cell(figures["kendall_tau"])
        error = _cell(figures["kendall_tau_error"])
        spearman = _cell(figures["spearman"])
        table.add_row(kind, f"{tau} ± {error}", spearman, f"{figures['seconds']:.1f}")

    Console().print(table)


def _cell(figure: float | None) -> str:
    return "-" if figure is None else f"{figure:.3f}"
