"""Measure the speed of searches with a predictor and a table: seconds for 1000 candidates.

    python benchmarks/search_speed.py

For every strategy the report has seconds by the clock and those of the processors, which do not
depend on other processes. `asking` is the fraction of the strategy itself and `scoring` that of the
predictor; the loop, the costs and the result take the remainder. A guide without cost is measured
for comparison. The predictor is fitted on generated values, because its speed does not depend on
them. The table is generated too, with whole networks, so that the correction is included.
"""

from __future__ import annotations

import time
from typing import Any

import click
import numpy as np
import torch
from rich.console import Console
from rich.table import Table

import predictor
import spaces
from oneshot.search.constraint import Constraint
from oneshot.search.guide import Guide, PredictorGuide
from oneshot.search.loop import run_search
from oneshot.search.problem import SearchProblem
from predictor.registry import make
from spaces.space import Codes, SearchSpace
from tables.cost.latency import latency_model
from tables.lookup_table import LookupTable
from tables.records import BlockCost, Measurement, NetworkSample

STRATEGIES: dict[str, dict[str, Any]] = {
    "evolution": {"generations": 20},
    "pareto": {"population": 50, "generations": 20},
    "aging": {},
    "random": {},
}


@click.command()
@click.option("--space", "space_name", default="spos", show_default=True)
@click.option(
    "--predictor",
    "kind",
    default="default",
    show_default=True,
    help="Its kind; default: the space's.",
)
@click.option(
    "--train",
    type=int,
    default=60,
    show_default=True,
    help="Architectures that the predictor is fitted on.",
)
@click.option("--strategy", "strategies", multiple=True, help="Only these; may be repeated.")
@click.option(
    "--repeats", type=int, default=5, show_default=True, help="The median of so many is told."
)
@click.option("--threads", type=int, default=2, show_default=True, help="Torch threads.")
def main(
    space_name: str, kind: str, train: int, strategies: tuple[str, ...], repeats: int, threads: int
) -> None:
    """Print a table of seconds for 1000 candidates."""
    torch.set_num_threads(threads)
    space = spaces.get(space_name)
    guide = PredictorGuide(_fitted(space, kind, train), kind)
    model = latency_model(_made_up(space), space)
    low, high = (bound.value for bound in model.bounds())
    limit = Constraint("latency_ms", 0.5 * (low + high), model, device=model.device)
    heads = (
        "strategy",
        "candidates",
        "seconds",
        "of processors",
        "asking",
        "scoring",
        "with a free guide",
    )
    table = Table(*heads, title=f"{space.name}, predictor {kind}, {threads} threads")
    for strategy, options in STRATEGIES.items():
        if strategies and strategy not in strategies:
            continue
        run_search(SearchProblem(space, guide, [limit]), strategy, options=options)
        rows = [_timed(space, guide, limit, strategy, options, seed) for seed in range(repeats)]
        free = [
            _timed(space, _Free(), limit, strategy, options, seed)[2] for seed in range(repeats)
        ]
        count, *figures = np.median(np.array(rows), axis=0)
        table.add_row(
            strategy, f"{count:.0f}", *(f"{value:.3f} s" for value in (*figures, np.median(free)))
        )
    Console().print(table)


def _timed(
    space: SearchSpace,
    guide: Guide,
    limit: Constraint,
    strategy: str,
    options: dict[str, Any],
    seed: int,
) -> tuple[float, ...]:
    """Candidates; seconds in all by the clock and of the processors; processors' seconds in
    strategy and guide.
    """
    from oneshot.strategies.registry import STRATEGIES

    spent = {"ask": 0.0, "score": 0.0}

    def clocked(name: str, work: Any) -> Any:
        def timed(*arguments: Any) -> Any:
            begin = time.process_time()
            try:
                return work(*arguments)
            finally:
                spent[name] += time.process_time() - begin

        return timed

    class Clocked:
        score = staticmethod(clocked("score", guide.score))
        to_dict = staticmethod(guide.to_dict)

    kind = STRATEGIES.get(strategy)
    ask = kind.ask
    kind.ask = clocked("ask", ask)  # type: ignore[method-assign]
    try:
        begin = time.perf_counter()
        busy = time.process_time()
        result = run_search(
            SearchProblem(space, Clocked(), [limit]), strategy, options=options, seed=seed
        )
        seconds = time.perf_counter() - begin
        busy = time.process_time() - busy
    finally:
        kind.ask = ask  # type: ignore[method-assign]
    return len(result), seconds, busy, spent["ask"], spent["score"]


def _fitted(space: SearchSpace, kind: str, count: int) -> Any:
    scorer = predictor.default(space) if kind == "default" else make(kind, space)
    rng = np.random.default_rng(0)
    codes = space.sample(rng, count)
    values = space.macs(codes) / space.macs(codes).mean() + rng.normal(0, 0.05, count)
    scorer.fit(codes, values)
    return scorer


def _made_up(space: SearchSpace) -> LookupTable:
    rng = np.random.default_rng(0)
    blocks = {
        key: BlockCost(0.01 + block.macs / 2e9, 0.001, 10, block.macs, block.params)
        for key, block in space.all_blocks.items()
    }
    codes = space.sample(rng, 100)
    keys, counts = space.block_counts(codes)
    times = counts @ np.array([blocks[key].latency_ms for key in keys]) + rng.normal(
        0.05, 0.01, len(codes)
    )
    samples = [
        NetworkSample(tuple(row), 0, (ms,), 1.0)
        for row, ms in zip(codes.tolist(), times.tolist(), strict=True)
    ]
    return LookupTable(
        name="made-up",
        space=space.name,
        device={"kind": "cpu", "processor": "made up"},
        conditions={"backend": "torch", "batch": 1, "precision": "fp32", "threads": 1},
        versions={},
        created="2026-01-01T00:00:00+00:00",
        command="benchmarks/search_speed.py",
        seed=0,
        measurement=Measurement(1, 1.0, 1.0, "budget", 0.01, ((0,) * len(space.choices),), 1.0),
        blocks=blocks,
        networks=tuple(samples),
    )


class _Free:
    def score(self, codes: Codes) -> Any:
        return codes.sum(1).astype(float), np.zeros(len(codes))

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "free"}


if __name__ == "__main__":
    main()
