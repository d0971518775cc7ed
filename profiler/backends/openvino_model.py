"""Networks in OpenVINO on the processor, in int8 by nncf's post-training quantisation.

OpenVINO fuses operations across blocks while it compiles a network, so that block costs are solved
from whole networks.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from profiler.backends.base import Conditions, check_precision, check_processor
from profiler.backends.converted_files import ConvertedFiles
from profiler.backends.onnx_chain import Networks, networks_of_torch
from profiler.backends.openvino_core import openvino_module, shared_core
from profiler.backends.openvino_quantisation import Quantiser
from profiler.errors import UnsupportedConditions
from spaces.architecture import Architecture
from spaces.space import SearchSpace

PRECISIONS = ("fp32", "int8")

_FILE = "network.xml"

HINT = "LATENCY"
"""Performance hint: one request at a time, as networks are timed."""


class OpenVino:
    """Runs networks as OpenVINO compiles them from ONNX.

    Args:
        conditions: Conditions with the device cpu and the precision fp32 or int8.
        networks: Writes the networks as ONNX. None: torch builds them.

    Raises:
        UnsupportedConditions: Device or precision are others. Networks raise it where OpenVINO
            cannot compile them.
    """

    name = "openvino"
    times_blocks = False
    prunes = True

    def __init__(self, conditions: Conditions, networks: Networks | None = None):
        openvino_module()

        check_processor(self.name, conditions)
        check_precision(self.name, conditions, PRECISIONS)

        self.conditions = conditions
        self.networks = networks or networks_of_torch(conditions)
        self.core = shared_core()

        # nncf takes seconds for a network, which is rebuilt many times.
        self._files = ConvertedFiles()
        self._quantiser = Quantiser()

        # Known once a network has been compiled.
        self._threads: int | None = None

    @classmethod
    def from_conditions(cls, conditions: Conditions) -> OpenVino:
        """Return the backend under conditions."""
        return cls(conditions)

    def network_runner(self, space: SearchSpace, architecture: Architecture) -> RequestRunner:
        """Return a runner of an architecture's network."""
        proto, feed = self.networks.network(space, architecture)
        if self.conditions.precision == "int8":

            def convert(folder: Path) -> None:
                # Corrected biases change outputs but no latencies, and take most of the time.
                self._quantiser.quantise(proto, [feed], folder / _FILE, correct_biases=False)

            folder = self._files.folder(space, architecture, convert)
            model = model_in_memory(self.core, folder / _FILE)
        else:
            model = self.core.read_model(proto)

        compiled = compiled_model(self.core, model, self.conditions.threads)
        if self.conditions.precision == "int8" and not integer_layers(compiled):
            raise UnsupportedConditions(
                "openvino runs none of the network's layers in int8 on this processor; use fp32"
            )

        # Fewer than requested where the process may use fewer cores.
        self._threads = int(compiled.get_property("INFERENCE_NUM_THREADS"))
        return RequestRunner(compiled, feed)

    def executed(self) -> Mapping[str, Any]:
        """Return the number of threads of the last network, and the performance hint."""
        threads = {} if self._threads is None else {"threads": self._threads}
        return {**threads, "performance_hint": HINT}

    def versions(self) -> Mapping[str, str]:
        """Return the versions of Python, onnx, OpenVINO and, for int8, nncf."""
        from importlib.metadata import version

        packages = ["onnx", "openvino", *(["nncf"] if self.conditions.precision == "int8" else [])]
        return {"python": platform.python_version(), **{name: version(name) for name in packages}}


class RequestRunner:
    """Runs a compiled network, whose only block is the whole network.

    Args:
        compiled: Network that OpenVINO has compiled.
        feed: Name -> input [batch, ...].
    """

    def __init__(self, compiled: Any, feed: Mapping[str, NDArray[Any]]):
        self.request = compiled.create_infer_request()
        self.feed = feed
        used = {name for entry in compiled.inputs for name in entry.get_names()}
        for name, value in feed.items():
            # A network of cells need not use its image, and the compiler removes unused inputs.
            if name in used:
                self.request.set_tensor(name, openvino_module().Tensor(value, shared_memory=True))

    def whole(self) -> float:
        """Return the latency of one run in milliseconds, without copies of inputs and outputs."""
        begin = time.perf_counter_ns()
        self.request.start_async()
        self.request.wait()
        return (time.perf_counter_ns() - begin) / 1e6

    def blocks(self) -> list[float]:
        """Return the latency of one run as that of the only block."""
        return [self.whole()]

    def outputs(self) -> list[NDArray[Any]]:
        """Return the outputs of the last run."""
        return [tensor.data for tensor in self.request.output_tensors]


def model_in_memory(core: Any, path: Path) -> Any:
    """Return the model of an `.xml` file with its `.bin`, which does not keep the files open.

    Args:
        core: OpenVINO's core.
        path: The `.xml` file.
    """
    return core.read_model(path.read_bytes(), path.with_suffix(".bin").read_bytes())


def compiled_model(core: Any, model: Any, threads: int) -> Any:
    """Compile a model for the processor.

    Args:
        core: OpenVINO's core.
        model: Model that it has read.
        threads: Number of threads of a request.

    Raises:
        UnsupportedConditions: OpenVINO cannot compile the model.
    """
    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": HINT,
        # Processors with bfloat16 would otherwise round to it.
        "INFERENCE_PRECISION_HINT": "f32",
        # Pinned threads cannot leave a core that another process uses.
        "ENABLE_CPU_PINNING": False,
    }
    try:
        return core.compile_model(model, "CPU", settings)
    # OpenVINO raises RuntimeError alone; the last line of its message has the reason.
    except RuntimeError as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        raise UnsupportedConditions(f"openvino cannot compile the network: {reason}") from error


def integer_layers(compiled: Any) -> int:
    """Return the number of convolutions and linear layers that run on 8-bit integers.

    Args:
        compiled: Network that OpenVINO has compiled.
    """
    count = 0
    for node in compiled.get_runtime_model().get_ops():
        info = node.get_rt_info()
        kind, precision = (str(info[key].value) for key in ("layerType", "runtimePrecision"))
        count += kind in ("Convolution", "FullyConnected") and precision in ("i8", "u8")
    return count
