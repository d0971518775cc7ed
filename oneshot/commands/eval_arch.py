"""`python -m oneshot eval-arch`: evaluate given architectures by a supernet."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from oneshot.commands.evaluation_options import evaluation_options, supernet_evaluation
from oneshot.commands.options import FILE
from spaces.console.group import example

if TYPE_CHECKING:
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
    help="As `python -m spaces convert` names them.  [detected]",
)
@evaluation_options
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=None,
    help="JSON lines.",
)
def eval_arch(
    folder: Path, archs: Path, format_name: str | None, output: Path | None, **options: Any
) -> None:
    """Evaluate the architectures of a file by a supernet, and print them, the best first.

    The file holds one architecture in any format, a list of them, one a line, or a search result.
    With -o the evaluations are written as by `evaluate`, which goes on where it was stopped.
    """
    from oneshot.evaluation.journal import EvaluationJournal
    from oneshot.run import read_run
    from spaces.console.progress import Bar
    from spaces.formats import read_architectures
    from tables.evaluation import Evaluation

    run = read_run(folder, "supernet")
    architectures = list(dict.fromkeys(read_architectures(archs, run.space, format_name)))
    evaluation = supernet_evaluation(run, options)
    journal = EvaluationJournal(evaluation, output) if output is not None else None
    with Bar(f"evaluating by {folder}") as bar:
        if journal is not None:
            found = journal.evaluate(architectures, bar.update)
        else:
            codes, source, found = run.space.encode(architectures), evaluation.source(), []
            with closing(evaluation.stream(codes)) as results:
                for place, metrics in results:
                    found.append(Evaluation(architectures[place], metrics, source))
                    bar.update(len(found) / len(codes), f"{len(found)}/{len(codes)}")
    _print(found, run.space)
    if output is not None:
        click.echo(f"wrote {output}: {len(found)} evaluations")


def _print(found: list[Evaluation], space: SearchSpace) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("cross-entropy", "top-1 %", "top-5 %", "MACs", "codes")
    ranked = sorted(found, key=lambda one: one.metrics["cross_entropy"])
    macs = space.macs(space.encode([one.architecture for one in ranked]))
    for one, count, codes in zip(
        ranked, macs, space.encode([one.architecture for one in ranked]), strict=True
    ):
        values = (
            f"{one.metrics['cross_entropy']:.4f}",
            f"{one.metrics['top1']:.2f}",
            f"{one.metrics['top5']:.2f}",
        )
        table.add_row(*values, f"{int(count):,}", " ".join(map(str, codes.tolist())))
    Console().print(table)
