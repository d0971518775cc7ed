"""Wait for a job at a service, so that Ctrl-C cancels it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from service.client import JobHandle, JobProgress, PipelineHandle
    from service.jobs import JsonObject


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
