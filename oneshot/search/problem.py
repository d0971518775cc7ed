"""The search problem: a space, a guide, constraints and objectives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from oneshot.search import feasible as sampling
from oneshot.search.charge import ChargedCost
from oneshot.search.constraint import Constraint
from oneshot.search.deduplication import Seen, identity
from oneshot.search.guide import Guide
from oneshot.search.objective import Objective
from oneshot.search.subspace import Subspace
from spaces.choice_space import ChoiceSpace, Codes
from spaces.space import SearchSpace, require_networks
from tables.cost.model import CostModel, counting_model


@dataclass(frozen=True)
class SearchProblem:
    """A space to search, with a guide, constraints and objectives.

    Args:
        space: Space of the architectures.
        guide: Guide that scores architectures; greater is better.
        constraints: Constraints that every architecture must meet.
        objectives: Costs that are traded for the score. Where there are none, the cost of the first
            constraint is traded, or the MACs.
        isomorphic: Whether one of several architectures that compute the same function suffices;
            see `tables.benchmarks.isomorphism`.
        remaining: For each choice whether each candidate may be used, bool arrays [candidates], as
            of a pruned space; None: all of them.

    Example:
        >>> import spaces
        >>> class FewestMacs:
        ...     def score(self, codes):
        ...         return -space.macs(codes).astype(float), np.zeros(len(codes))
        ...
        ...     def to_dict(self):
        ...         return {"kind": "macs"}
        >>> space = spaces.get("spos-tiny")
        >>> problem = SearchProblem(space, FewestMacs())
        >>> problem.sample(np.random.default_rng(0), 5).shape
        (5, 6)
    """

    space: ChoiceSpace
    guide: Guide
    constraints: Sequence[Constraint] = ()
    objectives: Sequence[Objective] = ()
    isomorphic: bool = False
    remaining: Sequence[NDArray[np.bool_]] | None = None

    def feasible(self, codes: Codes) -> NDArray[np.bool_]:
        """Return which of codes [n, choices] meet every constraint, bool array [n]."""
        return sampling.feasible(self.constraints, codes) & self._remain(codes)

    def _remain(self, codes: Codes) -> NDArray[np.bool_]:
        """Return which of codes [n, choices] use remaining candidates only, bool array [n]."""
        used = np.ones(len(codes), dtype=bool)
        for column, mask in enumerate(self.remaining or ()):
            used &= mask[codes[:, column]]
        return used

    @property
    def network_space(self) -> SearchSpace:
        """The space with its networks.

        Raises:
            InvalidArchitecture: Only the choices of the space are known.
        """
        return require_networks(self.space)

    def seen(self) -> Seen:
        """Return an empty memory of architectures."""
        return Seen(identity(self.space, self.isomorphic))

    @cached_property
    def costs(self) -> dict[str, CostModel]:
        """The cost models of results by name: counts, and those that the search limits or weighs.

        The name is the metric's. A metric of several tables is `latency_ms@TABLE` for all but the
        first.
        """
        models = {
            "macs": counting_model(self.network_space, "macs"),
            "params": counting_model(self.network_space, "params"),
        }
        # A charged guide has costs of its own; see `oneshot.search.charge`.
        charges: Sequence[ChargedCost] = getattr(self.guide, "charges", ())
        items: list[Constraint | Objective | ChargedCost] = [
            *self.constraints,
            *self.objectives,
            *charges,
        ]
        for item in items:
            first = models.setdefault(item.metric, item.model)
            if first.device != item.device:
                models[f"{item.metric}@{item.device}"] = item.model

        return models

    @cached_property
    def traded(self) -> tuple[str, ...]:
        """Names in `costs` of the costs that are traded for the score."""
        items: Sequence[Constraint | Objective] = self.objectives or self.constraints[:1]
        names = [self._cost_name(item) for item in items]
        return tuple(dict.fromkeys(names)) or ("macs",)

    def _cost_name(self, item: Constraint | Objective) -> str:
        return (
            item.metric
            if self.costs[item.metric].device == item.device
            else f"{item.metric}@{item.device}"
        )

    @cached_property
    def reduced_space(self) -> ChoiceSpace:
        """The space without the candidates that no feasible architecture has.

        These are excluded by constraints that hold choice by choice; see `Constraint.allowed`.
        """
        allowed = [
            constraint.allowed for constraint in self.constraints if constraint.allowed is not None
        ]
        if self.remaining is not None:
            allowed.append(list(self.remaining))

        # No rows where no constraint holds choice by choice.
        remaining = [
            np.flatnonzero(np.logical_and.reduce(columns)) for columns in zip(*allowed, strict=True)
        ]
        counts = [len(codes) for codes in remaining]
        if not counts or counts == self.space.candidates.tolist():
            return self.space

        # Constraints may exclude each other: `sample` raises Infeasible then.
        return Subspace(self.space, remaining) if all(counts) else self.space

    def sample(
        self, rng: np.random.Generator, count: int, subspace: ChoiceSpace | None = None
    ) -> Codes:
        """Sample distinct architectures that meet the constraints; see `feasible_sample`.

        Args:
            rng: Source of all randomness.
            count: Number of architectures; fewer are returned where no more are found.
            subspace: Space to sample from; None for `reduced_space`.

        Raises:
            Infeasible: No architecture was found that meets all constraints; the nearest is named.
        """
        if subspace is not None:
            return sampling.feasible_sample(subspace, self.constraints, rng, count)
        samples = sampling.feasible_sample(
            self.reduced_space, self.constraints, rng, count, self._cheapest
        )
        # Walks of mutations, where constraints leave little, know the constraints alone.
        return samples[self._remain(samples)]

    @cached_property
    def _cheapest(self) -> Codes:
        return self.space.encode(
            [constraint.model.bounds()[0].architecture for constraint in self.constraints]
        )

    def check_feasible(self) -> None:
        """Raise Infeasible where no network is found that meets all constraints at once."""
        if len(self.constraints) > 1:
            self.sample(np.random.default_rng(0), 1)
