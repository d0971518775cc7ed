"""SearchProblem: what is searched, by which guide, under which constraints."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneshot.constraint import Constraint
from oneshot.errors import Infeasible
from oneshot.guide import Guide
from spaces.space import Codes, SearchSpace
from tables.cost_model import CostModel, counting_model

_ENUMERABLE = 1 << 17
_BATCH = 4096
_TRIES = 64


@dataclass(frozen=True)
class SearchProblem:
    """A search to be done.

    Args:
        space: what is searched.
        guide: scores architectures, greater is better.
        constraints: all are to be met.
    """

    space: SearchSpace
    guide: Guide
    constraints: Sequence[Constraint] = ()

    def feasible(self, codes: Codes) -> NDArray[np.bool_]:
        """Which of codes [n, choices] meet every constraint, bool array [n]."""
        met = np.ones(len(codes), dtype=bool)
        for constraint in self.constraints:
            met &= constraint.met(codes)
        return met

    @cached_property
    def costs(self) -> dict[str, CostModel]:
        """What every candidate's costs are told by: the counts, and the constraints' models.

        A metric has its own name; limited on several tables, it is `latency_ms@TABLE` for all but the first.
        """
        models = {"macs": counting_model(self.space, "macs"), "params": counting_model(self.space, "params")}
        for constraint in self.constraints:
            known = models.setdefault(constraint.metric, constraint.model)
            if known.device != constraint.device:
                models[f"{constraint.metric}@{constraint.device}"] = constraint.model
        return models

    def sample(self, rng: np.random.Generator, count: int) -> Codes:
        """Up to `count` distinct architectures that meet the constraints, uniform as far as sampling reaches.

        Rejection first; where the constraints leave little, all of a small space, or walks that begin at the
        cheapest networks.

        Raises:
            Infeasible: nothing was found that meets all constraints at once.
        """
        found = self._rejected(rng, count)
        if len(found) < count:
            found = self._enumerated(rng, count) if self.space.size <= _ENUMERABLE else self._walked(rng, found, count)
        if len(found) == 0:
            first = self.constraints[0]
            raise Infeasible(
                f"no network of {self.space.name} was found that meets all {len(self.constraints)} constraints at once",
                first.metric,
                first.maximum,
                first.model.bounds()[0].value,
            )
        return found

    def _rejected(self, rng: np.random.Generator, count: int) -> Codes:
        found = self.space.sample(rng, 0)
        for attempt in range(_TRIES):
            drawn = self.space.sample(rng, _BATCH)
            found = distinct(np.concatenate([found, drawn[self.feasible(drawn)]]))
            if len(found) >= count or (attempt >= 7 and len(found) == 0):
                break
        return np.asfortranarray(found[:count])

    def _enumerated(self, rng: np.random.Generator, count: int) -> Codes:
        every = np.concatenate([codes[self.feasible(codes)] for codes in self.space.enumerate_codes()])
        return np.asfortranarray(every[rng.permutation(len(every))[:count]])

    def _walked(self, rng: np.random.Generator, found: Codes, count: int) -> Codes:
        cheapest = [constraint.model.bounds()[0].architecture for constraint in self.constraints]
        pool = distinct(np.concatenate([found, self.space.encode(cheapest)]))
        pool = pool[self.feasible(pool)]
        for _ in range(_TRIES):
            if len(pool) == 0 or len(pool) >= count:
                break
            parents = pool[rng.integers(len(pool), size=_BATCH)]
            children = self.space.mutate(parents, rng, 0.2)
            pool = distinct(np.concatenate([pool, children[self.feasible(children)]]))
        return np.asfortranarray(pool[rng.permutation(len(pool))[:count]])


def distinct(codes: Codes) -> Codes:
    """The distinct rows of codes [n, choices], each where it first occurs."""
    _, first = np.unique(_keys(codes), return_index=True)
    return codes[np.sort(first)]


def _keys(codes: Codes) -> NDArray[Any]:
    """One value a row that tells rows apart, [n].

    Numbers where 63 bits hold them, since sorting numbers is ten times faster than sorting rows; bytes otherwise.
    """
    widths = codes.max(0, initial=0).astype(object) + 1
    if math.prod(widths) < 1 << 63:
        keys = np.zeros(len(codes), dtype=np.int64)
        for column, width in enumerate(widths):
            keys *= width
            keys += codes[:, column]
        return keys
    rows = np.ascontiguousarray(codes)
    return rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1])))[:, 0]
