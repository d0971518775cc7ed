"""`python -m service jobs`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from service.commands.connection import connected
from spaces.console import example

if TYPE_CHECKING:
    from service.client import Client, JobStatus

KINDS = ("search", "predictor", "retrain")
STATES = ("queued", "running", "done", "failed", "cancelled")


@click.command(epilog=example("python -m service jobs --state running"))
@connected
@click.option("--kind", type=click.Choice(KINDS), default=None, help="Only jobs of this kind.")
@click.option("--state", type=click.Choice(STATES), default=None, help="Only jobs in this state.")
@click.option("-n", "--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many at most.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, with request and result.")
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

    table = Table("id", "kind", "state", "about", "asked for", box=box.SIMPLE_HEAD)
    for job in found:
        state = f"{job.state}: {job.reason}" if job.reason else _state(job)
        table.add_row(*map(Text, (job.id, job.kind, state, _about(job), job.created[:19].replace("T", " "))))
    console = Console()
    # Where nobody looks, nothing is shortened: what reads this needs the whole id.
    (console if console.is_terminal else Console(width=400)).print(table)


def _state(job: JobStatus) -> str:
    done, planned = ((job.details or {}).get(name) for name in ("evaluated", "planned"))
    share = f" {100 * done // planned}%" if job.state == "running" and planned and done is not None else ""
    return f"{job.state}{share}"


def _about(job: JobStatus) -> str:
    """What a job is for, in a few words."""
    limits = (job.request.get("constraints") or {}).items()
    words = [job.request.get(name) for name in ("name", "space", "device")]
    words += [f"{metric}<={limit['max']:g}" for metric, limit in limits if limit]
    return " ".join(str(word) for word in words if word)
