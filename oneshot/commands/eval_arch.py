"""The command `python -m oneshot eval-arch`."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from oneshot.commands.options.base import FILE
from oneshot.commands.options.evaluation import evaluation_options, supernet_evaluation
from spaces.console.group import example
from spaces.console.outputs import OUTPUT_LINES

if TYPE_CHECKING:
    from oneshot.tasks.task import Task
    from spaces.space import SearchSpace
    from tables.evaluation import Evaluation


@click.command(
    epilog=example("""
        python -m oneshot eval-arch runs/supernet found.json
        python -m oneshot eval-arch runs/supernet archs.jsonl --format nni-3.0 -o evaluations.jsonl
        """)
)
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("archs", type=FILE)
@click.option(
    "--format",
    "format_name",
    default=None,
    help="Format of the file; see `python -m spaces formats`.  [default: detected]",
)
@evaluation_options
@click.option(
    "-o",
    "--output",
    type=OUTPUT_LINES,
    default=None,
    help="File for the evaluations, JSON lines.",
)
def eval_arch(
    folder: Path, archs: Path, format_name: str | None, output: Path | None, **options: Any
) -> None:
    """Evaluate the architectures of a file by a supernet, and print them from the best.

    The file has one architecture in any format, a list of them, one per line, or a search result.
    With -o the evaluations are written as by `evaluate`, and an interrupted evaluation resumes.
    """
    from oneshot.evaluation.journal import EvaluationJournal
    from oneshot.run import read_run
    from spaces.console.progress import Bar
    from spaces.formats import read_architectures
    from tables.evaluation import Evaluation

    run = read_run(folder, "supernet")
    # A search network evaluates the architectures of the space that it searches for.
    adopt = run.space.network_space != run.space
    listed = read_architectures(archs, run.space, format_name, adopt=adopt)
    architectures = list(dict.fromkeys(listed))
    evaluation = supernet_evaluation(run, options)
    journal = EvaluationJournal(evaluation, output) if output is not None else None
    with Bar(f"evaluating by {folder}") as bar:
        if journal is not None:
            evaluations = journal.evaluate(architectures, bar.update)
        else:
            codes = run.space.encode(architectures)
            source = evaluation.source()
            evaluations = []
            with closing(evaluation.stream(codes)) as results:
                for index, metrics in results:
                    evaluations.append(Evaluation(architectures[index], metrics, source))
                    done = len(evaluations)
                    bar.update(done / len(codes), f"{done}/{len(codes)}")

    _print(evaluations, run.space, evaluation.metrics_task)
    if output is not None:
        click.echo(f"wrote {output}: {len(evaluations)} evaluations")


def _print(evaluations: list[Evaluation], space: SearchSpace, task: Task) -> None:
    from rich.console import Console
    from rich.table import Table

    signs = {"percent": " %"}
    titles = [
        task.title(name) + signs.get(metric.unit, "") for name, metric in task.metrics.items()
    ]
    table = Table(*titles, "MACs", "codes")
    ranked = sorted(
        evaluations,
        key=lambda evaluation: evaluation.metrics[task.score],
        reverse=task.metrics[task.score].higher_is_better,
    )
    codes = space.encode([evaluation.architecture for evaluation in ranked])
    for evaluation, macs, row in zip(ranked, space.macs(codes), codes, strict=True):
        table.add_row(
            *(task.text(name, evaluation.metrics[name]) for name in task.metrics),
            f"{int(macs):,}",
            " ".join(map(str, row.tolist())),
        )
    Console().print(table)
