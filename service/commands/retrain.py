"""`python -m service retrain`."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from service.commands.assignments import assigned
from service.commands.connection import connected
from spaces.console.group import example

if TYPE_CHECKING:
    from service.client import Client, JobHandle


@click.command(
    epilog=example("""
        python -m service retrain --arch result.json --data digits -O epochs=30 --watch
        python -m service retrain --arch result.json --data imagenet --workers 8 --no-wait
        """)
)
@connected
@click.option(
    "--arch",
    required=True,
    help="An architecture, search result, job or list; or a published network.",
)
@click.option(
    "--index",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Which one of several.",
)
@click.option(
    "--data", default="digits", show_default=True, help="A data set that the service knows."
)
@click.option(
    "--supernet", default=None, help="Begin with the weights of this one of the service's."
)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Processes, on any of its machines.",
)
@click.option(
    "-O",
    "--option",
    "options",
    multiple=True,
    help="NAME=VALUE of `oneshot retrain`; may be repeated.",
)
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True)
@click.option(
    "--wait/--no-wait",
    default=True,
    show_default=True,
    help="Wait for the result, or only print the id.",
)
@click.option("--watch", is_flag=True, help="Show progress while waiting.")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=None,
    help="Of the weights.",
)
def retrain(
    client: Client,
    arch: str,
    index: int,
    options: tuple[str, ...],
    wait: bool,
    watch: bool,
    output: Path | None,
    **asked: Any,
) -> None:
    """Have a service train an architecture's network and test it.

    Ctrl-C cancels the training; with --no-wait it goes on without this command, and so it does if
    the service restarts.
    """
    if not wait and (output is not None or watch):
        raise click.UsageError(
            f"{'-o' if output is not None else '--watch'} needs the result: leave out --no-wait"
        )
    from oneshot.retraining.source import read_source

    given: dict[str, Any] = assigned(options)
    for name in given.keys() & asked.keys():
        raise click.BadParameter(
            f"{name} has an option of its own, --{name}", param_hint="--option"
        )
    handle = client.retrain(read_source(arch, index=index), **asked, **given)
    if not wait:
        click.echo(handle.id)
        return
    result = _followed(handle, watch)
    from oneshot.retraining.report import in_words

    click.echo(in_words(result["test"]))
    if output is not None:
        from spaces.files import replacing

        with replacing(output) as beside:
            beside.write_bytes(handle.artifact())
        click.echo(f"wrote {output}")


def _followed(handle: JobHandle, watch: bool) -> dict[str, Any]:
    """The job's result; Ctrl-C cancels it."""
    try:
        if not watch:
            return handle.wait()
        from spaces.console.progress import Bar

        with Bar("retraining") as bar:
            return handle.wait(
                on_progress=lambda now: bar.update(now.fraction, now.state or now.stage)
            )
    except KeyboardInterrupt:
        from service.client import ServiceProblem

        with suppress(
            ServiceProblem
        ):  # it was over, or nobody answers: Ctrl-C ends this command all the same
            click.echo(f"cancelled {handle.cancel().id}", err=True)
        raise
