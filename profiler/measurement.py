"""Measuring whole networks, beside a table's estimate where there is one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from profiler.backends.base import Backend, Conditions, Runner
from profiler.backends.onnx_model import OnnxModelRunner
from profiler.timing import interleaved, quiet, runs_for, warm_up
from spaces.architecture import Architecture
from spaces.registry import get
from tables.lookup_table import LookupTable


@dataclass(frozen=True)
class Latency:
    """What one network was measured at.

    Args:
        latency_ms: median over rounds.
        iqr_ms: inter-quartile range over rounds.
    """

    latency_ms: float
    iqr_ms: float

    def to_dict(self) -> dict[str, float]:
        """Name -> milliseconds."""
        return {"latency_ms": round(self.latency_ms, 4), "iqr_ms": round(self.iqr_ms, 4)}


def measure(runners: Mapping[str, Runner], *, threads: int, rounds: int = 20, seed: int = 0) -> dict[str, Latency]:
    """Time several ready networks in interleaved rounds.

    Args:
        runners: name -> what to time.
        threads: torch threads on the processor.
        rounds: turns of each.
        seed: of the orders.
    """
    with quiet(threads):
        slowest = max(warm_up(runner, seconds=1.0) for runner in runners.values())
        times = interleaved(list(runners.values()), rounds, runs_for(slowest), np.random.default_rng(seed))
    found = {}
    for name, series in zip(runners, times, strict=True):
        low, middle, high = np.percentile(series, [25, 50, 75])
        found[name] = Latency(float(middle), float(high - low))
    return found


def measure_files(
    files: Sequence[Path],
    backend: Backend,
    conditions: Conditions,
    *,
    table: LookupTable | None = None,
    rounds: int = 20,
) -> list[dict[str, Any]]:
    """Time architectures (JSON) and ONNX models together, and with a table its reference network beside them.

    Args:
        files: architectures run in the backend, `.onnx` under onnxruntime.
        backend: runs architectures.
        conditions: what the backend was made for; ONNX models run with its batch, threads and seed.
        table: gives the estimates, and the reference networks that drift since the build is told by.
        rounds: turns of each.

    Returns:
        For each file: file, runtime, latency_ms, iqr_ms; with a table for networks that run as its own did also
        estimate_ms, sigma_ms and normalised_ms, which is latency_ms x (the references' time in the table / now).
    """
    read = {str(path): Architecture.read(path) for path in files if path.suffix != ".onnx"}
    runners: dict[str, Runner] = {
        name: backend.network_runner(get(architecture.space), architecture) for name, architecture in read.items()
    }
    exported: dict[str, Architecture] = {}
    for path in files:
        if path.suffix == ".onnx":
            model = OnnxModelRunner(path, conditions.threads, conditions.batch, conditions.seed)
            runners[str(path)] = model
            if backend.name == "onnxruntime" and model.architecture is not None:
                exported[str(path)] = model.architecture
    references: list[str] = []
    if table is not None:
        space = get(table.space)
        for index, codes in enumerate(table.measured.reference_codes):
            references.append(f"reference network {index} of the table")
            runners[references[-1]] = backend.network_runner(space, space.architecture(codes))
    times = measure(runners, threads=conditions.threads, rounds=rounds, seed=conditions.seed)
    beside = [times.pop(name).latency_ms for name in references]
    drift = table.measured.reference_ms / float(np.mean(beside)) if table is not None else None
    found: list[dict[str, Any]] = []
    for name, latency in times.items():
        runtime = backend.name if name in read else "onnxruntime"
        entry: dict[str, Any] = {"file": name, "runtime": runtime, **latency.to_dict()}
        architecture = {**read, **exported}.get(name)
        if table is not None and drift is not None and architecture is not None:
            entry |= _beside(table, architecture, latency.latency_ms * drift)
        found.append(entry)
    return found


def _beside(table: LookupTable, architecture: Architecture, normalised_ms: float) -> dict[str, float | None]:
    model = table.cost_model(get(architecture.space))
    return {
        "normalised_ms": round(normalised_ms, 4),
        "estimate_ms": round(float(model.estimate([architecture])[0]), 4),
        "sigma_ms": None if model.sigma is None else round(model.sigma, 4),
    }
