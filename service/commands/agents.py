"""`python -m service agents`, `build` and `measurers`: devices that measure for a service."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from service.commands.connection import with_client
from service.commands.waiting import check_waiting, wait_for_job, waiting_options
from spaces.console.group import example

if TYPE_CHECKING:
    from service.client import Client

_WIDTH = 160


@click.command(epilog=example("python -m service agents --url http://127.0.0.1:8000"))
@with_client
def agents(client: Client) -> None:
    """List the devices that one may measure on, with their state."""
    from rich.console import Console
    from rich.table import Table

    listed = client.agents()
    if not listed:
        click.echo("no agents; start one: python -m profiler agent --service URL")
        return

    columns = ("name", "state", "processor", "threads", "backends", "version", "measurers")
    table = Table(*columns, box=None, pad_edge=False)
    for agent in listed:
        table.add_row(
            agent.name,
            agent.state,
            str(agent.device.get("processor")),
            str(agent.threads),
            ", ".join(agent.backends),
            agent.version,
            ", ".join(agent.measurers or ()),
        )
    Console(width=_WIDTH, soft_wrap=True, highlight=False).print(table)


@click.command(epilog=example("python -m service measurers my-board ada bob"))
@with_client
@click.argument("agent")
@click.argument("tokens", nargs=-1)
def measurers(client: Client, agent: str, tokens: tuple[str, ...]) -> None:
    """Let TOKENS measure on a device of one's own, and nobody else; * stands for all."""
    allowed = client.set_measurers(agent, tokens).measurers or ()
    click.echo(f"{agent}: {', '.join(allowed) or 'its owner alone'}")


@click.command(
    epilog=example("python -m service build --device my-board --space spos-tiny --watch")
)
@with_client
@click.option("--device", required=True, help="Agent; `python -m service agents` lists them.")
@click.option("--space", required=True, help="Name of the search space.")
@click.option(
    "--name", default=None, help="Name of the table.  [default: the device and the space]"
)
@click.option("--backend", default=None, help="Runtime.  [default: the agent's first one]")
@click.option(
    "--batch", type=click.IntRange(min=1), default=1, show_default=True, help="Batch size."
)
@click.option("--precision", default="fp32", show_default=True, help="Precision of the numbers.")
@click.option("--budget", default="60s", show_default=True, help="Time, such as 60s or 2m.")
@click.option("--shared", is_flag=True, help="Add it to the shared library.")
@waiting_options()
def build(
    client: Client,
    device: str,
    space: str,
    name: str | None,
    backend: str | None,
    batch: int,
    precision: str,
    budget: str,
    shared: bool,
    wait: bool,
    watch: bool,
) -> None:
    """Have an agent build the table of a space on its device.

    Ctrl-C cancels the job; with --no-wait it waits for its device without this command.
    """
    from profiler.commands.parameters import seconds

    check_waiting(wait, watch, None)
    handle = client.build_table(
        device,
        space,
        name,
        backend=backend,
        batch=batch,
        precision=precision,
        budget_s=seconds(budget),
        shared=shared,
    )
    if not wait:
        click.echo(handle.id)
        return

    result = wait_for_job(handle, watch, f"measuring on {device}", lambda now: now.state)
    click.echo(
        f"{result['table']}, version {result['version']}: {result['blocks']} blocks and"
        f" {result['networks']} networks, measured on {result['device']}"
    )
