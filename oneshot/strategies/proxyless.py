"""ProxylessNAS without a supernet: logits trained through a differentiable guide and a
differentiable cost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from oneshot.errors import InvalidGuide, InvalidOption
from oneshot.strategies.base import Strategy
from oneshot.strategies.registry import register_strategy
from spaces.space import Codes

if TYPE_CHECKING:
    from oneshot.search.problem import SearchProblem
    from oneshot.strategies.relaxation import RelaxedScore

_DRAWN = 64  # architectures drawn from each restart's probabilities
_CHANGED = 4096  # children of a parent whose scores its gradient foretells
_GENES = 2.0  # of a child that change, on average


@register_strategy("proxyless")
class Proxyless(Strategy):
    """Trains logits by gradients from many starts at once, and verifies architectures near where
    they end.

    First Adam raises the guide's score of the relaxed architectures (in place of the loss of Cai et
    al., ICLR 2019, arXiv 1812.00332) under expected costs that Lagrange multipliers hold at the
    limits; the temperature of the softmax falls. What the probabilities then draw is verified by
    the guide. Then, at the best verified architectures, one gradient foretells the scores of all
    their neighbours, and the most promising of those that meet the constraints are verified, until
    the evaluations are spent.

    Args:
        problem: what is searched; its guide has `score_relaxed`.
        rng: all randomness comes from it.
        evaluations: of the guide in all: of relaxed architectures (restarts x steps, and a gradient
            for each of the architectures whose neighbours are proposed) and of those that are
            verified.
        restarts: relaxed architectures that are trained side by side.
        steps: of Adam.
        learning_rate: of Adam.
        temperature: of the softmax at the last step; it begins at 1.
        batch: architectures verified at once.
        parents: verified architectures whose neighbours are proposed at once.

    Raises:
        InvalidGuide: the guide's score has no gradient; those that have one are named.
        InvalidOption: nothing would be left to verify, or a rate or temperature is 0.
    """

    def __init__(
        self,
        problem: SearchProblem,
        rng: np.random.Generator,
        *,
        evaluations: int = 1000,
        restarts: int = 16,
        steps: int = 25,
        learning_rate: float = 0.2,
        temperature: float = 0.2,
        batch: int = 25,
        parents: int = 3,
    ):
        super().__init__(problem, rng)
        self.evaluations, self.restarts, self.steps = evaluations, restarts, steps
        self.learning_rate, self.temperature, self.batch, self.parents = (
            learning_rate,
            temperature,
            batch,
            parents,
        )
        if evaluations <= restarts * steps:
            raise InvalidOption(
                f"proxyless: evaluations must be more than restarts x steps, {restarts * steps},"
                f" not {evaluations}"
            )
        for name, value in (("learning_rate", learning_rate), ("temperature", temperature)):
            if value == 0:
                raise InvalidOption(f"proxyless: {name} must be positive, not 0")
        self.relaxed = _relaxed(problem)
        self.used = 0
        self.known, self.scores = self.nothing, np.empty(0)
        self.unused = np.empty(0, dtype=bool)

    @property
    def planned(self) -> int:
        """What the relaxed architectures leave of the evaluations."""
        return self.evaluations - self.restarts * self.steps

    def ask(self) -> Codes:
        """What the trained probabilities draw first; then the best neighbours, by the gradient, of
        the best known.
        """
        first = self.used == 0
        if first:
            self.problem.check_feasible()
            proposed = self._descended()
        else:
            proposed = self._neighbours()
        count = min(self.batch, self.evaluations - self.used)
        if count <= 0:
            return self.nothing
        found = self.seen.take(proposed, count)
        if len(found) < count:
            found = np.concatenate([found, self.fresh(count - len(found))])
        self.used += len(found)
        return np.asfortranarray(found)

    def tell(self, codes: Codes, scores: NDArray[np.float64]) -> None:
        """Remember them as parents."""
        self.known = np.asfortranarray(np.concatenate([self.known, codes]))
        self.scores = np.concatenate([self.scores, scores])
        self.unused = np.concatenate([self.unused, np.ones(len(codes), dtype=bool)])

    def _descended(self) -> Codes:
        """Architectures that meet the constraints, drawn where the training of the logits ends, the
        likeliest first.
        """
        from oneshot.strategies.relaxation import descend

        self.used += self.restarts * self.steps
        logs, merit = descend(
            self.relaxed,
            self.problem,
            self.rng,
            restarts=self.restarts,
            steps=self.steps,
            learning_rate=self.learning_rate,
            temperature=self.temperature,
        )
        shape = (self.restarts, _DRAWN)
        codes = np.empty((*shape, len(logs)), dtype=self.problem.space.dtype)
        likelihood = np.zeros(shape)
        for column, log in enumerate(logs):
            noise = self.rng.gumbel(size=(*shape, log.shape[1]))
            noise[:, 0] = 0.0  # the most probable of each
            codes[:, :, column] = (log[:, None] + noise).argmax(2)
            likelihood += np.take_along_axis(log, codes[:, :, column].astype(np.int64), 1)
        drawn, origin = codes.reshape(-1, len(logs)), np.repeat(np.arange(self.restarts), _DRAWN)
        kept = np.flatnonzero(self._allowed(drawn))
        order = np.lexsort((-likelihood.reshape(-1)[kept], np.zeros(len(kept))))
        place = np.zeros(len(kept), dtype=np.int64)
        counts = np.zeros(self.restarts, dtype=np.int64)
        for row in order:  # the place among those of its restart
            place[row] = counts[origin[kept[row]]]
            counts[origin[kept[row]]] += 1
        ranked = kept[np.lexsort((-merit[origin[kept]], place))]
        return self.problem.space.canonical(np.asfortranarray(drawn[ranked]))

    def _neighbours(self) -> Codes:
        """Children of the best known without any yet, ordered by the score that the gradients
        foretell.
        """
        waiting = np.flatnonzero(self.unused)
        best = waiting[np.argsort(-self.scores[waiting], kind="stable")[: self.parents]]
        if not len(best) or self.used + len(best) >= self.evaluations:
            return self.nothing
        self.unused[best] = False
        self.used += len(best)
        probability = min(1.0, _GENES / len(self.problem.space.choices))
        gradients = self.relaxed.gradients(self.known[best])
        children, foretold = [], []
        for place, row in enumerate(best):
            parent = np.repeat(self.known[row : row + 1], _CHANGED, axis=0)
            born = self.within.mutate(np.asfortranarray(parent), self.rng, probability)
            born = self.seen.new(born[self.problem.feasible(born)])
            gain = np.full(len(born), self.scores[row])
            for column, gradient in enumerate(gradients):
                gain += gradient[place, born[:, column]] - gradient[place, self.known[row, column]]
            children.append(born)
            foretold.append(gain)
        order = np.argsort(-np.concatenate(foretold), kind="stable")
        return np.asfortranarray(np.concatenate(children)[order])

    def _allowed(self, codes: Codes) -> NDArray[np.bool_]:
        """Which of codes [n, choices] are architectures that meet the constraints."""
        space = self.problem.space
        valid = space.valid(codes) if space.irregular else np.ones(len(codes), dtype=bool)
        rows = np.flatnonzero(valid)
        valid[rows] = self.problem.feasible(space.canonical(np.asfortranarray(codes[rows])))
        return valid


def _relaxed(problem: SearchProblem) -> RelaxedScore:
    from oneshot.strategies.relaxation import RelaxedScore
    from predictor.errors import NotRelaxable

    score = getattr(problem.guide, "score_relaxed", None)
    if score is None:
        kind = problem.guide.to_dict().get("kind", type(problem.guide).__name__)
        raise InvalidGuide(
            f"proxyless: the score of a guide of the kind {kind} has no gradient; take a predictor"
            " of the kind gates, or the strategy reinforce"
        )
    found = RelaxedScore(problem.space, score)
    try:
        found.check()
    except NotRelaxable as error:
        raise InvalidGuide(
            f"proxyless: {error}; for others there is the strategy reinforce"
        ) from error
    return found
