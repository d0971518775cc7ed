"""Timing of ONNX models in onnxruntime."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from profiler.backends.onnx_inputs import InputSpec, random_value, resolve_inputs
from profiler.errors import UnsupportedConditions
from spaces.architecture import Architecture
from spaces.errors import InvalidFile

if TYPE_CHECKING:
    import onnxruntime


def session_options(threads: int) -> onnxruntime.SessionOptions:
    """Return the options of all timed sessions: all optimisations, no parallel operators.

    Args:
        threads: Number of threads within an operator.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # One operator at a time, as in torch, so that `threads` means the same in both.
    options.inter_op_num_threads = 1

    # Fatal errors alone: others are raised as exceptions too, and would be printed in addition.
    options.log_severity_level = 4

    # Spinning threads of an idle session would disturb the networks that are timed between.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


class TimedSession:
    """Runs an onnxruntime session, whose only block is the whole network.

    Args:
        session: Session of onnxruntime.
        feed: Name -> input.
    """

    def __init__(self, session: Any, feed: Mapping[str, Any]):
        self.session = session
        self.feed = feed

    @property
    def threads(self) -> int:
        """Number of threads within an operator, as the session reports it."""
        return int(self.session.get_session_options().intra_op_num_threads)

    def whole(self) -> float:
        """Return the latency of one run in milliseconds, with transfers of input and output."""
        begin = time.perf_counter_ns()
        self.session.run(None, self.feed)
        return (time.perf_counter_ns() - begin) / 1e6

    def blocks(self) -> list[float]:
        """Return the latency of one run as that of the only block."""
        return [self.whole()]


class OnnxModelRunner(TimedSession):
    """Runs an ONNX model, whose only block is the whole network.

    Args:
        path: File of the model.
        threads: Number of onnxruntime's threads within an operator.
        batch: Size of a first axis that the model leaves open.
        seed: Seed of the random inputs.
        specs: Shapes of inputs whose other axes the model leaves open; those of inputs that the
            model does not have are ignored.
        device: Torch's name of the device.

    Raises:
        InvalidFile: Onnxruntime cannot load the file or run the model, or the size of an axis is
            unknown.
        InvalidInput: A spec contradicts the model.
        UnsupportedConditions: Onnxruntime does not run on the device.
    """

    def __init__(
        self,
        path: str | Path,
        threads: int,
        batch: int = 1,
        seed: int = 0,
        specs: Sequence[InputSpec] = (),
        device: str = "cpu",
    ):
        import onnxruntime

        if not Path(path).is_file():
            raise InvalidFile(f"there is no model at {path}")

        provider = provider_of(device)
        try:
            session = onnxruntime.InferenceSession(
                str(path), session_options(threads), providers=[provider]
            )
        # The exceptions of onnxruntime have no other common base.
        except Exception as error:
            raise InvalidFile(f"{path}: onnxruntime cannot load it: {_reason(error)}") from error

        self.inputs = resolve_inputs(
            session.get_inputs(),
            specs,
            session.get_modelmeta().custom_metadata_map,
            batch=batch,
            title=str(path),
        )
        feed = {spec.name: random_value(spec, seed) for spec in self.inputs}
        super().__init__(session, feed)
        check_provider(session, provider)

        # A model that loads may still fail with its inputs, which would end all measurements.
        try:
            self.whole()
        except Exception as error:
            shapes = ", ".join(map(str, self.inputs)) or "no input"
            raise InvalidFile(
                f"{path}: onnxruntime cannot run it with {shapes}: {_reason(error)}"
            ) from error

    @property
    def architecture(self) -> Architecture | None:
        """The architecture that `oneshot export` wrote into the file, None without one."""
        text = self.session.get_modelmeta().custom_metadata_map.get("architecture")
        return Architecture.from_json(text) if text else None


def provider_of(device: str) -> str:
    """Return onnxruntime's name of a device; raises UnsupportedConditions if it lacks it."""
    return available_provider(
        "CPUExecutionProvider" if device == "cpu" else "CUDAExecutionProvider"
    )


def available_provider(provider: str) -> str:
    """Return a provider of onnxruntime; raises UnsupportedConditions if it lacks it."""
    import onnxruntime

    providers = onnxruntime.get_available_providers()
    if provider not in providers:
        raise UnsupportedConditions(
            f"this onnxruntime has no {provider}; it has {', '.join(providers)}"
        )

    return provider


def check_provider(session: Any, provider: str) -> None:
    """Raise UnsupportedConditions where a session runs on another device than requested."""
    # Where a provider's libraries cannot be loaded, onnxruntime falls back to the processor.
    if session.get_providers()[0] != provider:
        raise UnsupportedConditions(
            f"onnxruntime runs the network by {session.get_providers()[0]} here, not by {provider}"
        )


def _reason(error: Exception) -> str:
    """Return the first line of an error of onnxruntime."""
    return (str(error).splitlines() or [type(error).__name__])[0]
