"""`python -m service retrain`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from service.commands.assignments import parse_assignments
from service.commands.connection import with_client
from service.commands.waiting import check_waiting, wait_for_job, waiting_options, write_artifact
from spaces.console.group import example
from spaces.console.outputs import OUTPUT_FILE

if TYPE_CHECKING:
    from service.client import Client


@click.command(
    epilog=example("""
        python -m service retrain --arch result.json --data digits -O epochs=30 --watch
        python -m service retrain --arch result.json --data imagenet --workers 8 --no-wait
        """)
)
@with_client
@click.option(
    "--arch",
    required=True,
    help="File of an architecture, search result, job or list, or a published network.",
)
@click.option(
    "--index",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Index of the architecture, if there are several.",
)
@click.option(
    "--data", default="digits", show_default=True, help="Name of a data set of the service."
)
@click.option(
    "--supernet", default=None, help="Supernet of the service to begin with the weights of."
)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Number of processes, on any nodes.",
)
@click.option(
    "-O",
    "--option",
    "options",
    multiple=True,
    help="NAME=VALUE, an option of `oneshot retrain`; may be repeated.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=0,
    show_default=True,
    help="Seed of the training.",
)
@waiting_options()
@click.option(
    "-o",
    "--output",
    type=OUTPUT_FILE,
    default=None,
    help="File of the weights.",
)
def retrain(
    client: Client,
    arch: str,
    index: int,
    options: tuple[str, ...],
    wait: bool,
    watch: bool,
    output: Path | None,
    **request: Any,
) -> None:
    """Train and test the network of an architecture at a service.

    Ctrl-C cancels the training. With --no-wait it continues without this command; it resumes if the
    service restarts.
    """
    check_waiting(wait, watch, output)

    from oneshot.retraining.source import read_source

    training_options: dict[str, Any] = parse_assignments(options)
    for name in training_options.keys() & request.keys():
        raise click.BadParameter(
            f"{name} has an option of its own, --{name}", param_hint="--option"
        )

    handle = client.retrain(read_source(arch, index=index), **request, **training_options)
    if not wait:
        click.echo(handle.id)
        return

    result = wait_for_job(handle, watch, "retraining", lambda now: now.state or now.stage)
    from oneshot.retraining.report import in_words
    from oneshot.tasks.registry import DEFAULT
    from tables.metrics import Metric

    # The service's task may be a plug-in's, which this machine need not have.
    metrics = None
    if result.get("task", DEFAULT) != DEFAULT:
        metrics = {name: Metric.from_dict(value) for name, value in result["metrics"].items()}
    click.echo(in_words(result["test"], metrics=metrics))
    write_artifact(handle, output)
