"""Networks in ncnn on the processor, converted from ONNX by pnnx.

ncnn fuses activations and normalisations while pnnx converts a network, so that block costs are
solved from whole networks.
"""

from __future__ import annotations

import platform
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from profiler.backends.base import Conditions, check_precision, check_processor
from profiler.backends.converted_files import ConvertedFiles
from profiler.backends.onnx_networks import OnnxNetworks
from profiler.errors import UnsupportedConditions
from spaces.architecture import Architecture
from spaces.space import SearchSpace

PRECISIONS = ("fp32", "fp16")

PARAM = "network.ncnn.param"
"""Name of the file with the layers."""

WEIGHTS = "network.ncnn.bin"
"""Name of the file with the weights."""

# pnnx's names of the first input and of all outputs.
_INPUT = "in0"
_OUTPUT = "out"


class Ncnn:
    """Runs networks in ncnn, one image at a time.

    Args:
        conditions: Conditions with the device cpu, the batch 1 and the precision fp32 or fp16, in
            which weights and activations are stored; arithmetic is in fp16 where the processor has
            it.

    Raises:
        UnsupportedConditions: Device, batch or precision are others. Networks raise it where pnnx
            cannot convert them.
    """

    name = "ncnn"
    times_blocks = False
    prunes = True

    def __init__(self, conditions: Conditions):
        import ncnn  # noqa: F401
        import pnnx  # noqa: F401

        check_processor(self.name, conditions)
        check_precision(self.name, conditions, PRECISIONS)
        if conditions.batch != 1:
            raise UnsupportedConditions(
                f"ncnn runs one image at a time, not a batch of {conditions.batch}; use --batch 1"
            )

        self.conditions = conditions
        self.networks = OnnxNetworks(conditions.batch, conditions.seed)

        self._files = ConvertedFiles()

        # Known once a network has been loaded.
        self._threads: int | None = None

    @classmethod
    def from_conditions(cls, conditions: Conditions) -> Ncnn:
        """Return the backend under conditions."""
        return cls(conditions)

    def network_runner(self, space: SearchSpace, architecture: Architecture) -> ExtractorRunner:
        """Return a runner of an architecture's network."""
        proto, feed = self.networks.network(space, architecture)
        if list(feed) != ["image"]:
            raise UnsupportedConditions(
                f"ncnn runs networks of one image here, not of {', '.join(feed)}; use onnxruntime"
            )

        half = self.conditions.precision == "fp16"

        def convert(folder: Path) -> None:
            converted(proto, feed["image"].shape, folder, half)

        folder = self._files.folder(space, architecture, convert)
        net = loaded(folder / PARAM, folder / WEIGHTS, self.conditions.threads, half)
        self._threads = int(net.opt.num_threads)
        return ExtractorRunner(net, feed["image"])

    def executed(self) -> Mapping[str, Any]:
        """Return the number of threads of the last network."""
        return {} if self._threads is None else {"threads": self._threads}

    def versions(self) -> Mapping[str, str]:
        """Return the versions of Python, onnx, ncnn and pnnx."""
        from importlib.metadata import version

        packages = ("onnx", "ncnn", "pnnx")
        return {"python": platform.python_version(), **{name: version(name) for name in packages}}


class ExtractorRunner:
    """Runs a loaded network, whose only block is the whole network.

    Args:
        net: Network of ncnn.
        image: Its input [1, channels, height, width].
    """

    def __init__(self, net: Any, image: NDArray[np.float32]):
        self.net = net
        self.image = image
        self.names = output_names(net)
        self._mat = mat(image)

    def whole(self) -> float:
        """Return the latency of one run in milliseconds."""
        begin = time.perf_counter_ns()
        extractor = self.net.create_extractor()
        extractor.input(_INPUT, self._mat)
        for name in self.names:
            extractor.extract(name)
        return (time.perf_counter_ns() - begin) / 1e6

    def blocks(self) -> list[float]:
        """Return the latency of one run as that of the only block."""
        return [self.whole()]

    def outputs(self) -> list[NDArray[np.float32]]:
        """Run once and return the outputs, without the axis of the batch."""
        return outputs_of(self.net, self.image)


def converted(
    proto: bytes, shape: Sequence[int], folder: Path, half: bool = False
) -> tuple[Path, Path]:
    """Convert a serialised ONNX model by pnnx.

    Args:
        proto: Serialised model of one input.
        shape: Shape of the input, with the batch.
        folder: Folder for the files.
        half: Whether weights are stored in fp16.

    Returns:
        The files with the layers and with the weights.

    Raises:
        UnsupportedConditions: pnnx cannot convert the model.
    """
    import pnnx

    source = folder / "network.onnx"
    source.write_bytes(proto)
    size = ",".join(map(str, shape))
    command = [pnnx.EXEC_PATH, str(source), f"inputshape=[{size}]f32", f"fp16={int(half)}"]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)

    param = folder / PARAM
    weights = folder / WEIGHTS
    if result.returncode or not param.is_file() or not weights.is_file():
        lines = (result.stderr or result.stdout).strip().splitlines()
        reason = lines[-1] if lines else f"exit code {result.returncode}"
        raise UnsupportedConditions(f"pnnx cannot convert the network: {reason:.200}")
    return param, weights


def loaded(param: Path, weights: Path, threads: int, half: bool) -> Any:
    """Load a network into ncnn.

    Args:
        param: File with the layers.
        weights: File with the weights.
        threads: Number of threads.
        half: Whether activations are stored, and where possible computed, in fp16.

    Raises:
        UnsupportedConditions: ncnn does not have one of the layers.
    """
    import ncnn

    net = ncnn.Net()
    net.opt.num_threads = threads
    net.opt.use_vulkan_compute = False
    # By default ncnn rounds to fp16 where the processor has it.
    for option in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic"):
        setattr(net.opt, option, half)

    if net.load_param(str(param)) or net.load_model(str(weights)):
        raise UnsupportedConditions("ncnn cannot load the network: it lacks one of its layers")
    return net


def output_names(net: Any) -> list[str]:
    """Return the names of a network's outputs, in their order in the model."""
    count = sum(name.startswith(_OUTPUT) for name in net.output_names())
    return [f"{_OUTPUT}{index}" for index in range(count)]


def mat(image: NDArray[np.float32]) -> Any:
    """Return an image [1, channels, height, width] as ncnn's matrix, whose memory it owns."""
    import ncnn

    return ncnn.Mat(np.ascontiguousarray(image[0])).clone()


def outputs_of(net: Any, image: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Return the outputs of a network for an image [1, channels, height, width].

    Args:
        net: Network of ncnn.
        image: Input of the network.

    Raises:
        UnsupportedConditions: ncnn cannot run the network.
    """
    extractor = net.create_extractor()
    extractor.input(_INPUT, mat(image))
    outputs: list[NDArray[np.float32]] = []
    for name in output_names(net):
        code, output = extractor.extract(name)
        if code:
            raise UnsupportedConditions(f"ncnn cannot run the network: error {code} at {name}")
        outputs.append(np.array(output))
    return outputs
