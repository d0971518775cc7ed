"""Measure the processor time of a service that has nothing to do.

    python benchmarks/service_idle.py
    python benchmarks/service_idle.py --seconds 60 --database postgresql://... --page

The target is less than 1% of a core for the service's own processes together: supervisor, web and
engine. Ray's processes and its workers are reported beside them. With `--page` somebody looks at
the page: it lists the jobs every 5 seconds, and follows the events of a job that waits for more
cores than there are. With SQLite, where no other service could run such a job, it ends at once.
"""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import click
from process_times import OWN_ROLES, times_by_role, used_between
from service_world import SPACE, served

from service.client import Client, ServiceProblem
from spaces.files import write_text
from spaces.registry import get

TARGET_PERCENT = 1.0

# Seconds after the start in which imports and first queries end.
_SETTLING = 5.0

_LIST_EVERY_S = 5.0


@click.command()
@click.option("--seconds", default=60.0, show_default=True, help="Time that is measured.")
@click.option("--database", default=None, help="Job store, as of `service serve`.")
@click.option("--page", is_flag=True, help="With an open page.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), default=None)
def main(seconds: float, database: str | None, page: bool, output: Path | None) -> None:
    """Measure a service of its own."""
    options = [] if database is None else ["--database", database]
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        service = stack.enter_context(served(Path(folder), *options))
        if page:
            stack.enter_context(open_page(service.client))
        time.sleep(_SETTLING)

        before = times_by_role(service.pid)
        time.sleep(seconds)
        used = used_between(before, times_by_role(service.pid))

    percent = {role: 100 * spent / seconds for role, spent in used.items()}
    own_percent = sum(percent.get(role, 0.0) for role in OWN_ROLES)
    for role, value in sorted(percent.items()):
        click.echo(f"{role:12} {value:6.2f}% of a core")
    click.echo(f"own processes {own_percent:.2f}% of a core (target: {TARGET_PERCENT:g}%)")
    if output is not None:
        figures: dict[str, Any] = {"seconds": seconds, "percent": percent, "own": own_percent}
        write_text(output, json.dumps(figures, indent=1) + "\n")


@contextmanager
def open_page(client: Client) -> Iterator[None]:
    """Send what an open page sends."""
    waiting = client.retrain(get(SPACE).architecture([0] * 20), workers=64)
    over = threading.Event()

    def follow() -> None:
        # Until it is cancelled.
        with suppress(ServiceProblem):
            waiting.wait()

    def list_jobs() -> None:
        while not over.wait(_LIST_EVERY_S):
            client.jobs(limit=12)

    threads = [threading.Thread(target=work) for work in (follow, list_jobs)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        with suppress(ServiceProblem):
            waiting.cancel()
        for thread in threads:
            thread.join()


if __name__ == "__main__":
    main()
