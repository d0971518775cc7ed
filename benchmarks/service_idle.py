"""Measure the processor time of a service that has nothing to do.

    python benchmarks/service_idle.py
    python benchmarks/service_idle.py --seconds 60 --database postgresql://...

The target is less than 1% of a core for the service's own processes together: supervisor, web and
engine. Ray's processes and its workers are reported beside them.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any

import click
from process_times import OWN_ROLES, times_by_role, used_between
from service_world import served

from spaces.files import write_text

TARGET_PERCENT = 1.0

# Seconds after the start in which imports and first queries end.
_SETTLING = 5.0


@click.command()
@click.option("--seconds", default=60.0, show_default=True, help="Time that is measured.")
@click.option("--database", default=None, help="Job store, as of `service serve`.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), default=None)
def main(seconds: float, database: str | None, output: Path | None) -> None:
    """Measure a service of its own."""
    options = [] if database is None else ["--database", database]
    with tempfile.TemporaryDirectory() as folder, served(Path(folder), *options) as service:
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


if __name__ == "__main__":
    main()
