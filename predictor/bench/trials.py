"""One trial on a benchmark: fit on some of its architectures, test on the rest."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from predictor.auxiliary import columns_of
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


@dataclass(frozen=True)
class Trials:
    """Distinct networks of a benchmark and their values.

    Args:
        space: of the architectures.
        codes: int array [n, choices].
        values: [n], greater is better.
        classes: int array [n]; architectures of one class are one network.
        auxiliary: name -> [n].
    """

    space: SearchSpace
    codes: Codes
    values: NDArray[np.float64]
    classes: NDArray[np.int64]
    auxiliary: dict[str, NDArray[np.float64]]

    @classmethod
    def of(cls, benchmark: Benchmark, metric: str | None, auxiliary: Sequence[str] = ()) -> Trials:
        """Those of a benchmark; of exact copies, as NAS-Bench-Macro has them, the first.

        Args:
            benchmark: with its architectures.
            metric: to predict; None: the benchmark's own.
            auxiliary: what is known of all architectures; see `predictor.bench.columns`.
        """
        from tables.benchmarks.isomorphism import first_of_each

        values, classes = benchmark.values(metric), benchmark.classes
        sign = (
            1.0 if benchmark.metrics[metric or benchmark.default_metric].higher_is_better else -1.0
        )
        known = columns(benchmark, auxiliary)
        kept = (
            first_of_each(classes) if benchmark.name == "nasbench-macro" else np.arange(len(values))
        )
        codes = np.asfortranarray(benchmark.codes()[kept])
        known = {name: column[kept] for name, column in known.items()}
        return cls(benchmark.space, codes, sign * values[kept], classes[kept], known)

    def split(
        self, count: int, seed: int, split: Split
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows to train on, [count], and rows to test on: all the rest, or those of no class that
        is trained on.
        """
        order = np.random.default_rng(seed).permutation(len(self.codes))
        inside, outside = order[:count], order[count:]
        if split == "classes":
            outside = outside[~np.isin(self.classes[outside], self.classes[inside])]
        if len(outside) < 2:
            raise TooFewArchitectures(
                f"training on {count} of {len(order)} architectures leaves none to test on"
            )
        return inside, outside

    def run(
        self,
        kind: str,
        count: int,
        seed: int,
        splits: Sequence[Split],
        progress: Progress,
        source: GraphPredictor | None = None,
    ) -> dict[Split, dict[str, float]]:
        """Fit once, beginning with `source`'s weights where there is one, and test on every split.

        Returns:
            For each split `predictor.metrics.FIGURES`, the share of values within one deviation,
            how many architectures were tested, and seconds of fit and prediction.
        """
        inside, _ = self.split(count, seed, "random")
        if source is not None and kind == source.encoder:
            model: Predictor = GraphPredictor(self.space, seed, encoder=kind, source=source)
        else:
            model = make(kind, self.space, seed)
        auxiliary = columns_of(self.auxiliary, self.codes) if self.auxiliary else None
        begin = time.monotonic()
        model.fit(self.codes[inside], self.values[inside], auxiliary, progress)
        fit_seconds = time.monotonic() - begin
        found: dict[Split, dict[str, float]] = {}
        for split in splits:
            _, outside = self.split(count, seed, split)
            begin, true = time.monotonic(), self.values[outside]
            mean, deviation = model.predict(self.codes[outside])
            found[split] = {
                **figures(mean, true),
                "within_deviation": float((np.abs(mean - true) <= deviation).mean()),
                "tested_on": float(len(outside)),
                "fit_seconds": fit_seconds,
                "predict_seconds": time.monotonic() - begin,
            }
        return found
