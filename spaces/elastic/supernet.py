"""The supernet of an elastic space: the user's network, of which slices are run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from spaces.elastic.cutting import Cut, kept_positions, select
from spaces.modules.supernet import Supernet, resized
from spaces.user_model.inputs import run_model

if TYPE_CHECKING:
    from spaces.elastic.space import ElasticSpace

# Smaller modules that are kept for architectures which are run again.
_MOST_SHELLS = 64


class ElasticSupernet(Supernet):
    """A user's network that runs any of its smaller versions, with slices of its own weights.

    Args:
        space: Space of the network.
        model: The network, whose weights are trained.
    """

    space: ElasticSpace

    def __init__(self, space: ElasticSpace, model: nn.Module):
        super().__init__(space)
        self.model = model
        self._codes: NDArray[np.signedinteger[Any]] | None = None
        # Not submodules: their weights are slices of the model's.
        self.__dict__["shells"] = {}

    def _activate(self, codes: NDArray[np.signedinteger[Any]]) -> None:
        self._codes = codes

    def forward(self, *inputs: Any, **options: Any) -> Any:
        from torch.func import functional_call

        passing = self.space.example.passing
        if self._codes is None or not self._codes.any():
            return run_model(self.model, passing, *inputs, **options)

        shell, positions = self._shell(self._codes)
        # Only a change: a recalibration sets single normalisations to training mode.
        if shell.training != self.training:
            shell.train(self.training)
        weights = self._sliced(shell, positions)
        if len(inputs) == 1 and not options and isinstance(inputs[0], dict | tuple):
            (value,) = inputs
            args, keywords = ((), value) if isinstance(value, dict) else (value, {})
            return functional_call(shell, weights, args, keywords)
        return functional_call(shell, weights, inputs, options)

    def _shell(
        self, codes: NDArray[np.signedinteger[Any]]
    ) -> tuple[nn.Module, dict[str, dict[int, Tensor]]]:
        """Return a cut copy, whose weights are replaced at each run, and the kept positions."""
        shells: dict[bytes, tuple[nn.Module, dict[str, dict[int, Tensor]]]]
        shells = self.__dict__["shells"]
        key = codes.tobytes()
        if key not in shells:
            if len(shells) >= _MOST_SHELLS:
                shells.pop(next(iter(shells)))
            cut: Cut = self.space.cut(codes)
            shell = self.space.cut_copy(self.model, codes)
            _drop_weights(shell)
            shells[key] = shell, kept_positions(self.model, cut)
        return shells[key]

    def _sliced(
        self, shell: nn.Module, positions: dict[str, dict[int, Tensor]]
    ) -> dict[str, Tensor]:
        tensors = dict(self.model.named_parameters(remove_duplicate=False))
        names = [name for name, _ in shell.named_parameters(remove_duplicate=False)]
        # The shell keeps statistics of normalisation of its own, which a recalibration computes.
        return {name: select(tensors[name], positions.get(name, {})) for name in names}

    def path(self) -> list[nn.Module]:
        """Return the modules with weights and with statistics that the active architecture runs."""
        if self._codes is None:
            return []
        cut: Cut = self.space.cut(self._codes)
        modules = [
            module
            for path, module in self.model.named_modules()
            if any(True for _ in module.parameters(recurse=False)) and not cut.is_skipped(path)
        ]
        return [*modules, self._shell(self._codes)[0]] if self._codes.any() else modules


class ResizingElasticSupernet(ElasticSupernet):
    """A user's network that runs any of its smaller versions on images of their size.

    Its images may have any size. Arguments are those of `ElasticSupernet`.
    """

    def forward(self, x: Tensor) -> Any:
        code = 0 if self._codes is None else int(self._codes[0])
        return super().forward(resized(x, self.space.resolutions[code]))


def _drop_weights(shell: nn.Module) -> None:
    """Free the memory of a module's weights, which are replaced whenever it runs."""
    for module in shell.modules():
        for name, parameter in module.named_parameters(recurse=False):
            empty = nn.Parameter(parameter.to("meta"), requires_grad=parameter.requires_grad)
            module.register_parameter(name, empty)
