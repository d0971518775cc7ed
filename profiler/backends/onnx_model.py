"""A finished ONNX file under onnxruntime."""

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
    """Options under which everything is timed: all optimisations, `threads` within an operator."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    # Spinning threads of an idle session would disturb what is timed beside it.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


class TimedSession:
    """Runs an onnxruntime session; its only block is the whole.

    Args:
        session: onnxruntime's.
        feed: name -> input.
    """

    def __init__(self, session: Any, feed: Mapping[str, Any]):
        self.session, self.feed = session, feed

    def whole(self) -> float:
        """The time of one run, in milliseconds, transfers of input and output among it."""
        begin = time.perf_counter_ns()
        self.session.run(None, self.feed)
        return (time.perf_counter_ns() - begin) / 1e6

    def blocks(self) -> list[float]:
        """The time of one run as that of one block."""
        return [self.whole()]


class OnnxModelRunner(TimedSession):
    """Runs an ONNX model on the processor; its only block is the whole.

    Args:
        path: the model's file.
        threads: onnxruntime's threads within an operator.
        batch: images at a time, where the model leaves the batch open.
        seed: of the random input.

    Raises:
        InvalidFile: onnxruntime cannot load the file, or the model takes something else than
            images.
    """

    def __init__(self, path: str | Path, threads: int, batch: int = 1, seed: int = 0):
        import onnxruntime

        if not Path(path).is_file():
            raise InvalidFile(f"there is no model at {path}")
        try:
            session = onnxruntime.InferenceSession(
                str(path), session_options(threads), providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's exceptions have no common base but this
            raise InvalidFile(
                f"{path}: onnxruntime cannot load it: {str(error).splitlines()[0]}"
            ) from error
        entries = session.get_inputs()
        if [entry.type for entry in entries] != ["tensor(float)"]:
            taken = ", ".join(f"{entry.name} {entry.type}" for entry in entries) or "nothing"
            raise InvalidFile(
                f"{path}: a model of one tensor(float) is needed; this one takes {taken}"
            )
        entry = entries[0]
        shape = [size if isinstance(size, int) else batch for size in entry.shape]
        image = np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)
        super().__init__(session, {entry.name: image})

    @property
    def architecture(self) -> Architecture | None:
        """The architecture that `oneshot export` wrote into the file; None where there is none."""
        text = self.session.get_modelmeta().custom_metadata_map.get("architecture")
        return Architecture.from_json(text) if text else None
