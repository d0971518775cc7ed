"""Wait for a job at a service, so that Ctrl-C cancels it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from pathlib import Path

    from service.client import JobHandle, JobProgress, PipelineHandle
    from service.jobs import JsonObject


def waiting_options(
    watch_help: str = "Show progress while waiting.",
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that adds --wait and --watch to a command that starts a job.

    Args:
        watch_help: Help of --watch.
    """

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        command = click.option("--watch", is_flag=True, help=watch_help)(command)
        return click.option(
            "--wait/--no-wait",
            default=True,
            show_default=True,
            help="Wait for the result, or only print the id.",
        )(command)

    return add


def check_waiting(wait: bool, watch: bool, output: Path | None) -> None:
    """Check that a command which does not wait needs no result.

    Args:
        wait: Whether it waits for the job's end.
        watch: Whether it shows progress.
        output: Where it writes the result; None: nowhere.

    Raises:
        UsageError: Progress or a file is requested without waiting.
    """
    if not wait and (output is not None or watch):
        raise click.UsageError(
            f"{'-o' if output is not None else '--watch'} needs the result: leave out --no-wait"
        )


def wait_for_job(
    handle: JobHandle | PipelineHandle,
    watch: bool,
    title: str,
    describe: Callable[[JobProgress], str],
) -> JsonObject:
    """Wait for the result of a job; Ctrl-C cancels the job.

    Args:
        handle: The job.
        watch: Whether to show a bar of progress.
        title: Title of the bar.
        describe: Returns the text after the bar for a progress.
    """
    try:
        if not watch:
            return handle.wait()
        from spaces.console.progress import Bar

        with Bar(title) as bar:
            return handle.wait(on_progress=lambda now: bar.update(now.fraction, describe(now)))
    except KeyboardInterrupt:
        from service.client import ServiceProblem

        # The job has ended or the service is away: Ctrl-C ends this command all the same.
        with suppress(ServiceProblem):
            click.echo(f"cancelled {handle.cancel().id}", err=True)
        raise


def write_artifact(handle: JobHandle, output: Path | None) -> None:
    """Write the artifact of a finished job to a file; None: nowhere."""
    if output is None:
        return

    from spaces.files import replacing

    with replacing(output) as temporary:
        temporary.write_bytes(handle.artifact())
    click.echo(f"wrote {output}")
