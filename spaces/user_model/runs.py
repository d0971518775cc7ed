"""Runs of a model with choices, one architecture at a time."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from spaces.errors import InvalidArchitecture
from spaces.user_model.block import ModuleBlock
from spaces.user_model.factors import Placement
from spaces.user_model.trace import Trace

if TYPE_CHECKING:
    import torch

    from spaces.user_model.tracer import Tracer

# Greatest number of runs that are remembered.
_MOST = 1 << 16


class ModelRuns:
    """Runs of one model, which are remembered; threads may share the object.

    Args:
        tracer: Runs the model.
        places: Mutables of the model, in module order.
        pretrained: Whether the model's weights are the initial ones of every training.
    """

    def __init__(self, tracer: Tracer, places: Sequence[Placement], pretrained: bool = False):
        self.tracer = tracer
        self.places = places
        self.pretrained = pretrained
        self.blocks: dict[str, ModuleBlock] = {}
        self._paths: dict[str, str] = {}
        self._traces: dict[bytes, Trace] = {}
        self._works: dict[bytes, bool] = {}
        self._lock = threading.RLock()

    def trace(self, codes: NDArray[Any]) -> Trace:
        """Return the run of canonical codes [choices].

        Raises:
            InvalidArchitecture: The model fails.
        """
        key = _key(codes)

        # The model is activated and run as one step: threads may share a space.
        with self._lock:
            if key not in self._traces:
                _limit(self._traces)
                self.activate(self.tracer.model, codes)
                trace = self.tracer.run()
                for call in trace.calls:
                    self.blocks[call.block.key] = call.block
                    self._paths[call.block.key] = call.path

                self._traces[key] = trace

            return self._traces[key]

    def works(self, codes: NDArray[Any]) -> bool:
        """Return whether the model runs with canonical codes [choices]."""
        key = _key(codes)
        with self._lock:
            if key not in self._traces and key not in self._works:
                _limit(self._works)
                self.activate(self.tracer.model, codes)

                try:
                    # A forward pass alone, without counting, is enough and faster.
                    self.tracer.check()
                    self._works[key] = True
                except InvalidArchitecture:
                    self._works[key] = False

            return key in self._traces or self._works[key]

    def activate(self, model: torch.nn.Module, codes: NDArray[Any]) -> None:
        """Activate codes [choices] in the mutables of the model, or of a copy."""
        from spaces.user_model.freeze import activate

        activate(model, [int(codes[placement.column]) for placement in self.places])

    def model(self) -> torch.nn.Module:
        """Return a copy of the model whose mutables have keys and no decisions."""
        from spaces.modules.copying import copy_module
        from spaces.user_model.freeze import deactivate

        with self._lock:
            return deactivate(copy_module(self.tracer.model))

    def block_module(self, key: str) -> torch.nn.Module:
        """Return a copy of the module of a block that a run has met."""
        from spaces.modules.copying import copy_module

        with self._lock:
            return copy_module(self.tracer.model.get_submodule(self._paths[key]))


def _key(codes: NDArray[Any]) -> bytes:
    return codes.astype("int16").tobytes()


def _limit(memory: dict[bytes, Any]) -> None:
    # The oldest run is the first key.
    if len(memory) >= _MOST:
        del memory[next(iter(memory))]
