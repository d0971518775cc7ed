"""Measurement of whole networks, with a table's estimates for comparison."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from profiler.backends.base import Backend, Conditions, Runner
from profiler.backends.onnx_inputs import InputSpec
from profiler.backends.onnx_model import OnnxModelRunner
from profiler.errors import InvalidInput
from profiler.instruments.references import time_with_references
from profiler.instruments.timing import (
    interleaved,
    quiet,
    rebuild_runners,
    runs_for,
    settle,
    warm_up,
    warm_up_runs_for,
)
from profiler.phases import Group, Networks, groups_of
from spaces.formats import read_architecture
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
    runners: Sequence[Runner],
    *,
    threads: int,
    rounds: int,
    rng: np.random.Generator,
    least_rounds: int | None = None,
) -> Array:
    """Return latencies [n, rounds] of networks in interleaved rounds, in milliseconds.

    Args:
        runners: Networks that are ready to run.
        threads: Number of torch threads on the processor.
        rounds: Number of rounds.
        rng: Random generator of the orders.
        least_rounds: Number of rounds after which Ctrl-C ends the measurement with those so far;
            None: KeyboardInterrupt is always raised.
    """
    with quiet(threads):
        # All networks get the runs of the slowest, so that their medians are equally precise.
        slowest = max(warm_up(runner, seconds=1.0) for runner in runners)
        runs = runs_for(slowest)
        warm = warm_up_runs_for(slowest)
        series = interleaved(runners, rounds, runs, rng, warm, least_rounds)
        return np.array(series)


@dataclass(frozen=True)
class FileLatencies:
    """The measured latencies of files.

    Args:
        entries: JSON object of each file; see `measure_files`.
        rounds: Number of rounds, which are fewer than requested after an interruption.
    """

    entries: list[dict[str, Any]]
    rounds: int


def is_onnx(path: Path) -> bool:
    """Return whether a file is an ONNX model rather than an architecture, by its suffix."""
    # Programs of systems whose file names ignore the case write .ONNX as well.
    return path.suffix.lower() == ".onnx"


def measure_files(
    files: Sequence[Path],
    backend: Backend,
    conditions: Conditions,
    *,
    table: LookupTable | None = None,
    rounds: int = 20,
    index: int = 0,
    inputs: Sequence[InputSpec] = (),
    lengths: Mapping[str, int | None] | None = None,
    least_rounds: int | None = None,
) -> FileLatencies:
    """Time architectures and ONNX models together, and networks of text phase by phase.

    Args:
        files: Architectures, which run in the backend, and `.onnx` files, which run in onnxruntime.
        backend: Backend of the architectures.
        conditions: Conditions of the backend. ONNX models run with their device, batch, threads
            and seed.
        table: Table with estimates and, unless it was imported, with reference networks that show
            the drift since its build. None measures without both.
        rounds: Number of rounds.
        index: Index of the architecture in files of several, such as search results.
        inputs: Shapes of the inputs that ONNX models leave open.
        lengths: Tokens of the `prompt` and of the `cache` of networks of text, if no table has
            them. None: the longest context.
        least_rounds: Number of rounds after which Ctrl-C ends the measurement with those so far;
            None: KeyboardInterrupt is always raised.

    Returns:
        Number of rounds, and for each file: file, runtime, latency_ms, iqr_ms, and of ONNX models
        the inputs. With a table, networks that run as the table's did have also estimate_ms,
        sigma_ms and, unless the table was imported, normalised_ms: the median over rounds of the
        latency over the references' latency around it, times that in the table. Networks of text
        have their latencies in `prefill` and in `decode`.

    Raises:
        InvalidInput: No model has one of `inputs`, or it has another shape or type.
    """
    architectures = {
        str(path): read_architecture(path, index=index) for path in files if not is_onnx(path)
    }

    def load(path: Path) -> OnnxModelRunner:
        return OnnxModelRunner(
            path, conditions.threads, conditions.batch, conditions.seed, inputs, conditions.device
        )

    # Loaded once ahead: a model that does not run is an error before anything is measured.
    models = {str(path): load(path) for path in files if is_onnx(path)}
    _check_inputs(inputs, models)

    entries: dict[str, dict[str, Any]] = {
        name: {"file": name, "runtime": backend.name} for name in architectures
    }
    for name, model in models.items():
        specs = [str(spec) for spec in model.inputs]
        entries[name] = {"file": name, "runtime": "onnxruntime", "inputs": specs}

    fewest = rounds
    for group in groups_of(architectures, models, table, lengths or {}):
        # An interruption ends the measurement, also before the phases that follow.
        if fewest < rounds:
            break

        estimated = {**group.networks, **_exported_networks(group.models, backend)}
        estimates = {} if group.table is None else _estimates(group.table, estimated)

        def make(group: Group = group) -> list[Runner]:
            networks = [
                settle(backend.network_runner(space, architecture), backend)
                for space, architecture in group.networks.values()
            ]
            return [*networks, *(load(Path(name)) for name in group.models)]

        times, states = _measure(make, backend, conditions, group, rounds, least_rounds)
        fewest = min(fewest, times.shape[1])
        for row, name in enumerate([*group.networks, *group.models]):
            latency: dict[str, Any] = dict(Latency.from_series(times[row]).to_dict())
            if name in estimates and group.table is not None and states is not None:
                normalised_ms = _normalised_ms(times[row], states[row], group.table)
                latency["normalised_ms"] = normalised_ms
            latency |= estimates.get(name, {})
            entries[name] |= {group.phase: latency} if group.phase else latency

    return FileLatencies(list(entries.values()), fewest)


def _normalised_ms(times: Array, states: Array, table: LookupTable) -> float:
    """Return the latency in the machine's state at the table's build.

    Args:
        times: Latencies of a network, [rounds].
        states: Latencies of the references around it, [rounds].
        table: Table of the references.
    """
    # Divided round by round: the machine's speed may jump between two rounds.
    return round(float(np.median(times / states) * table.measured.reference_ms), 4)


def _exported_networks(models: Mapping[str, OnnxModelRunner], backend: Backend) -> Networks:
    """Return the architectures in the metadata of models, with their spaces, by the names."""
    # Models run in onnxruntime: a table of another runtime's latencies does not estimate them.
    if backend.name != "onnxruntime":
        return {}
    return {
        name: (get(model.architecture.space), model.architecture)
        for name, model in models.items()
        if model.architecture is not None
    }


def _check_inputs(inputs: Sequence[InputSpec], models: Mapping[str, OnnxModelRunner]) -> None:
    """Raise InvalidInput where no model has a requested input."""
    names = {spec.name for model in models.values() for spec in model.inputs}
    for spec in inputs:
        if spec.name not in names:
            available = ", ".join(sorted(names)) or "none, since no file is an ONNX model"
            raise InvalidInput(
                f"--input {spec}: no model has an input {spec.name!r}; available: {available}"
            )


def _measure(
    make: Callable[[], list[Runner]],
    backend: Backend,
    conditions: Conditions,
    group: Group,
    rounds: int,
    least_rounds: int | None,
) -> tuple[Array, Array | None]:
    """Return latencies [n, rounds], and the references' latency around each with a table."""
    rng = np.random.default_rng(conditions.seed)

    # An imported table has no reference networks, only estimates.
    table = group.table
    if table is None or group.space is None or table.measurement is None:
        times = time_runners(
            make(), threads=conditions.threads, rounds=rounds, rng=rng, least_rounds=least_rounds
        )
        return times, None

    space = group.space
    references = [space.architecture(row) for row in table.measurement.reference_codes]

    def make_with_references() -> tuple[list[Runner], list[Runner]]:
        # References first: rebuilding forgets the modules that the networks share.
        reference_runners = rebuild_runners(backend, space, references)
        return make(), reference_runners

    with quiet(conditions.threads):
        times, states, _ = time_with_references(
            make_with_references, rounds, rng, least_rounds=least_rounds
        )
    return times, states


def _estimates(table: LookupTable, networks: Networks) -> dict[str, dict[str, float | None]]:
    """Return estimate_ms and sigma_ms of architectures by their names."""
    estimates: dict[str, dict[str, float | None]] = {}
    for name, (space, architecture) in networks.items():
        model = table.cost_model(space)
        estimates[name] = {
            "estimate_ms": round(float(model.estimate([architecture])[0]), 4),
            "sigma_ms": None if model.sigma is None else round(model.sigma, 4),
        }

    return estimates
