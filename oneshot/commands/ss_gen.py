"""The command `python -m oneshot ss-gen`."""

from __future__ import annotations

from pathlib import Path

import click

from spaces.console.group import example
from spaces.console.outputs import OUTPUT_FILE


@click.command(epilog=example("python -m oneshot ss-gen --space spos -o search_space.json"))
@click.option("--space", "space_name", required=True, help="Space to describe.")
@click.option(
    "-o",
    "--output",
    type=OUTPUT_FILE,
    required=True,
    help="JSON file to write.",
)
def ss_gen(space_name: str, output: Path) -> None:
    """Write the search-space file of a space as `nnictl ss_gen` does, for a tuner of NNI.

    Samples that a tuner returns are read by `python -m spaces convert --from nni-sample`.
    """
    from spaces import formats
    from spaces.files import write_text
    from spaces.registry import get

    space = get(space_name)
    write_text(output, formats.write_search_space(space) + "\n")
    click.echo(f"wrote {output}: {len(space.choices)} choices")
