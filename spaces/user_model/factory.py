"""`from_model`: a search space of a user's own model."""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from spaces.chains.additive_space import AdditiveSpace, ChoiceLayer
from spaces.choice import Choice
from spaces.errors import InvalidParameter
from spaces.user_model.conditions import Chains
from spaces.user_model.factors import Factors, Place, factorise
from spaces.user_model.runs import ModelRuns
from spaces.user_model.space import ModelSpace
from spaces.user_model.trace import Trace

if TYPE_CHECKING:
    import torch


def from_model(
    model: torch.nn.Module,
    example_input: torch.Tensor,
    name: str | None = None,
    num_classes: int | None = None,
) -> ModelSpace:
    """The search space of a model with choices, found by running it; the model itself is left as it
    is.

    Args:
        model: has LayerChoice, InputChoice, ValueChoice or Repeat somewhere inside.
        example_input: a batch that the model takes, [n, ...]; one image of it is run.
        name: the space's name. Default: `model-` and the class in small letters. A factory that is
            registered by `spaces.register_space` passes on the name it gets; then the space can be
            pickled and its architectures read from JSON.
        num_classes: default: what the model's output says.

    Returns:
        An additive space (`AdditiveSpace` too) where what each candidate executes depends on no
        other choice.

    Raises:
        InvalidParameter: the model has no choices, keys contradict each other, or the classes are
            not those given.
        InvalidArchitecture: the model fails with one of the architectures that are run; the
            candidates are named.
    """
    import torch

    from spaces.user_model.sites import conditions, sites
    from spaces.user_model.tracer import Tracer

    if (
        not isinstance(example_input, torch.Tensor)
        or not example_input.ndim
        or not len(example_input)
    ):
        raise InvalidParameter("example_input must be a tensor with at least one image, [n, ...]")
    model = copy.deepcopy(model)
    choices, found = sites(model)
    if not choices:
        raise InvalidParameter(
            f"{type(model).__name__} has no LayerChoice, InputChoice, ValueChoice or Repeat"
        )
    tracer = Tracer(model, found, example_input[:1].detach().clone())
    runs = ModelRuns(tracer, [Place(site.column, site.chains) for site in found])
    active = conditions(choices, found)
    name = name or f"model-{re.sub('[^a-z0-9]', '', type(model).__name__.lower())}"
    plain = ModelSpace(name, choices, active, runs, num_classes or 0)
    classes = _classes(name, plain.trace(np.zeros(len(choices), dtype=np.int16)), num_classes)
    factors = factorise(
        runs.places,
        [len(choice.candidates) for choice in choices],
        lambda row: plain.trace(plain.check(row[None])[0]),
        lambda n: plain.sample(np.random.default_rng(0), n),
    )
    if factors is not None and not plain.irregular:
        return AdditiveModelSpace(name, choices, active, runs, classes, factors)
    return ModelSpace(name, choices, active, runs, classes, factors)


def _classes(name: str, trace: Trace, given: int | None) -> int:
    found = trace.output[0][0] if len(trace.output) == 1 and trace.output[0] else None
    if given is None and found is None:
        raise InvalidParameter(
            f"{name}: the output is no tensor [n, classes, ...]; give num_classes"
        )
    if given is not None and found is not None and given != found:
        raise InvalidParameter(
            f"{name}: num_classes is {given}, but the model's output has {found}"
        )
    return int(given if given is not None else found or 0)


class AdditiveModelSpace(AdditiveSpace, ModelSpace):
    """A ModelSpace whose counts are sums over its choices.

    Args:
        name: canonical name.
        choices: of the model.
        conditions: all hold always.
        runs: of the model.
        num_classes: of the model's output.
        factors: what each candidate adds.
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
        sites = [site for site, place in enumerate(self.factors.places) if place.column == column]
        terms = self.factors.terms
        return ChoiceLayer(
            choice.key,
            {
                name: tuple(block for site in sites for block in terms.get((site, code), ()))
                for code, name in enumerate(choice.candidates)
            },
        )
