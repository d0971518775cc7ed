"""Slices: which positions of a network's tensors and attributes belong to a group of channels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from spaces.elastic.errors import UnequalCut

Positions = NDArray[np.int64]

CONVOLUTION = nn.modules.conv._ConvNd
BATCH_NORM = nn.modules.batchnorm._BatchNorm
INSTANCE_NORM = nn.modules.instancenorm._InstanceNorm

# Attributes by which modules of users name the number of their channels.
_SIZE_NAMES = ("normalized_shape", "num_features", "num_channels", "channels", "dim", "hidden_size")


@dataclass(frozen=True)
class TensorSlice:
    """Positions along one dimension of a parameter or buffer that units of a group own.

    Args:
        name: Name of the tensor in the network's state.
        dim: Dimension of the tensor.
        index: Positions in the dimension, int array [n].
        unit: Unit of each position, int array [n].
        is_product: Whether the positions are inputs that a product sums over. Setting the weights
            there to zero takes the channels out of the product.
    """

    name: str
    dim: int
    index: Positions
    unit: Positions
    is_product: bool = False


@dataclass(frozen=True)
class AttributeSlice:
    """A number of a module, such as `out_channels`, that shrinks with each removed unit.

    Args:
        path: Path of the module.
        name: Name of the attribute, an int or a tuple whose last item counts the channels.
        per_unit: Decrease of the number with each removed unit.
    """

    path: str
    name: str
    per_unit: int


@dataclass(frozen=True)
class StatisticsSlice:
    """Channels of a normalisation, or of another module, whose statistics are over all channels.

    Args:
        path: Path of the module.
        index: Channels, int array [n].
        unit: Unit of each channel, int array [n].
        channels: Number of all channels.
    """

    path: str
    index: Positions
    unit: Positions
    channels: int


@dataclass(frozen=True)
class Slices:
    """Everything that a group of coupled channels owns.

    Args:
        tensors: Positions in tensors.
        attributes: Numbers of modules.
        statistics: Channels of modules with statistics over all channels.
        attentions: Paths of `MultiheadAttention` modules whose heads are cut.
    """

    tensors: tuple[TensorSlice, ...] = ()
    attributes: tuple[AttributeSlice, ...] = ()
    statistics: tuple[StatisticsSlice, ...] = ()
    attentions: tuple[str, ...] = ()

    def __add__(self, other: Slices) -> Slices:
        return Slices(
            self.tensors + other.tensors,
            self.attributes + other.attributes,
            self.statistics + other.statistics,
            self.attentions + other.attentions,
        )

    @property
    def paths(self) -> set[str]:
        """Paths of the modules that own the tensors."""
        return {piece.name.rpartition(".")[0] for piece in self.tensors}

    def with_units(self, new_unit: Positions) -> Slices:
        """Return the slices with each unit replaced by `new_unit[unit]`, which merges units."""
        ratio = len(new_unit) // (int(new_unit.max()) + 1)
        return Slices(
            tuple(replace(piece, unit=new_unit[piece.unit]) for piece in self.tensors),
            tuple(replace(piece, per_unit=piece.per_unit * ratio) for piece in self.attributes),
            tuple(replace(piece, unit=new_unit[piece.unit]) for piece in self.statistics),
            self.attentions,
        )


@dataclass(frozen=True)
class Member:
    """A module or parameter of a group of coupled channels.

    Args:
        path: Path of the module, or name of the parameter.
        item: The module or parameter.
        index: Its channels in the group, int array [n].
        unit: Unit of each channel, int array [n].
        is_output: Whether they are the channels that it returns.
        is_input: Whether they are the channels that it takes.
        dim: Dimension of the channels in a parameter; None for modules.
    """

    path: str
    item: Any
    index: Positions
    unit: Positions
    is_output: bool
    is_input: bool
    dim: int | None = None


def slices_of(member: Member, owner: nn.Module | None, per_unit: int) -> Slices:
    """Return the slices that a member of a group owns.

    Args:
        member: Module or parameter.
        owner: Module that holds the parameter; None for modules.
        per_unit: Number of the member's channels in each unit.

    Raises:
        UnequalCut: Modules of this kind cannot be cut; the reason is named.
    """
    if member.dim is not None:
        assert owner is not None
        return _of_parameter(member, owner, member.dim, per_unit)

    module = member.item
    if isinstance(module, CONVOLUTION):
        return _of_convolution(member, module, per_unit)
    if isinstance(module, nn.Linear):
        return _of_linear(member, per_unit)
    if isinstance(module, BATCH_NORM | INSTANCE_NORM):
        names = ("weight", "bias", "running_mean", "running_var")
        return _of_vectors(member, names, "num_features", per_unit)
    if isinstance(module, nn.GroupNorm):
        slices = _of_vectors(member, ("weight", "bias"), "num_channels", per_unit)
        return slices + _statistics(member, module.num_channels)
    if isinstance(module, nn.LayerNorm):
        if len(module.normalized_shape) > 1:
            raise UnequalCut(f"{member.path} normalises over several dimensions")
        slices = _of_vectors(member, ("weight", "bias"), "normalized_shape", per_unit)
        return slices + _statistics(member, module.normalized_shape[0])
    if isinstance(module, nn.PReLU):
        return _of_vectors(member, ("weight",), "num_parameters", per_unit)
    if isinstance(module, nn.Embedding):
        piece = TensorSlice(f"{member.path}.weight", 1, member.index, member.unit)
        return Slices((piece,), (AttributeSlice(member.path, "embedding_dim", per_unit),))
    raise UnequalCut(f"{member.path} is a {type(module).__name__}, which cannot be cut")


def _of_convolution(member: Member, module: Any, per_unit: int) -> Slices:
    path = member.path
    weight = f"{path}.weight"
    output_dim, input_dim = (1, 0) if module.transposed else (0, 1)

    if module.groups > 1 and module.groups == module.in_channels == module.out_channels:
        # Depthwise: the channel that comes in is the one that goes out.
        names = ("in_channels", "out_channels", "groups")
        attributes = tuple(AttributeSlice(path, name, per_unit) for name in names)
        return Slices(tuple(_vectors(member, ("weight", "bias"))), attributes)

    slices = Slices()
    if member.is_output:
        index, unit = member.index, member.unit
        if module.transposed and module.groups > 1:
            index, unit = _in_first_group(member, module.out_channels // module.groups)
        pieces = [TensorSlice(weight, output_dim, index, unit)]
        if module.bias is not None:
            pieces.append(TensorSlice(f"{path}.bias", 0, member.index, member.unit))
        slices += Slices(tuple(pieces), (AttributeSlice(path, "out_channels", per_unit),))

    if member.is_input:
        index, unit = member.index, member.unit
        if not module.transposed and module.groups > 1:
            index, unit = _in_first_group(member, module.in_channels // module.groups)
        piece = TensorSlice(weight, input_dim, index, unit, is_product=True)
        slices += Slices((piece,), (AttributeSlice(path, "in_channels", per_unit),))
    return slices


def _in_first_group(member: Member, size: int) -> tuple[Positions, Positions]:
    """Return positions and units within the first of a convolution's groups, each of `size`."""
    # The weight has the channels of one group only; cuts of all groups are equal.
    first = member.index < size
    return member.index[first], member.unit[first]


def _of_linear(member: Member, per_unit: int) -> Slices:
    path = member.path
    slices = Slices()
    if member.is_output:
        pieces = [TensorSlice(f"{path}.weight", 0, member.index, member.unit)]
        if member.item.bias is not None:
            pieces.append(TensorSlice(f"{path}.bias", 0, member.index, member.unit))
        slices += Slices(tuple(pieces), (AttributeSlice(path, "out_features", per_unit),))
    if member.is_input:
        piece = TensorSlice(f"{path}.weight", 1, member.index, member.unit, is_product=True)
        slices += Slices((piece,), (AttributeSlice(path, "in_features", per_unit),))
    return slices


def _of_vectors(member: Member, names: tuple[str, ...], size: str, per_unit: int) -> Slices:
    attributes = (AttributeSlice(member.path, size, per_unit),)
    return Slices(tuple(_vectors(member, names)), attributes)


def _vectors(member: Member, names: tuple[str, ...]) -> Iterator[TensorSlice]:
    for name in names:
        if getattr(member.item, name, None) is not None:
            yield TensorSlice(f"{member.path}.{name}", 0, member.index, member.unit)


def _statistics(member: Member, channels: int) -> Slices:
    return Slices(statistics=(StatisticsSlice(member.path, member.index, member.unit, channels),))


def _of_parameter(member: Member, owner: nn.Module, dim: int, per_unit: int) -> Slices:
    path = member.path.rpartition(".")[0]
    channels = member.item.shape[dim]
    attributes = tuple(
        AttributeSlice(path, name, per_unit)
        for name in _SIZE_NAMES
        if getattr(owner, name, None) in (channels, (channels,))
    )
    slices = Slices((TensorSlice(member.path, dim, member.index, member.unit),), attributes)

    # A module of the user's own with a weight for each channel may be a normalisation.
    is_leaf = next(owner.children(), None) is None
    is_vector = member.item.numel() == channels
    return slices + _statistics(member, channels) if is_leaf and is_vector else slices
