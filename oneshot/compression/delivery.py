"""The end of a compression: both networks measured next to each other, exported and tested."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from oneshot.compression.costs import MeasuredDevice
from oneshot.compression.network_times import time_networks
from oneshot.compression.result import NetworkRecord
from oneshot.compression.sizes import SizedData
from oneshot.errors import InvalidRun
from oneshot.export.comparison import TOLERANCE, compare
from oneshot.export.conversion import write_onnx
from oneshot.export.inputs import NetworkInputs
from oneshot.retraining.report import report_on_test
from spaces.files import replacing

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from oneshot.tasks.task import Task
    from profiler.backends.base import Backend
    from spaces.architecture import Architecture
    from spaces.elastic.space import ElasticSpace

# Rounds of the final measurement, which is of two networks only.
_FINAL_ROUNDS = 12


@dataclass(frozen=True)
class FinalLatencies:
    """Latencies of the original and of the compressed network; None where none was limited.

    Args:
        estimates_ms: Estimated latencies.
        measured_ms: Measured latencies, in the machine's state at the cost model's measurement.
        sigma_ms: Deviation of the estimates.
        mape: Cross-validated relative error of the estimates.
    """

    estimates_ms: Sequence[float | None] = (None, None)
    measured_ms: Sequence[float | None] = (None, None)
    sigma_ms: float | None = None
    mape: float | None = None


def measure_again(
    space: ElasticSpace,
    backend: Backend,
    device: MeasuredDevice,
    architectures: Sequence[Architecture],
    *,
    threads: int,
    seed: int,
) -> FinalLatencies:
    """Measure the latencies of two networks that the cost model has promised.

    Args:
        space: Space of the networks.
        backend: Backend that runs them.
        device: Networks that the cost model was fitted on.
        architectures: The original and the compressed network.
        threads: Number of threads on the processor.
        seed: Seed of the orders.
    """
    model, fit, values = device.fit(space)
    codes = space.encode(architectures)
    times = time_networks(space, backend, codes, threads=threads, rounds=_FINAL_ROUNDS, seed=seed)

    # In the machine's state at the cost model's measurement, in which the limit is promised.
    measured = np.median(times.ratios, axis=1) * device.reference_ms
    return FinalLatencies(
        model.estimate(architectures).tolist(), measured.tolist(), model.sigma, fit.mape(values)
    )


def deliver_network(
    space: ElasticSpace,
    data: SizedData,
    task: Task,
    network: nn.Module,
    architecture: Architecture,
    path: Path,
    estimate_ms: float | None,
    measured_ms: float | None,
) -> NetworkRecord:
    """Export and test a network.

    Args:
        space: Space of the network.
        data: Data set at the input sizes of the space.
        task: Task of the network.
        network: The network, in evaluation mode.
        architecture: Its architecture.
        path: ONNX file that is written.
        estimate_ms: Estimated latency; None without a latency limit.
        measured_ms: Measured latency; None without a latency limit.

    Raises:
        InvalidRun: The exported model has other outputs.
    """
    shape = space.input_shape_of(architecture)
    export_network(space, task, network, path, architecture, data.at(space.input_shape).classes)
    return NetworkRecord(
        space.macs(architecture),
        space.params(architecture),
        path.stat().st_size,
        estimate_ms,
        measured_ms,
        report_on_test(network, data.at(shape), task=task),
        shape,
    )


def export_network(
    space: ElasticSpace,
    task: Task,
    network: nn.Module,
    path: Path,
    architecture: Architecture,
    classes: Sequence[str],
) -> None:
    """Write a network as ONNX, after a comparison of its outputs with torch's.

    Args:
        space: Space of the network.
        task: Task of the network, which may decode its outputs in the file.
        network: The network.
        path: File of the network.
        architecture: Its architecture, which the file records.
        classes: Names of the classes, which the file records.

    Raises:
        InvalidRun: The exported model has other outputs.
    """
    inputs = NetworkInputs.from_space(space, architecture)
    metadata = {"architecture": architecture.to_json(), "classes": json.dumps(list(classes))}
    # As those of `oneshot export`, files of detectors find objects themselves.
    exported = task.exported(network) or network
    with replacing(path) as temporary:
        write_onnx(exported, inputs, temporary, metadata)
        difference = compare(exported, inputs, temporary, None)
        # Negated so that NaN fails too.
        if not difference <= TOLERANCE:
            raise InvalidRun(f"{path}: the exported model differs from torch by {difference:.2g}")
