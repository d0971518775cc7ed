"""`python -m oneshot search`: search a space under constraints."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from oneshot.commands.options import SEED, name_and_value
from spaces.console import example

if TYPE_CHECKING:
    from oneshot.guide import Guide
    from spaces.space import SearchSpace


@click.command(
    epilog=example("python -m oneshot search --space spos --guide predictor:FILE --constraint 'latency_ms<=12@TABLE'")
)
@click.option("--space", "space_name", required=True)
@click.option("--guide", "guide_text", required=True, help="predictor:FILE or supernet:FOLDER")
@click.option("--constraint", "constraints", multiple=True, help="latency_ms<=12@TABLE, flops<=330e6; may be repeated.")
@click.option("--strategy", default="evolution", show_default=True, help="evolution (alias spos), random")
@click.option("--option", "options", multiple=True, help="An option of the strategy: generations=10; may be repeated.")
@click.option("--margin", type=click.FloatRange(min=0), default=1.64, show_default=True, help="Deviations kept free.")
@click.option("--count", type=click.IntRange(min=1), default=1, show_default=True, help="Best architectures to list.")
@click.option("--seed", type=SEED, default=0, show_default=True)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), required=True)
def search(
    space_name: str,
    guide_text: str,
    constraints: tuple[str, ...],
    strategy: str,
    options: tuple[str, ...],
    margin: float,
    count: int,
    seed: int,
    output: Path,
) -> None:
    """Search a space for the best networks that meet constraints."""
    from oneshot.constraint import Limit
    from oneshot.problem import SearchProblem
    from oneshot.search_loop import search as run_search
    from oneshot.strategies.base import check_options
    from spaces.progress import Bar
    from spaces.registry import get
    from tables.store import load

    space = get(space_name)
    given = dict(map(name_and_value, options))
    check_options(strategy, given)
    bound = [Limit.parse(text).bind(space, load, margin) for text in constraints]
    problem = SearchProblem(space, _guide(guide_text, space), bound)
    with Bar(f"searching {space.name}") as bar:
        result = run_search(
            problem,
            strategy,
            options=given,
            seed=seed,
            progress=lambda done, planned, best: bar.update(done / planned, f"{done}/{planned}, best {best:.4g}"),
        )
    result.save(output, count)
    click.echo(result.summary())
    click.echo(f"wrote {output}")


def _guide(text: str, space: SearchSpace) -> Guide:
    from oneshot.errors import InvalidOption
    from oneshot.guide import PredictorGuide, SupernetGuide
    from oneshot.run import read_run

    kind, _, name = text.partition(":")
    guide: Guide
    if kind == "predictor" and name:
        import predictor

        found = predictor.load(name)
        guide, other = PredictorGuide(found, name), found.space
    elif kind == "supernet" and name:
        run = read_run(name, "supernet")
        guide, other = SupernetGuide.of_run(run), run.space
    else:
        raise InvalidOption(f"--guide {text!r}: a guide is predictor:FILE or supernet:FOLDER")
    if other != space:
        raise InvalidOption(f"--guide {text!r} is one for {other.name}, not for {space.name}")
    return guide
