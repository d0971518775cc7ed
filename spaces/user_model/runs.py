"""ModelRuns: a model with choices, run for one architecture after the other."""

from __future__ import annotations

import copy
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from spaces.user_model.block import ModuleBlock
from spaces.user_model.factors import Place
from spaces.user_model.trace import Trace

if TYPE_CHECKING:
    import torch

    from spaces.user_model.tracer import Tracer

_MOST = 1 << 16  # runs that are remembered


class ModelRuns:
    """Runs of one model, remembered; threads may share them.

    Args:
        tracer: runs the model.
        places: its mutables, in module order.
    """

    def __init__(self, tracer: Tracer, places: Sequence[Place]):
        self.tracer, self.places = tracer, places
        self.blocks: dict[str, ModuleBlock] = {}
        self._paths: dict[str, str] = {}
        self._traces: dict[bytes, Trace] = {}
        self._lock = threading.RLock()

    def trace(self, codes: NDArray[Any]) -> Trace:
        """The run of canonical codes [choices]; raises InvalidArchitecture where the model
        fails.
        """
        key = codes.astype("int16").tobytes()
        with self._lock:
            if key not in self._traces:
                if len(self._traces) >= _MOST:
                    del self._traces[next(iter(self._traces))]
                self.activate(self.tracer.model, codes)
                trace = self.tracer.run()
                for call in trace.calls:
                    self.blocks[call.block.key] = call.block
                    self._paths[call.block.key] = call.path
                self._traces[key] = trace
            return self._traces[key]

    def activate(self, model: torch.nn.Module, codes: NDArray[Any]) -> None:
        """Let the mutables of the model, or of a copy, take codes [choices]."""
        from spaces.user_model.freeze import activate

        activate(model, [int(codes[place.column]) for place in self.places])

    def model(self) -> torch.nn.Module:
        """A copy of the model, its mutables with their keys and without decisions."""
        from spaces.user_model.freeze import deactivate

        with self._lock:
            return deactivate(copy.deepcopy(self.tracer.model))

    def block_module(self, key: str) -> torch.nn.Module:
        """A copy of the module that is a known block."""
        with self._lock:
            return copy.deepcopy(self.tracer.model.get_submodule(self._paths[key]))
