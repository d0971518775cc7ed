"""Trials on a benchmark: fit on some of its architectures and test on the others."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from predictor.auxiliary import columns_from_table
from predictor.base import Predictor
from predictor.bench.columns import columns
from predictor.ensemble.predictor import GraphPredictor
from predictor.errors import TooFewArchitectures
from predictor.metrics import figures
from predictor.registry import make
from spaces.progress import Progress
from spaces.space import Codes, SearchSpace

if TYPE_CHECKING:
    from tables.benchmarks.oracle import Benchmark

Split: TypeAlias = Literal["random", "classes"]
"""How the architectures to test on are chosen; see `Trials.split`."""


@dataclass(frozen=True)
class Trials:
    """Distinct networks of a benchmark and their values.

    Args:
        space: Space of the architectures.
        codes: Their codes, int array [n, choices].
        values: Their values, [n]; greater is better.
        classes: Their isomorphism classes, int array [n]; a class is one network.
        auxiliary: Name -> further values, [n].
    """

    space: SearchSpace
    codes: Codes
    values: NDArray[np.float64]
    classes: NDArray[np.int64]
    auxiliary: dict[str, NDArray[np.float64]]

    @classmethod
    def from_benchmark(
        cls, benchmark: Benchmark, metric: str | None, auxiliary: Sequence[str] = ()
    ) -> Trials:
        """Read the architectures of a benchmark whose metric and auxiliary columns are known.

        Args:
            benchmark: The benchmark.
            metric: Metric to predict. None: the benchmark's default metric.
            auxiliary: Auxiliary columns; see `predictor.bench.columns`.
        """
        from tables.benchmarks.isomorphism import first_of_each

        values = benchmark.values(metric)
        higher_is_better = benchmark.metrics[metric or benchmark.default_metric].higher_is_better

        # Predictors rank by greater values; losses and latencies are negated.
        sign = 1.0 if higher_is_better else -1.0
        table = columns(benchmark, auxiliary)

        # Not every benchmark has every metric of every architecture.
        rows = np.flatnonzero(~np.isnan([values, *table.values()]).any(0))

        # NAS-Bench-Macro has exact copies of networks, which could be in both parts of a split.
        if benchmark.name == "nasbench-macro":
            rows = rows[first_of_each(benchmark.classes[rows])]
        return cls(
            benchmark.space,
            np.asfortranarray(benchmark.codes()[rows]),
            sign * values[rows],
            benchmark.classes[rows],
            {name: column[rows] for name, column in table.items()},
        )

    def split(
        self, count: int, seed: int, split: Split
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Split the architectures at random.

        Args:
            count: Number of architectures to train on.
            seed: Seed of the split.
            split: `random` tests on all others, `classes` on those whose class has no architecture
                to train on.

        Returns:
            Rows to train on, [count], and rows to test on.

        Raises:
            TooFewArchitectures: Fewer than 2 architectures remain to test on.
        """
        order = np.random.default_rng(seed).permutation(len(self.codes))
        train_rows = order[:count]
        test_rows = order[count:]

        # Isomorphic architectures are one network: a class that was trained on would test the
        # memory.
        if split == "classes":
            is_new = ~np.isin(self.classes[test_rows], self.classes[train_rows])
            test_rows = test_rows[is_new]

        if len(test_rows) < 2:
            raise TooFewArchitectures(
                f"training on {count} of {len(order)} architectures leaves none to test on"
            )

        return train_rows, test_rows

    def run(
        self,
        kind: str,
        count: int,
        seed: int,
        splits: Sequence[Split],
        progress: Progress,
        source: GraphPredictor | None = None,
    ) -> dict[Split, dict[str, float]]:
        """Fit a predictor once and test it on every split.

        Args:
            kind: Kind of the predictor.
            count: Number of architectures to train on.
            seed: Seed of the split and the fit.
            splits: Splits to test on.
            progress: Receives the fraction of the fit that is done.
            source: Predictor of another space that one of the same encoder begins with. None: it
                begins with random weights.

        Returns:
            For each split `predictor.metrics.FIGURES`, the fraction of values within one deviation,
            the number of architectures tested on, and the seconds of fit and prediction.
        """
        train_rows, _ = self.split(count, seed, "random")
        if source is not None and kind == source.encoder:
            model: Predictor = GraphPredictor(self.space, seed, encoder=kind, source=source)
        else:
            model = make(kind, self.space, seed)

        auxiliary = columns_from_table(self.auxiliary, self.codes) if self.auxiliary else None

        # Construction, which may import libraries, is no part of the fit's time.
        begin = time.monotonic()
        model.fit(self.codes[train_rows], self.values[train_rows], auxiliary, progress)
        fit_seconds = time.monotonic() - begin

        results: dict[Split, dict[str, float]] = {}
        for split in splits:
            _, test_rows = self.split(count, seed, split)
            values = self.values[test_rows]
            begin = time.monotonic()
            mean, deviation = model.predict(self.codes[test_rows])
            predict_seconds = time.monotonic() - begin
            results[split] = {
                **figures(mean, values),
                "within_deviation": float((np.abs(mean - values) <= deviation).mean()),
                "tested_on": float(len(test_rows)),
                "fit_seconds": fit_seconds,
                "predict_seconds": predict_seconds,
            }

        return results
