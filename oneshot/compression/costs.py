"""The latency of smaller networks on a device, from some that are measured."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from oneshot.compression.network_times import NetworkTimes, time_networks
from oneshot.errors import InvalidRun
from profiler.backends.base import Backend
from spaces.elastic.sampling import sample_sizes
from spaces.files import JsonLines
from spaces.progress import Progress, silent
from tables.cost.model import CostModel
from tables.cost.widths import WidthFit, width_model
from tables.errors import MissingFigures

if TYPE_CHECKING:
    from spaces.elastic.space import ElasticSpace
    from spaces.space import SearchSpace

Array = NDArray[np.float64]

METRIC = "latency_ms"

# Networks that are measured together: few enough for memory, many enough to amortise references.
_BATCH = 10


def measure_sample(
    space: ElasticSpace,
    backend: Backend,
    path: Path,
    conditions: dict[str, Any],
    *,
    count: int,
    rounds: int,
    seed: int,
    progress: Progress = silent,
) -> list[NetworkTimes]:
    """Measure a sample of networks of all sizes, or resume the measurement of a file.

    Args:
        space: Space of the networks.
        backend: Backend that runs them.
        path: File of JSON lines, which holds the batches that are measured.
        conditions: Conditions of the measurement, which the file records.
        count: Number of networks, with the original and the smallest.
        rounds: Number of rounds.
        seed: Seed of the sample and of the orders.
        progress: Called with the fraction done.

    Raises:
        InvalidRun: The file has measurements of other networks or conditions.
    """
    sample = sample_sizes(space, np.random.default_rng(seed), max(1, count - 2))
    # The extremes are measured, so that the cost model interpolates.
    extremes = space.encode([space.original, space.smallest])
    codes = np.concatenate([extremes, sample])
    batches = [codes[start : start + _BATCH] for start in range(0, len(codes), _BATCH)]

    lines = JsonLines(path)
    header, done = _read(lines, path)
    expected = {"space": space.name, "candidates": space.candidates.tolist(), **conditions}
    if header is None:
        lines.append(json.dumps(expected))
    elif header != expected:
        raise InvalidRun(f"{path} has measurements of another network or device; remove it")

    for number, batch in enumerate(batches):
        # A resumed measurement begins after the batches of the file.
        if number < len(done):
            if done[number].codes.tolist() != batch.tolist():
                raise InvalidRun(f"{path} has measurements of another sample; remove it")
            continue

        times = time_networks(
            space,
            backend,
            batch,
            threads=int(conditions["threads"]),
            rounds=rounds,
            seed=seed + number,
        )
        lines.append(json.dumps(times.to_dict()))
        done.append(times)
        progress((number + 1) / len(batches), f"{sum(len(item.codes) for item in done)} networks")

    return done[: len(batches)]


def measure_once(
    space: ElasticSpace,
    backend: Backend,
    path: Path,
    codes: NDArray[Any],
    *,
    threads: int,
    rounds: int,
    seed: int,
) -> NetworkTimes:
    """Measure networks, unless a file has them.

    Args:
        space: Space of the networks.
        backend: Backend that runs them.
        path: File of JSON lines, which holds the networks so far.
        codes: Codes [n, choices].
        threads: Number of threads on the processor.
        rounds: Number of rounds.
        seed: Seed of the orders.

    Raises:
        InvalidRun: The file has something else.
    """
    lines = JsonLines(path)
    try:
        done = [NetworkTimes.from_dict(json.loads(text)) for _, text in lines.lines()]
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidRun(f"{path}: not a file of measurements: {error}; remove it") from error

    # A resumed compression takes the same network, whatever it would measure now.
    for times in done:
        if times.codes.tolist() == codes.tolist():
            return times

    times = time_networks(space, backend, codes, threads=threads, rounds=rounds, seed=seed)
    lines.append(json.dumps(times.to_dict()))
    # As from the file, whose numbers are rounded.
    return NetworkTimes.from_dict(times.to_dict())


def _read(lines: JsonLines, path: Path) -> tuple[dict[str, Any] | None, list[NetworkTimes]]:
    try:
        values = [json.loads(text) for _, text in lines.lines()]
        header = values[0] if values else None
        return header, [NetworkTimes.from_dict(value) for value in values[1:]]
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidRun(f"{path}: not a file of measurements: {error}; remove it") from error


@dataclass(frozen=True)
class MeasuredDevice:
    """A device whose cost model is fitted on whole networks.

    Args:
        name: Name of the device in constraints and results.
        batches: Measured networks.
        limit_ms: Latency at which the deviation of estimates is needed; None: the mean latency.
    """

    name: str
    batches: Sequence[NetworkTimes]
    limit_ms: float | None = None

    @property
    def reference_ms(self) -> float:
        """Latency of the references in the machine's median state over all batches."""
        return float(np.median([batch.reference_ms for batch in self.batches]))

    def with_times(self, times: NetworkTimes) -> MeasuredDevice:
        """Return the device with further networks, in the same unit of latency."""
        # Limits stay those of the machine's state at the first measurement.
        times = replace(times, reference_ms=self.reference_ms)
        return replace(self, batches=[*self.batches, times])

    def fit(self, space: ElasticSpace) -> tuple[CostModel, WidthFit, Array]:
        """Fit the latency of a space's networks.

        Returns:
            The cost model, the fit, and the drift-corrected latencies [n] that it is of.
        """
        # Medians: single rounds are disturbed by other processes.
        ratios = np.concatenate([np.median(batch.ratios, axis=1) for batch in self.batches])
        codes = np.concatenate([batch.codes for batch in self.batches])
        values = ratios * self.reference_ms
        # Errors are those of measured networks, which a loose limit lies above.
        level = None if self.limit_ms is None else min(self.limit_ms, float(values.max()))
        model, fit = width_model(space, METRIC, codes, values, self.name, level)
        return model, fit, values

    def cost_model(self, space: SearchSpace, metric: str) -> CostModel:
        """Return the cost model of a metric.

        Raises:
            MissingFigures: The metric is no latency.
        """
        if metric != METRIC:
            raise MissingFigures(self.name, metric, "only the latency of its networks is measured")
        return self.fit(space)[0]  # type: ignore[arg-type]
