"""Elastic spaces whose first choice is the side of the images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from spaces.chains.resolution import SizedSpaces
from spaces.choice_space import Codes
from spaces.elastic.choices import InputSize
from spaces.elastic.errors import FailedRun, InvalidNetwork, UnequalCut
from spaces.elastic.features import width_features
from spaces.elastic.report import Report
from spaces.elastic.space import ElasticSpace
from spaces.elastic.supernet import ElasticSupernet, ResizingElasticSupernet
from spaces.elastic.tracing import Call, check_decisions, trace
from spaces.elastic.verification import Verifier
from spaces.modules.copying import copy_module
from spaces.user_model.inputs import ModelInput

if TYPE_CHECKING:
    from spaces.architecture import Architecture
    from spaces.elastic.importance import Losses


class ElasticResolutionSpace(SizedSpaces, ElasticSpace):
    """Space of the smaller versions of a trained network, on images of several sizes.

    Column 0 of the codes selects the size, whose first candidate is the original's; the other
    columns are those of the elastic space of each size, see `at`.

    Args:
        name: Canonical name.
        spaces: Spaces with equal choices, one for each size, from the original's downwards.
    """

    _spaces: Sequence[ElasticSpace]

    def __init__(self, name: str, spaces: Sequence[ElasticSpace]):
        original = spaces[0]
        self.resolutions = tuple(space.input_shape[-1] for space in spaces)
        self._spaces = tuple(spaces)
        choices = [InputSize(self.resolutions), *original.elastic_choices]
        # Layers are those of one size; see `at`.
        super().__init__(name, original._model, original.example, choices, (), original.outputs)

    def at(self, code: int) -> ElasticSpace:
        """Return the elastic space of the resolution with this code."""
        return self._spaces[code]

    def random_input(
        self, architecture: Architecture, batch: int, generator: torch.Generator
    ) -> Any:
        """Return random images of the architecture's size, [batch, channels, height, width]."""
        space, inner = self._split(architecture)
        return space.random_input(inner, batch, generator)

    def cost_features(self, codes: Codes, block: int = 1) -> NDArray[np.float64]:
        """Return features [n, features] of codes that a latency is a sum of.

        A layer has the same features at every size, which shrink with its pixels.

        Args:
            codes: Codes [n, choices].
            block: Number of channels that a runtime computes together; 1: single ones.
        """
        originals = self._spaces[0].layers
        rows_at = [np.flatnonzero(codes[:, 0] == code) for code in range(len(self._spaces))]
        features = []
        for rows, space in zip(rows_at, self._spaces, strict=True):
            inner = codes[rows, 1:]
            features.append(
                width_features(space.layers, inner, space.steps(inner), block, originals)
            )
        # Back in the order of the codes.
        return np.concatenate(features)[np.argsort(np.concatenate(rows_at), kind="stable")]

    def supernet(
        self, num_classes: int | None = None, generator: torch.Generator | None = None
    ) -> ElasticSupernet:
        """Return a copy of the network that runs any architecture on images of its size.

        Arguments are those of `network`.
        """
        self._check_classes(num_classes)
        return ResizingElasticSupernet(self, copy_module(self._model))

    def report(self) -> Report:
        """Return the parts of the network that the choices change, at the original's size."""
        report = self._spaces[0].report()
        size = (self.choices[0].key, len(self.resolutions))
        return replace(report, choices=(size, *report.choices))

    def with_weights(self, model: nn.Module) -> ElasticSpace:
        """Return the same space of a network of the same shapes with other weights."""
        spaces = [space.with_weights(model) for space in self._spaces]
        return ElasticResolutionSpace(self.name, spaces)

    def ordered_by(self, losses: Losses) -> ElasticSpace:
        """Return the same space with channels in the order of their importance at the first size.

        Arguments are those of `ElasticSpace.ordered_by`.
        """
        first = self._spaces[0].ordered_by(losses)
        others = [space._replaced(choices=first.elastic_choices) for space in self._spaces[1:]]
        return ElasticResolutionSpace(self.name, [first, *others])


def smaller_sides(example: ModelInput, resolutions: Sequence[int]) -> list[int]:
    """Return the sides of images that are smaller than the example's, from the largest downwards.

    Args:
        example: How the network takes its inputs.
        resolutions: Requested sides in pixels, with or without the example's.

    Raises:
        InvalidNetwork: The network takes no square images, or a side is larger than the example's.
    """
    shapes = list(example.shapes.values())
    shape = shapes[0]
    if len(shapes) > 1 or len(shape) != 3 or shape[1] != shape[2]:
        raise InvalidNetwork(
            "resolutions: they are sides of square images; the network takes inputs of the shapes"
            f" {', '.join(str(list(item)) for item in shapes)}"
        )

    sides = sorted({int(side) for side in resolutions}, reverse=True)
    if not sides or sides[0] > shape[1] or sides[-1] < 1:
        raise InvalidNetwork(
            f"resolutions: they lie between 1 and the network's {shape[1]} pixels, not"
            f" {', '.join(map(str, sides)) or 'none'}"
        )
    return [side for side in sides if side < shape[1]]


def at_resolutions(
    space: ElasticSpace, verifier: Verifier, sides: Sequence[int], outputs: Sequence[Tensor]
) -> ElasticSpace:
    """Return the space with the side of the images as its first choice.

    Args:
        space: Space of the network at the original's size.
        verifier: Verifies cuts at the original's size.
        sides: Further sides in pixels.
        outputs: Outputs of the original.

    Raises:
        InvalidNetwork: The network, or a smaller version, fails at a size, or computes something
            else there.
    """
    if space.head_geometry() is not None:
        raise InvalidNetwork(
            "resolutions: the boxes of a detector lie at the locations of its geometry, which is of"
            " one size; leave resolutions out"
        )
    spaces = [space, *(_at_side(space, verifier, side, outputs) for side in sides)]
    return ElasticResolutionSpace(space.name, spaces)


def _at_side(
    space: ElasticSpace, verifier: Verifier, side: int, expected: Sequence[Tensor]
) -> ElasticSpace:
    """Return the space of a network on images of another side, where all its cuts are verified."""
    model = verifier.model
    title = f"resolutions: {type(model).__name__} on images of {side} pixels"
    tensor = space.example.value
    example = replace(space.example, value=tensor.new_zeros(*tensor.shape[:2], side, side))
    value = example.random(1, torch.Generator().manual_seed(0))
    try:
        calls, outputs = trace(model, example, value)
    except FailedRun as error:
        raise InvalidNetwork(f"{title} fails: {error}; leave {side} out") from error

    check_decisions(model, example, value)
    _check_same(title, verifier.calls, calls, expected, outputs)
    at_side = Verifier(model, example, value, calls)
    try:
        at_side.check_together(space.elastic_choices, np.random.default_rng(0))
    except UnequalCut as error:
        raise InvalidNetwork(f"{title}: {error}; leave {side} out") from error
    return space.at_size(f"{space.name}-{side}", example, calls)


def _check_same(
    title: str,
    expected_calls: Mapping[str, Call],
    calls: Mapping[str, Call],
    expected: Sequence[Tensor],
    outputs: Sequence[Tensor],
) -> None:
    """Check that the network runs the same modules, by which it has the same choices, and classes.

    Raises:
        InvalidNetwork: It does not.
    """
    counts = {path: call.count for path, call in expected_calls.items()}
    other = next((path for path, call in calls.items() if counts.get(path) != call.count), None)
    missing = next((path for path in counts if path not in calls), None)
    for path in (other, missing):
        if path is not None:
            raise InvalidNetwork(f"{title} does not run the module {path} as often as on others")

    if [_classes(tensor) for tensor in outputs] != [_classes(tensor) for tensor in expected]:
        shapes = [list(tensor.shape[1:]) for tensor in outputs]
        raise InvalidNetwork(f"{title} returns {', '.join(map(str, shapes))}")


def _classes(output: Tensor) -> tuple[int, int]:
    """Return the number of dimensions and of classes; pixels and tokens depend on the size."""
    return output.ndim, int(output.shape[-1 if output.ndim in (1, 3) else 1])
