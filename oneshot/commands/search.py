"""The command `python -m oneshot search`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from oneshot.commands.options.base import FILE, MARGIN_OPTION, SEED, name_and_value
from oneshot.commands.options.costs import cost_options, read_costs
from oneshot.commands.options.evaluation import evaluation_options
from oneshot.commands.options.finalists import (
    echo_finalists,
    finalist_options,
    finalists_guide,
    stored_finalists,
)
from oneshot.commands.options.guide import (
    check_training_options,
    chunk_size,
    load_guide,
    open_journal,
    ranking_of,
    resumable,
    short_training,
)
from oneshot.commands.options.verification import (
    SearchVerification,
    echo_verification,
    verification_options,
)
from spaces.console.group import example
from spaces.console.outputs import OUTPUT_FILE, OUTPUT_FOLDER

if TYPE_CHECKING:
    from oneshot.search.guide import Guide
    from oneshot.search.problem import SearchProblem
    from oneshot.search.result import Candidate, SearchResult
    from spaces.console.progress import Bar
    from tables.evaluation import Journal


@click.command(
    epilog=example(
        """
        python -m oneshot search --space spos --guide predictor:FILE \\
            --constraint 'latency_ms<=12@TABLE' -o a.json
        python -m oneshot search --space nasbench201 --guide benchmark:nasbench201 \\
            --strategy pareto -o b.json
        python -m oneshot search --space spos-tiny --guide train:digits --strategy random \\
            --option evaluations=16 --training steps=100 -o c.json
        python -m oneshot search --space spos-tiny --guide predictor:FILE \\
            --finalists 8 --final-guide train:digits -o d.json
        """
    )
)
@click.option("--space", "space_name", required=True, help="Space to search.")
@click.option(
    "--guide",
    "guide_text",
    required=True,
    help="Score by predictor:FILE, lower-bound:FILE (a predictor's mean less one deviation),"
    " supernet:FOLDER, train:DATA (short trainings; train:FOLDER begins with a supernet's weights),"
    " benchmark:NAME (or NAME:METRIC), a sum such as 'sum:supernet:FOLDER + 0.5*supernet:OTHER', or"
    " multishot:FOLDER,FOLDER,...@flops=2e9 (supernets of several widths, read at this many"
    " multiply-accumulates). aw_nas's names of train: are tune (all equally long) and bf_tune.",
)
@click.option(
    "--training",
    "training_options",
    multiple=True,
    help="Setting of train:..., such as steps=200, rungs=3 or factor=2; may be repeated.",
)
@click.option(
    "--rank-by",
    default=None,
    help="Metric by which a supernet scores, such as top1, or several with weights:"
    " top1=1,top1_pgd=0.5.  [default: the score of its task; cross_entropy for a classification]",
)
@cost_options
@click.option(
    "--strategy",
    default="evolution",
    show_default=True,
    help=(
        "Search strategy: evolution (alias spos), pareto, aging, annealing, predictor-loop,"
        " channels, exhaustive, random, or a plug-in's."
    ),
)
@click.option(
    "--option",
    "options",
    multiple=True,
    help="Option of the strategy, such as generations=10; may be repeated.",
)
@MARGIN_OPTION
@click.option(
    "--isomorphic",
    is_flag=True,
    help="Evaluate one of several architectures that compute the same function.",
)
@click.option(
    "--candidates",
    type=FILE,
    default=None,
    help="File of the candidates that the search may use, as `python -m tables prune` writes it."
    "  [default: all]",
)
@click.option(
    "--count",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Number of best architectures in full.",
)
@click.option("--seed", type=SEED, default=0, show_default=True, help="Seed of the search.")
@click.option(
    "--plot",
    type=OUTPUT_FILE,
    default=None,
    help="PNG file for a plot of the search.",
)
@click.option(
    "--export-each",
    type=OUTPUT_FOLDER,
    default=None,
    help="Folder for the best architecture after every generation.",
)
@click.option(
    "--format",
    "format_name",
    default="pathfit",
    show_default=True,
    help="Format of --export-each; see `python -m spaces formats`.",
)
@finalist_options
@verification_options
@click.option(
    "--resume",
    is_flag=True,
    help="Resume an interrupted search by a supernet, or its measurements.",
)
@evaluation_options
@click.option(
    "-o",
    "--output",
    type=OUTPUT_FILE,
    required=True,
    help="JSON file for the result.",
)
def search(
    space_name: str,
    guide_text: str,
    training_options: tuple[str, ...],
    rank_by: str | None,
    constraints: tuple[str, ...],
    objectives: tuple[str, ...],
    charges: tuple[str, ...],
    strategy: str,
    options: tuple[str, ...],
    margin: float,
    isomorphic: bool,
    candidates: Path | None,
    count: int,
    seed: int,
    plot: Path | None,
    export_each: Path | None,
    format_name: str,
    num_finalists: int | None,
    final_guide_text: str | None,
    verified: int | None,
    table_name: str | None,
    verification_rounds: int,
    resume: bool,
    output: Path,
    **evaluation: Any,
) -> None:
    """Search a space for the best networks that meet constraints.

    TABLE is the name or path of a lookup table, or a device on which a benchmark of the space was
    measured: latency_ms<=20@raspi4 with HW-NAS-Bench's costs of nasbench201.

    Evaluations by a supernet are written to OUTPUT.evaluations.jsonl, so that --resume continues
    an interrupted search and ends with the same result. The options from --images on apply to
    supernets and have the meaning that they have for `evaluate`. Short trainings are written and
    resumed likewise, with the files of unfinished ones in OUTPUT.trainings, and heed --task,
    --device, --threads, --engine, --workers and --address.

    With --finalists the best networks of the search are scored once more by --final-guide, and the
    result has these alone; their evaluations are stored next to OUTPUT as well.

    With --verify the best networks are measured on this machine once the search has ended; their
    latencies are written to OUTPUT.measured.json, which --resume and `profiler refine` read.
    """
    from oneshot.search.charge import ChargedGuide
    from oneshot.search.finalists import compare_finalists
    from oneshot.search.problem import SearchProblem
    from spaces.console.progress import Bar
    from spaces.registry import get
    from tables.pruning import read_candidates

    # All options are checked before a guide is loaded, which may take long.
    space = get(space_name)
    strategy_options = dict(name_and_value(text, "generations=10") for text in options)
    _check(strategy, strategy_options, format_name, plot)
    limits, traded, charged = read_costs(space, constraints, objectives, charges, margin)
    guide_texts = [guide_text, *finalists_guide(num_finalists, final_guide_text)]
    check_training_options(training_options, guide_texts)
    remaining = None if candidates is None else read_candidates(candidates).masks(space)
    SearchProblem(space, _NoGuide(), limits, remaining=remaining).check_feasible()
    verification = None
    if verified is not None:
        verification = SearchVerification(
            space,
            constraints,
            verified,
            table_name,
            verification_rounds,
            seed,
            output,
            resume,
        )
    elif table_name is not None:
        raise click.UsageError("--table is for --verify; add --verify 5, or name it in a limit")

    # The space's name without its parameters.
    short_name = space.name.partition("(")[0]
    bars = [Bar(f"searching {short_name}"), Bar(f"comparing finalists of {short_name}")]
    guides: list[tuple[Guide, Journal | None]] = []
    # A guide of finalists that cannot be loaded is an error before the search, not after it.
    for text, path, bar in zip(guide_texts, [output, stored_finalists(output)], bars, strict=False):
        training = short_training(text, training_options, path, evaluation, bar.update)
        journal = open_journal(text, path, space, resume)
        ranking = ranking_of(text, rank_by, guide_texts)
        guide = load_guide(text, space, journal, ranking, training, evaluation)
        guides.append((ChargedGuide(guide, charged) if charged else guide, journal))

    guide, journal = guides[0]
    problem = SearchProblem(space, guide, limits, traded, isomorphic, remaining)
    chunk = chunk_size(guide_text, evaluation["engine"])
    exporter = None if export_each is None else _exporter(export_each, format_name)
    with bars[0] as bar, resumable(journal):
        result = _run(problem, strategy, strategy_options, seed, exporter, chunk, bar)
    if num_finalists is not None:
        guide, journal = guides[1]
        with bars[1], resumable(journal):
            final = compare_finalists(problem, result, guide, num_finalists)
        echo_finalists(result, final)
        result = final
    if verification is not None:
        result = verification.verify(result)

    result.save(output, count)
    _report(result, guide, output, plot)


def _check(
    strategy: str, strategy_options: dict[str, str], format_name: str, plot: Path | None
) -> None:
    """Check the options that need no space: a strategy's, the format and the plot's file."""
    from oneshot.search.plot import check_plot
    from oneshot.strategies.registry import check_options
    from spaces.formats.registry import get

    check_options(strategy, strategy_options)
    get(format_name)
    if plot is not None:
        check_plot(plot)


def _run(
    problem: SearchProblem,
    strategy: str,
    options: dict[str, str],
    seed: int,
    exporter: Callable[[int, Candidate], None] | None,
    chunk: int | None,
    bar: Bar,
) -> SearchResult:
    from oneshot.search.loop import run_search

    return run_search(
        problem,
        strategy,
        options=options,
        seed=seed,
        progress=lambda done, planned, best: bar.update(
            done / planned, f"{done}/{planned}, best {best:.4g}"
        ),
        after_batch=exporter,
        chunk=chunk,
    )


def _report(result: SearchResult, guide: Guide, output: Path, plot: Path | None) -> None:
    """Print the summary of a written result and the guide's description, and plot the search."""
    from oneshot.search.guide import Describing
    from oneshot.search.plot import plot_search

    click.echo(result.summary())
    echo_verification(result)
    if isinstance(guide, Describing) and (description := guide.describe()):
        click.echo(description)
    click.echo(f"wrote {output}")

    if plot is not None:
        plot_search(result, plot)
        click.echo(f"wrote {plot}")


def _exporter(folder: Path, format_name: str) -> Callable[[int, Candidate], None]:
    from spaces import formats
    from spaces.files import write_text

    def export(number: int, best: Candidate) -> None:
        write_text(
            folder / f"{number:03d}.json",
            formats.write(best.architecture, format_name).rstrip("\n") + "\n",
        )

    return export


class _NoGuide:
    """The guide of a problem that is only checked."""

    def score(self, codes: Any) -> Any:
        raise AssertionError("checking a problem scores nothing")

    def to_dict(self) -> dict[str, Any]:
        return {}
