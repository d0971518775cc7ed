"""Groups of coupled channels, found by the dependency graph of torch-pruning.

DepGraph: Towards Any Structural Pruning, Fang et al., CVPR 2023 (arXiv 2301.12900).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from spaces.elastic.elementwise import elementwise_activations
from spaces.elastic.errors import InvalidNetwork, UnequalCut
from spaces.elastic.slices import CONVOLUTION, Member, Positions, Slices, slices_of
from spaces.elastic.units import joint_units
from spaces.errors import MissingExtra
from spaces.modules.nested import tensors_in
from spaces.user_model.inputs import ModelInput


@dataclass(frozen=True)
class ChannelGroup:
    """Coupled channels: a channel that is removed from one member is removed from all.

    Args:
        path: Path of the first layer that computes the channels.
        members: Modules and parameters with these channels.
        units: Number of sets of channels that can be removed one by one.
        channels: Number of channels that the first layer computes.
        slices: Slices of parameters that the members own.
    """

    path: str
    members: tuple[Member, ...]
    units: int
    channels: int
    slices: Slices


@dataclass(frozen=True)
class Uncut:
    """A part of a network that stays whole.

    Args:
        path: Path of its first module.
        reason: Reason why it stays whole.
    """

    path: str
    reason: str


def channel_groups(
    model: nn.Module, example: ModelInput, order: Sequence[str]
) -> tuple[list[ChannelGroup], list[Uncut]]:
    """Find the groups of coupled channels of a network.

    Args:
        model: Network in evaluation mode; its parameters must need gradients.
        example: Inputs that it is traced with.
        order: Paths of modules in the order of execution.

    Returns:
        The groups in the order of execution, and layers whose channels cannot be removed.

    Raises:
        InvalidNetwork: The network cannot be traced.
        MissingExtra: torch-pruning is not installed.
    """
    graph = _dependency_graph(model, example)
    paths = {module: path for path, module in model.named_modules()}
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    position = {path: index for index, path in enumerate(order)}

    roots = [
        module
        for module in graph.module2node
        if isinstance(module, CONVOLUTION | nn.Linear) and paths.get(module) in position
    ]
    groups: list[ChannelGroup] = []
    uncut: list[Uncut] = []
    computed: set[str] = set()
    for root in sorted(roots, key=lambda module: position[paths[module]]):
        path = paths[root]
        if path in computed:
            continue
        try:
            members, units = _members(graph, model, root, paths, names)
            # Marked before the group may be refused: its other layers have the same reason.
            computed |= {member.path for member in members if member.is_output}
            groups.append(_group(model, path, members, units))
        except UnequalCut as error:
            uncut.append(Uncut(path, str(error)))
    return groups, uncut


def _dependency_graph(model: nn.Module, example: ModelInput) -> Any:
    try:
        import torch_pruning
    except ImportError as error:
        raise MissingExtra("torch_pruning", "elastic") from error

    graph = torch_pruning.DependencyGraph()
    try:
        with torch.enable_grad(), elementwise_activations(model):
            return graph.build_dependency(
                model,
                example.value,
                forward_fn=example.run,
                output_transform=lambda outputs: [
                    tensor for tensor in tensors_in(outputs) if tensor.grad_fn is not None
                ],
                verbose=False,
            )
    # The library meets networks that it does not know with errors of any kind.
    except Exception as error:
        raise InvalidNetwork(
            f"{type(model).__name__}: its channels cannot be traced: {type(error).__name__}:"
            f" {error}"
        ) from error


def _members(
    graph: Any, model: nn.Module, root: Any, paths: dict[Any, str], names: dict[int, str]
) -> tuple[list[Member], int]:
    """Return the members of the group that a layer's outputs are in, and the number of units.

    Raises:
        UnequalCut: The channels are outputs of the network, or belong to a module that is unknown.
    """
    pruner = graph.get_pruner_of_module(root)
    channels = pruner.get_out_channels(root)

    def items(indices: list[int]) -> Any:
        return graph.get_pruning_group(root, pruner.prune_out_channels, indices)

    # The library follows each channel to others of the same layer only if it starts from one.
    units = _coupled_outputs(items, root, channels)
    if units is None:
        return list(_read(graph, items(list(range(channels))), None, paths, names)), channels

    members: dict[tuple[str, bool, bool], list[Member]] = {}
    for unit, indices in enumerate(units):
        for member in _read(graph, items(indices[:1]), unit, paths, names):
            key = (member.path, member.is_output, member.is_input)
            members.setdefault(key, []).append(member)
    return [_merged(parts) for parts in members.values()], len(units)


def _coupled_outputs(items: Any, root: Any, channels: int) -> list[list[int]] | None:
    """Return the sets of a layer's outputs that are coupled; None where each is alone."""

    def coupled(index: int) -> list[int]:
        outputs = {index}
        for item in items([index]):
            if item.dep.target.module is root and len(item.idxs):
                outputs |= set(map(int, item.idxs))
        return sorted(outputs)

    # A layer whose outputs are used in chunks couples the first of each chunk.
    if all(coupled(index) == [index] for index in {0, channels // 2}):
        return None
    remaining = set(range(channels))
    units: list[list[int]] = []
    while remaining:
        unit = coupled(min(remaining))
        units.append(unit)
        remaining -= set(unit)
    return units


def _read(
    graph: Any, items: Any, unit: int | None, paths: dict[Any, str], names: dict[int, str]
) -> Iterator[Member]:
    for item in items:
        target = item.dep.target
        if "output" in target.type.name.lower():
            raise UnequalCut("its channels are the network's output")

        module = target.module
        is_parameter = isinstance(module, nn.Parameter)
        path = names.get(id(module)) if is_parameter else paths.get(module)
        if path is None:
            # Operations of the graph, such as additions, have no weights.
            continue
        if isinstance(module, nn.MultiheadAttention):
            raise UnequalCut(
                f"{path} is a MultiheadAttention, of which heads are cut but no features"
            )

        index = np.array([int(position) for position in item.idxs], dtype=np.int64)
        sources = item.root_idxs if unit is None else [unit] * len(index)
        if is_parameter and index.max() >= module.shape[target.pruning_dim]:
            # Such as a bias for each head, which `heads` cuts.
            continue
        if any(source is None for source in sources):
            raise UnequalCut(f"the channels of {path} cannot be told apart")
        yield Member(
            path,
            module,
            index,
            np.array([int(source) for source in sources], dtype=np.int64),
            is_output=bool(graph.is_out_channel_pruning_fn(item.dep.handler)),
            is_input=bool(graph.is_in_channel_pruning_fn(item.dep.handler)),
            dim=int(target.pruning_dim) % module.ndim if is_parameter else None,
        )


def _merged(parts: list[Member]) -> Member:
    first = parts[0]
    return Member(
        first.path,
        first.item,
        np.concatenate([part.index for part in parts]),
        np.concatenate([part.unit for part in parts]),
        first.is_output,
        first.is_input,
        first.dim,
    )


def _group(model: nn.Module, path: str, members: list[Member], units: int) -> ChannelGroup:
    labels = joint_units(members, units)
    count = int(labels.max()) + 1
    if count < 2:
        raise UnequalCut("its channels can only be removed all together")
    if (np.bincount(labels) != units // count).any():
        raise UnequalCut("its channels form sets of different sizes")

    joined = tuple(_with_labels(member, labels) for member in members)
    slices = Slices()
    for member in joined:
        per_unit = _per_unit(member, count)
        owner = None
        if member.dim is not None:
            owner = model.get_submodule(member.path.rpartition(".")[0])
        slices += slices_of(member, owner, per_unit)

    first = next(member for member in joined if member.path == path and member.is_output)
    return ChannelGroup(path, joined, count, len(first.index), slices)


def _with_labels(member: Member, labels: Positions) -> Member:
    return Member(
        member.path,
        member.item,
        member.index,
        labels[member.unit],
        member.is_output,
        member.is_input,
        member.dim,
    )


def _per_unit(member: Member, units: int) -> int:
    counts = np.bincount(member.unit, minlength=units)
    if (counts != counts[0]).any() or not counts[0]:
        raise UnequalCut(f"{member.path} has different numbers of the channels")
    return int(counts[0])
