"""Activation of a model's choices, for a run or permanently."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from spaces.modules.mutable import Mutable
from spaces.modules.sized import settle

# Where torch keeps the hooks of a module; it has no public access to all of them.
_HOOKS = (
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_backward_pre_hooks",
    "_backward_hooks",
    "_is_full_backward_hook",
)


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

    Hooks and attributes that the model's code has set on a mutable are those of its replacement.

    Raises:
        NoActiveCandidate: A choice has no active candidate.
    """
    return _Freezer().frozen(model)


class Attributed(nn.Module):
    """A module under the attributes of the choice that it replaces.

    Args:
        module: Module to run.
        attributes: Values, weights, buffers and submodules by name.
    """

    def __init__(self, module: nn.Module, attributes: Mapping[str, Any]):
        super().__init__()
        self.module = module
        for name, value in attributes.items():
            if isinstance(value, Tensor) and not isinstance(value, nn.Parameter):
                self.register_buffer(name, value)
            else:
                setattr(self, name, value)

    def forward(self, *inputs: Any, **options: Any) -> Any:
        return self.module(*inputs, **options)


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
            if isinstance(module, Mutable):
                result = self.frozen(result)
                result = _with_attributes(result, module)
                self._done[id(module)] = module, result
            for name, submodule in result._modules.items():
                if submodule is not None:
                    result._modules[name] = self.frozen(submodule)
            # After its sizes, which are modules of the layer.
            settle(result)
        return self._done[id(module)][1]


def _with_attributes(module: nn.Module, mutable: Mutable) -> nn.Module:
    """Return a module that has the hooks and attributes of the choice that it replaces.

    It is the module itself where there are no hooks, where no attribute is a weight or a part,
    which would change its state or, in a Sequential, be executed, and where none replaces what the
    module or the candidate of another choice has.
    """
    attributes = {
        name: value
        for name, value in mutable.added_attributes().items()
        if not (hasattr(module, name) and _is_same(value, getattr(module, name)))
    }
    is_plain = not any(isinstance(value, nn.Module | Tensor) for value in attributes.values())
    hooks = {name: getattr(mutable, name) for name in _HOOKS}
    if any(hooks.values()):
        # Not on the module itself: it may be called elsewhere too, without the choice.
        wrapper = Attributed(module, mutable.added_attributes())
        vars(wrapper).update({name: copy.copy(value) for name, value in hooks.items()})
        return wrapper
    if not is_plain or any(hasattr(module, name) for name in attributes):
        return Attributed(module, attributes)
    for name, value in attributes.items():
        setattr(module, name, value)
    return module


def _is_same(value: Any, other: Any) -> bool:
    # Tensors and arrays are compared by identity: their == has no truth value.
    return value is other or (isinstance(value, int | float | str | tuple) and value == other)
