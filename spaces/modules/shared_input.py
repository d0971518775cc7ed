"""Run several modules on one input that stays as it is, also where some of them work in place."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from enum import Enum
from typing import Any

import torch
from torch import Tensor, nn

from spaces.errors import InvalidParameter
from spaces.modules.mutable import Mutable
from spaces.modules.nested import mapped, tensors_in


class SharedInput:
    """Runs modules on inputs that other modules read too.

    A module such as `nn.ReLU(inplace=True)` overwrites its input. Modules that do so run on copies;
    the others run on the inputs themselves, since copies cost memory and time in each pass.
    """

    def __init__(self) -> None:
        # (name or index of the module, its id, training mode) -> how it is run.
        self._treatments: dict[tuple[Hashable, int, bool], _Treatment] = {}

    def run(
        self,
        key: Hashable,
        describe: Callable[[], str],
        module: nn.Module,
        *inputs: Any,
        **options: Any,
    ) -> Any:
        """Run a module and leave its inputs unchanged.

        Args:
            key: Name or index of the module among those that this object runs.
            describe: Function that returns the name of the module for errors.
            module: Module to run.
            inputs: Positional arguments.
            options: Keyword arguments.

        Raises:
            InvalidParameter: The module changes its inputs in some passes only.
        """
        tensors = _tensors(inputs, options)
        # Compiled graphs and inference mode have no version counters to compare.
        if torch.compiler.is_compiling() or any(tensor.is_inference() for tensor in tensors):
            return _run_on_copies(module, inputs, options)

        # The id, since a choice's candidate may be replaced by another module.
        full_key = (key, id(module), module.training)
        treatment = self._treatments.get(full_key)
        if treatment is _Treatment.ON_COPIES:
            return _run_on_copies(module, inputs, options)
        if treatment is _Treatment.ON_INPUTS:
            return _run_watched(describe, module, tensors, inputs, options)

        # A choice inside of the module may decide differently in every pass.
        if any(isinstance(part, Mutable) for part in module.modules()):
            self._treatments[full_key] = _Treatment.ON_COPIES
            return _run_on_copies(module, inputs, options)

        # Without a graph, the first run itself can be on copies. With one, it must not, since
        # copies change the order in which gradients are added up, and so their last digits.
        if not torch.is_grad_enabled():
            inputs, options = copied((inputs, options))
            tensors = _tensors(inputs, options)
            versions = _versions(tensors)
            output = module(*inputs, **options)
            self._treatments[full_key] = _Treatment.of(_versions(tensors) != versions)
            return output

        writes = _writes_to_inputs(module, inputs, options)
        self._treatments[full_key] = _Treatment.of(writes)
        return self.run(key, describe, module, *inputs, **options)


class _Treatment(Enum):
    """How a module that reads shared inputs is run."""

    ON_COPIES = "on copies"
    ON_INPUTS = "on inputs"

    @classmethod
    def of(cls, writes: bool) -> _Treatment:
        """Return the treatment of a module that writes to its inputs, or does not."""
        return cls.ON_COPIES if writes else cls.ON_INPUTS


def _run_on_copies(module: nn.Module, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
    inputs, options = copied((inputs, options))
    return module(*inputs, **options)


def _run_watched(
    describe: Callable[[], str],
    module: nn.Module,
    tensors: list[Tensor],
    inputs: tuple[Any, ...],
    options: dict[str, Any],
) -> Any:
    """Run a module on the inputs themselves, and check that it leaves them as they are."""
    versions = _versions(tensors)
    output = module(*inputs, **options)
    if _versions(tensors) != versions:
        raise InvalidParameter(
            f"{describe()}: the candidate changes its input in place in some passes and not in"
            " others; let it work on a copy, by x = x.clone()"
        )
    return output


def _tensors(inputs: tuple[Any, ...], options: dict[str, Any]) -> list[Tensor]:
    # The usual case first: this is run for every candidate in every pass.
    if len(inputs) == 1 and not options and isinstance(inputs[0], Tensor):
        return [inputs[0]]
    return list(tensors_in((inputs, options)))


def _versions(tensors: list[Tensor]) -> list[int]:
    """Return the number of changes in place of each tensor."""
    return [tensor._version for tensor in tensors]


def _writes_to_inputs(module: nn.Module, inputs: Sequence[Any], options: dict[str, Any]) -> bool:
    """Return whether a module changes its inputs, by a run that leaves no trace.

    The run has copies of the inputs and of the module's buffers, such as the statistics of batch
    normalisation, and the state of torch's random numbers is restored after it.
    """
    copied_inputs, copied_options = copied((tuple(inputs), options))
    tensors = _tensors(copied_inputs, copied_options)
    versions = _versions(tensors)
    buffers = {name: value.clone() for name, value in module.named_buffers()}

    devices = {tensor.device.index for tensor in tensors if tensor.device.type == "cuda"}
    with torch.random.fork_rng(sorted(devices)), torch.no_grad():
        torch.func.functional_call(module, buffers, copied_inputs, copied_options)
    return _versions(tensors) != versions


def copied(value: Any) -> Any:
    """Return nested containers with copies of their tensors, which gradients pass through."""
    return mapped(value, Tensor.clone)
