"""Heads of attention: groups of channels that are removed head by head."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from torch import nn

from spaces.elastic.coupling import ChannelGroup
from spaces.elastic.slices import AttributeSlice, Slices, TensorSlice


def by_heads(model: nn.Module, group: ChannelGroup) -> ChannelGroup | None:
    """Return a group of channels with attention heads as its units.

    Queries, keys and values are outputs of linear layers in one module, and this module or one
    around the layers has an attribute with the number of heads, such as `num_heads`. Numbers of
    heads in attributes, and biases for each head, are cut with them.

    Args:
        model: Network.
        group: Group of coupled channels.

    Returns:
        The group; None where it does not belong to attention with several heads.
    """
    outputs = [
        member
        for member in group.members
        if isinstance(member.item, nn.Linear) and member.is_output
    ]
    # Queries, keys and values: three layers, or one that computes all of them.
    if sum(len(member.index) for member in outputs) < 3 * group.units:
        return None

    container = _common_path([member.path for member in outputs])
    numbers = list(_head_counts(model, container, [member.path for member in outputs]))
    counts = {count for _, _, count in numbers if count > 1 and group.units % count == 0}
    if len(counts) != 1:
        return None

    heads = counts.pop()
    size = group.units // heads
    head_of_unit = np.arange(group.units) // size
    slices = group.slices.with_units(head_of_unit)
    slices += Slices(
        tuple(_biases(model, container, heads, group.slices)),
        tuple(_attributes(model, numbers, heads, size)),
    )
    return ChannelGroup(container or group.path, group.members, heads, group.channels, slices)


def _common_path(paths: list[str]) -> str:
    """Return the path of the innermost module around all modules."""
    parts = [path.split(".")[:-1] for path in paths]
    common = []
    for names in zip(*parts, strict=False):
        if len(set(names)) > 1:
            break
        common.append(names[0])
    return ".".join(common)


def _head_counts(
    model: nn.Module, container: str, paths: list[str]
) -> Iterator[tuple[str, str, int]]:
    """Yield path, attribute and value of numbers of heads in and around the layers."""
    around = {container}
    for path in paths:
        while path.startswith(container) and path != container:
            path = path.rpartition(".")[0]
            around.add(path)
            if not path:
                break

    for path in sorted(around):
        for name, value in vars(model.get_submodule(path)).items():
            is_count = "head" in name and "dim" not in name and "size" not in name
            if is_count and isinstance(value, int) and not isinstance(value, bool):
                yield path, name, value


def _attributes(
    model: nn.Module, numbers: list[tuple[str, str, int]], heads: int, size: int
) -> Iterator[AttributeSlice]:
    for path, name, value in numbers:
        if value != heads:
            continue
        yield AttributeSlice(path, name, 1)
        for other, number in vars(model.get_submodule(path)).items():
            # Such as `all_head_size` of transformers, and `inner_dim` of diffusers.
            is_total = "all_head" in other or "inner" in other
            if is_total and isinstance(number, int) and number == heads * size:
                yield AttributeSlice(path, other, size)


def _biases(model: nn.Module, container: str, heads: int, slices: Slices) -> Iterator[TensorSlice]:
    """Yield parameters and buffers of the module with one number, or vector, for each head."""
    cut = {piece.name for piece in slices.tensors}
    module = model.get_submodule(container)
    prefix = f"{container}." if container else ""
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        dims = [dim for dim, length in enumerate(tensor.shape) if length == heads]
        owner = module.get_submodule(name.rpartition(".")[0])
        if prefix + name in cut or len(dims) != 1 or isinstance(owner, nn.Linear):
            continue
        index = np.arange(heads)
        yield TensorSlice(prefix + name, dims[0], index, index)
