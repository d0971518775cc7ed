"""Measure how soon a service lists thousands of uploads.

    python benchmarks/service_listing.py
    python benchmarks/service_listing.py --uploads 5000 --database postgresql://...

A store gets that many versions with their summaries, as uploads write them, and the application
answers requests in this process: the first page, the last one, and a search that names no device.
The target is an answer within 50 ms at 5,000 uploads. Processor times are reported as well, which
other work on the machine changes less.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
from rich.console import Console
from rich.table import Table
from service_world import DEVICE, GUIDE, SPACE, make_table, make_world

from service.app import create_app
from service.catalog.summaries import summarise_table
from service.context import Service, service_of
from service.settings import Settings

TARGET_MS = 50.0

_OTHER_SPACE = "spos-tiny"


@click.command()
@click.option("--uploads", default=5000, show_default=True, help="Of tables and of evaluations.")
@click.option("--repetitions", default=20, show_default=True)
@click.option("--database", default=None, help="Job store, as of `service serve`.")
def main(uploads: int, repetitions: int, database: str | None) -> None:
    """Measure an application in this process."""
    with tempfile.TemporaryDirectory() as folder:
        make_world(Path(folder))
        settings = Settings(
            Path(folder) / "data",
            (Path(folder) / "tables",),
            (Path(folder) / "predictors",),
            database_url=database,
        )
        app = create_app(settings)
        service = service_of(app)
        _add_uploads(service, uploads)
        http = app.test_client()
        body = {
            "space": SPACE,
            "constraints": {"latency_ms": {"max": 100.0}},
            "guide": {"kind": "predictor", "name": GUIDE},
        }
        requests: dict[str, Callable[[], object]] = {
            "GET /tables": lambda: http.get("/tables"),
            "GET /tables, last page": lambda: http.get(f"/tables?offset={uploads - 50}"),
            "GET /tables, 1000 entries": lambda: http.get("/tables?limit=1000"),
            "GET /evaluations": lambda: http.get("/evaluations"),
            "POST /search without a device": lambda: http.post("/search", json=body),
        }

        table = Table("", "median, ms", "95 %", "processor, ms", title=f"{uploads} uploads")
        for name, request in requests.items():
            # Without what is done at the first request only.
            request()
            table.add_row(name, *_time(request, repetitions))
        service.stop()

    Console().print(table)
    click.echo(f"target: {TARGET_MS:g} ms")


def _add_uploads(service: Service, count: int) -> None:
    table = make_table(DEVICE)
    path, sha256 = service.artifacts.keep(table.to_json().encode())
    # Of another space, so that the search has one device to choose from.
    summary = {**summarise_table(table), "space": _OTHER_SPACE}
    for index in range(count):
        for kind in ("table", "evaluations"):
            service.store.files.add(kind, f"{kind}-{index}", sha256, path, summary=summary)


def _time(request: Callable[[], object], repetitions: int) -> list[str]:
    milliseconds = []
    processor_begin = time.process_time()
    for _ in range(repetitions):
        begin = time.perf_counter()
        request()
        milliseconds.append(1000 * (time.perf_counter() - begin))

    processor_ms = 1000 * (time.process_time() - processor_begin) / repetitions
    figures = (np.median(milliseconds), np.percentile(milliseconds, 95), processor_ms)
    return [f"{figure:.1f}" for figure in figures]


if __name__ == "__main__":
    main()
