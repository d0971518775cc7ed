"""Networks under onnxruntime, on the processor or on CUDA; int8 by its static quantisation.

onnxruntime joins operations across blocks and changes the memory layout between them, so that no
node of what it runs is a block's own: blocks' costs are solved from whole networks.
"""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from profiler.backends.base import Conditions, Runner, chain_blocks
from profiler.backends.onnx_graph import Fragment, fragment, model
from profiler.backends.onnx_model import TimedSession, session_options
from profiler.backends.torch_eager import unit_variance
from profiler.errors import UnsupportedConditions
from spaces.architecture import Architecture
from spaces.block import Block
from spaces.modules.blocks import build
from spaces.modules.network import materialise
from spaces.space import SearchSpace

if TYPE_CHECKING:
    pass


PRECISIONS = ("fp32", "int8")


class OnnxRuntime:
    """Runs networks as onnxruntime sessions with all its optimisations.

    Args:
        conditions: precision fp32 or int8.

    Raises:
        UnsupportedConditions: the precision, or a CUDA device where onnxruntime has no CUDA
            provider.
    """

    name = "onnxruntime"
    times_blocks = False

    def __init__(self, conditions: Conditions):
        import onnxruntime

        if conditions.precision not in PRECISIONS:
            raise UnsupportedConditions(
                f"onnxruntime runs {', '.join(PRECISIONS)} here, not {conditions.precision}"
            )
        self.provider = (
            "CPUExecutionProvider" if conditions.device == "cpu" else "CUDAExecutionProvider"
        )
        there = onnxruntime.get_available_providers()
        if self.provider not in there:
            raise UnsupportedConditions(
                f"this onnxruntime has no {self.provider}; it has {', '.join(there)}"
            )
        self.conditions = conditions
        self._fragments: dict[tuple[int, str], Fragment] = {}
        self._inputs: dict[tuple[int, ...], NDArray[np.float32]] = {}

    @classmethod
    def of(cls, conditions: Conditions) -> OnnxRuntime:
        """The backend under conditions."""
        return cls(conditions)

    def network_runner(self, space: SearchSpace, architecture: Architecture) -> Runner:
        """A runner for an architecture's network."""
        blocks = chain_blocks(space, architecture)
        if blocks is not None:
            return self.runner(blocks)
        shape = space.input_shape_of(architecture)
        return self._session(self._exported(space, architecture, shape), shape)

    def runner(self, blocks: Sequence[Block]) -> Runner:
        """A runner for a network of these blocks."""
        shape, classes = blocks[0].input, blocks[-1].output[0]
        parts = [(f"b{place}", self._fragment(place, block)) for place, block in enumerate(blocks)]
        return self._session(
            model(parts, self.conditions.batch, shape, classes).SerializeToString(), shape
        )

    def versions(self) -> Mapping[str, str]:
        """Python, onnx, onnxruntime."""
        import platform

        import onnx
        import onnxruntime

        return {
            "python": platform.python_version(),
            "onnx": onnx.__version__,
            "onnxruntime": onnxruntime.__version__,
        }

    def _fragment(self, place: int, block: Block) -> Fragment:
        key = (place, block.key)
        if key not in self._fragments:
            generator = torch.Generator().manual_seed(self.conditions.seed + place)
            module = materialise(lambda: build(block), unit_variance, generator).eval()
            self._fragments[key] = fragment(block, module, f"b{place}")
        return self._fragments[key]

    def _exported(
        self, space: SearchSpace, architecture: Architecture, shape: tuple[int, int, int]
    ) -> bytes:
        import onnx

        network = space.network(architecture).eval()
        with torch.no_grad():
            unit_variance(network, torch.Generator().manual_seed(self.conditions.seed))
        image = torch.zeros(self.conditions.batch, *shape)
        with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "network.onnx"
            warnings.simplefilter("ignore")
            # By tracing, which torch advises against for models at large: its newer exporter takes
            # forty times as long
            # for a network of cells (8 s of NAS-Bench-201), more than a table's whole budget.
            # onnxruntime folds itself.
            torch.onnx.export(
                network,
                (image,),
                file,
                input_names=["image"],
                dynamo=False,
                do_constant_folding=False,
            )
            found = onnx.load(file)
        if not found.graph.input:  # a cell without a path to its output does not look at images
            kind = onnx.TensorProto.FLOAT
            found.graph.input.append(
                onnx.helper.make_tensor_value_info("image", kind, list(image.shape))
            )
        return bytes(found.SerializeToString())

    def _session(self, proto: bytes, shape: tuple[int, ...]) -> SessionRunner:
        image = self._input(shape)
        if self.conditions.precision == "int8":
            proto = quantised(proto, image)
        return SessionRunner(proto, image, self.conditions.threads, self.provider)

    def _input(self, shape: tuple[int, ...]) -> NDArray[np.float32]:
        if shape not in self._inputs:
            rng = np.random.default_rng(self.conditions.seed)
            self._inputs[shape] = rng.standard_normal(
                (self.conditions.batch, *shape), dtype=np.float32
            )
        return self._inputs[shape]


class SessionRunner(TimedSession):
    """One session.

    Args:
        proto: the model, serialised.
        image: the input `image`, [batch, channels, height, width].
        threads: within an operator.
        provider: onnxruntime's name of the device.
    """

    def __init__(self, proto: bytes, image: NDArray[np.float32], threads: int, provider: str):
        import onnxruntime

        session = onnxruntime.InferenceSession(
            proto, session_options(threads), providers=[provider]
        )
        super().__init__(session, {"image": image})


def quantised(proto: bytes, image: NDArray[np.float32]) -> bytes:
    """The model in int8 by onnxruntime's static quantisation (QDQ, signed, a scale for every output
    channel).

    Args:
        proto: the model, serialised.
        image: [batch, channels, height, width]; ranges are calibrated on it alone, which times do
            not depend on.
    """
    from onnxruntime.quantization import (
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.left: list[Any] = [{"image": image}]

        def get_next(self) -> Any:
            return self.left.pop() if self.left else None

    quiet = logging.getLogger()
    before = quiet.level
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "fp32.onnx", Path(folder) / "int8.onnx"
        source.write_bytes(proto)
        quiet.setLevel(logging.ERROR)  # it advises at every call to preprocess the model
        try:
            quantize_static(
                source,
                target,
                Reader(),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                activation_type=QuantType.QInt8,
                weight_type=QuantType.QInt8,
            )
        finally:
            quiet.setLevel(before)
        return target.read_bytes()
