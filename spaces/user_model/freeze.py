"""Activation of a model's choices, for a run or permanently."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from spaces.modules.mutable import Mutable


def activate(model: nn.Module, codes: Sequence[int]) -> None:
    """Activate the candidate of a code in each mutable of a model, in module order."""
    mutables = [module for module in model.modules() if isinstance(module, Mutable)]
    for mutable, code in zip(mutables, codes, strict=True):
        mutable.activate(code)


def deactivate(model: nn.Module) -> nn.Module:
    """Reset all decisions of a model in place, and return it."""
    for module in model.modules():
        if isinstance(module, Mutable):
            module.deactivate()
    return model


def freeze(model: nn.Module) -> nn.Module:
    """Replace each mutable in place by its active candidate, and return the model.

    Raises:
        NoActiveCandidate: A choice has no active candidate.
    """
    return _Freezer().frozen(model)


class _Freezer:
    """Replaces each mutable once, wherever it is registered."""

    def __init__(self) -> None:
        # The modules are kept alive, since the id of a deleted one may be that of another.
        self._done: dict[int, tuple[nn.Module, nn.Module]] = {}

    def frozen(self, module: nn.Module) -> nn.Module:
        """Return the replacement of a module, which is the module itself unless it is mutable."""
        if id(module) not in self._done:
            result = module.frozen(module.decided()) if isinstance(module, Mutable) else module
            self._done[id(module)] = module, result
            if result is not module:
                result = self.frozen(result)
                self._done[id(module)] = module, result
            for name, part in result._modules.items():
                if part is not None:
                    result._modules[name] = self.frozen(part)
        return self._done[id(module)][1]
