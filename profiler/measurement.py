"""Measuring whole networks, beside a table's estimate where there is one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from profiler.backends.base import Backend, Conditions, Runner
from profiler.backends.onnx_model import OnnxModelRunner
from profiler.instruments.references import beside
from profiler.instruments.timing import fresh, interleaved, quiet, runs_for, settled, warm_up
from spaces import formats
from spaces.architecture import Architecture
from spaces.registry import get
from tables.lookup_table import LookupTable

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Latency:
    """What one network was measured at.

    Args:
        latency_ms: median over rounds.
        iqr_ms: inter-quartile range over rounds.
    """

    latency_ms: float
    iqr_ms: float

    @classmethod
    def of(cls, series: Array) -> Latency:
        """Of times [rounds]."""
        low, middle, high = np.percentile(series, [25, 50, 75])
        return cls(float(middle), float(high - low))

    def to_dict(self) -> dict[str, float]:
        """Name -> milliseconds."""
        return {"latency_ms": round(self.latency_ms, 4), "iqr_ms": round(self.iqr_ms, 4)}


def measure(
    runners: Mapping[str, Runner], *, threads: int, rounds: int = 20, seed: int = 0
) -> dict[str, Latency]:
    """Time several ready networks in interleaved rounds.

    Args:
        runners: name -> what to time.
        threads: torch threads on the processor.
        rounds: turns of each.
        seed: of the orders.
    """
    times = times_of(
        list(runners.values()), threads=threads, rounds=rounds, rng=np.random.default_rng(seed)
    )
    return {name: Latency.of(series) for name, series in zip(runners, times, strict=True)}


def times_of(
    runners: Sequence[Runner], *, threads: int, rounds: int, rng: np.random.Generator
) -> Array:
    """Times [n, rounds] of ready networks in interleaved rounds, in milliseconds."""
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
    """Time architectures (JSON) and ONNX models together, and with a table its reference network
    beside them.

    Args:
        files: architectures run in the backend, `.onnx` under onnxruntime.
        backend: runs architectures.
        conditions: what the backend was made for; ONNX models run with its batch, threads and seed.
        table: gives the estimates, and the reference networks that drift since the build is told
            by.
        rounds: turns of each.

    Returns:
        For each file: file, runtime, latency_ms, iqr_ms; with a table for networks that run as its
        own did also estimate_ms, sigma_ms and normalised_ms: the median over turns of its time over
        the references' time around it, times their time in the table.
    """
    read = {str(path): formats.read(Path(path)) for path in files if path.suffix != ".onnx"}
    models = [path for path in files if path.suffix == ".onnx"]
    known = dict(read)

    def ready() -> list[Runner]:
        runners = [
            settled(backend.network_runner(get(each.space), each), backend)
            for each in read.values()
        ]
        for path in models:
            model = OnnxModelRunner(path, conditions.threads, conditions.batch, conditions.seed)
            runners.append(model)
            if backend.name == "onnxruntime" and model.architecture is not None:
                known[str(path)] = model.architecture
        return runners

    times, states = _measure(ready, backend, conditions, table, rounds)
    found: list[dict[str, Any]] = []
    for row, name in enumerate([*read, *map(str, models)]):
        runtime = backend.name if name in read else "onnxruntime"
        entry: dict[str, Any] = {
            "file": name,
            "runtime": runtime,
            **Latency.of(times[row]).to_dict(),
        }
        if table is not None and states is not None and name in known:
            normalised_ms = float(np.median(times[row] / states[row])) * table.measured.reference_ms
            entry |= _estimated(table, known[name], normalised_ms)
        found.append(entry)
    return found


def _measure(
    ready: Callable[[], list[Runner]],
    backend: Backend,
    conditions: Conditions,
    table: LookupTable | None,
    rounds: int,
) -> tuple[Array, Array | None]:
    """Times [n, rounds] of networks, and what a table's references took around each, [n, rounds] or
    None.
    """
    rng = np.random.default_rng(conditions.seed)
    if table is None:
        return times_of(ready(), threads=conditions.threads, rounds=rounds, rng=rng), None
    space, codes = get(table.space), table.measured.reference_codes
    references = [space.architecture(row) for row in codes]

    def make() -> tuple[list[Runner], list[Runner]]:
        beside_them = fresh(backend, space, references)
        return ready(), beside_them

    with quiet(conditions.threads):
        times, states, _ = beside(make, rounds, rng)
    return times, states


def _estimated(
    table: LookupTable, architecture: Architecture, normalised_ms: float
) -> dict[str, float | None]:
    model = table.cost_model(get(architecture.space))
    return {
        "normalised_ms": round(normalised_ms, 4),
        "estimate_ms": round(float(model.estimate([architecture])[0]), 4),
        "sigma_ms": None if model.sigma is None else round(model.sigma, 4),
    }
