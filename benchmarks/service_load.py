"""Measure how soon a service answers: single searches, other requests meanwhile, many clients.

    python benchmarks/service_load.py
    python benchmarks/service_load.py --clients 16 --searches 100 -o service-load.json

A separate service is started with a generated table of `spos` and a small predictor, and its worker
is warmed up. The report has the median and the 95th percentile of the time from the request of a
guided search over 1000 candidates to its result, the same for `GET /spaces` during such searches,
and, of many clients that request searches at once, how many searches were lost, run twice or left
unanswered. The targets on two cores are a search under 1 s, another answer under 50 ms (both at the
median), and no lost search. The machine's load is reported with the figures.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from service.client import Client, ServiceProblem
from spaces.chains.chain import ChainSpace
from spaces.console.progress import Bar
from spaces.files import write_text
from spaces.registry import get
from tables.lookup_table import BlockCost, LookupTable, Measurement

SPACE = "spos"
DEVICE = "made-up"
GUIDE = "small"
SEARCH_TARGET_S = 1.0
ANSWER_TARGET_MS = 50.0


@click.command()
@click.option(
    "--searches", "count", default=500, show_default=True, help="Of all clients together."
)
@click.option("--clients", default=64, show_default=True)
@click.option("--single", default=20, show_default=True, help="Searches one after the other.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), default=None)
def main(count: int, clients: int, single: int, output: Path | None) -> None:
    """Measure a service of its own."""
    begun = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as client:
        search(client, 0)  # whatever is done at the first only
        with Bar("searches one after the other") as bar:
            alone, concurrent = one_after_the_other(client, single, bar)
        with Bar(f"{clients} clients, {count} searches") as bar:
            crowd = many_at_once(client, clients, count, bar)
    figures = {
        "cores": os.cpu_count(),
        "load_before": begun,
        "load_after": os.getloadavg()[0],
        "search_s": spread(alone),
        "answer_beside_ms": spread([1000 * seconds for seconds in concurrent]),
        "crowd": {"clients": clients, "searches": count, **crowd},
    }
    show(figures)
    if output is not None:
        write_text(output, json.dumps(figures, indent=1) + "\n")


def search(client: Client, seed: int) -> str:
    """One guided search over 1000 candidates under a latency; gives its id."""
    handle = client.search(
        space=SPACE, device=DEVICE, constraints={"latency_ms": 100.0}, guide=GUIDE, seed=seed
    )
    handle.wait(300)
    return handle.id


def one_after_the_other(client: Client, count: int, bar: Bar) -> tuple[list[float], list[float]]:
    """Seconds of each search, and of each answer to another client meanwhile."""
    alone = list[float]()
    concurrent = list[float]()
    over = threading.Event()

    def look() -> None:
        other = Client(client.url)
        while not over.is_set():
            begin = time.perf_counter()
            other.request("GET", "/spaces")
            concurrent.append(time.perf_counter() - begin)
            over.wait(0.02)

    looking = threading.Thread(target=look)
    looking.start()
    for seed in range(1, count + 1):
        begin = time.perf_counter()
        requested = {
            "space": SPACE,
            "device": DEVICE,
            "constraints": {"latency_ms": {"max": 100.0}},
            "seed": seed,
        }
        answer = client.request("POST", "/search", requested, headers={"Prefer": "wait=30"})
        alone.append(time.perf_counter() - begin)
        assert answer["state"] == "done", answer["state"]
        bar.update(seed / count, f"{alone[-1]:.2f} s")
    over.set()
    looking.join()
    return alone, concurrent


def many_at_once(client: Client, clients: int, count: int, bar: Bar) -> dict[str, Any]:
    """Return the outcomes of searches that many clients request at once."""
    pending = list(range(count))
    job_ids = list[str]()
    troubles = list[str]()

    def ask() -> None:
        thread_client = Client(client.url, timeout=60)
        while True:
            try:
                seed = pending.pop()
            except IndexError:
                return
            try:
                job_ids.append(search(thread_client, seed))
            except (ServiceProblem, TimeoutError) as trouble:
                troubles.append(str(trouble))
            bar.update((len(job_ids) + len(troubles)) / count, f"{len(job_ids)}/{count}")

    begin = time.perf_counter()
    threads = [threading.Thread(target=ask) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - begin
    jobs = {job_id: client.request("GET", f"/search/{job_id}") for job_id in set(job_ids)}
    return {
        "seconds": seconds,
        "answered": len(job_ids),
        "lost": count - len(jobs),
        "run_twice": sum(job["attempt"] != 1 for job in jobs.values()),
        "unanswered": len(troubles),
        "troubles": troubles[:3],
    }


@contextmanager
def served(folder: Path) -> Iterator[Client]:
    """A service with its worker ready: its client."""
    make_world(folder)
    places = ["--tables", str(folder / "tables"), "--predictors", str(folder / "predictors")]
    command = ["serve", "--port", "0", "--workers", "1", "--data", str(folder / "data"), *places]
    process = subprocess.Popen(
        [sys.executable, "-m", "service", *command], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        client = Client(process.stdout.readline().removeprefix("serving at ").strip(), timeout=60)
        client.wait_until_ready(180)
        yield client
    finally:
        process.terminate()
        process.wait()


def make_world(folder: Path) -> None:
    """A made-up table and a small predictor."""
    import predictor

    space = get(SPACE)
    assert isinstance(space, ChainSpace)
    blocks = {
        key: BlockCost(0.01 + block.macs / 1e8, 0.001, 10, block.macs, block.params)
        for key, block in space.all_blocks.items()
    }
    LookupTable(
        name=DEVICE,
        space=space.name,
        device={"kind": "cpu", "processor": "made up"},
        conditions={"backend": "torch", "batch": 1, "precision": "fp32", "threads": 1},
        versions={"torch": "2"},
        created="2026-01-01T00:00:00Z",
        command="benchmarks/service_load.py",
        seed=0,
        measurement=Measurement(1, 1.0, 1.0, "budget", 0.01, ((0,) * len(space.choices),), 1.0),
        blocks=blocks,
        networks=(),
    ).save(folder / "tables" / f"{DEVICE}.json")
    guide = predictor.default(space)
    codes = np.unique(space.sample(np.random.default_rng(1), 48), axis=0)
    guide.fit(space.decode(codes), np.log(space.macs(codes)))
    guide.save(folder / "predictors" / f"{GUIDE}.safetensors")


def spread(values: list[float]) -> dict[str, float]:
    """Median, 95th percentile and count."""
    return {
        "median": float(np.median(values)),
        "p95": float(np.percentile(values, 95)),
        "count": len(values),
    }


def show(figures: dict[str, Any]) -> None:
    """Print the figures with the targets."""
    table = Table(
        "",
        "median",
        "95 %",
        "target",
        title=f"{figures['cores']} cores, load {figures['load_before']:.1f}",
    )
    alone = figures["search_s"]
    concurrent = figures["answer_beside_ms"]
    table.add_row(
        f"search of 1000 on {SPACE}, s",
        f"{alone['median']:.3f}",
        f"{alone['p95']:.3f}",
        f"{SEARCH_TARGET_S:g}",
    )
    table.add_row(
        "another answer meanwhile, ms",
        f"{concurrent['median']:.1f}",
        f"{concurrent['p95']:.1f}",
        f"{ANSWER_TARGET_MS:g}",
    )
    Console().print(table)
    crowd = figures["crowd"]
    click.echo(
        f"{crowd['clients']} clients, {crowd['searches']} searches in {crowd['seconds']:.1f} s: "
        f"{crowd['answered']} answered, {crowd['lost']} lost, {crowd['run_twice']} run twice, "
        f"{crowd['unanswered']} unanswered"
    )
    for trouble in crowd["troubles"]:
        click.echo(f"  {trouble}")


if __name__ == "__main__":
    main()
