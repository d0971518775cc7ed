"""The command `pathfit quickstart`."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from spaces.console.group import example
from spaces.console.outputs import OUTPUT_FOLDER

if TYPE_CHECKING:
    from service.quickstart.paths import Paths


@click.command(epilog=example("pathfit quickstart"))
@click.option(
    "-o",
    "--output",
    type=OUTPUT_FOLDER,
    default=Path("runs/quickstart"),
    show_default=True,
    help="Folder of everything that is written.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of all stages."
)
@click.option(
    "--fresh",
    "start_over",
    is_flag=True,
    help="Start over, instead of keeping the stages that are done.",
)
@click.option(
    "--smallest",
    is_flag=True,
    help="Work as little as possible, to see that all works; the figures mean nothing.",
)
@click.option("--serve", is_flag=True, help="Keep the service running at the end.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="Port of --serve; 0 for any free one.",
)
def quickstart(
    output: Path, seed: int, start_over: bool, smallest: bool, serve: bool, port: int
) -> None:
    """Measure this processor, train, search, retrain, export, and measure the found network.

    Uses the digits images of scikit-learn. Takes a few minutes on two processor cores.
    """
    import shutil
    import time

    from rich.console import Console

    from oneshot.search.result import read_result
    from service.quickstart.paths import Paths
    from service.quickstart.picture import draw_front
    from service.quickstart.stages import stages
    from service.quickstart.summary import figures, print_summary
    from service.quickstart.workspace import FULL, SMALLEST, Stage, Workspace

    require_extras()
    console = Console(soft_wrap=True, highlight=False)
    if start_over and output.exists():
        shutil.rmtree(output)

    output.mkdir(parents=True, exist_ok=True)
    planned = stages(output, SMALLEST if smallest else FULL, seed)
    workspace = Workspace(output)
    start = time.monotonic()

    def announce(stage: Stage, done: bool) -> None:
        number = f"{planned.index(stage) + 1}/{len(planned)}"
        state = "  [dim](done before; --fresh starts over)[/dim]" if done else ""
        console.print(f"[bold]{number} {stage.title}[/bold]{state}")
        if not done:
            for command in stage.commands:
                # A request to the service is no command.
                prefix = "" if command.startswith("POST") else "python -m "
                console.print(f"[dim]  {prefix}{command}[/dim]")

    for stage in planned:
        workspace.run(stage, announce)

    paths = Paths(output)
    print_summary(paths, console)
    picture = output / "front.svg"
    # A second run without any work keeps the picture of the first one.
    if not picture.exists() or picture.stat().st_mtime < paths.measured.stat().st_mtime:
        draw_front(read_result(paths.result("found")), figures(paths), picture)

    console.print(f"picture: {picture}")
    console.print(f"{time.monotonic() - start:.0f} s")
    if serve:
        _keep_serving(paths, port)


def require_extras() -> None:
    """Raise MissingExtra, before any work, if a later stage would lack a package."""
    from importlib.util import find_spec

    from spaces.console.group import EXTRAS
    from spaces.errors import MissingExtra

    for package, extra in EXTRAS.items():
        is_needed = extra in ("predictor", "oneshot", "service")
        if is_needed and find_spec(package) is None:
            raise MissingExtra(package, "service")


def _keep_serving(paths: Paths, port: int) -> None:
    from service.quickstart.stages import serving

    with serving(paths, port) as (client, process):
        click.echo(f"serving at {client.url} until Ctrl-C")
        with contextlib.suppress(KeyboardInterrupt):
            process.wait()
