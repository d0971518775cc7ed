"""Measurement of whole networks, with a table's estimates for comparison."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from profiler.backends.base import Backend, Conditions, Runner
from profiler.backends.onnx_model import OnnxModelRunner
from profiler.instruments.references import time_with_references
from profiler.instruments.timing import (
    interleaved,
    quiet,
    rebuild_runners,
    runs_for,
    settle,
    warm_up,
)
from spaces import formats
from spaces.architecture import Architecture
from spaces.registry import get
from tables.lookup_table import LookupTable

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Latency:
    """The measured latency of one network.

    Args:
        latency_ms: Median over rounds.
        iqr_ms: Inter-quartile range over rounds.
    """

    latency_ms: float
    iqr_ms: float

    @classmethod
    def from_series(cls, series: Array) -> Latency:
        """Return the latency of a series [rounds] in milliseconds."""
        low, middle, high = np.percentile(series, [25, 50, 75])
        return cls(float(middle), float(high - low))

    def to_dict(self) -> dict[str, float]:
        """Return the JSON object."""
        return {"latency_ms": round(self.latency_ms, 4), "iqr_ms": round(self.iqr_ms, 4)}


def measure(
    runners: Mapping[str, Runner], *, threads: int, rounds: int = 20, seed: int = 0
) -> dict[str, Latency]:
    """Time several networks in interleaved rounds.

    Args:
        runners: Name -> network that is ready to run.
        threads: Number of torch threads on the processor.
        rounds: Number of rounds.
        seed: Seed of the orders.

    Returns:
        Name -> latency.

    Example:
        >>> import profiler
        >>> class Sleeper:
        ...     def whole(self):
        ...         return 2.0
        ...     def blocks(self):
        ...         return [2.0]
        >>> profiler.measure({"sleeper": Sleeper()}, threads=1, rounds=3)
        {'sleeper': Latency(latency_ms=2.0, iqr_ms=0.0)}
    """
    rng = np.random.default_rng(seed)
    times = time_runners(list(runners.values()), threads=threads, rounds=rounds, rng=rng)
    return {name: Latency.from_series(series) for name, series in zip(runners, times, strict=True)}


def time_runners(
    runners: Sequence[Runner], *, threads: int, rounds: int, rng: np.random.Generator
) -> Array:
    """Return latencies [n, rounds] of networks in interleaved rounds, in milliseconds."""
    with quiet(threads):
        slowest = max(warm_up(runner, seconds=1.0) for runner in runners)
        return np.array(interleaved(runners, rounds, runs_for(slowest), rng))


def measure_files(
    files: Sequence[Path],
    backend: Backend,
    conditions: Conditions,
    *,
    table: LookupTable | None = None,
    rounds: int = 20,
) -> list[dict[str, Any]]:
    """Time architectures (JSON) and ONNX models together.

    Args:
        files: Architectures, which run in the backend, and `.onnx` files, which run in onnxruntime.
        backend: Backend of the architectures.
        conditions: Conditions of the backend. ONNX models run with their batch, threads and seed.
        table: Table with estimates, and with reference networks that show the drift since its
            build. None measures without both.
        rounds: Number of rounds.

    Returns:
        For each file: file, runtime, latency_ms, iqr_ms. With a table, networks that run as the
        table's did have also estimate_ms, sigma_ms and normalised_ms: the median over rounds of the
        latency over the references' latency around it, times that in the table.
    """
    read = {str(path): formats.read(Path(path)) for path in files if path.suffix != ".onnx"}
    models = [path for path in files if path.suffix == ".onnx"]
    architectures = dict(read)

    def make() -> list[Runner]:
        runners = [
            settle(backend.network_runner(get(architecture.space), architecture), backend)
            for architecture in read.values()
        ]
        for path in models:
            model = OnnxModelRunner(path, conditions.threads, conditions.batch, conditions.seed)
            runners.append(model)
            # Only the table of onnxruntime's latencies estimates a model in onnxruntime.
            if backend.name == "onnxruntime" and model.architecture is not None:
                architectures[str(path)] = model.architecture
        return runners

    times, states = _measure(make, backend, conditions, table, rounds)
    entries: list[dict[str, Any]] = []
    for row, name in enumerate([*read, *map(str, models)]):
        entry: dict[str, Any] = {
            "file": name,
            "runtime": backend.name if name in read else "onnxruntime",
            **Latency.from_series(times[row]).to_dict(),
        }
        if table is not None and states is not None and name in architectures:
            normalised_ms = float(np.median(times[row] / states[row])) * table.measured.reference_ms
            entry |= _estimates(table, architectures[name], normalised_ms)
        entries.append(entry)
    return entries


def _measure(
    make: Callable[[], list[Runner]],
    backend: Backend,
    conditions: Conditions,
    table: LookupTable | None,
    rounds: int,
) -> tuple[Array, Array | None]:
    """Return latencies [n, rounds], and the references' latency around each with a table."""
    rng = np.random.default_rng(conditions.seed)
    if table is None:
        return time_runners(make(), threads=conditions.threads, rounds=rounds, rng=rng), None

    space = get(table.space)
    references = [space.architecture(row) for row in table.measured.reference_codes]

    def make_with_references() -> tuple[list[Runner], list[Runner]]:
        # References first: rebuilding forgets the modules that the networks share.
        reference_runners = rebuild_runners(backend, space, references)
        return make(), reference_runners

    with quiet(conditions.threads):
        times, states, _ = time_with_references(make_with_references, rounds, rng)
    return times, states


def _estimates(
    table: LookupTable, architecture: Architecture, normalised_ms: float
) -> dict[str, float | None]:
    model = table.cost_model(get(architecture.space))
    return {
        "normalised_ms": round(normalised_ms, 4),
        "estimate_ms": round(float(model.estimate([architecture])[0]), 4),
        "sigma_ms": None if model.sigma is None else round(model.sigma, 4),
    }
