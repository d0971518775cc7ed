"""BenchmarkDevice: the costs that a benchmark recorded on one device, as a cost model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spaces.errors import NotAdditive
from tables.benchmarks.oracle import Benchmark
from tables.cost.extremes import Extreme
from tables.cost.model import CostModel
from tables.errors import MissingFigures

if TYPE_CHECKING:
    from torch import Tensor

    from spaces.space import SearchSpace


class BenchmarkDevice:
    """A device on which the architectures of a benchmark were measured.

    Args:
        benchmark: Benchmark with the measurements.
        name: Name of the device, one of `Benchmark.devices`.

    Example:
        >>> import numpy as np
        >>> import spaces
        >>> from tables import Benchmark
        >>> from tables.benchmarks.records import Records
        >>> space = spaces.get("nasbench201")
        >>> codes = space.check(np.array([[0, 1, 2, 3, 4, 0], [3] * 6]))
        >>> latencies = {("latency_ms@phone", None): np.array([5.0, 9.0])}
        >>> benchmark = Benchmark("two-cells", Records("nasbench201", codes, latencies))
        >>> BenchmarkDevice(benchmark, "phone").cost_model(space).estimate(codes).tolist()
        [5.0, 9.0]
    """

    def __init__(self, benchmark: Benchmark, name: str):
        self.benchmark = benchmark
        self.name = name

    def cost_model(self, space: SearchSpace, metric: str = "latency_ms") -> CostModel:
        """Build the model that looks a metric up; architectures without a value cost infinity.

        Args:
            space: Space of the benchmark.
            metric: `latency_ms` or `energy_mj`.

        Raises:
            MissingFigures: The benchmark has no such metric of the device.
        """
        column = f"{metric}@{self.name}"
        if column not in self.benchmark.metrics:
            source = f"the benchmark {self.benchmark.name} records no {column}"
            raise MissingFigures(self.name, metric, source)
        return CostModel(
            space,
            metric,
            RecordedCosts(self.benchmark, column),
            # These are the measurements: there is no estimate that they could deviate from.
            sigma=0.0,
            device=self.name,
            complete=len(self.benchmark.known_rows(column)) == space.size,
        )


class RecordedCosts:
    """The costs of a benchmark's column, a `CostTable`.

    Args:
        benchmark: Benchmark with the column.
        metric: Name of the column.

    Raises:
        NotInBenchmark: The column has no value at all.
    """

    separable = False

    def __init__(self, benchmark: Benchmark, metric: str):
        self.benchmark = benchmark
        self._values = benchmark.values(metric)
        recorded_rows = benchmark.known_rows(metric)
        # `best` names the column where it has no value.
        benchmark.best(metric)
        order = np.argsort(self._values[recorded_rows], kind="stable")
        ascending = recorded_rows[order]
        self._least_row = int(ascending[0])
        self._greatest_row = int(ascending[-1])

    def __call__(self, codes: NDArray[Any]) -> NDArray[np.float64]:
        """Return the costs [n] of codes [n, choices], infinity where none is recorded."""
        rows = self.benchmark.find_rows(codes)
        # Of a missing row any value may be read: it is replaced.
        recorded = np.where(rows >= 0, self._values[rows], np.nan)
        # An unmeasured architecture meets no limit.
        return np.where(np.isnan(recorded), np.inf, recorded)

    def bounds(self) -> tuple[Extreme, Extreme]:
        """Return the least and the greatest recorded cost, each with codes that have it."""
        return self._extreme(self._least_row), self._extreme(self._greatest_row)

    def expected(self, probabilities: Sequence[Tensor]) -> Tensor:
        """Raise NotAdditive: no expectation exists over independent choices."""
        raise NotAdditive(
            f"the costs that {self.benchmark.name} recorded are not sums over choices"
        )

    def _extreme(self, row: int) -> Extreme:
        return float(self._values[row]), self.benchmark.codes()[row].astype(np.int64)
