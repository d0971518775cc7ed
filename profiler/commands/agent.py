"""`python -m profiler agent`: the profiler on a device, for a service."""

from __future__ import annotations

import os
import platform
import re

import click

from profiler.commands.parameters import DEVICE_OPTION, THREADS_OPTION, warn_of_threads
from spaces.console.group import example
from spaces.console.options import ListOf


@click.command(
    epilog=example("python -m profiler agent --service https://nas.example.org --name pi")
)
@click.option("--service", "url", required=True, help="Address of the service.")
@click.option(
    "--token",
    envvar="PATHFIT_TOKEN",
    default=None,
    help="Token of the agent; `service token create NAME --agent-of OWNER` makes it.  [default:"
    " PATHFIT_TOKEN, which other users of this machine cannot see]",
)
@click.option(
    "--name",
    default=None,
    help="Name of the device at the service, that of the token.  [default: this machine's]",
)
@DEVICE_OPTION
@click.option(
    "--backend",
    "backends",
    type=ListOf(click.STRING),
    default=None,
    help="Runtimes that may be used, separated by commas.  [default: those that run here]",
)
@THREADS_OPTION
def agent(
    url: str,
    token: str | None,
    name: str | None,
    device_name: str,
    backends: tuple[str, ...] | None,
    threads: int | None,
) -> None:
    """Take measuring jobs from a service, one after the other, until Ctrl-C.

    The agent registers this device and its runtimes, and waits for jobs: networks of a search that
    are measured, tables that are built, tables that are validated. Results are sent as they come. A
    service that is away is waited for, and no measurement is lost by it. Ctrl-C gives the job back,
    with exit code 130. No code of the service is run: networks are named by architectures.
    """
    import signal
    import threading

    from profiler.agent.agent import Agent
    from profiler.agent.connection import Connection
    from profiler.agent.runtimes import usable_backends
    from profiler.agent.work import Bench
    from profiler.instruments.devices import find

    device = find(device_name)
    threads = threads or device.threads
    warn_of_threads(threads, device)
    stopping = threading.Event()
    connection = Connection(url, token, stopping)
    names = usable_backends(backends, device, threads)

    # As Ctrl-C: a system that stops its services must not leave a job to its lease.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    loop = Agent(
        name or _machine_name(), Bench(device, names, threads), connection, stopping, _tell
    )
    try:
        loop.run()
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def _tell(line: str) -> None:
    click.echo(line)


def _machine_name() -> str:
    """Return the name of this machine, as the name of an agent may be."""
    name = re.sub(r"[^A-Za-z0-9_.@+-]+", "-", platform.node()).strip("-.")
    return name or f"device-{os.getpid()}"
