"""Search spaces of a user's own model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spaces.chains.additive_space import AdditiveSpace, ChoiceLayer
from spaces.choice import Choice
from spaces.errors import InvalidParameter
from spaces.space import Codes
from spaces.user_model.conditions import Chains
from spaces.user_model.factors import Factors, Placement, factorise
from spaces.user_model.feasibility import check_candidates, first_working
from spaces.user_model.runs import ModelRuns
from spaces.user_model.space import ModelSpace
from spaces.user_model.trace import Trace

if TYPE_CHECKING:
    import torch


def from_model(
    model: torch.nn.Module,
    example_input: Any,
    name: str | None = None,
    num_classes: int | None = None,
    pretrained: bool = False,
) -> ModelSpace:
    """Make the search space of a model with choices by running a copy of the model.

    Args:
        model: Model with LayerChoice, InputChoice, ValueChoice or Repeat modules; a copy is run.
        example_input: Batch for the model, a tensor [n, ...], of which one image is run. For a
            model of several inputs, a tuple, list or dictionary of such tensors: a tuple is passed
            as positional arguments and a dictionary as keyword arguments, unless the model takes
            the structure itself.
        name: Name of the space; None: `model-` and the class in small letters. A factory that is
            registered by `spaces.register_space` passes its own name here, so that the space can be
            pickled and its architectures read from JSON.
        num_classes: Number of classes; None: that of the model's output.
        pretrained: Whether trainings begin with all weights of the model. Otherwise the seed of a
            training draws them, except for frozen parameters (`requires_grad` is False), which
            always keep the model's values.

    Returns:
        Space of the model. It is an `AdditiveSpace` as well where the modules that a candidate
        executes depend on no other choice.

    Raises:
        InvalidParameter: The example has no tensor with a batch, the model has no choices, keys
            contradict each other, its output has another number of classes, or the MACs of an
            operator are not known.
        InvalidArchitecture: The model fails with all architectures that are run, or with all that
            have a certain candidate; the candidates are named. A model that fails with some
            combinations only has a space without these.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> import spaces
        >>> convolutions = [nn.Conv2d(3, 4, kernel, padding=kernel // 2) for kernel in (1, 3)]
        >>> choice = spaces.LayerChoice(convolutions, key="stem")
        >>> model = nn.Sequential(choice, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
        >>> space = from_model(model, torch.zeros(1, 3, 8, 8))
        >>> space.size, space.num_classes
        (2, 2)
        >>> space.macs(space.architecture([1])) - space.macs(space.architecture([0]))
        6144
    """
    from spaces.modules.copying import copy_module
    from spaces.user_model.inputs import ModelInput
    from spaces.user_model.sites import conditions, sites, value_columns
    from spaces.user_model.tracer import Tracer

    example = ModelInput.from_example(model, example_input)

    # A copy: the keys of its mutables are assigned, and its choices are made again and again.
    model = copy_module(model)
    choices, mutable_sites = sites(model)
    if not choices:
        raise InvalidParameter(
            f"{type(model).__name__} has no LayerChoice, InputChoice, ValueChoice or Repeat"
        )

    tracer = Tracer(model, mutable_sites, example)
    places = [Placement(site.column, site.chains) for site in mutable_sites]
    runs = ModelRuns(tracer, places, pretrained)
    active = conditions(choices, mutable_sites)
    name = name or f"model-{re.sub('[^a-z0-9]', '', type(model).__name__.lower())}"

    # A space without factors runs the architectures by which the factors are found.
    plain = ModelSpace(name, choices, active, runs, num_classes or 0)
    counts = [len(choice.candidates) for choice in choices]

    def canonical(row: NDArray[Any]) -> NDArray[Any]:
        canonical_row: NDArray[Any] = plain.canonical(row[None])[0]
        return canonical_row

    def run(row: NDArray[Any]) -> Trace:
        return plain.trace(canonical(row))

    def probes(n: int) -> Codes:
        return plain.probes(np.random.default_rng(0), n)

    start = first_working(np.zeros(len(choices), dtype=np.int16), probes, run)
    classes = _classes(name, run(start), num_classes)
    factors = factorise(runs.places, counts, run, probes, value_columns(model, choices))
    if factors is None:
        check_candidates(runs.places, counts, canonical, probes, run)
    if factors is not None and not plain.irregular:
        return AdditiveModelSpace(name, choices, active, runs, classes, factors)
    return ModelSpace(name, choices, active, runs, classes, factors)


def _classes(name: str, trace: Trace, num_classes: int | None) -> int:
    outputs = trace.output[0][0] if len(trace.output) == 1 and trace.output[0] else None
    if num_classes is None:
        if outputs is None:
            raise InvalidParameter(
                f"{name}: the output is no tensor [n, classes, ...], so that num_classes is needed"
            )
        return int(outputs)
    if outputs is not None and num_classes != outputs:
        raise InvalidParameter(
            f"{name}: num_classes is {num_classes}, but the model's output has {outputs}"
        )
    return num_classes


class AdditiveModelSpace(AdditiveSpace, ModelSpace):
    """A ModelSpace whose counts are sums over its choices.

    Args:
        name: Canonical name.
        choices: Choices of the model.
        conditions: Conditions of the choices, which always hold.
        runs: Runs of the model.
        num_classes: Number of classes of the model's output.
        factors: Blocks that each candidate adds.
    """

    def __init__(
        self,
        name: str,
        choices: Sequence[Choice],
        conditions: Sequence[Chains],
        runs: ModelRuns,
        num_classes: int,
        factors: Factors,
    ):
        ModelSpace.__init__(self, name, choices, conditions, runs, num_classes, factors)
        self.fixed_blocks = factors.fixed
        self.choice_layers = tuple(
            self._layer(column, choice) for column, choice in enumerate(choices)
        )

    def _layer(self, column: int, choice: Choice) -> ChoiceLayer:
        assert self.factors is not None
        sites = [
            site for site, placement in enumerate(self.factors.places) if placement.column == column
        ]
        terms = self.factors.terms
        return ChoiceLayer(
            choice.key,
            {
                name: tuple(block for site in sites for block in terms.get((site, code), ()))
                for code, name in enumerate(choice.candidates)
            },
        )
