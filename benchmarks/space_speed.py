"""Measure how fast spaces sample, count and encode architectures.

    python benchmarks/space_speed.py

Ten million architectures of SPOS are measured, and fewer of the other spaces.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from spaces.registry import get
from spaces.space import SearchSpace

OTHERS = (
    "proxylessnas",
    "ofa-mobilenetv3",
    "fbnet",
    "nasbench-macro",
    "nasbench201",
    "nasbench101",
    "darts",
)


@click.command()
@click.option(
    "-n", "count", type=int, default=10_000_000, show_default=True, help="SPOS architectures."
)
@click.option(
    "--others",
    type=int,
    default=200_000,
    show_default=True,
    help="Architectures of each other space.",
)
@click.option(
    "--repeats", type=int, default=3, show_default=True, help="The median of so many is told."
)
def main(count: int, others: int, repeats: int) -> None:
    """Print a table of seconds."""

    table = Table(
        "space",
        "architectures",
        "sample",
        "macs",
        "params",
        "decode 20000",
        "encode 20000",
        "mutate",
    )
    for name, number in (("spos", count), *((name, others) for name in OTHERS)):
        figures = [f"{_seconds(work, repeats):.3f} s" for work in _works(get(name), number)]
        table.add_row(name, f"{number:,}", *figures)
    Console().print(table)


def _works(space: SearchSpace, count: int) -> list[Callable[[], object]]:
    codes = space.sample(np.random.default_rng(0), count)
    few = codes[:20_000]
    architectures = space.decode(few)
    return [
        lambda: space.sample(np.random.default_rng(0), count),
        lambda: space.macs(codes),
        lambda: space.params(codes),
        lambda: space.decode(few),
        lambda: space.encode(architectures),
        lambda: space.mutate(few, np.random.default_rng(0)),
    ]


def _seconds(work: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return float(np.median(times))


if __name__ == "__main__":
    main()
