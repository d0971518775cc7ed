"""Timing of ONNX models in onnxruntime."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

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
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
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

    def whole(self) -> float:
        """Return the latency of one run in milliseconds, with transfers of input and output."""
        begin = time.perf_counter_ns()
        self.session.run(None, self.feed)
        return (time.perf_counter_ns() - begin) / 1e6

    def blocks(self) -> list[float]:
        """Return the latency of one run as that of the only block."""
        return [self.whole()]


class OnnxModelRunner(TimedSession):
    """Runs an ONNX model on the processor, whose only block is the whole network.

    Args:
        path: File of the model.
        threads: Number of onnxruntime's threads within an operator.
        batch: Batch size where the model leaves it open.
        seed: Seed of the random input.

    Raises:
        InvalidFile: Onnxruntime cannot load the file, or the model's input is not one tensor of
            floats.
    """

    def __init__(self, path: str | Path, threads: int, batch: int = 1, seed: int = 0):
        import onnxruntime

        if not Path(path).is_file():
            raise InvalidFile(f"there is no model at {path}")
        try:
            session = onnxruntime.InferenceSession(
                str(path), session_options(threads), providers=["CPUExecutionProvider"]
            )
        # The exceptions of onnxruntime have no other common base.
        except Exception as error:
            raise InvalidFile(
                f"{path}: onnxruntime cannot load it: {str(error).splitlines()[0]}"
            ) from error
        entries = session.get_inputs()
        if [entry.type for entry in entries] != ["tensor(float)"]:
            inputs = ", ".join(f"{entry.name} {entry.type}" for entry in entries) or "nothing"
            raise InvalidFile(
                f"{path}: a model of one tensor(float) is needed; this one takes {inputs}"
            )
        entry = entries[0]
        shape = [size if isinstance(size, int) else batch for size in entry.shape]
        image = np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)
        super().__init__(session, {entry.name: image})

    @property
    def architecture(self) -> Architecture | None:
        """The architecture that `oneshot export` wrote into the file, None without one."""
        text = self.session.get_modelmeta().custom_metadata_map.get("architecture")
        return Architecture.from_json(text) if text else None
