"""`python -m service pipeline`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from service.commands.connection import with_client
from service.commands.waiting import check_waiting, wait_for_job, waiting_options
from spaces.console.group import example
from spaces.console.outputs import OUTPUT_FOLDER

if TYPE_CHECKING:
    from service.client import Client, ServiceProblem
    from service.jobs import JsonObject


@click.command(
    epilog=example("""
        python -m service pipeline pipeline.yaml --watch -o results
        python -m service pipeline pipeline.yaml --name phone --no-wait
        """)
)
@with_client
@click.argument(
    "path",
    metavar="PIPELINE.yaml",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@click.option(
    "--name",
    default=None,
    help="Name of the new table, evaluations and predictor; proxies get it with -proxies."
    "  [default: the file's name]",
)
@click.option(
    "--shared",
    is_flag=True,
    help="Add these to the shared library, which needs an administrator's token.",
)
@waiting_options()
@click.option(
    "-o", "--output", type=OUTPUT_FOLDER, default=None, help="Folder to write all files to."
)
def pipeline(
    client: Client,
    path: Path,
    name: str | None,
    shared: bool,
    wait: bool,
    watch: bool,
    output: Path | None,
) -> None:
    """Run a pipeline at a service, with names of its catalog in place of paths.

    Ctrl-C cancels the pipeline. With --no-wait it continues without this command; it resumes if the
    service restarts.
    """
    check_waiting(wait, watch, output)
    from service.client import ServiceProblem

    try:
        handle = client.run_pipeline(path, name, shared=shared)
    except ServiceProblem as problem:
        raise _with_all_faults(problem, path) from problem
    if not wait:
        click.echo(handle.id)
        return

    result = wait_for_job(handle, watch, "pipeline", lambda now: f"{now.stage} {now.state}")
    _print_stages(result)
    if output is not None:
        paths = handle.download(output)
        click.echo(f"wrote {len(paths)} files to {output}")


def _with_all_faults(problem: ServiceProblem, path: Path) -> Exception:
    """Return the error of a refused pipeline as `pathfit pipeline check` prints it."""
    from oneshot.pipeline.faults import Fault, InvalidPipeline

    errors = problem.body.get("errors", [])
    if problem.body.get("type") != "urn:pathfit:problem:invalid-pipeline":
        return problem
    faults = [
        Fault(error["field"].removeprefix("pipeline").lstrip("."), error["detail"], error["line"])
        for error in errors
    ]
    return InvalidPipeline(path, faults)


def _print_stages(result: JsonObject) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    from service.pipelines.files import catalog_entry

    table = Table("stage", "seconds", "result", box=SIMPLE_HEAD, pad_edge=False)
    for stage in result["stages"]:
        table.add_row(stage["name"], f"{stage['seconds']:.1f}", stage["result"])
    Console().print(table)
    for published in result["published"]:
        kind, name = catalog_entry(published, result["name"])
        click.echo(f"added to the service: {kind} {name}")
