"""`python -m oneshot search`: search a space under constraints."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from oneshot.commands.evaluation_options import evaluation_options, supernet_evaluation
from oneshot.commands.options import SEED
from spaces.console.group import example
from tables.metrics import MARGIN

if TYPE_CHECKING:
    from oneshot.search.result import Candidate
    from spaces.space import SearchSpace
    from tables.evaluation import Journal

_CHUNK = (
    25  # sub-networks of a supernet that are evaluated together, between two looks at the progress
)


@click.command(
    epilog=example(
        """
        python -m oneshot search --space spos --guide predictor:FILE \\
            --constraint 'latency_ms<=12@TABLE' -o a.json
        python -m oneshot search --space nasbench201 --guide benchmark:nasbench201 \\
            --strategy pareto -o b.json
        """
    )
)
@click.option("--space", "space_name", required=True)
@click.option(
    "--guide",
    "guide_text",
    required=True,
    help="predictor:FILE, supernet:FOLDER or benchmark:NAME (or NAME:METRIC)",
)
@click.option(
    "--constraint",
    "constraints",
    multiple=True,
    help=(
        "latency_ms<=12@TABLE, memory_bytes<=2e6@TABLE, energy_mj<=50@TABLE, flops<=330e6; may be"
        " repeated."
    ),
)
@click.option(
    "--objective",
    "objectives",
    multiple=True,
    help="flops, params, latency_ms@TABLE, ...: traded for the score.",
)
@click.option(
    "--strategy",
    default="evolution",
    show_default=True,
    help=(
        "evolution (alias spos), pareto, aging, predictor-loop, channels, exhaustive, random, or a"
        " plug-in's."
    ),
)
@click.option(
    "--option",
    "options",
    multiple=True,
    help="An option of the strategy: generations=10; may be repeated.",
)
@click.option(
    "--margin",
    type=click.FloatRange(min=0),
    default=MARGIN,
    show_default=True,
    help="Deviations kept free.",
)
@click.option(
    "--isomorphic", is_flag=True, help="Of architectures that compute the same, evaluate one."
)
@click.option(
    "--count",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Best architectures to list.",
)
@click.option("--seed", type=SEED, default=0, show_default=True)
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
    default=None,
    help="Write a picture, PNG.",
)
@click.option(
    "--export-each",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    help="Write the best architecture after every generation to this folder.",
)
@click.option(
    "--format", "format_name", default="pathfit", show_default=True, help="Of --export-each."
)
@click.option("--resume", is_flag=True, help="Go on with an interrupted search by a supernet.")
@evaluation_options
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), required=True)
def search(
    space_name: str,
    guide_text: str,
    constraints: tuple[str, ...],
    objectives: tuple[str, ...],
    strategy: str,
    options: tuple[str, ...],
    margin: float,
    isomorphic: bool,
    count: int,
    seed: int,
    plot: Path | None,
    export_each: Path | None,
    format_name: str,
    resume: bool,
    output: Path,
    **evaluation: Any,
) -> None:
    """Search a space for the best networks that meet constraints.

    Evaluations on a supernet are kept in OUTPUT.evaluations.jsonl, so that --resume goes on where a
    search was stopped and ends with the same result. The options from --images on are for a
    supernet, and mean what they do for `evaluate`.
    """
    from oneshot.search.constraint import Limit
    from oneshot.search.guide import guide_named
    from oneshot.search.loop import run_search
    from oneshot.search.objective import Objective
    from oneshot.search.plot import check_plot, plot_search
    from oneshot.search.problem import SearchProblem
    from oneshot.strategies.registry import check_options
    from spaces.console.progress import Bar
    from spaces.formats.registry import get as format_of
    from spaces.registry import get
    from tables.store import load

    space, load = get(space_name), functools.cache(load)
    given = dict(map(name_and_value, options))
    check_options(strategy, given)
    format_of(format_name)
    if plot is not None:
        check_plot(plot)
    bound = [Limit.parse(text).bind(space, load, margin) for text in constraints]
    traded = [
        found for text in objectives if (found := Objective.parse(text, space, load)) is not None
    ]
    SearchProblem(
        space, _Unasked(), bound
    ).check_feasible()  # before a guide is loaded, which may take long
    journal = _journal(output, space, resume) if guide_text.startswith("supernet:") else None
    guide = guide_named(
        guide_text, space, lambda run: supernet_evaluation(run, evaluation), journal
    )
    problem = SearchProblem(space, guide, bound, traded, isomorphic)
    with Bar(f"searching {space.name.partition('(')[0]}") as bar:
        try:
            result = run_search(
                problem,
                strategy,
                options=given,
                seed=seed,
                progress=lambda done, planned, best: bar.update(
                    done / planned, f"{done}/{planned}, best {best:.4g}"
                ),
                after_batch=None if export_each is None else _exporter(export_each, format_name),
                chunk=_CHUNK if journal is not None and evaluation["engine"] == "local" else None,
            )
        except KeyboardInterrupt as interrupt:
            if journal is None:
                raise
            click.echo(
                f"stopped after {len(journal.done)} evaluations; go on with --resume", err=True
            )
            raise SystemExit(130) from interrupt
    result.save(output, count)
    click.echo(result.summary())
    click.echo(f"wrote {output}")
    if plot is not None:
        plot_search(result, plot)
        click.echo(f"wrote {plot}")


def name_and_value(text: str) -> tuple[str, Any]:
    """An option of a strategy, NAME=VALUE; the value is a JSON number, or else text."""
    from oneshot.errors import InvalidOption

    key, separator, value = text.partition("=")
    if not separator or not key.strip() or not value.strip():
        raise InvalidOption(f"--option {text!r}: write NAME=VALUE, such as generations=10")
    try:
        found = json.loads(value)
    except ValueError:
        found = value.strip()
    return key.strip(), found


def _journal(output: Path, space: SearchSpace, resume: bool) -> Journal:
    from oneshot.errors import InvalidRun
    from tables.evaluation import Journal

    path = output.with_name(f"{output.name}.evaluations.jsonl")
    if path.exists() and not resume:
        raise InvalidRun(
            f"{path} holds evaluations of a search; go on with --resume, or choose another output"
        )
    return Journal(path, space.name)


def _exporter(folder: Path, format_name: str) -> Callable[[int, Candidate], None]:
    from spaces import formats
    from spaces.files import write_text

    def export(number: int, best: Candidate) -> None:
        write_text(
            folder / f"{number:03d}.json",
            formats.write(best.architecture, format_name).rstrip("\n") + "\n",
        )

    return export


class _Unasked:
    """Stands in for the guide while a problem is only checked."""

    def score(self, codes: Any) -> Any:
        raise AssertionError("checking a problem scores nothing")

    def to_dict(self) -> dict[str, Any]:
        return {}
