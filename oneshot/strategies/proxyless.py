"""ProxylessNAS without a supernet: logits trained through a differentiable guide and cost."""

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

# Architectures drawn from each restart's probabilities.
_NUM_DRAWS = 64
# Children per parent whose scores its gradient predicts.
_NUM_CHILDREN = 4096
# Average number of choices that a child changes.
_NUM_CHANGES = 2.0


@register_strategy("proxyless")
class Proxyless(Strategy):
    """Trains logits by gradients from many starts, and verifies architectures near their ends.

    Adam raises the guide's score of relaxed architectures, which replaces the loss of Cai et al.
    (ICLR 2019, arXiv 1812.00332), while Lagrange multipliers hold the expected costs at their
    limits and the temperature of the softmax falls. The guide then verifies architectures drawn
    from the trained probabilities. Until the evaluations are spent, one gradient at each of the
    best verified architectures predicts its neighbours' scores, and the guide verifies the most
    promising ones that meet the constraints.

    Args:
        problem: Space, guide, constraints and objectives of the search; its guide has
            `score_relaxed`.
        rng: Source of all randomness.
        evaluations: Number of the guide's evaluations, of relaxed architectures (restarts x steps,
            and a gradient per architecture whose neighbours are proposed) and of verified ones.
        restarts: Number of relaxed architectures that are trained in parallel.
        steps: Number of steps of Adam.
        learning_rate: Step size of Adam.
        temperature: Temperature of the softmax at the last step; it starts at 1.
        batch: Number of architectures verified at once.
        parents: Number of verified architectures whose neighbours are proposed at once.

    Raises:
        InvalidGuide: The guide's score has no gradient; the kinds that have one are named.
        InvalidOption: No evaluation would be left to verify, or a rate or temperature is not
            positive.
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
        self.evaluations = evaluations
        self.restarts = restarts
        self.steps = steps
        self.learning_rate = learning_rate
        self.temperature = temperature
        self.batch_size = batch
        self.num_parents = parents
        if evaluations <= restarts * steps:
            raise InvalidOption(
                f"proxyless: evaluations must be more than restarts x steps, {restarts * steps},"
                f" not {evaluations}"
            )

        for name, value in (("learning_rate", learning_rate), ("temperature", temperature)):
            if not value > 0:
                raise InvalidOption(f"proxyless: {name} must be positive, not {value!r}")

        self.relaxed = _relaxed_score(problem)
        self._spent = 0
        self.verified = self.empty
        self.scores = np.empty(0)

        # Which verified architectures have had no neighbours proposed yet.
        self._is_unused = np.empty(0, dtype=bool)

    @property
    def planned(self) -> int:
        """Number of evaluations that the training of the logits leaves."""
        return self.evaluations - self.restarts * self.steps

    def ask(self) -> Codes:
        """Return draws of the trained probabilities first, then promising neighbours."""
        if self._spent == 0:
            self.problem.check_feasible()
            candidates = self._trained_draws()
        else:
            candidates = self._neighbours()

        count = min(self.batch_size, self.evaluations - self._spent)
        if count <= 0:
            return self.empty

        proposals = self.seen.take(candidates, count)
        if len(proposals) < count:
            # Fewer promising ones than a batch: random ones fill it.
            random = self.sample_new(count - len(proposals))
            proposals = np.concatenate([proposals, random])
        self._spent += len(proposals)
        return np.asfortranarray(proposals)

    def tell(self, codes: Codes, scores: NDArray[np.float64]) -> None:
        """Add the architectures to the verified ones, whose neighbours are proposed next."""
        self.verified = np.asfortranarray(np.concatenate([self.verified, codes]))
        self.scores = np.concatenate([self.scores, scores])
        self._is_unused = np.concatenate([self._is_unused, np.ones(len(codes), dtype=bool)])

    def _trained_draws(self) -> Codes:
        """Train the logits and return feasible draws of their probabilities, most likely first."""
        from oneshot.strategies.relaxation import descend

        self._spent += self.restarts * self.steps
        logs, merit = descend(
            self.relaxed,
            self.problem,
            self.rng,
            restarts=self.restarts,
            steps=self.steps,
            learning_rate=self.learning_rate,
            temperature=self.temperature,
        )

        shape = (self.restarts, _NUM_DRAWS)
        codes = np.empty((*shape, len(logs)), dtype=self.problem.space.dtype)
        likelihood = np.zeros(shape)
        for column, log in enumerate(logs):
            # Gumbel-max; without noise the first draw of each restart is its most probable one.
            noise = self.rng.gumbel(size=(*shape, log.shape[1]))
            noise[:, 0] = 0.0
            codes[:, :, column] = (log[:, None] + noise).argmax(2)
            likelihood += np.take_along_axis(log, codes[:, :, column].astype(np.int64), 1)

        draws = codes.reshape(-1, len(logs))
        restart = np.repeat(np.arange(self.restarts), _NUM_DRAWS)
        order = self._interleaved(draws, restart, likelihood.reshape(-1), merit)
        return self.problem.space.canonical(np.asfortranarray(draws[order]))

    def _interleaved(
        self,
        draws: Codes,
        restart: NDArray[np.int64],
        likelihood: NDArray[np.float64],
        merit: NDArray[np.float64],
    ) -> NDArray[np.int64]:
        """Order the feasible draws: the likeliest of every restart, the second of every one, ...

        Draws of one rank are ordered by their restart's merit.
        """
        rows = np.flatnonzero(self._allowed(draws))
        by_likelihood = np.lexsort((-likelihood[rows], np.zeros(len(rows))))
        rank = np.zeros(len(rows), dtype=np.int64)
        counts = np.zeros(self.restarts, dtype=np.int64)
        for row in by_likelihood:
            rank[row] = counts[restart[rows[row]]]
            counts[restart[rows[row]]] += 1
        return rows[np.lexsort((-merit[restart[rows]], rank))]

    def _neighbours(self) -> Codes:
        """Return neighbours of the best unused architectures, by the score that gradients predict.

        The prediction is linear: the parent's score plus the gradients by its changed choices.
        """
        unused = np.flatnonzero(self._is_unused)
        parents = unused[np.argsort(-self.scores[unused], kind="stable")[: self.num_parents]]
        if not len(parents) or self._spent + len(parents) >= self.evaluations:
            return self.empty
        self._is_unused[parents] = False

        # A gradient costs as much as an evaluation, and is counted as one.
        self._spent += len(parents)

        probability = min(1.0, _NUM_CHANGES / len(self.problem.space.choices))
        gradients = self.relaxed.gradients(self.verified[parents])
        all_children, all_predictions = [], []
        for index, row in enumerate(parents):
            copies = np.repeat(self.verified[row : row + 1], _NUM_CHILDREN, axis=0)
            children = self.proposal_space.mutate(np.asfortranarray(copies), self.rng, probability)
            children = self.seen.new(children[self.problem.feasible(children)])

            predictions = np.full(len(children), self.scores[row])
            for column, gradient in enumerate(gradients):
                parent_gradient = gradient[index, self.verified[row, column]]
                predictions += gradient[index, children[:, column]] - parent_gradient
            all_children.append(children)
            all_predictions.append(predictions)

        order = np.argsort(-np.concatenate(all_predictions), kind="stable")
        return np.asfortranarray(np.concatenate(all_children)[order])

    def _allowed(self, codes: Codes) -> NDArray[np.bool_]:
        """Return which of codes [n, choices] are architectures that meet the constraints, [n]."""
        space = self.problem.space
        is_allowed = np.ones(len(codes), dtype=bool)
        if space.validates_codes:
            is_allowed = space.valid(codes)
        rows = np.flatnonzero(is_allowed)
        is_allowed[rows] = self.problem.feasible(space.canonical(np.asfortranarray(codes[rows])))
        return is_allowed


def _relaxed_score(problem: SearchProblem) -> RelaxedScore:
    from oneshot.strategies.relaxation import RelaxedScore
    from predictor.errors import NotRelaxable

    # A capability, not a type: guides of plug-ins may have it too.
    score = getattr(problem.guide, "score_relaxed", None)
    if getattr(problem.guide, "charges", ()):
        raise InvalidGuide(
            "proxyless: a charged score has no gradient; take a constraint, or the strategy"
            " reinforce"
        )
    if score is None:
        kind = problem.guide.to_dict().get("kind", type(problem.guide).__name__)
        raise InvalidGuide(
            f"proxyless: the score of a guide of the kind {kind} has no gradient; take a predictor"
            " of the kind gates, or the strategy reinforce"
        )

    relaxed = RelaxedScore(problem.space, score)
    try:
        relaxed.check()
    except NotRelaxable as error:
        raise InvalidGuide(
            f"proxyless: {error}; for others there is the strategy reinforce"
        ) from error

    return relaxed
