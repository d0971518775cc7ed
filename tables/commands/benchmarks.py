"""`python -m tables benchmarks`: the benchmarks, the contents of one, and its evaluations."""

from __future__ import annotations

from pathlib import Path

import click

from spaces.console.group import example
from spaces.console.outputs import OUTPUT_FILE


@click.command(
    epilog=example(
        """python -m tables benchmarks
        python -m tables benchmarks nasbench201
        python -m tables benchmarks nasbench201 -n 100 --metric cifar10_valid_acc -o a.jsonl"""
    )
)
@click.argument("name", required=False)
@click.option(
    "--data",
    type=click.Path(exists=True, path_type=Path),
    default=None,
    help="File of the benchmark, or the folder to search.",
)
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    help="Metric to write, NAME or NAME:EPOCHS; may be repeated.  [default: validation accuracy]",
)
@click.option(
    "-n",
    "count",
    type=click.IntRange(min=1),
    default=None,
    help="Number of random architectures.  [default: all]",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Seed of the random architectures.",
)
@click.option(
    "-o",
    "--output",
    type=OUTPUT_FILE,
    default=None,
    help="File to write the results to, as evaluations.",
)
def benchmarks(
    name: str | None,
    data: Path | None,
    metrics: tuple[str, ...],
    count: int | None,
    seed: int,
    output: Path | None,
) -> None:
    """List the benchmarks and their files, or show the metrics of one of them.

    With -o its results are written as evaluations (JSON lines), on which `python -m predictor
    train` fits predictors.
    """
    if name is None:
        if metrics or count or output:
            raise click.UsageError("--metric, -n and -o need the name of a benchmark")
        _list(data)
    elif output is not None:
        _write(name, data, metrics, count, seed, output)
    else:
        _show(name, data)


def _list(data: Path | None) -> None:
    from rich.console import Console
    from rich.table import Column, Table

    from spaces.errors import PathfitError
    from tables.benchmarks.entries import HARDWARE
    from tables.benchmarks.registry import (
        available,
        find,
        hardware_file,
        import_command,
        importable,
    )

    table = Table("benchmark", "space", Column("file", overflow="fold"))
    for name in available():
        # A file of another kind is reported in its row, and hides no other benchmark.
        try:
            path = find(name, data)
            file = str(path) if path is not None else f"none; from {importable()[name].official}"
        except PathfitError as error:
            file = f"[red]{error}[/red]"
        table.add_row(name, importable()[name].space, file)
    hardware = hardware_file(data)
    if hardware is not None:
        table.add_row(f"nasbench201 + {HARDWARE}", importable()[HARDWARE].space, str(hardware))
    console = Console()
    console.print(table)
    # A named file or folder has no hints: only the default folders may lack a benchmark.
    for name in available() if data is None else ():
        if find(name, data) is not None:
            continue
        entry = importable()[name]
        console.print(
            f"{name}: download {entry.official} from {entry.published}, then {import_command(name)}"
        )


def _show(name: str, data: Path | None) -> None:
    import numpy as np
    from rich.console import Console
    from rich.table import Column, Table

    from tables.benchmarks.registry import benchmark

    oracle = benchmark(name, data)
    numbers = [Column(text, justify="right") for text in ("known", "median", "best")]
    table = Table("metric", "unit", "epochs", *numbers, title=repr(oracle)[1:-1])
    for name_of_metric, metric in oracle.metrics.items():
        for epochs in oracle.epochs(name_of_metric) or (None,):
            values = oracle.values(name_of_metric, epochs)
            num_known = int((~np.isnan(values)).sum())
            cells = [name_of_metric, metric.unit, "" if epochs is None else str(epochs)]
            # A column without any value has no median and no best.
            if num_known:
                _, best = oracle.best(name_of_metric, epochs)
                table.add_row(*cells, str(num_known), f"{np.nanmedian(values):.6g}", f"{best:.6g}")
            else:
                table.add_row(*cells, "0")
    console = Console()
    console.print(table)
    console.print(
        f"{len(oracle.distinct())} distinct networks; read from {oracle.source}", soft_wrap=True
    )


def _write(
    name: str,
    data: Path | None,
    metrics: tuple[str, ...],
    count: int | None,
    seed: int,
    output: Path,
) -> None:
    import numpy as np

    from spaces.files import write_text
    from tables.benchmarks.errors import NotInBenchmark
    from tables.benchmarks.registry import benchmark

    oracle = benchmark(name, data)
    # Where others measured a metric of some networks only, those are drawn from.
    rows = oracle.known_rows(*metrics)
    num_unknown = len(oracle) - len(rows)
    if not len(rows):
        raise NotInBenchmark(
            f"{name} has {', '.join(metrics) or oracle.default_metric} of none of its"
            f" {len(oracle)} architectures"
        )
    if count is not None:
        selected = np.random.default_rng(seed).permutation(len(rows))[:count]
        # In the benchmark's order, so that a file reads like the benchmark.
        rows = rows[np.sort(selected)]
    evaluations = oracle.evaluations(oracle.codes()[rows], *metrics)
    write_text(output, "".join(evaluation.to_json() + "\n" for evaluation in evaluations))
    click.echo(f"read {oracle.source}")
    if num_unknown:
        click.echo(
            f"left out {num_unknown} of {len(oracle)} architectures, of which it has no"
            f" {' or no '.join(metrics) or oracle.default_metric}"
        )
    click.echo(f"wrote {output}: {len(evaluations)} evaluations")
