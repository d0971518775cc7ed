"""Networks in onnxruntime, on the processor or on CUDA, in int8 by its static quantisation.

Onnxruntime fuses operations across blocks and changes the memory layout between them, so that its
nodes belong to no single block: block costs are solved from whole networks.
"""

from __future__ import annotations

import itertools
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from profiler.backends.base import Conditions, Runner, chain_blocks
from profiler.backends.onnx_graph import Fragment, fragment, model
from profiler.backends.onnx_model import (
    TimedSession,
    check_provider,
    provider_of,
    session_options,
)
from profiler.backends.onnx_quantisation import integer_operators, quantised
from profiler.backends.onnx_wired import wired_model
from profiler.backends.torch_eager import unit_variance
from profiler.errors import UnsupportedConditions
from spaces.architecture import Architecture
from spaces.block import Block
from spaces.heads.attached import WiredBlocks
from spaces.modules.blocks import build
from spaces.modules.nested import TensorOutputs, tensors_in, with_tensor_arguments
from spaces.modules.network import materialise
from spaces.space import SearchSpace

PRECISIONS = ("fp32", "int8")


class OnnxRuntime:
    """Runs networks as onnxruntime sessions with all its optimisations.

    Args:
        conditions: Conditions with the precision fp32 or int8.

    Raises:
        UnsupportedConditions: The precision is another, or the device is CUDA and onnxruntime has
            no CUDA provider. Networks raise it where the provider does not run int8.
    """

    name = "onnxruntime"
    times_blocks = False

    def __init__(self, conditions: Conditions):
        if conditions.precision not in PRECISIONS:
            raise UnsupportedConditions(
                f"onnxruntime runs {', '.join(PRECISIONS)} here, not {conditions.precision}"
            )

        self.provider = provider_of(conditions.device)
        self.conditions = conditions

        # Known once a session has run.
        self._threads: int | None = None
        self._runs_integers = False
        self._fragments: dict[tuple[int, str], Fragment] = {}
        self._inputs: dict[tuple[int, ...], NDArray[np.float32]] = {}

    @classmethod
    def from_conditions(cls, conditions: Conditions) -> OnnxRuntime:
        """Return the backend under conditions."""
        return cls(conditions)

    def network_runner(self, space: SearchSpace, architecture: Architecture) -> Runner:
        """Return a runner of an architecture's network."""
        # A chain is built from its blocks' graphs, much faster than by torch's exporter.
        blocks = chain_blocks(space, architecture)
        if blocks is not None and not space.phases:
            return self.runner(blocks)

        wired = space.wired_blocks(architecture)
        if wired is not None:
            return self._wired_runner(wired)

        generator = torch.Generator().manual_seed(self.conditions.seed)
        inputs = space.random_input(architecture, self.conditions.batch, generator)
        names = space.input_names(architecture)
        pairs = zip(names, tensors_in(inputs), strict=True)
        feed = {name: tensor.numpy() for name, tensor in pairs}
        return self._session(self._exported(space, architecture, inputs, feed), feed)

    def runner(self, blocks: Sequence[Block]) -> Runner:
        """Return a runner of a network of these blocks."""
        shape = blocks[0].input
        classes = blocks[-1].output[0]
        fragments = [self._named_fragment(position, block) for position, block in enumerate(blocks)]
        proto = model(fragments, self.conditions.batch, shape, classes)
        return self._session(proto.SerializeToString(), {"image": self._input(shape)})

    def _wired_runner(self, wired: WiredBlocks) -> Runner:
        """Return a runner of a network with a head, whose fragments are shared."""
        positions = itertools.count()
        fragments = [
            [self._named_fragment(next(positions), block) for block in blocks]
            for blocks in wired.blocks
        ]
        proto = wired_model(fragments, wired, self.conditions.batch)
        feed = {"image": self._input(wired.wiring.shapes[0])}
        return self._session(proto.SerializeToString(), feed)

    def executed(self) -> Mapping[str, Any]:
        """Return the number of threads that onnxruntime's last session has."""
        return {} if self._threads is None else {"threads": self._threads}

    def versions(self) -> Mapping[str, str]:
        """Return the versions of Python, onnx and onnxruntime."""
        import platform

        import onnx
        import onnxruntime

        return {
            "python": platform.python_version(),
            "onnx": onnx.__version__,
            "onnxruntime": onnxruntime.__version__,
        }

    def _named_fragment(self, position: int, block: Block) -> tuple[str, Fragment]:
        name = f"b{position}"

        # Networks share fragments by position and block, as torch's share modules.
        key = (position, block.key)
        if key not in self._fragments:
            generator = torch.Generator().manual_seed(self.conditions.seed + position)
            module = materialise(lambda: build(block), unit_variance, generator).eval()
            self._fragments[key] = fragment(block, module, name)

        return name, self._fragments[key]

    def _exported(
        self,
        space: SearchSpace,
        architecture: Architecture,
        inputs: Any,
        feed: Mapping[str, NDArray[Any]],
    ) -> bytes:
        import onnx

        network = space.network(architecture).eval()
        with torch.no_grad():
            unit_variance(network, torch.Generator().manual_seed(self.conditions.seed))
        with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "network.onnx"
            warnings.simplefilter("ignore")

            # By tracing, which torch advises against for models at large: its newer exporter takes
            # forty times as long for a network of cells (8 s of NAS-Bench-201), more than a table's
            # whole budget. Constants are folded by onnxruntime.
            module, arguments = with_tensor_arguments(network, inputs)
            torch.onnx.export(
                TensorOutputs(module),
                arguments,
                file,
                input_names=list(feed),
                dynamo=False,
                do_constant_folding=False,
            )
            proto = onnx.load(file)

        # A cell without a path to its output does not use the image, and a candidate may not use a
        # mask: tracing drops such an input.
        names = {entry.name for entry in proto.graph.input}
        for name, value in feed.items():
            if name not in names:
                kind = onnx.helper.np_dtype_to_tensor_dtype(value.dtype)
                entry = onnx.helper.make_tensor_value_info(name, kind, list(value.shape))
                proto.graph.input.append(entry)

        return bytes(proto.SerializeToString())

    def _session(self, proto: bytes, feed: Mapping[str, NDArray[Any]]) -> SessionRunner:
        if self.conditions.precision == "int8":
            proto = quantised(proto, [feed])
            self._check_integers(proto)

        runner = SessionRunner(proto, feed, self.conditions.threads, self.provider)
        self._threads = runner.threads
        return runner

    def _check_integers(self, proto: bytes) -> None:
        """Raise UnsupportedConditions where the provider runs a quantised network in floats."""
        if not self._runs_integers and not integer_operators(proto, self.provider):
            raise UnsupportedConditions(
                f"onnxruntime's {self.provider} has no int8 operators for these networks, so that"
                " it runs them in fp32"
            )

        # Optimising a network once more takes as long as its session: the first one suffices.
        self._runs_integers = True

    def _input(self, shape: tuple[int, ...]) -> NDArray[np.float32]:
        if shape not in self._inputs:
            rng = np.random.default_rng(self.conditions.seed)
            self._inputs[shape] = rng.standard_normal(
                (self.conditions.batch, *shape), dtype=np.float32
            )
        return self._inputs[shape]


class SessionRunner(TimedSession):
    """Runs a serialised model.

    Args:
        proto: The serialised model.
        feed: Name -> input, [batch, ...]; images are the input `image`.
        threads: Number of threads within an operator.
        provider: Onnxruntime's name of the device.
    """

    def __init__(self, proto: bytes, feed: Mapping[str, NDArray[Any]], threads: int, provider: str):
        import onnxruntime

        session = onnxruntime.InferenceSession(
            proto, session_options(threads), providers=[provider]
        )
        check_provider(session, provider)
        super().__init__(session, feed)
