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

# Architectures that a linear cost is fitted to where costs are no sums over choices.
_NUM_FITTED = 4096
# Growth of a multiplier in a step, per deviation of excess.
_MULTIPLIER_RATE = 0.5
_EPSILON = 1e-12


@dataclass(frozen=True)
class RelaxedScore:
    """A guide's score of distributions over candidates.

    Args:
        space: Space of the distributions.
        score: Maps probabilities, for each choice a tensor [n, candidates], to scores [n]; it is
            differentiable.
    """

    space: ChoiceSpace
    score: Callable[[Sequence[Tensor]], Tensor]

    def check(self) -> None:
        """Score the uniform distribution, which raises NotRelaxable where that is impossible."""
        with torch.no_grad():
            self.score(_uniform(self.space))

    def gradients(self, codes: Codes) -> list[NDArray[np.float64]]:
        """Return the gradients of the score by the probabilities at architectures.

        Args:
            codes: Codes [n, choices].

        Returns:
            For each choice an array [n, candidates].
        """
        points = []
        for column, count in enumerate(self.space.candidates):
            indices = torch.from_numpy(codes[:, column].astype(np.int64))
            one_hot = torch.nn.functional.one_hot(indices, int(count))
            points.append(one_hot.float().requires_grad_())

        gradients = torch.autograd.grad(self.score(points).sum(), points, allow_unused=True)

        # A choice that the score does not depend on has no gradient.
        return [
            np.zeros(tuple(point.shape)) if gradient is None else gradient.double().numpy()
            for point, gradient in zip(points, gradients, strict=True)
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
    """Train logits by Adam, with a Lagrange multiplier per restart and constraint.

    The loss of a restart is -score/s + sum_c m_c v_c + max(v_c, 0)^2, where s is the deviation of
    the scores over the initial relaxed architectures, v_c the number of deviations by which the
    expected cost c exceeds its limit, and m_c >= 0 grows with v_c.

    Args:
        relaxed: Score of distributions.
        problem: Search problem with the constraints.
        rng: Source of the initial logits, N(0, 1).
        restarts: Number of logits that are trained in parallel.
        steps: Number of steps of Adam.
        learning_rate: Step size of Adam.
        temperature: Temperature of the softmax at the last step; it falls from 1 geometrically.

    Returns:
        For each choice the logarithms of the probabilities, [restarts, candidates], and the
        negative losses [restarts].
    """
    logits = [
        torch.from_numpy(rng.normal(size=(restarts, int(count)))).float().requires_grad_()
        for count in problem.space.candidates
    ]
    biases = _allowed_biases(problem)

    penalties = _Penalties(problem, restarts)
    adam = torch.optim.Adam(logits, lr=learning_rate, betas=(0.8, 0.99))
    scale: Tensor | None = None
    merit = torch.zeros(restarts)

    with torch.enable_grad():
        for step in range(steps):
            current_temperature = temperature ** (step / max(1, steps - 1))
            probabilities = [
                (row / current_temperature + bias).softmax(1)
                for row, bias in zip(logits, biases, strict=True)
            ]
            score = relaxed.score(probabilities)
            # The initial spread of the scores makes the penalties independent of their unit.
            if scale is None:
                scale = score.detach().std(correction=0).clamp_min(_EPSILON)

            # Restarts share no logits, so the sum's gradient is each one's own.
            loss = penalties.add_to(-score / scale, probabilities)
            merit = -loss.detach()
            adam.zero_grad(set_to_none=True)
            torch.autograd.backward(loss.sum())
            adam.step()

    logs = [
        (row.detach().double() / temperature + bias).log_softmax(1).numpy()
        for row, bias in zip(logits, biases, strict=True)
    ]
    return logs, merit.double().numpy()


class _Penalties:
    """Terms of the loss for exceeded limits, with a Lagrange multiplier per restart and constraint.

    Args:
        problem: Search problem with the constraints.
        restarts: Number of logits that are trained in parallel.
    """

    def __init__(self, problem: SearchProblem, restarts: int):
        # Constraints that hold choice by choice are kept exactly by the biases of the logits.
        self.costs = [
            ExpectedCost(constraint)
            for constraint in problem.constraints
            if constraint.allowed is None
        ]
        self.multipliers = [torch.ones(restarts) for _ in self.costs]

    def add_to(self, loss: Tensor, probabilities: Sequence[Tensor]) -> Tensor:
        """Return the loss [restarts] with the penalties, and update the multipliers."""
        for index, cost in enumerate(self.costs):
            excess = cost.excess(probabilities)
            loss = loss + self.multipliers[index] * excess + excess.clamp_min(0).square()

            # Dual ascent: the multiplier rises while the limit is exceeded.
            raised = self.multipliers[index] + _MULTIPLIER_RATE * excess.detach()
            self.multipliers[index] = raised.clamp_min(0)
        return loss


def _uniform(space: ChoiceSpace) -> list[Tensor]:
    return [torch.full((1, int(count)), 1.0 / int(count)) for count in space.candidates]


def _allowed_biases(problem: SearchProblem) -> list[Tensor]:
    """Return biases of the logits: -inf for candidates that the constraints exclude, else 0."""
    biases = [torch.zeros(int(count)) for count in problem.space.candidates]
    for constraint in problem.constraints:
        for bias, allowed in zip(biases, constraint.allowed or (), strict=False):
            bias[torch.from_numpy(~allowed)] = -torch.inf
    return biases


class ExpectedCost:
    """The expected cost of relaxed architectures, relative to a constraint's limit.

    Where costs are no sums over choices, a linear fit to the costs of random architectures replaces
    them. It only guides the training: verified architectures meet the constraint itself.

    Args:
        constraint: Constraint with its cost model.
    """

    def __init__(self, constraint: Constraint):
        model = constraint.model
        self.limit = constraint.maximum - constraint.margin * (model.sigma or 0.0)
        codes = model.space.sample(np.random.default_rng(0), _NUM_FITTED)
        values = model.estimate(codes)
        self.spread = max(float(values.std()), _EPSILON)
        self.expected: Callable[[Sequence[Tensor]], Tensor] = model.expected
        try:
            model.expected(_uniform(model.space))

        # A line through random architectures has a gradient, which is enough to guide the training.
        except NotAdditive:
            inputs = np.concatenate([model.space.one_hot(codes), np.ones((len(codes), 1))], axis=1)
            solution = np.linalg.lstsq(inputs, values, rcond=None)[0]
            line = torch.from_numpy(solution).float()
            self.expected = lambda probabilities: (
                torch.cat(list(probabilities), -1) @ line[:-1] + line[-1]
            )

    def excess(self, probabilities: Sequence[Tensor]) -> Tensor:
        """Return by how many deviations of random costs the expected one exceeds the limit, [n]."""
        return (self.expected(probabilities) - self.limit) / self.spread
