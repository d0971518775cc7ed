"""The masked original: a network of full size with the outputs that a cut one should have."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from spaces.elastic.cutting import Cut, Skipped
from spaces.elastic.slices import Positions, StatisticsSlice
from spaces.modules.copying import copy_module


class OnKeptChannels(nn.Module):
    """A normalisation whose statistics are over the channels that are kept.

    Args:
        module: The normalisation of the kept channels.
        index: Kept channels, int array.
        channels: Number of all channels.
        dim: Dimension of the channels; None: the last one.
    """

    def __init__(self, module: nn.Module, index: Positions, channels: int, dim: int | None):
        super().__init__()
        self.module = module
        self.index = torch.from_numpy(index)
        self.channels = channels
        self.dim = dim

    def forward(self, features: Tensor, *args: Any, **options: Any) -> Tensor:
        dim = features.ndim - 1 if self.dim is None else self.dim
        normalised = self.module(features.index_select(dim, self.index), *args, **options)
        # Removed channels are zero, which nothing reads that has masked weights.
        result = features.new_zeros(features.shape)
        return result.index_copy(dim, self.index, normalised)


def masked_network(model: nn.Module, cut_model: nn.Module, cut: Cut) -> nn.Module:
    """Return the original without the parts that a cut removes, at full size.

    The weights by which products read removed channels are zero, and so are those around the centre
    of a cropped kernel. Normalisations over channels see the kept ones only.

    Args:
        model: Original network.
        cut_model: The cut network, whose normalisations over channels are taken.
        cut: Parts that are removed.
    """
    network = copy_module(model)
    tensors = dict(network.named_parameters(remove_duplicate=False))
    with torch.no_grad():
        for slices, removed in cut.removed:
            for piece in slices.tensors:
                # Products alone mix channels; other tensors act on each channel by itself.
                if piece.is_product:
                    outside = torch.from_numpy(piece.index[removed[piece.unit]])
                    tensors[piece.name].index_fill_(piece.dim, outside, 0.0)

        for path, side in cut.kernels.items():
            _mask_kernel(tensors[f"{path}.weight"], side)

    for path, (index, channels) in _kept_channels(cut).items():
        # Blocks that are left out are replaced as a whole below.
        if not cut.is_skipped(path):
            module = network.get_submodule(path)
            dim = _channel_dim(module)
            small = cut_model.get_submodule(path)
            network.set_submodule(path, OnKeptChannels(small, index, channels, dim))

    for path, items in cut.skipped.items():
        network.set_submodule(path, Skipped(items))
    return network


def _mask_kernel(weight: Tensor, side: int) -> None:
    margin = (weight.shape[-1] - side) // 2
    mask = torch.zeros_like(weight)
    mask[..., margin : margin + side, margin : margin + side] = 1.0
    weight.mul_(mask)


def _kept_channels(cut: Cut) -> dict[str, tuple[Positions, int]]:
    """Return the kept channels and the number of all channels of modules with statistics."""
    masks: dict[str, Any] = {}
    for slices, removed in cut.removed:
        for piece in slices.statistics:
            mask = masks.setdefault(piece.path, np.ones(piece.channels, dtype=bool))
            mask[_removed_channels(piece, removed)] = False
    return {
        path: (np.flatnonzero(mask), len(mask)) for path, mask in masks.items() if not mask.all()
    }


def _removed_channels(piece: StatisticsSlice, removed: Any) -> Positions:
    index: Positions = piece.index[removed[piece.unit]]
    return index


def _channel_dim(module: nn.Module) -> int | None:
    if isinstance(module, nn.GroupNorm) or getattr(module, "data_format", "") == "channels_first":
        return 1
    return None
