"""`python -m service jobs`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from service.commands.connection import connected
from spaces.console.group import example

if TYPE_CHECKING:
    from service.client import Client, JobStatus

KINDS = ("search", "predictor", "retrain")
STATES = ("queued", "running", "done", "failed", "cancelled")

_WIDE = 110
"""Columns of a terminal in which everything has its place."""


@click.command(epilog=example("python -m service jobs --state running"))
@connected
@click.option("--kind", type=click.Choice(KINDS), default=None, help="Only jobs of this kind.")
@click.option("--state", type=click.Choice(STATES), default=None, help="Only jobs in this state.")
@click.option(
    "-n",
    "--limit",
    type=click.IntRange(1, 10_000),
    default=20,
    show_default=True,
    help="How many at most.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object a line, with request and result."
)
def jobs(client: Client, kind: str | None, state: str | None, limit: int, as_json: bool) -> None:
    """List a service's jobs, newest first."""
    found = client.jobs(kind=kind, state=state, limit=limit)
    if as_json:
        import json
        from dataclasses import asdict

        for job in found:
            click.echo(json.dumps(asdict(job)))
    elif found:
        _table(found)
    else:
        click.echo("no jobs")


def _table(found: list[JobStatus]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    # Where nobody looks nothing is shortened: what reads this needs the whole line.
    console = console if console.is_terminal else Console(width=400)
    table = Table(box=box.SIMPLE_HEAD)
    wide = console.width >= _WIDE
    for heading in ("id", "kind", "state", "asked for") if wide else ("id", "state"):
        table.add_column(heading, no_wrap=True)
    table.add_column("about", overflow="fold")
    for job in found:
        state = Text(_state(job), {"failed": "red", "running": "yellow"}.get(job.state, ""))
        if wide:
            table.add_row(
                job.id, job.kind, state, job.created[:16].replace("T", " "), Text(_about(job))
            )
        else:
            table.add_row(job.id, state, Text(f"{job.kind} {_about(job)}"))
    console.print(table)


def _state(job: JobStatus) -> str:
    return (
        f"{job.state} {job.fraction:.0%}"
        if job.state == "running" and job.fraction is not None
        else job.state
    )


def _about(job: JobStatus) -> str:
    """What a job is for, in a few words; and why it failed."""
    limits = (job.request.get("constraints") or {}).items()
    words = [job.request.get(name) for name in ("name", "space", "device", "data")]
    words += [f"{metric}<={limit['max']:g}" for metric, limit in limits if limit]
    about = " ".join(str(word) for word in words if word)
    return f"{about}: {job.reason}" if job.reason else about
