"""Measuring whole networks, beside a table's estimate where there is one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from profiler.backends.base import Runner
from profiler.backends.onnx_model import OnnxModelRunner
from profiler.backends.torch_eager import TorchEager
from profiler.timing import interleaved, quiet, runs_for, warm_up
from spaces.architecture import Architecture
from spaces.registry import get
from tables.lookup_table import LookupTable

_REFERENCE = "the table's reference network"


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
    backend: TorchEager,
    *,
    threads: int,
    table: LookupTable | None = None,
    rounds: int = 20,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Time architectures (JSON) and ONNX models together, and with a table its reference network beside them.

    Args:
        files: architectures run in the backend, `.onnx` under onnxruntime.
        backend: runs architectures.
        threads: of torch and of onnxruntime.
        table: gives the estimates, and the reference network that drift since the build is told by.
        rounds: turns of each.
        seed: of the orders.

    Returns:
        For each file: file, runtime, latency_ms, iqr_ms; with a table for architectures also estimate_ms, sigma_ms
        and normalised_ms, which is latency_ms x (the reference's time in the table / its time now).
    """
    read = {str(path): Architecture.read(path) for path in files if path.suffix != ".onnx"}
    runners: dict[str, Runner] = {
        name: backend.runner(get(architecture.space).blocks(architecture)) for name, architecture in read.items()
    }
    for path in files:
        if path.suffix == ".onnx":
            runners[str(path)] = OnnxModelRunner(path, threads, backend.batch, seed)
    if table is not None:
        space = get(table.space)
        runners[_REFERENCE] = backend.runner(space.blocks(space.architecture(table.measurement.reference_codes)))
    times = measure(runners, threads=threads, rounds=rounds, seed=seed)
    drift = table.measurement.reference_ms / times.pop(_REFERENCE).latency_ms if table is not None else None
    found: list[dict[str, Any]] = []
    for name, latency in times.items():
        runtime = backend.name if name in read else "onnxruntime"
        entry: dict[str, Any] = {"file": name, "runtime": runtime, **latency.to_dict()}
        if table is not None and drift is not None and name in read:
            model = table.cost_model(get(read[name].space))
            entry["normalised_ms"] = round(latency.latency_ms * drift, 4)
            entry["estimate_ms"] = round(float(model.estimate([read[name]])[0]), 4)
            entry["sigma_ms"] = None if model.sigma is None else round(model.sigma, 4)
        found.append(entry)
    return found
