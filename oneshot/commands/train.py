"""`python -m oneshot train`: train a supernet."""

from __future__ import annotations

from typing import Any

import click

from oneshot.commands.options import recipe, recipe_options, run_settings, set_threads
from spaces.console import example


@click.command(epilog=example("python -m oneshot train --space spos-tiny --data digits -o runs/supernet"))
@click.option("--space", "space_name", default="spos-tiny", show_default=True)
@click.option("--algorithm", type=click.Choice(["spos"]), default="spos", show_default=True)
@recipe_options
def train(space_name: str, algorithm: str, **options: Any) -> None:
    """Train the supernet of a space on uniform single paths (SPOS)."""
    from oneshot.run import begin
    from oneshot.supernet_training import train_supernet
    from spaces.progress import Bar
    from spaces.registry import get

    space = get(space_name)
    settings = run_settings("supernet", space, recipe(options), options)
    run = begin(options["output"], {**settings, "algorithm": algorithm}, options["resume"])
    set_threads(options["threads"])
    with Bar(f"training the supernet of {space.name}") as bar:
        train_supernet(run, bar.update)
    click.echo(f"wrote {run.weights}")
