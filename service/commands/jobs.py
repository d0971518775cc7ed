"""`python -m service jobs`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from service.commands.connection import with_client
from spaces.console.group import example

if TYPE_CHECKING:
    from service.client import Client, JobStatus

KINDS = ("search", "predictor", "retrain", "pipeline", "measure")
STATES = ("queued", "running", "done", "failed", "cancelled")

# Columns of a terminal in which every column of the table fits.
_WIDE = 110

# Columns if the output is no terminal: a program that reads it needs whole lines.
_UNLIMITED = 400


@click.command(epilog=example("python -m service jobs --state running"))
@with_client
@click.option("--kind", type=click.Choice(KINDS), default=None, help="Only jobs of this kind.")
@click.option("--state", type=click.Choice(STATES), default=None, help="Only jobs in this state.")
@click.option("--tag", metavar="TAG", default=None, help="Only jobs with this tag.")
@click.option(
    "--text",
    metavar="WORDS",
    default=None,
    help="Only jobs whose name, tags or request contain these words.",
)
@click.option(
    "-n",
    "--limit",
    type=click.IntRange(1, 10_000),
    default=20,
    show_default=True,
    help="Number of jobs at most.",
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print one JSON object per line, with request and result.",
)
def jobs(
    client: Client,
    kind: str | None,
    state: str | None,
    tag: str | None,
    text: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """List a service's jobs, newest first."""
    newest = client.jobs(kind=kind, state=state, tag=tag, text=text, limit=limit)
    if as_json:
        import json
        from dataclasses import asdict

        for job in newest:
            click.echo(json.dumps(asdict(job)))
    elif newest:
        _print_table(newest)
    else:
        click.echo("no jobs")


def _print_table(jobs: list[JobStatus]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    if not console.is_terminal:
        console = Console(width=_UNLIMITED)

    table = Table(box=box.SIMPLE_HEAD)
    # Narrow terminals get the kind in the last column, so that ids stay whole.
    wide = console.width >= _WIDE
    for heading in ("id", "kind", "state", "created") if wide else ("id", "state"):
        table.add_column(heading, no_wrap=True)

    table.add_column("about", overflow="fold")
    for job in jobs:
        state = Text(_state(job), {"failed": "red", "running": "yellow"}.get(job.state, ""))
        if wide:
            created = job.created[:16].replace("T", " ")
            table.add_row(job.id, job.kind, state, created, Text(_about(job)))
        else:
            table.add_row(job.id, state, Text(f"{job.kind} {_about(job)}"))

    console.print(table)


def _state(job: JobStatus) -> str:
    if job.state == "running" and job.fraction is not None:
        return f"{job.state} {job.fraction:.0%}"
    return job.state


def _about(job: JobStatus) -> str:
    """Summarise the request of a job, and the reason if it failed."""
    limits = (job.request.get("constraints") or {}).items()
    words = [job.request.get(name) for name in ("name", "space", "device", "data")]
    labels = [job.name, *(f"#{tag}" for tag in job.tags)]
    words = [*labels, *words]
    words += [f"{metric}<={limit['max']:g}" for metric, limit in limits if limit]
    about = " ".join(str(word) for word in words if word)
    return f"{about}: {job.reason}" if job.reason else about
