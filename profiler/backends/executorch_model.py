"""Networks in ExecuTorch with XNNPACK, lowered from torch.

XNNPACK's delegate fuses operations across blocks, so that block costs are solved from whole
networks.
"""

from __future__ import annotations

import platform
import threading
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from profiler.backends.base import Conditions, check_precision, check_processor
from profiler.backends.converted_files import ConvertedFiles, without_messages
from profiler.backends.torch_eager import unit_variance
from profiler.errors import UnsupportedConditions
from spaces.architecture import Architecture
from spaces.modules.nested import TensorOutputs
from spaces.space import SearchSpace

PRECISIONS = ("fp32",)

_FILE = "network.pte"
_METHOD = "forward"

# Set once a network is loaded: it holds the process's pool of threads, which cannot change then.
_pool_is_held = threading.Event()


class ExecuTorch:
    """Runs networks in ExecuTorch's runtime, whose thread pool is one for the whole process.

    Args:
        conditions: Conditions with the device cpu and the precision fp32.

    Raises:
        UnsupportedConditions: Device or precision are others. Networks raise it where ExecuTorch
            cannot lower them, or has run networks with another number of threads already.
    """

    name = "executorch"
    times_blocks = False
    prunes = True

    def __init__(self, conditions: Conditions):
        _imported_runtime()
        check_processor(self.name, conditions)
        check_precision(self.name, conditions, PRECISIONS)

        self.conditions = conditions
        self._files = ConvertedFiles()

    @classmethod
    def from_conditions(cls, conditions: Conditions) -> ExecuTorch:
        """Return the backend under conditions."""
        return cls(conditions)

    def network_runner(self, space: SearchSpace, architecture: Architecture) -> NetworkRunner:
        """Return a runner of an architecture's network."""
        generator = torch.Generator().manual_seed(self.conditions.seed)
        image = space.random_input(architecture, self.conditions.batch, generator)
        if not isinstance(image, Tensor) or not image.is_floating_point():
            raise UnsupportedConditions(
                f"executorch runs networks of images here, not those of {space.name}; use"
                " onnxruntime"
            )

        def convert(folder: Path) -> None:
            network = space.network(architecture).eval()
            with torch.no_grad():
                unit_variance(network, torch.Generator().manual_seed(self.conditions.seed))
            (folder / _FILE).write_bytes(lowered(network, image))

        path = self._files.folder(space, architecture, convert) / _FILE
        return NetworkRunner(LoadedNetwork(path, self.conditions.threads), image)

    def executed(self) -> Mapping[str, Any]:
        """Return the number of threads of the pool."""
        from executorch.extension.pybindings import portable_lib

        return {"threads": int(portable_lib._threadpool_get_thread_count())}

    def versions(self) -> Mapping[str, str]:
        """Return the versions of Python, torch and ExecuTorch."""
        from importlib.metadata import version

        packages = ("torch", "executorch")
        return {"python": platform.python_version(), **{name: version(name) for name in packages}}


class NetworkRunner:
    """Runs a loaded network, whose only block is the whole network.

    Args:
        network: Loaded network.
        image: Input [batch, channels, height, width].
    """

    def __init__(self, network: LoadedNetwork, image: Tensor):
        self.network = network
        self.image = image

    def whole(self) -> float:
        """Return the latency of one run in milliseconds, copies of the outputs included."""
        begin = time.perf_counter_ns()
        self.network.run(self.image)
        return (time.perf_counter_ns() - begin) / 1e6

    def blocks(self) -> list[float]:
        """Return the latency of one run as that of the only block."""
        return [self.whole()]

    def outputs(self) -> list[NDArray[Any]]:
        """Run once and return the outputs."""
        return [np.array(output.numpy()) for output in self.network.run(self.image)]


def lowered(network: nn.Module, image: Tensor) -> bytes:
    """Lower a network of images to ExecuTorch, with XNNPACK for all that it has.

    Args:
        network: Network in evaluation mode.
        image: Example input [batch, channels, height, width], whose batch becomes the program's.

    Returns:
        Content of the `.pte` file.

    Raises:
        UnsupportedConditions: ExecuTorch cannot lower the network.
    """
    # Lowering, and importing it, reports its steps and uses what its dependencies call deprecated.
    with warnings.catch_warnings(), without_messages():
        warnings.simplefilter("ignore")
        from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
        from executorch.exir import to_edge_transform_and_lower

        try:
            exported = torch.export.export(TensorOutputs(network), (image,))
            edge = to_edge_transform_and_lower(exported, partitioner=[XnnpackPartitioner()])
            return bytes(edge.to_executorch().buffer)
        # Converters raise what the code of their dependencies raises.
        except Exception as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise UnsupportedConditions(
                f"executorch cannot lower the network: {reason:.200}"
            ) from error


class LoadedNetwork:
    """A network of a `.pte` file in memory.

    Args:
        path: The file.
        threads: Number of threads of the process's pool. None: as many as it has.

    Raises:
        UnsupportedConditions: Networks that are loaded hold a pool with another number of threads.
    """

    def __init__(self, path: Path, threads: int | None = None):
        runtime = _imported_runtime()
        if threads is not None:
            _set_threads(threads)
        _pool_is_held.set()

        # Kept: the method refers to both, and the runtime crashes once they are freed.
        self._content = path.read_bytes()
        self._program = runtime.Runtime.get().load_program(self._content)
        self._method = self._program.load_method(_METHOD)

    def run(self, image: Tensor) -> Sequence[Tensor]:
        """Return the outputs for an image [batch, channels, height, width]."""
        outputs: Sequence[Tensor] = self._method.execute([image])
        return outputs


def _imported_runtime() -> Any:
    """Import the module of ExecuTorch's runtime."""
    # The import uses what Python calls deprecated, and warns that it is experimental itself.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import executorch.runtime

    return executorch.runtime


def _set_threads(threads: int) -> None:
    """Set the number of threads of the process's pool; raises UnsupportedConditions."""
    from executorch.extension.pybindings import portable_lib

    present = portable_lib._threadpool_get_thread_count()
    if threads == present:
        return
    if _pool_is_held.is_set():
        raise UnsupportedConditions(
            f"executorch has one pool of threads in a process, here with {present}, not {threads};"
            " measure in another process"
        )
    portable_lib._unsafe_reset_threadpool(threads)
