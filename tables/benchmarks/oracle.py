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
from tables.evaluation import Evaluation
from tables.metrics import Metric, metric_of

_PREFERRED = ("cifar10_valid_acc", "cifar10_test_acc")


class Benchmark:
    """An oracle in place of training: looks up what networks reached when others trained them.

    Args:
        name: such as nasbench201.
        records: what its files tell; an architecture stands there once.
        files: the files that were read, the one of the accuracies first.
    """

    def __init__(self, name: str, records: Records, files: tuple[Path, ...] = ()):
        self.name, self.files = name, files
        self.space: SearchSpace = get(records.space)
        self._records = records
        self._by_metric: dict[str, dict[int | None, NDArray[np.float64]]] = {}
        for (metric, epochs), values in records.columns.items():
            self._by_metric.setdefault(metric, {})[epochs] = values
        unknown = [metric for metric in self._by_metric if metric_of(metric) is None]
        if unknown:
            raise InvalidBenchmark(
                f"{self.source}: the name {unknown[0]!r} of a metric tells no unit"
            )

    def __repr__(self) -> str:
        return f"<Benchmark {self.name}: {len(self)} architectures, {len(self._by_metric)} metrics>"

    def __len__(self) -> int:
        return len(self._records.codes)

    @property
    def source(self) -> str:
        """The file that was read, as text; several are separated by a comma."""
        return ", ".join(map(str, self.files)) or "given values"

    def to_dict(self) -> dict[str, Any]:
        """What a result records of the benchmark: its name, its files and their SHA-256."""
        from spaces.files import digest

        files = [{"file": str(path), "sha256": digest(path)} for path in self.files]
        return {"kind": "benchmark", "name": self.name, "files": files}

    # What is known

    @cached_property
    def metrics(self) -> Mapping[str, Metric]:
        """Name -> unit and better direction of every metric."""
        return {name: found for name in self._by_metric if (found := metric_of(name)) is not None}

    @property
    def default_metric(self) -> str:
        """What `query` looks up unless told otherwise: the validation accuracy, or the test
        accuracy without one.
        """
        return next(
            (name for name in _PREFERRED if name in self._by_metric), next(iter(self._by_metric))
        )

    def epochs(self, metric: str) -> tuple[int, ...]:
        """After how many epochs of training a metric is known, ascending; empty where epochs say
        nothing.
        """
        return tuple(sorted(number for number in self._columns(metric) if number is not None))

    def codes(self) -> Codes:
        """The architectures: int array [n, choices], read-only."""
        codes = self._records.codes.view()
        codes.flags.writeable = False
        return codes

    def architectures(self) -> list[Architecture]:
        """The architectures, in the order of `codes` and `values`."""
        return self.space.decode(self._records.codes)

    def values(self, metric: str | None = None, epochs: int | None = None) -> NDArray[np.float64]:
        """One metric of every architecture, float array [n], read-only; NaN where it is not known.

        Args:
            metric: one of `metrics`; None: `default_metric`.
            epochs: of training, one of `epochs(metric)`; None: the most.

        Raises:
            UnknownName: no such metric, or not after so many epochs.
        """
        name = metric or self.default_metric
        columns = self._columns(name)
        if epochs is None:
            epochs = max((number for number in columns if number is not None), default=None)
        if epochs not in columns:
            known = [str(number) for number in self.epochs(name)]
            raise UnknownName(f"number of epochs for {name} of {self.name}", epochs, known)
        values = columns[epochs].view()
        values.flags.writeable = False
        return values

    def _columns(self, metric: str) -> dict[int | None, NDArray[np.float64]]:
        if metric not in self._by_metric:
            raise UnknownName(f"metric of {self.name}", metric, self._by_metric)
        return self._by_metric[metric]

    def best(
        self, metric: str | None = None, epochs: int | None = None
    ) -> tuple[Architecture, float]:
        """The architecture with the best value of a metric, and the value; arguments and errors as
        of `values`.
        """
        values = self.values(metric, epochs)
        sign = 1 if self.metrics[metric or self.default_metric].higher_is_better else -1
        row = int(np.nanargmax(sign * values))
        return self.space.decode(self._records.codes[row : row + 1])[0], float(values[row])

    # Looking architectures up

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
        """A metric of one architecture, a number, or of many (or codes [n, choices]), float array
        [n].

        Args:
            architectures: of `space`.
            metric: one of `metrics`; None: `default_metric`.
            epochs: of training; None: the most.

        Raises:
            NotInBenchmark: an architecture is not there, or has no such value.
            UnknownName: no such metric, or not after so many epochs.
        """
        if isinstance(architectures, Architecture):
            return float(self.query([architectures], metric, epochs)[0])
        codes = self.space.codes(architectures)
        found: NDArray[np.float64] = self.values(metric, epochs)[self.rows(codes)]
        if np.isnan(found).any():
            first = self.space.decode(codes[np.flatnonzero(np.isnan(found))[:1]])[0]
            raise NotInBenchmark(
                f"{self.name} has no {metric or self.default_metric} of {first.to_json()}"
            )
        return found

    def rows(self, architectures: Architectures) -> NDArray[np.int64]:
        """The places of architectures (or codes [n, choices]) in `codes`: int array [n].

        A cell of NAS-Bench-101 is found under any of its labellings.

        Raises:
            NotInBenchmark: an architecture is not there.
        """
        codes = self.space.codes(architectures)
        keys, places = self._index
        rows = _look_up(keys, places, self._packed(codes))
        unknown = np.flatnonzero(rows < 0)
        if len(unknown) and self._records.hashes is not None:
            rows[unknown] = self._rows_by_hash(codes[unknown])
            unknown = unknown[rows[unknown] < 0]
        if len(unknown):
            first = self.space.decode(codes[unknown[:1]])[0]
            raise NotInBenchmark(
                f"{len(unknown)} of {len(codes)} architectures are not among the {len(self)} of"
                f" {self.name}; the first is {first.to_json()}"
            )
        return rows

    @cached_property
    def _weights(self) -> NDArray[np.int64]:
        return np.append(np.cumprod(self.space.candidates[:0:-1], dtype=np.int64)[::-1], 1)

    def _packed(self, codes: Codes) -> NDArray[np.int64]:
        # One integer an architecture; every benchmark's space has fewer than 2^63 of them.
        packed = np.zeros(len(codes), dtype=np.int64)
        for column, weight in enumerate(self._weights):
            packed += codes[:, column].astype(np.int64) * weight
        return packed

    @cached_property
    def _index(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        packed = self._packed(self._records.codes)
        order = np.argsort(packed, kind="stable")
        if (np.diff(packed[order]) == 0).any():
            raise InvalidBenchmark(f"{self.source}: an architecture stands there twice")
        return packed[order], order

    def _rows_by_hash(self, codes: Codes) -> NDArray[np.int64]:
        from spaces.cells.graph_hash import graph_hashes

        keys, places = self._hash_index
        return _look_up(keys, places, np.array(graph_hashes(codes), dtype="S32"))

    @cached_property
    def _hash_index(self) -> tuple[NDArray[np.bytes_], NDArray[np.int64]]:
        assert self._records.hashes is not None
        order = np.argsort(self._records.hashes, kind="stable")
        return self._records.hashes[order], order

    # Equal networks

    @cached_property
    def classes(self) -> NDArray[np.int64]:
        """Which of the architectures are one network, int array [n]; see
        `tables.benchmarks.classes`.
        """
        if self._records.hashes is not None:
            _, index = np.unique(self._records.hashes, return_inverse=True)
            return index.reshape(-1).astype(np.int64)
        return classes(self.space, self._records.codes)

    def distinct(self) -> Codes:
        """The first architecture of every class of equal networks: int array [classes, choices]."""
        return self._records.codes[first_of_each(self.classes)]

    def evaluations(self, architectures: Architectures, *metrics: str) -> list[Evaluation]:
        """What training gave for architectures (or codes [n, choices]), as evaluations of the kind
        `benchmark`.
        """
        codes = self.space.codes(architectures)
        columns = {name: self.query(codes, name) for name in metrics or (self.default_metric,)}
        source = self.to_dict()
        return [
            Evaluation(
                architecture, {name: float(values[row]) for name, values in columns.items()}, source
            )
            for row, architecture in enumerate(self.space.decode(codes))
        ]


def _look_up(
    keys: NDArray[Any], places: NDArray[np.int64], wanted: NDArray[Any]
) -> NDArray[np.int64]:
    """The places of `wanted` [n] among sorted `keys` [m] with their `places` [m]: int array [n], -1
    where missing.
    """
    if not len(keys):
        return np.full(len(wanted), -1, dtype=np.int64)
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[at] == wanted, places[at], -1)
