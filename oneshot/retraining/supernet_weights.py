"""Copying the weights of a supernet's path to the network of its architecture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from oneshot.errors import InvalidRun
from spaces.architecture import Architecture
from spaces.modules.copying import copy_module
from spaces.modules.elastic import ElasticBatchNorm, ElasticConv
from spaces.modules.elastic_supernet import copy_part
from spaces.modules.ensemble import EnsembleNetwork, EnsembleSupernet
from spaces.modules.supernet import Supernet
from spaces.user_model.freeze import freeze
from spaces.user_model.network import ModelNetwork
from spaces.user_model.supernet import ModelSupernet

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


@torch.no_grad()
def inherit(network: nn.Module, supernet: Supernet, architecture: Architecture) -> None:
    """Copy the weights and statistics of a supernet's path to a network, which is then equal to it.

    Normalisation without scale and shift, as in supernets, becomes normalisation with scale 1 and
    shift 0. The auxiliary head of a network keeps its weights.

    Args:
        network: Network of the architecture.
        supernet: Supernet of the space; the architecture is active in it afterwards.
        architecture: Architecture of both.

    Raises:
        InvalidRun: A layer of the network has no counterpart in the supernet.
    """
    supernet.activate(architecture)
    if isinstance(supernet, ModelSupernet) and isinstance(network, ModelNetwork):
        network.model.load_state_dict(freeze(copy_module(supernet.model)).state_dict())
        return
    if copy_part(network, supernet, architecture):
        return
    if isinstance(supernet, EnsembleSupernet) and isinstance(network, EnsembleNetwork):
        # Member by member: those of elastic spaces are slices.
        members = supernet.space.architectures(architecture)
        for part, source, member in zip(network.members, supernet.members, members, strict=True):
            inherit(part, cast("Supernet", source), member)
        return
    auxiliary = getattr(network, "auxiliary", None)
    excluded = set(auxiliary.modules()) if isinstance(auxiliary, nn.Module) else set()
    targets = [module for module in _leaves([network]) if module not in excluded]
    sources = list(_leaves(supernet.path()))
    if [_kind(module) for module in targets] != [_kind(module) for module in sources]:
        raise InvalidRun(f"the supernet of {supernet.space.name} has other layers than the network")
    for target, source in zip(targets, sources, strict=True):
        _copy(target, source)


@torch.no_grad()
def inherit_first_layers(network: nn.Module, source: nn.Module, folder: Path) -> int:
    """Copy the weights of the first layers, as far as two networks have the same ones.

    So a detector begins with the backbone of a classifier whose choices are the same.

    Args:
        network: Network that is trained next.
        source: Trained network.
        folder: Folder of the trained network, for the error.

    Returns:
        Number of copied blocks.

    Raises:
        InvalidRun: The networks are no sequences of blocks, or already the first ones differ.
    """
    count = 0
    pairs = zip(getattr(network, "blocks", ()), getattr(source, "blocks", ()), strict=False)
    for target, trained in pairs:
        weights = trained.state_dict()
        shapes = {name: value.shape for name, value in weights.items()}
        if shapes != {name: value.shape for name, value in target.state_dict().items()}:
            break
        target.load_state_dict(weights)
        count += 1

    if not count:
        raise InvalidRun(f"{folder}: its first layers are others than the network's")
    return count


def _leaves(parents: Iterable[nn.Module]) -> Iterator[nn.Module]:
    """Yield the modules with weights or statistics of their own, in order."""
    for parent in parents:
        for module in parent.modules():
            if module._parameters or module._buffers:
                yield module


def _kind(module: nn.Module) -> type:
    for kind in (*_NORMS, nn.Conv2d):
        if isinstance(module, kind):
            return kind
    return type(module)


def _copy(target: nn.Module, source: nn.Module) -> None:
    elastic = isinstance(source, ElasticConv | ElasticBatchNorm)
    source_tensors = {
        **dict(source.named_parameters(recurse=False)),
        **dict(source.named_buffers(recurse=False)),
    }
    for name, value in (
        *target.named_parameters(recurse=False),
        *target.named_buffers(recurse=False),
    ):
        if name in source_tensors:
            value.copy_(_slice(source_tensors[name], value, elastic))
        elif isinstance(target, _NORMS):
            value.fill_(1.0 if name == "weight" else 0.0)
        else:
            raise InvalidRun(
                f"the supernet has no {name} for a {type(target).__name__} of the network"
            )


def _slice(source: Tensor, target: Tensor, elastic: bool) -> Tensor:
    # An elastic layer has the weights of its widest form; narrower ones use the leading channels.
    tensor = source[tuple(map(slice, target.shape))] if elastic else source
    if tensor.shape != target.shape:
        raise InvalidRun(
            f"the supernet has weights of the shape {list(tensor.shape)}, the network"
            f" {list(target.shape)}"
        )
    return tensor
