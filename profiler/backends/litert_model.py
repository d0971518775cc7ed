"""Networks in LiteRT (TensorFlow Lite) with XNNPACK, converted from torch by litert-torch.

The interpreter does not time blocks, so that their costs are solved from whole networks.
"""

from __future__ import annotations

import platform
import time
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from profiler.backends.base import Conditions, chain_blocks, check_precision, check_processor
from profiler.backends.converted_files import ConvertedFiles, without_messages
from profiler.backends.litert_chain import JoinedBlocks, channels_last
from profiler.backends.torch_eager import unit_variance
from profiler.errors import UnsupportedConditions
from spaces.architecture import Architecture
from spaces.modules.nested import TensorOutputs
from spaces.space import SearchSpace

PRECISIONS = ("fp32", "int8")

_FILE = "network.tflite"

# litert-torch's name of a model's only function.
_SIGNATURE = "serving_default"


class LiteRt:
    """Runs networks in LiteRT's interpreter, whose threads are those of XNNPACK.

    Args:
        conditions: Conditions with the device cpu and the precision fp32 or int8.

    Raises:
        UnsupportedConditions: Device or precision are others. Networks raise it where litert-torch
            cannot convert them.
    """

    name = "litert"
    times_blocks = False
    prunes = True

    def __init__(self, conditions: Conditions):
        import ai_edge_litert  # noqa: F401
        import litert_torch  # noqa: F401

        check_processor(self.name, conditions)
        check_precision(self.name, conditions, PRECISIONS)

        self.conditions = conditions
        self.joined = JoinedBlocks(converted, conditions.batch, conditions.seed)
        self._files = ConvertedFiles()

    @classmethod
    def from_conditions(cls, conditions: Conditions) -> LiteRt:
        """Return the backend under conditions."""
        return cls(conditions)

    def network_runner(self, space: SearchSpace, architecture: Architecture) -> InterpreterRunner:
        """Return a runner of an architecture's network."""
        generator = torch.Generator().manual_seed(self.conditions.seed)
        image = space.random_input(architecture, self.conditions.batch, generator)
        if not isinstance(image, Tensor) or not image.is_floating_point():
            raise UnsupportedConditions(
                f"litert runs networks of images here, not those of {space.name}; use onnxruntime"
            )

        # A chain is joined from its blocks, much faster than a network is converted.
        blocks = None if space.phases else chain_blocks(space, architecture)
        if blocks is not None:
            image = channels_last(image)

        def convert(folder: Path) -> None:
            content = (
                self._network_content(space, architecture, image)
                if blocks is None
                else self.joined.content(blocks)
            )
            if self.conditions.precision == "int8":
                content = quantised(content, [image.numpy()])
            (folder / _FILE).write_bytes(content)

        path = self._files.folder(space, architecture, convert) / _FILE
        return InterpreterRunner(interpreter(path, self.conditions.threads), image.numpy())

    def executed(self) -> Mapping[str, Any]:
        """Return no conditions: the interpreter does not report its threads."""
        return {}

    def versions(self) -> Mapping[str, str]:
        """Return the versions of Python, torch, LiteRT and its converter."""
        from importlib.metadata import version

        packages = ["torch", "ai-edge-litert", "litert-torch"]
        if self.conditions.precision == "int8":
            packages.append("ai-edge-quantizer")
        return {"python": platform.python_version(), **{name: version(name) for name in packages}}

    def _network_content(
        self, space: SearchSpace, architecture: Architecture, image: Tensor
    ) -> bytes:
        network = space.network(architecture).eval()
        with torch.no_grad():
            unit_variance(network, torch.Generator().manual_seed(self.conditions.seed))
        return converted(network, image)


class InterpreterRunner:
    """Runs a network in an interpreter, whose only block is the whole network.

    Args:
        interpreter: Interpreter with allocated tensors.
        image: Input of the model's shape, in which channels come second, or last in joined models.
    """

    def __init__(self, interpreter: Any, image: NDArray[np.float32]):
        self.interpreter = interpreter
        set_input(interpreter, image)

    def whole(self) -> float:
        """Return the latency of one run in milliseconds, without copies of input and outputs."""
        begin = time.perf_counter_ns()
        self.interpreter.invoke()
        return (time.perf_counter_ns() - begin) / 1e6

    def blocks(self) -> list[float]:
        """Return the latency of one run as that of the only block."""
        return [self.whole()]

    def outputs(self) -> list[NDArray[Any]]:
        """Return the outputs of the last run."""
        return outputs_of(self.interpreter)


def converted(network: nn.Module, image: Tensor) -> bytes:
    """Convert a network of images to LiteRT.

    Args:
        network: Network in evaluation mode.
        image: Example input [batch, channels, height, width], whose batch becomes the model's.

    Returns:
        Content of the `.tflite` file; its floats are those of the network.

    Raises:
        UnsupportedConditions: litert-torch cannot convert the network.
    """
    import litert_torch

    # The converter reports each of its steps, and uses what its dependencies call deprecated.
    litert_torch.config.show_progress = False
    with warnings.catch_warnings(), without_messages():
        warnings.simplefilter("ignore")
        try:
            model = litert_torch.convert(TensorOutputs(network), (image,))
            return bytes(model.model_content())
        # Converters raise what the code of their dependencies raises.
        except Exception as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise UnsupportedConditions(
                f"litert-torch cannot convert the network: {reason:.200}"
            ) from error


def quantised(content: bytes, images: Iterable[NDArray[np.float32]]) -> bytes:
    """Quantise a model to int8 weights and activations, its input and outputs among them.

    Args:
        content: Content of the `.tflite` file in floats.
        images: Batches of the model's shape, on which ranges are calibrated.
    """
    from ai_edge_quantizer import quantizer, recipe

    with warnings.catch_warnings(), without_messages():
        warnings.simplefilter("ignore")
        maker = quantizer.Quantizer(bytearray(content), recipe.static_wi8_ai8())
        name = _input_name(content)
        ranges = maker.calibrate({_SIGNATURE: [{name: image} for image in images]}, num_threads=1)
        result = maker.quantize(ranges, enable_progress_bar=False, enable_progress_report=False)
    return bytes(result.quantized_model)


def interpreter(path: Path, threads: int) -> Any:
    """Return an interpreter of a file with allocated tensors.

    Args:
        path: `.tflite` file.
        threads: Number of XNNPACK's threads.
    """
    from ai_edge_litert.interpreter import Interpreter

    made = Interpreter(model_path=str(path), num_threads=threads)
    made.allocate_tensors()
    return made


def set_input(interpreter: Any, image: NDArray[np.float32]) -> None:
    """Set the only input of an interpreter, rounded where the model takes integers.

    Args:
        interpreter: Interpreter with allocated tensors.
        image: Input of the model's shape, in which channels come second, or last in joined models.
    """
    (entry,) = interpreter.get_input_details()
    scale, zero = entry["quantization"]
    value = image
    if np.issubdtype(entry["dtype"], np.integer):
        limits = np.iinfo(entry["dtype"])
        rounded = np.round(image / scale) + zero
        value = np.clip(rounded, limits.min, limits.max).astype(entry["dtype"])
    interpreter.set_tensor(entry["index"], value)


def outputs_of(interpreter: Any) -> list[NDArray[Any]]:
    """Return the outputs of an interpreter's last run as floats, in the network's order."""
    # Outputs are listed in an order of the interpreter's own; the signature's names count them.
    details = interpreter.get_signature_runner(_SIGNATURE).get_output_details()
    outputs: list[NDArray[Any]] = []
    for name in sorted(details, key=lambda name: int(name.rpartition("_")[2])):
        output = np.array(interpreter.get_tensor(details[name]["index"]))
        scale, zero = details[name]["quantization"]
        if np.issubdtype(output.dtype, np.integer) and scale:
            output = (output.astype(np.float32) - zero) * np.float32(scale)
        outputs.append(output)
    return outputs


def _input_name(content: bytes) -> str:
    from ai_edge_litert.interpreter import Interpreter

    reader = Interpreter(model_content=content, num_threads=1)
    (name,) = reader.get_signature_list()[_SIGNATURE]["inputs"]
    return str(name)
