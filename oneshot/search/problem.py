"""SearchProblem: what is searched, by which guide, under which constraints, for which
objectives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from oneshot.search import feasible as sampling
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
    """A search to be done.

    Args:
        space: what is searched.
        guide: scores architectures, greater is better.
        constraints: all are to be met.
        objectives: costs to be traded for the score; none: the first constraint's, else MACs.
        isomorphic: of architectures that compute the same one is enough; see
            `tables.benchmarks.classes`.
    """

    space: ChoiceSpace
    guide: Guide
    constraints: Sequence[Constraint] = ()
    objectives: Sequence[Objective] = ()
    isomorphic: bool = False

    def feasible(self, codes: Codes) -> NDArray[np.bool_]:
        """Which of codes [n, choices] meet every constraint, bool array [n]."""
        return sampling.feasible(self.constraints, codes)

    @property
    def network_space(self) -> SearchSpace:
        """The space with its networks.

        Raises:
            InvalidArchitecture: Only the choices of the space are known.
        """
        return require_networks(self.space)

    def seen(self) -> Seen:
        """A new, empty memory of architectures."""
        return Seen(identity(self.space, self.isomorphic))

    @cached_property
    def costs(self) -> dict[str, CostModel]:
        """What every candidate's costs are told by: the counts, and the models of constraints and
        objectives.

        A metric has its own name; on several tables, it is `latency_ms@TABLE` for all but the
        first.
        """
        models = {
            "macs": counting_model(self.network_space, "macs"),
            "params": counting_model(self.network_space, "params"),
        }
        items: list[Constraint | Objective] = [*self.constraints, *self.objectives]
        for item in items:
            known = models.setdefault(item.metric, item.model)
            if known.device != item.device:
                models[f"{item.metric}@{item.device}"] = item.model
        return models

    @cached_property
    def traded(self) -> tuple[str, ...]:
        """The names in `costs` of what is traded for the score."""
        chosen: Sequence[Constraint | Objective] = self.objectives or self.constraints[:1]
        names = [self._cost_name(item) for item in chosen]
        return tuple(dict.fromkeys(names)) or ("macs",)

    def _cost_name(self, item: Constraint | Objective) -> str:
        return (
            item.metric
            if self.costs[item.metric].device == item.device
            else f"{item.metric}@{item.device}"
        )

    @cached_property
    def reduced_space(self) -> ChoiceSpace:
        """What searches draw from: the space, or the part of it that constraints leave which are
        met choice by choice.

        Candidates that no network within the constraints can have drop out; see
        `Constraint.allowed`.
        """
        allowed = [
            given for constraint in self.constraints if (given := constraint.allowed) is not None
        ]
        kept = [
            np.flatnonzero(np.logical_and.reduce(columns)) for columns in zip(*allowed, strict=True)
        ]
        if all(
            len(codes) == count for codes, count in zip(kept, self.space.candidates, strict=False)
        ):
            return self.space
        # Constraints may exclude each other; that is for a sample of the space to tell.
        return Subspace(self.space, kept) if all(map(len, kept)) else self.space

    def sample(
        self, rng: np.random.Generator, count: int, within: ChoiceSpace | None = None
    ) -> Codes:
        """Up to `count` distinct architectures that meet the constraints, uniform as far as
        sampling reaches.

        Args:
            rng: all randomness comes from it.
            count: how many.
            within: what to draw them from; None: `operators`.

        Raises:
            Infeasible: nothing was found that meets all constraints at once; the nearest is told.
        """
        if within is not None:
            return sampling.feasible_sample(within, self.constraints, rng, count)
        return sampling.feasible_sample(
            self.reduced_space, self.constraints, rng, count, self._cheapest
        )

    @cached_property
    def _cheapest(self) -> Codes:
        return self.space.encode(
            [constraint.model.bounds()[0].architecture for constraint in self.constraints]
        )

    def check_feasible(self) -> None:
        """Raise Infeasible where no network is found that meets all constraints at once."""
        if len(self.constraints) > 1:
            self.sample(np.random.default_rng(0), 1)
