"""The weights of a supernet's path as those of the path's own network."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from oneshot.errors import InvalidRun
from spaces.architecture import Architecture
from spaces.modules.elastic import ElasticBatchNorm, ElasticConv
from spaces.modules.elastic_supernet import copy_part
from spaces.modules.supernet import Supernet
from spaces.user_model.freeze import freeze
from spaces.user_model.network import ModelNetwork
from spaces.user_model.supernet import ModelSupernet

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


@torch.no_grad()
def inherit(network: nn.Module, supernet: Supernet, architecture: Architecture) -> None:
    """Give a network the weights and statistics of its path in a supernet; it then computes what
    the path computes.

    Normalisation without scale and shift, as supernets have it, becomes normalisation with scale 1
    and shift 0. A network's auxiliary head keeps its own weights.

    Args:
        network: of `architecture`.
        supernet: of its space; `architecture` is active in it afterwards.
        architecture: what they share.

    Raises:
        InvalidRun: a part of the network has no like in the supernet.
    """
    supernet.activate(architecture)
    if isinstance(supernet, ModelSupernet) and isinstance(network, ModelNetwork):
        network.model.load_state_dict(freeze(copy.deepcopy(supernet.model)).state_dict())
        return
    if copy_part(network, supernet, architecture):
        return
    auxiliary = getattr(network, "auxiliary", None)
    spared = set(auxiliary.modules()) if isinstance(auxiliary, nn.Module) else set()
    targets = [part for part in _leaves([network]) if part not in spared]
    sources = list(_leaves(supernet.path()))
    if [_kind(part) for part in targets] != [_kind(part) for part in sources]:
        raise InvalidRun(f"the supernet of {supernet.space.name} has other layers than the network")
    for target, source in zip(targets, sources, strict=True):
        _copy(target, source)


def _leaves(parts: Iterable[nn.Module]) -> Iterator[nn.Module]:
    """The modules that hold weights or statistics of their own, in order."""
    for part in parts:
        for module in part.modules():
            if module._parameters or module._buffers:
                yield module


def _kind(module: nn.Module) -> type:
    for kind in (*_NORMS, nn.Conv2d):
        if isinstance(module, kind):
            return kind
    return type(module)


def _copy(target: nn.Module, source: nn.Module) -> None:
    elastic = isinstance(source, ElasticConv | ElasticBatchNorm)
    given = {
        **dict(source.named_parameters(recurse=False)),
        **dict(source.named_buffers(recurse=False)),
    }
    for name, value in (
        *target.named_parameters(recurse=False),
        *target.named_buffers(recurse=False),
    ):
        if name in given:
            value.copy_(_part(given[name], value, elastic))
        elif isinstance(target, _NORMS):
            value.fill_(1.0 if name == "weight" else 0.0)
        else:
            raise InvalidRun(
                f"the supernet has no {name} for a {type(target).__name__} of the network"
            )


def _part(given: Tensor, own: Tensor, elastic: bool) -> Tensor:
    part = given[tuple(map(slice, own.shape))] if elastic else given
    if part.shape != own.shape:
        raise InvalidRun(
            f"the supernet has weights of the shape {list(part.shape)}, the network"
            f" {list(own.shape)}"
        )
    return part
