"""`python -m tables benchmarks`: which benchmarks there are, what one knows, evaluations out of
one.
"""

from __future__ import annotations

from pathlib import Path

import click

from spaces.console.group import example


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
    help="The benchmark's file, or the folder to look in.",
)
@click.option(
    "--metric", "metrics", multiple=True, help="What to write.  [default: validation accuracy]"
)
@click.option(
    "-n",
    "count",
    type=click.IntRange(min=1),
    default=None,
    help="So many architectures, drawn at random.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the draw."
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=None,
    help="Write what training gave, as evaluations.",
)
def benchmarks(
    name: str | None,
    data: Path | None,
    metrics: tuple[str, ...],
    count: int | None,
    seed: int,
    output: Path | None,
) -> None:
    """List the benchmarks and the files that were found, or show what one of them knows.

    With -o its results are written as evaluations (JSON lines): what `python -m predictor train`
    learns from.
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
        try:
            found = find(name, data)
            told = str(found) if found is not None else f"none; from {importable()[name].official}"
        except PathfitError as error:
            told = f"[red]{error}[/red]"
        table.add_row(name, importable()[name].space, told)
    hardware = hardware_file(data)
    if hardware is not None:
        table.add_row(f"nasbench201 + {HARDWARE}", importable()[HARDWARE].space, str(hardware))
    console = Console()
    console.print(table)
    missing = [name for name in available() if find(name, data) is None] if data is None else []
    for name in missing:
        entry = importable()[name]
        console.print(
            f"{name}: download {entry.official} from {entry.published}, then {import_command(name)}"
        )


def _show(name: str, data: Path | None) -> None:
    from rich.console import Console
    from rich.table import Column, Table

    from tables.benchmarks.registry import benchmark

    found = benchmark(name, data)
    right = [Column(text, justify="right") for text in ("known", "median", "best")]
    table = Table("metric", "unit", "epochs", *right, title=repr(found)[1:-1])
    import numpy as np

    for metric, kind in found.metrics.items():
        for epochs in found.epochs(metric) or (None,):
            values = found.values(metric, epochs)
            cells = (
                str(int((~np.isnan(values)).sum())),
                f"{np.nanmedian(values):.6g}",
                f"{found.best(metric, epochs)[1]:.6g}",
            )
            table.add_row(metric, kind.unit, "" if epochs is None else str(epochs), *cells)
    console = Console()
    console.print(table)
    console.print(
        f"{len(found.distinct())} distinct networks; read from {found.source}", soft_wrap=True
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
    from tables.benchmarks.registry import benchmark

    found = benchmark(name, data)
    codes = found.codes()
    if count is not None:
        codes = codes[np.sort(np.random.default_rng(seed).permutation(len(codes))[:count])]
    evaluations = found.evaluations(codes, *metrics)
    write_text(output, "".join(evaluation.to_json() + "\n" for evaluation in evaluations))
    click.echo(f"read {found.source}")
    click.echo(f"wrote {output}: {len(evaluations)} evaluations")
