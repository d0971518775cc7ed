"""Decides a model's choices, for now or for good."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from spaces.modules.mutable import Mutable


def activate(model: nn.Module, codes: Sequence[int]) -> None:
    """Let each mutable of a model, in module order, take the candidate with its code."""
    mutables = [module for module in model.modules() if isinstance(module, Mutable)]
    for mutable, code in zip(mutables, codes, strict=True):
        mutable.activate(code)


def deactivate(model: nn.Module) -> nn.Module:
    """The model with all of its decisions taken back, in place."""
    for module in model.modules():
        if isinstance(module, Mutable):
            module.deactivate()
    return model


def freeze(model: nn.Module) -> nn.Module:
    """The model with each mutable replaced, in place, by what it has been activated to; candidates
    not taken go.

    Raises:
        NoActiveCandidate: a choice was not made.
    """
    return _Freezer().frozen(model)


class _Freezer:
    """Replaces each mutable once, wherever it is registered."""

    def __init__(self) -> None:
        # The modules themselves are kept: the id of one that is gone would be another's.
        self._done: dict[int, tuple[nn.Module, nn.Module]] = {}

    def frozen(self, module: nn.Module) -> nn.Module:
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
