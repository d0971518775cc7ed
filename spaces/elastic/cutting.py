"""Cutting: copies of a network with fewer channels, smaller kernels and fewer blocks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from spaces.elastic.attention import FewerHeads
from spaces.elastic.slices import Slices
from spaces.modules.copying import copy_module


@dataclass(frozen=True)
class Cut:
    """The parts that are removed from a network.

    Args:
        removed: Slices of groups, with the units of each that are removed, bool array [units].
        kernels: Path of a depthwise convolution -> side of its smaller kernel.
        skipped: Path of each block that is left out -> number of items of the tuple that it
            returns, 0 where it returns a tensor.
    """

    removed: Sequence[tuple[Slices, NDArray[np.bool_]]] = ()
    kernels: Mapping[str, int] = field(default_factory=dict)
    skipped: Mapping[str, int] = field(default_factory=dict)

    def is_skipped(self, path: str) -> bool:
        """Return whether a module or tensor is in a block that is left out."""
        return any(path == block or path.startswith(f"{block}.") for block in self.skipped)


class Skipped(nn.Module):
    """The place of a block that is left out: returns its first input.

    Args:
        items: Number of items of the tuple that the block returned, of which its features were the
            first and the others None; 0: it returned the features alone.
    """

    def __init__(self, items: int = 0):
        super().__init__()
        self.items = items

    def forward(self, features: Tensor, *_: Any, **__: Any) -> Any:
        return (features, *(None,) * (self.items - 1)) if self.items else features


def kept_positions(model: nn.Module, cut: Cut) -> dict[str, dict[int, Tensor]]:
    """Return which positions of its tensors a cut network keeps.

    Args:
        model: Original network.
        cut: Parts that are removed from it.

    Returns:
        Name of each tensor that is cut -> dimension -> positions, int64 tensor in rising order.
    """
    shapes = {name: tuple(tensor.shape) for name, tensor in _tensors(model)}
    masks: dict[tuple[str, int], NDArray[np.bool_]] = {}
    for slices, removed in cut.removed:
        for piece in slices.tensors:
            if cut.is_skipped(piece.name):
                continue
            size = shapes[piece.name][piece.dim]
            mask = masks.setdefault((piece.name, piece.dim), np.ones(size, dtype=bool))
            mask[piece.index[removed[piece.unit]]] = False

    for path, side in cut.kernels.items():
        if cut.is_skipped(path):
            continue
        name = f"{path}.weight"
        margin = (shapes[name][2] - side) // 2
        for dim in (2, 3):
            mask = np.zeros(shapes[name][dim], dtype=bool)
            mask[margin : margin + side] = True
            masks[name, dim] = mask

    positions: dict[str, dict[int, Tensor]] = {}
    for (name, dim), mask in masks.items():
        if not mask.all():
            positions.setdefault(name, {})[dim] = torch.from_numpy(np.flatnonzero(mask))
    return positions


def select(tensor: Tensor, positions: Mapping[int, Tensor]) -> Tensor:
    """Return a tensor with the kept positions of each dimension; it is differentiable."""
    for dim, index in positions.items():
        tensor = tensor.index_select(dim, index.to(tensor.device))
    return tensor


def cut_network(model: nn.Module, cut: Cut) -> nn.Module:
    """Return a smaller copy of a network, of the same class.

    Args:
        model: Original network.
        cut: Parts that are removed from it.
    """
    network = copy_module(model)
    for path, items in cut.skipped.items():
        network.set_submodule(path, Skipped(items))

    # A parameter that several modules share is cut once and stays shared.
    replaced: dict[int, nn.Parameter] = {}
    for name, positions in kept_positions(model, cut).items():
        path, _, attribute = name.rpartition(".")
        module = network.get_submodule(path)
        tensor = getattr(module, attribute)
        if isinstance(tensor, nn.Parameter):
            if id(tensor) not in replaced:
                data = select(tensor.detach(), positions).clone()
                replaced[id(tensor)] = nn.Parameter(data, requires_grad=tensor.requires_grad)
            setattr(module, attribute, replaced[id(tensor)])
        else:
            module.register_buffer(
                attribute,
                select(tensor, positions).clone(),
                persistent=attribute not in module._non_persistent_buffers_set,
            )

    for path, attribute, value in _attributes(model, cut):
        setattr(network.get_submodule(path), attribute, value)
    for path in _cut_attentions(cut):
        FewerHeads.convert(cast(nn.MultiheadAttention, network.get_submodule(path)))
    return network


def _cut_attentions(cut: Cut) -> Iterator[str]:
    for slices, removed in cut.removed:
        if removed.any():
            yield from (path for path in slices.attentions if not cut.is_skipped(path))


def _attributes(model: nn.Module, cut: Cut) -> Iterator[tuple[str, str, Any]]:
    """Yield path, attribute and new value of the numbers that change."""
    decreases: dict[tuple[str, str], int] = {}
    for slices, removed in cut.removed:
        for piece in slices.attributes:
            if not cut.is_skipped(piece.path):
                key = piece.path, piece.name
                decreases[key] = decreases.get(key, 0) + piece.per_unit * int(removed.sum())

    for (path, name), decrease in decreases.items():
        if decrease:
            yield path, name, _decreased(getattr(model.get_submodule(path), name), decrease)

    for path, side in cut.kernels.items():
        convolution: Any = model.get_submodule(path)
        if cut.is_skipped(path) or side == convolution.kernel_size[0]:
            continue
        yield path, "kernel_size", (side, side)
        # The smaller kernel is centred on the same pixels.
        margins = [(convolution.kernel_size[0] - side) // 2 * step for step in convolution.dilation]
        padding = zip(convolution.padding, margins, strict=True)
        yield path, "padding", tuple(pixels - margin for pixels, margin in padding)


def _decreased(value: Any, decrease: int) -> Any:
    if isinstance(value, tuple):
        return (*value[:-1], value[-1] - decrease)
    return value - decrease


def _tensors(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    # Names of shared parameters are all listed, since each module has to get the cut one.
    yield from model.named_parameters(remove_duplicate=False)
    yield from model.named_buffers(remove_duplicate=False)
