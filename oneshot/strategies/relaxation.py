"""Gradients of scores and costs through distributions over candidates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spaces.choice_space import ChoiceSpace, Codes
from spaces.errors import NotAdditive

if TYPE_CHECKING:
    from oneshot.search.constraint import Constraint
    from oneshot.search.problem import SearchProblem

_FITTED = 4096  # architectures that a line is fitted on where costs are no sums over choices
_MULTIPLIER_RATE = 0.5
_LEAST = 1e-12


@dataclass(frozen=True)
class RelaxedScore:
    """A guide's score of distributions over candidates.

    Args:
        space: whose choices.
        score: probabilities, for each choice a tensor [n, candidates], -> scores [n],
            differentiable.
    """

    space: ChoiceSpace
    score: Callable[[Sequence[Tensor]], Tensor]

    def check(self) -> None:
        """Score the uniform distributions once, so that what cannot be scored is told."""
        with torch.no_grad():
            self.score(
                [torch.full((1, int(count)), 1.0 / int(count)) for count in self.space.candidates]
            )

    def gradients(self, codes: Codes) -> list[NDArray[np.float64]]:
        """The score's gradients by the probabilities at architectures, codes [n, choices].

        Returns:
            For each choice [n, candidates].
        """
        points = []
        for column, count in enumerate(self.space.candidates):
            taken = torch.from_numpy(codes[:, column].astype(np.int64))
            points.append(torch.nn.functional.one_hot(taken, int(count)).float().requires_grad_())
        found = torch.autograd.grad(self.score(points).sum(), points, allow_unused=True)
        return [
            np.zeros(tuple(point.shape)) if gradient is None else gradient.double().numpy()
            for point, gradient in zip(points, found, strict=True)
        ]


def descend(
    relaxed: RelaxedScore,
    problem: SearchProblem,
    rng: np.random.Generator,
    *,
    restarts: int,
    steps: int,
    learning_rate: float,
    temperature: float,
) -> tuple[list[NDArray[np.float64]], NDArray[np.float64]]:
    """Train logits by Adam under the constraints, which multipliers of each restart hold.

    The loss of a restart is -score/s + sum_c m_c v_c, where s is the deviation of the scores over
    the first relaxed architectures, v_c by how many deviations the expected cost c is above its
    limit, and m_c >= 0 grows with v_c.

    Args:
        relaxed: scores distributions.
        problem: with the constraints.
        rng: draws the first logits, N(0, 1).
        restarts: trained side by side.
        steps: of Adam.
        learning_rate: of Adam.
        temperature: of the softmax in the end; it falls from 1 geometrically.

    Returns:
        For each choice the logarithms of the probabilities, [restarts, candidates], and the
        negative losses [restarts].
    """
    counts = [int(count) for count in problem.space.candidates]
    logits = [
        torch.from_numpy(rng.normal(size=(restarts, count))).float().requires_grad_()
        for count in counts
    ]
    barred = _barred(problem)
    costs = [
        ExpectedCost(constraint) for constraint in problem.constraints if constraint.allowed is None
    ]
    adam = torch.optim.Adam(logits, lr=learning_rate, betas=(0.8, 0.99))
    multipliers = [torch.ones(restarts) for _ in costs]
    scale: Tensor | None = None
    merit = torch.zeros(restarts)
    with torch.enable_grad():
        for step in range(steps):
            heat = temperature ** (step / max(1, steps - 1))
            probabilities = [
                (row / heat + bar).softmax(1) for row, bar in zip(logits, barred, strict=True)
            ]
            score = relaxed.score(probabilities)
            if scale is None:
                scale = score.detach().std(correction=0).clamp_min(_LEAST)
            loss = -score / scale
            for place, cost in enumerate(costs):
                above = cost.above(probabilities)
                loss = loss + multipliers[place] * above + above.clamp_min(0).square()
                multipliers[place] = (
                    multipliers[place] + _MULTIPLIER_RATE * above.detach()
                ).clamp_min(0)
            merit = -loss.detach()
            adam.zero_grad(set_to_none=True)
            torch.autograd.backward(loss.sum())
            adam.step()
    final = zip(logits, barred, strict=True)
    logs = [
        (row.detach().double() / temperature + bar).log_softmax(1).numpy() for row, bar in final
    ]
    return logs, merit.double().numpy()


def _barred(problem: SearchProblem) -> list[Tensor]:
    """For each choice what is added to its logits [candidates]: -inf where the constraints bar a
    candidate, else 0.
    """
    rows = [torch.zeros(int(count)) for count in problem.space.candidates]
    for constraint in problem.constraints:
        for row, allowed in zip(rows, constraint.allowed or (), strict=False):
            row[torch.from_numpy(~allowed)] = -torch.inf
    return rows


class ExpectedCost:
    """How far the expected cost of relaxed architectures is above a constraint's limit.

    Where costs are no sums over choices, a line through the costs of random architectures stands
    for them: it only guides, for what is verified meets the constraint itself.

    Args:
        constraint: with its cost model.
    """

    def __init__(self, constraint: Constraint):
        model = constraint.model
        self.limit = constraint.maximum - constraint.margin * (model.sigma or 0.0)
        codes = model.space.sample(np.random.default_rng(0), _FITTED)
        values = model.estimate(codes)
        self.spread = max(float(values.std()), _LEAST)
        self.expected: Callable[[Sequence[Tensor]], Tensor] = model.expected
        try:
            model.expected(
                [torch.full((int(count),), 1.0 / int(count)) for count in model.space.candidates]
            )
        except NotAdditive:
            inputs = np.concatenate([model.space.one_hot(codes), np.ones((len(codes), 1))], axis=1)
            line = torch.from_numpy(np.linalg.lstsq(inputs, values, rcond=None)[0]).float()
            self.expected = lambda given: torch.cat(list(given), -1) @ line[:-1] + line[-1]

    def above(self, probabilities: Sequence[Tensor]) -> Tensor:
        """Deviations of random architectures' costs above the limit, [n]; negative below it."""
        return (self.expected(probabilities) - self.limit) / self.spread
