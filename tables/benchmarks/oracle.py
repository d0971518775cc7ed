"""Benchmark: the results of training every network of a space, or many of them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from spaces.architecture import Architecture
from spaces.errors import UnknownName
from spaces.registry import get
from spaces.space import Architectures, Codes, SearchSpace
from tables.benchmarks.errors import InvalidBenchmark, NotInBenchmark
from tables.benchmarks.isomorphism import classes, first_of_each
from tables.benchmarks.records import Records
from tables.benchmarks.row_index import RowIndex
from tables.evaluation import Evaluation
from tables.metrics import MEASURED, Metric, metric_of

_PREFERRED = ("cifar10_valid_acc", "cifar10_test_acc")


class Benchmark:
    """Looks up the results of networks that others trained, in place of training them.

    Args:
        name: Name of the benchmark, such as nasbench201.
        records: Its architectures and values; each architecture occurs once.
        files: The files that were read, the one of the accuracies first.

    Raises:
        InvalidBenchmark: A column is not named after a metric.

    Example:
        >>> import numpy as np
        >>> import spaces
        >>> from tables import Benchmark
        >>> from tables.benchmarks.records import Records
        >>> space = spaces.get("nasbench201")
        >>> codes = space.check(np.array([[0, 1, 2, 3, 4, 0], [3, 3, 3, 3, 3, 3]]))
        >>> accuracies = {("cifar10_valid_acc", 200): np.array([85.0, 91.0])}
        >>> benchmark = Benchmark("two-cells", Records("nasbench201", codes, accuracies))
        >>> architecture, accuracy = benchmark.best()
        >>> accuracy, benchmark.query(architecture)
        (91.0, 91.0)
    """

    def __init__(self, name: str, records: Records, files: tuple[Path, ...] = ()):
        self.name = name
        self.files = files
        self.space: SearchSpace = get(records.space)
        self._records = records
        self._index = RowIndex(records, self.source)
        self._by_metric: dict[str, dict[int | None, NDArray[np.float64]]] = {}
        for (metric, epochs), values in records.columns.items():
            self._by_metric.setdefault(metric, {})[epochs] = values

        unknown = [metric for metric in self._by_metric if metric_of(metric) is None]
        if unknown:
            raise InvalidBenchmark(
                f"{self.source}: the column {unknown[0]!r} is not named after a metric"
            )

    def __repr__(self) -> str:
        return f"<Benchmark {self.name}: {len(self)} architectures, {len(self._by_metric)} metrics>"

    def __len__(self) -> int:
        return len(self._records.codes)

    @property
    def source(self) -> str:
        """The files that were read, separated by commas."""
        return ", ".join(map(str, self.files)) or "given values"

    def to_dict(self) -> dict[str, Any]:
        """Return the origin that results record: name, files and their SHA-256."""
        from spaces.files import digest

        files = [{"file": str(path), "sha256": digest(path)} for path in self.files]
        return {"kind": "benchmark", "name": self.name, "files": files}

    # Contents

    @cached_property
    def metrics(self) -> Mapping[str, Metric]:
        """Name -> metric of every column."""
        metrics = {name: metric_of(name) for name in self._by_metric}
        return {name: metric for name, metric in metrics.items() if metric is not None}

    @property
    def devices(self) -> tuple[str, ...]:
        """Names of the devices on which measured costs are recorded, such as raspi4."""
        pairs = [name.split("@", 1) for name in self._by_metric if "@" in name]
        return tuple(dict.fromkeys(device for cost, device in pairs if cost in MEASURED))

    @property
    def default_metric(self) -> str:
        """The metric that `query` looks up by default.

        It is the validation accuracy, without one the test accuracy, and else the first metric.
        """
        first = next(iter(self._by_metric))
        return next((name for name in _PREFERRED if name in self._by_metric), first)

    def epochs(self, metric: str) -> tuple[int, ...]:
        """Return the numbers of epochs for which a metric is recorded, ascending.

        The result is empty for metrics that do not depend on training.
        """
        return tuple(sorted(number for number in self._columns(metric) if number is not None))

    def codes(self) -> Codes:
        """Return the codes of all architectures: int array [n, choices], read-only."""
        codes = self._records.codes.view()
        codes.flags.writeable = False
        return codes

    def architectures(self) -> list[Architecture]:
        """Return all architectures, in the order of `codes` and `values`."""
        return self.space.decode(self._records.codes)

    def values(self, metric: str | None = None, epochs: int | None = None) -> NDArray[np.float64]:
        """Return one metric of every architecture.

        Args:
            metric: One of `metrics`. None selects `default_metric`.
            epochs: Epochs of training, one of `epochs(metric)`. None selects the most.

        Returns:
            Float array [n], read-only; NaN where the value is missing.

        Raises:
            UnknownName: The benchmark has no such metric, or not after so many epochs.
        """
        name = metric or self.default_metric
        columns = self._columns(name)
        if epochs is None:
            epochs = max((number for number in columns if number is not None), default=None)
        if epochs not in columns:
            recorded = [str(number) for number in self.epochs(name)]
            raise UnknownName(f"number of epochs for {name} of {self.name}", epochs, recorded)

        # A read-only view: the column is shared by all callers.
        values = columns[epochs].view()
        values.flags.writeable = False
        return values

    def _columns(self, metric: str) -> dict[int | None, NDArray[np.float64]]:
        if metric not in self._by_metric:
            raise UnknownName(f"metric of {self.name}", metric, self._by_metric)
        return self._by_metric[metric]

    def known_rows(self, *metrics: str) -> NDArray[np.int64]:
        """Return the rows [m] in `codes` whose values of all metrics are known, ascending.

        Args:
            *metrics: Some of `metrics`, after their most epochs or as `NAME:EPOCHS`. Without any,
                `default_metric`.

        Raises:
            UnknownName: The benchmark has no such metric.
        """
        columns = [self.values(*_column(text)) for text in metrics or (self.default_metric,)]
        return np.flatnonzero(~np.isnan(columns).any(0))

    def best(
        self, metric: str | None = None, epochs: int | None = None
    ) -> tuple[Architecture, float]:
        """Return the architecture with the best value of a metric, and the value.

        Arguments and errors are those of `values`.

        Raises:
            NotInBenchmark: No architecture has a value of the metric.
        """
        values = self.values(metric, epochs)
        if np.isnan(values).all():
            raise NotInBenchmark(
                f"{self.name} has {metric or self.default_metric} of none of its {len(self)}"
                " architectures"
            )

        sign = 1 if self.metrics[metric or self.default_metric].higher_is_better else -1
        row = int(np.nanargmax(sign * values))
        return self.space.decode(self._records.codes[row : row + 1])[0], float(values[row])

    # Look-up

    @overload
    def query(
        self, architectures: Architecture, metric: str | None = None, epochs: int | None = None
    ) -> float: ...
    @overload
    def query(
        self, architectures: Architectures, metric: str | None = None, epochs: int | None = None
    ) -> NDArray[np.float64]: ...
    def query(
        self,
        architectures: Architecture | Architectures,
        metric: str | None = None,
        epochs: int | None = None,
    ) -> float | NDArray[np.float64]:
        """Look up a metric of one architecture or of many.

        Args:
            architectures: An architecture, a list of them, or codes [n, choices].
            metric: One of `metrics`. None selects `default_metric`.
            epochs: Epochs of training. None selects the most.

        Returns:
            A number for one architecture, a float array [n] for many.

        Raises:
            NotInBenchmark: An architecture is not in the benchmark, or has no such value.
            UnknownName: The benchmark has no such metric, or not after so many epochs.
        """
        if isinstance(architectures, Architecture):
            return float(self.query([architectures], metric, epochs)[0])

        codes = self.space.codes(architectures)
        column = self.values(metric, epochs)
        values: NDArray[np.float64] = column[self.rows(codes)]
        missing = np.flatnonzero(np.isnan(values))
        if len(missing):
            first = self.space.decode(codes[missing[:1]])[0]
            num_known = int((~np.isnan(column)).sum())
            raise NotInBenchmark(
                f"{self.name} has no {metric or self.default_metric} of {len(missing)} of"
                f" {len(codes)} architectures, the first of which is {first.to_json()}; it has that"
                f" of {num_known} of its {len(self)}"
            )
        return values

    def rows(self, architectures: Architectures) -> NDArray[np.int64]:
        """Return the rows [n] of architectures (or codes [n, choices]) in `codes`.

        A cell of NAS-Bench-101 is found under any of its labellings.

        Raises:
            NotInBenchmark: An architecture is not in the benchmark.
        """
        codes = self.space.codes(architectures)
        rows = self.find_rows(codes)
        missing = np.flatnonzero(rows < 0)
        if len(missing):
            first = self.space.decode(codes[missing[:1]])[0]
            raise NotInBenchmark(
                f"{len(missing)} of {len(codes)} architectures are not among the {len(self)} of"
                f" {self.name}; the first is {first.to_json()}"
            )
        return rows

    def find_rows(self, codes: Codes) -> NDArray[np.int64]:
        """Return the rows [n] of codes [n, choices] as `rows` does, -1 where one is missing."""
        return self._index.find(codes)

    # Equal networks

    @cached_property
    def classes(self) -> NDArray[np.int64]:
        """Numbers [n] of the isomorphism classes; see `tables.benchmarks.classes`."""
        # Equal hashes are equal cells: no isomorphism has to be computed.
        if self._records.hashes is not None:
            _, index = np.unique(self._records.hashes, return_inverse=True)
            return index.reshape(-1).astype(np.int64)
        return classes(self.space, self._records.codes)

    def distinct(self) -> Codes:
        """Return the first architecture of every class: int array [classes, choices]."""
        return self._records.codes[first_of_each(self.classes)]

    def evaluations(self, architectures: Architectures, *metrics: str) -> list[Evaluation]:
        """Return the results of architectures as evaluations of the kind `benchmark`.

        Args:
            architectures: Architectures, or codes [n, choices].
            *metrics: Metrics to look up, after their most epochs or as `NAME:EPOCHS`. Without any,
                `default_metric`.
        """
        codes = self.space.codes(architectures)
        columns = {
            text: self.query(codes, *_column(text)) for text in metrics or (self.default_metric,)
        }

        # Computed once: it has the digests of the files.
        source = self.to_dict()
        evaluations: list[Evaluation] = []
        for row, architecture in enumerate(self.space.decode(codes)):
            values = {name: float(column[row]) for name, column in columns.items()}
            evaluations.append(Evaluation(architecture, values, source))
        return evaluations


def _column(text: str) -> tuple[str, int | None]:
    """Read `NAME` or `NAME:EPOCHS`."""
    name, separator, epochs = text.rpartition(":")
    if separator and epochs.isascii() and epochs.isdigit():
        return name, int(epochs)
    return text, None
