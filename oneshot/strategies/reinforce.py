"""A factorised policy trained by REINFORCE (Williams, 1992) on the guide's scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from oneshot.errors import InvalidOption
from oneshot.strategies.base import Strategy
from oneshot.strategies.evolution import check_probability
from oneshot.strategies.registry import register_strategy
from spaces.space import Codes

if TYPE_CHECKING:
    from oneshot.search.problem import SearchProblem

# Architectures drawn per proposal: many are infeasible or were evaluated before.
_SURPLUS = 8
# Deviations to which an advantage is clipped, so that one outlier cannot decide a choice.
_MAX_ADVANTAGE = 5


@register_strategy("reinforce")
class Reinforce(Strategy):
    """Draws every choice by a softmax of its logits, and raises those that score above the mean.

    The gradient of the expected score R by the logits a is E[(R - b)(onehot(c) - softmax(a))], with
    a moving mean b of the scores, as in the REINFORCE variant of ProxylessNAS (arXiv 1812.00332,
    section 3.3.2). R - b is divided by the scores' moving deviation, so that the guide's unit does
    not matter.

    Args:
        problem: Space, guide, constraints and objectives of the search.
        rng: Source of all randomness.
        evaluations: Number of architectures to evaluate.
        batch: Number of architectures per update of the logits.
        learning_rate: Step size of the logits.
        decay: Decay of the moving mean and deviation, below 1.

    Raises:
        InvalidOption: The learning rate is not positive, or the decay is not below 1.
    """

    def __init__(
        self,
        problem: SearchProblem,
        rng: np.random.Generator,
        *,
        evaluations: int = 1000,
        batch: int = 20,
        learning_rate: float = 1.0,
        decay: float = 0.8,
    ):
        super().__init__(problem, rng)
        check_probability("reinforce", "decay", decay)
        if decay == 1 or not learning_rate > 0:
            raise InvalidOption("reinforce: decay must be below 1 and learning_rate above 0")

        self.evaluations = evaluations
        self.batch_size = batch
        self.learning_rate = learning_rate
        self.decay = decay

        # Zeros: the first draws are uniform.
        self.logits = [np.zeros(int(count)) for count in problem.space.candidates]
        self.baseline = 0.0
        self.variance = 0.0
        self._requested = 0

    @property
    def planned(self) -> int:
        """The option `evaluations`."""
        return self.evaluations

    def ask(self) -> Codes:
        """Return new, feasible architectures of the policy, completed by random ones."""
        count = min(self.batch_size, self.evaluations - self._requested)
        if count <= 0:
            return self.empty
        proposals = self.make_children(self._sample_policy, count)
        if len(proposals) < count:
            random = self.sample_new(count - len(proposals))
            proposals = np.concatenate([proposals, random])
        self._requested += len(proposals)
        return np.asfortranarray(proposals)

    def tell(self, codes: Codes, scores: NDArray[np.float64]) -> None:
        """Update the moving mean and deviation, and take one step of the logits."""
        mean = float(scores.mean())
        variance = float(scores.var())
        is_first = self._requested <= len(scores)
        if is_first:
            # From 0 the moving mean would be far off for many updates.
            self.baseline = mean
            self.variance = variance

        # The advantage is taken before the update, so that a batch does not shrink its own.
        advantage = (scores - self.baseline) / max(float(np.sqrt(self.variance)), 1e-12)
        self.baseline = self.decay * self.baseline + (1 - self.decay) * mean
        self.variance = self.decay * self.variance + (1 - self.decay) * variance

        weights = np.clip(advantage, -_MAX_ADVANTAGE, _MAX_ADVANTAGE)[:, None]
        for column, logits in enumerate(self.logits):
            score_function = np.eye(len(logits))[codes[:, column]] - softmax(logits)
            logits += self.learning_rate * (weights * score_function).mean(0)

    def probabilities(self) -> list[NDArray[np.float64]]:
        """Return the policy: for each choice the probabilities [candidates]."""
        return [softmax(logits) for logits in self.logits]

    def _sample_policy(self) -> Codes:
        space = self.problem.space
        count = _SURPLUS * self.batch_size
        codes = np.empty((count, len(self.logits)), dtype=space.dtype, order="F")
        for column, logits in enumerate(self.logits):
            # Gumbel-max: the largest of the perturbed logits is a draw from their softmax.
            codes[:, column] = (logits + self.rng.gumbel(size=(count, len(logits)))).argmax(1)
        if not space.validates_codes:
            return codes
        return space.canonical(np.asfortranarray(codes[space.valid(codes)]))


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the probabilities [candidates] of logits [candidates]."""

    # Relative to the largest, so that no power overflows.
    powers = np.exp(logits - logits.max())
    return np.asarray(powers / powers.sum())
