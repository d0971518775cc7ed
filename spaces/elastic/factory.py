"""Make the space of a trained network's smaller versions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from spaces.elastic.attention import attention_groups
from spaces.elastic.choices import ElasticChoice, Kernel, Removal, Width, width_counts
from spaces.elastic.counting import layers_of
from spaces.elastic.coupling import ChannelGroup, Uncut, channel_groups
from spaces.elastic.errors import FailedRun, InvalidNetwork
from spaces.elastic.heads import by_heads
from spaces.elastic.importance import Losses, by_importance
from spaces.elastic.outputs import outputs_of
from spaces.elastic.randomising import with_random_weights
from spaces.elastic.removable import croppable_kernels, removable_blocks
from spaces.elastic.resolution import at_resolutions, smaller_sides
from spaces.elastic.space import ElasticSpace
from spaces.elastic.tracing import Call, check_decisions, trace
from spaces.elastic.verification import Verifier
from spaces.modules.copying import copy_module
from spaces.user_model.inputs import ModelInput

DIVISOR = 8
"""Preferred divisor of numbers of channels, which fills the vector units of processors."""


def from_network(
    network: nn.Module,
    example_input: Any,
    name: str | None = None,
    *,
    losses: Losses | None = None,
    divisor: int = DIVISOR,
    num_classes: int | None = None,
    resolutions: Sequence[int] | None = None,
) -> ElasticSpace:
    """Make the space of a trained network's smaller versions.

    Choices are the widths of coupled channels, heads of attention, sides of depthwise kernels, and
    residual blocks that can be left out. Each was checked: a cut network has the outputs of the
    original without those channels in its products and in the statistics of its normalisations.
    Layers that cannot be cut stay whole; `ElasticSpace.report` lists them with the reason.

    Args:
        network: Trained network; it is copied.
        example_input: Batch for the network, a tensor [n, ...], of which one image is run; for a
            network of several inputs, a tuple or dictionary of tensors.
        name: Name of the space; None: `elastic-` and the class in small letters.
        losses: Losses of a network on batches of data, by which channels are ordered (Molchanov et
            al., CVPR 2019). None: they are ordered by the norms of their weights.
        divisor: Preferred divisor of numbers of channels.
        num_classes: Number of classes; None: that of the network's output.
        resolutions: Sides in pixels of the square images among which networks choose; the example's
            is always one of them. None: the input size is fixed.

    Raises:
        InvalidNetwork: The network fails with the example or at another resolution, its computation
            depends on data, or nothing of it can be cut.
        MissingExtra: torch-pruning is not installed.

    Example:
        >>> network = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))
        >>> space = from_network(network, torch.zeros(1, 4))
        >>> space.choices[0].candidates
        ('16', '12', '8', '4')
        >>> print(space.report())
        1 choices cover 100.0% of 112 MACs
        2 stays whole: its channels are the network's output
    """
    _check_arguments(network, divisor)
    model = copy_module(network).eval()
    example = ModelInput.from_example(model, example_input)
    others = None if resolutions is None else smaller_sides(example, resolutions)
    random = with_random_weights(model)
    value = example.random(1, torch.Generator().manual_seed(0))
    title = type(model).__name__
    calls, outputs = _first_run(random, example, value)
    groups, uncut = channel_groups(random, example, list(calls))
    variants = _variants(random, calls, groups, divisor)

    returned = outputs_of(model, calls[""].returns, num_classes)

    # Their tensors are needed no longer.
    calls = {path: call.without_values() for path, call in calls.items()}
    verifier = Verifier(random, example, value, calls)
    choices, uncut = _accepted(title, verifier, variants, uncut)

    choices = by_importance(model, choices)
    layers = layers_of(model, calls, choices)
    name = name or f"elastic-{re.sub('[^a-z0-9]', '', title.lower())}"
    space = ElasticSpace(name, model, example, choices, layers, returned, uncut)
    if others:
        space = at_resolutions(space, verifier, others, outputs)
    return space if losses is None else space.ordered_by(losses)


def _check_arguments(network: Any, divisor: int) -> None:
    if not isinstance(network, nn.Module):
        raise InvalidNetwork(f"a network is a torch module, not {type(network).__name__}")
    if divisor < 1:
        raise InvalidNetwork(f"divisor must be at least 1, not {divisor}")


def _accepted(
    title: str,
    verifier: Verifier,
    variants: Sequence[Sequence[ElasticChoice]],
    uncut: Sequence[Uncut],
) -> tuple[list[ElasticChoice], list[Uncut]]:
    """Return the choices whose cuts were verified, and all layers that stay whole.

    Args:
        title: Class of the network, for messages.
        verifier: Verifies cuts.
        variants: Possible choices, each in the forms to try.
        uncut: Layers that have no possible choice.

    Raises:
        InvalidNetwork: No choice was accepted.
    """
    choices, refused = verifier.accepted(variants) if variants else ([], [])
    uncut_layers = [*uncut, *refused]
    if not choices:
        reasons = "; ".join(f"{item.path}: {item.reason}" for item in uncut_layers[:3])
        raise InvalidNetwork(f"{title}: nothing of it can be cut: {reasons or 'it has no layers'}")
    return choices, uncut_layers


def _first_run(
    model: nn.Module, example: ModelInput, value: Any
) -> tuple[dict[str, Call], list[torch.Tensor]]:
    """Return the calls and outputs of a network whose computation does not depend on data."""
    try:
        traced = trace(model, example, value, keeps_values=True)
    except FailedRun as error:
        raise InvalidNetwork(
            f"{type(model).__name__} fails with the example input: {error}"
        ) from error

    check_decisions(model, example, value)
    return traced


def _variants(
    model: nn.Module, calls: Mapping[str, Call], groups: Sequence[ChannelGroup], divisor: int
) -> list[list[ElasticChoice]]:
    """Return the possible choices in the order of execution, each in the forms to try."""
    position = {path: index for index, path in enumerate(calls)}
    placed: list[tuple[int, list[ElasticChoice]]] = []
    for group in groups:
        forms: list[ElasticChoice] = []
        heads = by_heads(model, group)
        if heads is not None:
            forms.append(_width(heads, f"{heads.path}.heads", divisor, is_heads=True))
        forms.append(_width(group, group.path, divisor))
        placed.append((position[group.path], forms))

    for group in attention_groups(model, calls):
        width = _width(group, f"{group.path}.heads", divisor=1, is_heads=True)
        placed.append((position[group.path], [width]))
    for path, sides in croppable_kernels(model, calls).items():
        placed.append((position[path], [Kernel(path, tuple(sides))]))
    for path, items in removable_blocks(model, calls, _total_macs(calls)).items():
        placed.append((position[path], [Removal(path, items)]))

    # Stable: of one module the width comes before the kernel.
    return [forms for _, forms in sorted(placed, key=lambda item: item[0])]


def _width(group: ChannelGroup, key: str, divisor: int, is_heads: bool = False) -> Width:
    size = group.channels // group.units
    counts = width_counts(group.units, size, divisor)
    return Width(key, group, counts, torch.arange(group.units).numpy(), is_heads)


def _total_macs(calls: Mapping[str, Call]) -> dict[str, int]:
    """Return the multiply-accumulates of each module with those of the modules inside."""
    totals: dict[str, int] = {}
    for path, call in calls.items():
        while True:
            totals[path] = totals.get(path, 0) + call.macs
            if not path:
                break
            path = path.rpartition(".")[0]
    return totals
