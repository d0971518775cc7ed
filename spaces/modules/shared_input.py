"""Run several modules on one input that stays as it is, also where some of them work in place."""

from __future__ import annotations

from collections.abc import Sequence
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
        # (name of the module, training mode) -> whether it writes to its inputs.
        self._writes: dict[tuple[str, bool], bool] = {}

    def run(self, name: str, module: nn.Module, *inputs: Any, **options: Any) -> Any:
        """Run a module and leave its inputs unchanged.

        Args:
            name: Name of the module, by which it is recognised and which errors show.
            module: Module to run.
            inputs: Positional arguments.
            options: Keyword arguments.

        Raises:
            InvalidParameter: The module changes its inputs in some passes only.
        """
        # Compiled graphs and inference mode have no version counters to compare. A choice inside
        # of the module may decide differently in every pass.
        if (
            torch.compiler.is_compiling()
            or any(tensor.is_inference() for tensor in tensors_in((inputs, options)))
            or any(isinstance(part, Mutable) for part in module.modules())
        ):
            inputs, options = copied((inputs, options))
            return module(*inputs, **options)

        key = (name, module.training)
        if key not in self._writes:
            # Without a graph, the first run itself can be on copies. With one, it must not, since
            # copies change the order in which gradients are added up, and so their last digits.
            if not torch.is_grad_enabled():
                inputs, options = copied((inputs, options))
                output, self._writes[key] = _observed(module, inputs, options)
                return output
            self._writes[key] = _writes_to_inputs(module, inputs, options)

        if self._writes[key]:
            inputs, options = copied((inputs, options))
            return module(*inputs, **options)

        output, writes = _observed(module, inputs, options)
        if writes:
            raise InvalidParameter(
                f"{name}: the candidate changes its input in place in some passes and not in"
                " others; let it work on a copy, by x = x.clone()"
            )
        return output


def _observed(
    module: nn.Module, inputs: Sequence[Any], options: dict[str, Any]
) -> tuple[Any, bool]:
    """Return a module's output, and whether the run changed its inputs."""
    tensors = list(tensors_in((inputs, options)))
    versions = [tensor._version for tensor in tensors]
    output = module(*inputs, **options)
    return output, [tensor._version for tensor in tensors] != versions


def _writes_to_inputs(module: nn.Module, inputs: Sequence[Any], options: dict[str, Any]) -> bool:
    """Return whether a module changes its inputs, by a run that leaves no trace.

    The run has copies of the inputs and of the module's buffers, such as the statistics of batch
    normalisation, and the state of torch's random numbers is restored after it.
    """
    copied_inputs, copied_options = copied((tuple(inputs), options))
    tensors = list(tensors_in((copied_inputs, copied_options)))
    versions = [tensor._version for tensor in tensors]
    buffers = {name: value.clone() for name, value in module.named_buffers()}

    devices = {tensor.device.index for tensor in tensors if tensor.device.type == "cuda"}
    with torch.random.fork_rng(sorted(devices)), torch.no_grad():
        torch.func.functional_call(module, buffers, copied_inputs, copied_options)
    return [tensor._version for tensor in tensors] != versions


def copied(value: Any) -> Any:
    """Return nested containers with copies of their tensors, which gradients pass through."""
    return mapped(value, Tensor.clone)
