"""Networks in onnxruntime, on the processor or on CUDA, in int8 by its static quantisation.

Onnxruntime fuses operations across blocks and changes the memory layout between them, so that its
nodes belong to no single block: block costs are solved from whole networks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from profiler.backends.base import Conditions, Runner, check_precision
from profiler.backends.onnx_chain import Feed, Networks, networks_of_torch
from profiler.backends.onnx_model import (
    TimedSession,
    available_provider,
    check_provider,
    provider_of,
    session_options,
)
from profiler.backends.onnx_quantisation import integer_operators, quantised
from profiler.errors import UnsupportedConditions
from spaces.architecture import Architecture
from spaces.space import SearchSpace

PRECISIONS = ("fp32", "int8")


class OnnxRuntime:
    """Runs networks as onnxruntime sessions with all its optimisations.

    Args:
        conditions: Conditions with the precision fp32 or int8.
        name: Name of the backend.
        provider: Onnxruntime's name of the device. None: that of the conditions' device.
        networks: Writes the networks. None: torch builds them.

    Raises:
        UnsupportedConditions: The precision is another, or the device is CUDA and onnxruntime has
            no CUDA provider. Networks raise it where the provider does not run int8.
    """

    times_blocks = False
    prunes = True

    def __init__(
        self,
        conditions: Conditions,
        name: str = "onnxruntime",
        provider: str | None = None,
        networks: Networks | None = None,
    ):
        check_precision("onnxruntime", conditions, PRECISIONS)

        self.name = name
        self.provider = provider or provider_of(conditions.device)
        self.conditions = conditions
        self.networks = networks or networks_of_torch(conditions)

        # Known once a session has run.
        self._threads: int | None = None
        self._runs_integers = False

    @classmethod
    def from_conditions(cls, conditions: Conditions) -> OnnxRuntime:
        """Return the backend under conditions."""
        return cls(conditions)

    def network_runner(self, space: SearchSpace, architecture: Architecture) -> Runner:
        """Return a runner of an architecture's network."""
        return self._session(*self.networks.network(space, architecture))

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

    def _session(self, proto: bytes, feed: Feed) -> SessionRunner:
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


def cuda(conditions: Conditions) -> OnnxRuntime:
    """Return onnxruntime on CUDA; raises UnsupportedConditions without a device or provider."""
    return _on_gpu("onnxruntime-cuda", "CUDAExecutionProvider", conditions)


def tensorrt(conditions: Conditions) -> OnnxRuntime:
    """Return onnxruntime with TensorRT; raises UnsupportedConditions without device or provider."""
    return _on_gpu("onnxruntime-tensorrt", "TensorrtExecutionProvider", conditions)


def _on_gpu(name: str, provider: str, conditions: Conditions) -> OnnxRuntime:
    if not conditions.device.startswith("cuda"):
        raise UnsupportedConditions(f"{name} needs a CUDA device, not {conditions.device}")
    # Neither provider has the integer operators of onnxruntime's quantisation.
    check_precision(name, conditions, ("fp32",))
    return OnnxRuntime(conditions, name, available_provider(provider))


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
