"""A factorised policy trained by REINFORCE (Williams 1992) over the guide's scores."""

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


@register_strategy("reinforce")
class Reinforce(Strategy):
    """Every choice is drawn by its own softmax of logits, which rise for what scores above the
    mean.

    The gradient of the expected score by logits a is E[(R - b)(onehot(c) - softmax(a))], b a moving
    mean of the scores, as in ProxylessNAS's variant (arXiv 1812.00332, section 3.3.2); R - b is
    divided by the scores' moving deviation, so that any guide's unit will do.

    Args:
        problem: what is searched.
        rng: all randomness comes from it.
        evaluations: in all.
        batch: architectures of an update.
        learning_rate: of the logits.
        decay: of the moving mean and deviation.

    Raises:
        InvalidOption: a rate of 0, or a decay that is not below 1.
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
        if decay == 1 or learning_rate == 0:
            raise InvalidOption("reinforce: decay must be below 1 and learning_rate above 0")
        self.evaluations, self.batch, self.learning_rate, self.decay = (
            evaluations,
            batch,
            learning_rate,
            decay,
        )
        self.logits = [np.zeros(int(count)) for count in problem.space.candidates]
        self.baseline, self.variance = 0.0, 0.0
        self.done = 0

    @property
    def planned(self) -> int:
        """`evaluations`."""
        return self.evaluations

    def ask(self) -> Codes:
        """What the policy draws, as far as it is new and meets the constraints; filled up at
        random.
        """
        count = min(self.batch, self.evaluations - self.done)
        if count <= 0:
            return self.nothing
        found = self.bred(self._drawn, count)
        if len(found) < count:
            found = np.concatenate([found, self.fresh(count - len(found))])
        self.done += len(found)
        return np.asfortranarray(found)

    def tell(self, codes: Codes, scores: NDArray[np.float64]) -> None:
        """Update the moving mean and deviation, and take a step of the logits."""
        mean, variance = float(scores.mean()), float(scores.var())
        if self.done <= len(scores):
            self.baseline, self.variance = mean, variance
        advantage = (scores - self.baseline) / max(float(np.sqrt(self.variance)), 1e-12)
        kept = self.decay
        self.baseline = kept * self.baseline + (1 - kept) * mean
        self.variance = kept * self.variance + (1 - kept) * variance
        for column, logits in enumerate(self.logits):
            taken = np.eye(len(logits))[codes[:, column]] - softmax(logits)
            logits += self.learning_rate * (np.clip(advantage, -5, 5)[:, None] * taken).mean(0)

    def probabilities(self) -> list[NDArray[np.float64]]:
        """The policy: for each choice the probabilities of its candidates."""
        return [softmax(logits) for logits in self.logits]

    def _drawn(self) -> Codes:
        space, count = self.problem.space, 8 * self.batch
        codes = np.empty((count, len(self.logits)), dtype=space.dtype, order="F")
        for column, logits in enumerate(self.logits):
            codes[:, column] = (logits + self.rng.gumbel(size=(count, len(logits)))).argmax(1)
        if not space.irregular:
            return codes
        return space.canonical(np.asfortranarray(codes[space.valid(codes)]))


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities [candidates] of logits [candidates]."""
    raised = np.exp(logits - logits.max())
    return np.asarray(raised / raised.sum())
