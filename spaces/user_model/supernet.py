"""Supernet of a user's own model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from spaces.modules.shared_input import copied
from spaces.modules.sized import SizedLayer
from spaces.modules.supernet import Supernet
from spaces.user_model.freeze import activate
from spaces.user_model.inputs import Passing, run_model
from spaces.user_model.parameters import active_parameters

if TYPE_CHECKING:
    from spaces.user_model.space import ModelSpace


class ModelSupernet(Supernet):
    """A model with choices that runs one architecture at a time.

    Args:
        space: Space whose architectures the supernet runs.
        model: Model with the space's mutables.
        passing: How the model takes a tuple or dictionary of several inputs.
    """

    space: ModelSpace

    def __init__(self, space: ModelSpace, model: nn.Module, passing: Passing = Passing.WHOLE):
        super().__init__(space)
        self.model = model
        self.passing = passing
        self._codes: NDArray[np.signedinteger[Any]] | None = None

    def _activate(self, codes: NDArray[np.signedinteger[Any]]) -> None:
        activate(self.model, [int(codes[placement.column]) for placement in self.space.places])
        self._codes = codes

    def forward(self, *inputs: Any, **options: Any) -> Any:
        # A model may work in place on its input, while several paths read the same images.
        inputs, options = copied((inputs, options))
        return run_model(self.model, self.passing, *inputs, **options)

    def path(self) -> list[nn.Module]:
        """Return the modules with weights or statistics that the active architecture executes.

        The weights of a module with choices outside its parts are a ParameterList.
        """
        if self._codes is None:
            return []

        modules: list[nn.Module] = []
        seen: set[int] = set()
        for call in self.space.trace(self._codes).calls:
            module = self.model.get_submodule(call.path)
            if call.block.operator == "own" and not isinstance(module, SizedLayer):
                # Not the module: its parts would be on the path twice.
                module = nn.ParameterList(
                    value for _, value in active_parameters(module) if id(value) not in seen
                )
            seen.update(map(id, module.parameters()))
            if any(True for _ in module.parameters()) or any(True for _ in module.buffers()):
                modules.append(module)

        return modules
