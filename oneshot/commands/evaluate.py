"""The command `python -m oneshot evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from oneshot.commands.options.base import SAMPLE, SEED
from oneshot.commands.options.evaluation import evaluation_options, supernet_evaluation
from spaces.console.group import example
from spaces.console.options import with_options
from spaces.console.outputs import OUTPUT_LINES


@click.command(
    epilog=example("""
        python -m oneshot evaluate runs/supernet -n 200 -o evaluations.jsonl
        python -m oneshot evaluate runs/supernet -n 1000 --engine ray --workers 8 -o out.jsonl
        python -m oneshot evaluate runs/supernet --archs a.jsonl --truth retrained.jsonl -o b.jsonl
        """)
)
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@with_options(*SAMPLE)
@click.option("--seed", type=SEED, default=0, show_default=True, help="Seed of the sample.")
@evaluation_options
@click.option(
    "--truth",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=None,
    help="Evaluations with true values, such as after retraining; the ranking is judged by them.",
)
@click.option(
    "--benchmark",
    default=None,
    help="Benchmark of the space with the true values, in place of --truth.",
)
@click.option(
    "-o",
    "--output",
    type=OUTPUT_LINES,
    required=True,
    help="File for the evaluations, JSON lines.",
)
def evaluate(
    folder: Path,
    count: int,
    archs: Path | None,
    seed: int,
    truth: Path | None,
    benchmark: str | None,
    output: Path,
    **options: Any,
) -> None:
    """Evaluate sub-networks of a supernet on its validation part, and write JSON lines.

    Before each evaluation batch normalisation is recalibrated on training images. Both the training
    and the validation images are the same for all architectures. An interrupted evaluation resumes
    when the command is repeated. With --truth or --benchmark the verdict of `python -m predictor
    rank` is printed for the architectures that have a true value, and written to verdict.json of
    the run, where the service shows it.
    """
    import numpy as np

    from oneshot.evaluation.journal import EvaluationJournal
    from oneshot.evaluation.verdicts import Truth, record_verdict
    from oneshot.run import read_run
    from spaces.codes import distinct
    from spaces.console.progress import Bar
    from spaces.formats import read_architectures

    run = read_run(folder, "supernet")
    space = run.space
    # An unusable truth is refused before the evaluation.
    true_values = Truth.load(truth, benchmark, space)
    if archs is not None:
        # A search network evaluates the architectures of the space that it searches for.
        adopt = space.network_space != space
        architectures = read_architectures(archs, space, adopt=adopt)
    else:
        # Twice as many, since a sample of a small space has duplicates.
        sample = space.sample(np.random.default_rng(seed), 2 * count)
        architectures = space.decode(distinct(sample)[:count])

    journal = EvaluationJournal(supernet_evaluation(run, options), output)
    with Bar(f"evaluating by {folder}") as bar:
        evaluations = journal.evaluate(architectures, bar.update)
    click.echo(f"wrote {output}: {len(evaluations)} evaluations")

    if true_values is not None:
        from predictor.verdict.scores import Scores
        from predictor.verdict.table import print_verdict

        judged = true_values.judged(Scores.from_file(output, space=space.name))
        verdict = judged.judge()
        print_verdict(verdict)
        click.echo(f"wrote {record_verdict(run, verdict, judged)}")
