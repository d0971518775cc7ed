"""`python -m tables prune`: leave dominated candidates out of a space."""

from __future__ import annotations

from pathlib import Path

import click

from spaces.console.group import example
from spaces.console.outputs import OUTPUT_FILE

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(
    epilog=example(
        """
        python -m tables prune --space spos-tiny --table my-cpu --evaluations evaluations.jsonl \\
            --rule effects --limit 3 -o candidates.json
        python -m oneshot search --space spos-tiny --guide supernet:runs/supernet \\
            --candidates candidates.json -o found.json
        """
    )
)
@click.option("--space", "space_name", required=True, help="Space to prune.")
@click.option("--table", "table_name", required=True, help="Name or path of the lookup table.")
@click.option(
    "--evaluations",
    type=FILE,
    required=True,
    help="Evaluated networks, JSON lines, such as `oneshot evaluate` writes them.",
)
@click.option(
    "--metric", default="top1", show_default=True, help="Metric of the evaluations, such as top1."
)
@click.option(
    "--rule",
    type=click.Choice(["dominated", "effects"]),
    default="dominated",
    show_default=True,
    help="dominated: another candidate is not slower and better in the mean; effects: networks"
    " without the candidate are better at equal latency, by a sum of effects.",
)
@click.option(
    "--limit",
    type=click.FloatRange(min=0, min_open=True),
    default=None,
    help="Greatest latency of a network in ms, of --rule effects.  [default: none]",
)
@click.option(
    "--margin",
    type=click.FloatRange(min=0),
    default=2.0,
    show_default=True,
    help="Standard errors by which two candidates must differ; 0: not at all.",
)
@click.option(
    "-o", "--output", type=OUTPUT_FILE, required=True, help="File of the remaining candidates."
)
def prune(
    space_name: str,
    table_name: str,
    evaluations: Path,
    metric: str,
    rule: str,
    limit: float | None,
    margin: float,
    output: Path,
) -> None:
    """Leave out candidates that good networks can do without.

    By default those that another one beats in latency and in the mean accuracy of all evaluated
    networks with it (BBSSP). With --rule effects those that cost more accuracy elsewhere, by their
    latency, than they are worth below --limit; it needs about ten evaluated networks more than
    there are candidates. `oneshot search --candidates` searches among the networks that remain;
    codes, guides and tables stay those of the space.
    """
    from spaces.files import write_text
    from spaces.registry import get
    from tables.errors import InvalidTable
    from tables.evaluation import read
    from tables.pruning import prune as prune_dominated
    from tables.pruning import prune_by_effects
    from tables.store import load

    if limit is not None and rule != "effects":
        raise InvalidTable(f"--limit {limit:g} is of --rule effects, not of {rule}; leave one out")
    space = get(space_name)
    evaluated = space, load(table_name), read(evaluations), metric, margin
    if rule == "effects":
        remaining = prune_by_effects(*evaluated, limit)
    else:
        remaining = prune_dominated(*evaluated)
    size = 1
    for choice in space.choices:
        names = remaining.names[choice.key]
        size *= len(names)
        lost = [name for name in choice.candidates if name not in names]
        if lost:
            click.echo(f"{choice.key}: {', '.join(lost)} left out; {', '.join(names)} remain")

    write_text(output, remaining.to_json() + "\n")
    click.echo(f"{size} of {space.size} architectures remain; wrote {output}")
