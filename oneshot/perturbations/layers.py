"""Parametrised weights of the layers that run within a block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn
from torch.autograd.grad_mode import _unsafe_preserve_version_counter
from torch.nn.utils import parametrize

from oneshot.errors import InvalidOption

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
LAYERS = (*CONVOLUTIONS, nn.Linear)


def layers_of(
    model: nn.Module, name: str, kinds: tuple[type[nn.Module], ...] = LAYERS
) -> dict[str, nn.Module]:
    """Return the layers of a model that a perturbation changes, by name.

    Args:
        model: Model.
        name: Name of the perturbation, for the error.
        kinds: Classes of the layers.

    Raises:
        InvalidOption: There are none, as in a network from an ONNX file.
    """
    layers = {key: module for key, module in model.named_modules() if isinstance(module, kinds)}
    if not layers:
        raise InvalidOption(
            f"under {name}: the network has no convolution or linear layer of torch to change; an"
            " ONNX file is tested by the folder of its training"
        )
    return layers


@contextmanager
def parametrised(
    model: nn.Module,
    layers: dict[str, nn.Module],
    parametrisation: Callable[[str], nn.Module],
    tensors: tuple[str, ...] = ("weight",),
) -> Iterator[None]:
    """Parametrise tensors of the layers that run within the block.

    Args:
        model: Model of the layers.
        layers: Name -> layer.
        parametrisation: Makes the module that maps a layer's tensor, by the layer's name.
        tensors: Names of the tensors of a layer; those that are None stay so.
    """
    changed: list[_Parametrised] = []
    pending = {id(layer): name for name, layer in layers.items()}

    def change(layer: nn.Module | None) -> None:
        name = pending.pop(id(layer), None)
        if name is None or layer is None:
            return
        changed.extend(
            _Parametrised(layer, tensor, parametrisation(name))
            for tensor in tensors
            if getattr(layer, tensor) is not None
        )

    def before(module: nn.Module, inputs: Any) -> None:
        # Layers that never run, as the other candidates of a supernet, cost nothing. A block may
        # read its layers' weights without calling the layers, as elastic ones do.
        change(module)
        for child in module._modules.values():
            change(child)

    # Not by children(), which takes a name for each: trainings do this in every step.
    parents = [
        module
        for module in model.modules()
        if id(module) in pending or any(id(child) in pending for child in module._modules.values())
    ]
    hooks = [module.register_forward_pre_hook(before) for module in parents]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
        for item in reversed(changed):
            item.remove()


class _Parametrised:
    """A parametrised tensor of a layer, the same in the whole pass.

    Args:
        layer: Layer.
        tensor: Name of the tensor.
        parametrisation: Module that maps the tensor.
    """

    def __init__(self, layer: nn.Module, tensor: str, parametrisation: nn.Module):
        self.layer = layer
        self.tensor = tensor
        self.order = list(layer._parameters)
        self.original = layer._parameters.get(tensor)
        if self.original is not None:
            # Not by torch's parametrize, which makes a class and three modules for each tensor: on
            # small networks that takes a sixth of a training step.
            value = parametrisation(self.original)
            del layer._parameters[tensor]
            setattr(layer, tensor, value)
            return

        # torch counts the registration as a change of the values, which would break the backward
        # pass of another condition of the same update; they are the same.
        with _unsafe_preserve_version_counter(getattr(layer, tensor)):
            # Unsafe: the check of shapes would compute the tensor once more.
            parametrize.register_parametrization(layer, tensor, parametrisation, unsafe=True)

    def remove(self) -> None:
        """Restore the tensor, the same parameter as before."""
        if self.original is None:
            # The user's own parametrisation, such as weight_norm, stays.
            del self.layer.parametrizations[self.tensor][-1]  # type: ignore[union-attr, index]
            return

        delattr(self.layer, self.tensor)
        self.layer.register_parameter(self.tensor, self.original)

        # In their earlier order, in which optimizers and checkpoints list them.
        parameters = self.layer._parameters
        for name in self.order:
            parameters[name] = parameters.pop(name)
