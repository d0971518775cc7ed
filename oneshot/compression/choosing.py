"""Choosing the smaller network: scores of a sample, a predictor, a search, and scores again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from oneshot.errors import Infeasible
from oneshot.search.feasible import feasible
from oneshot.search.guide import PredictorGuide
from oneshot.search.loop import run_search
from oneshot.search.problem import SearchProblem
from spaces.elastic.sampling import sample_sizes
from spaces.progress import Progress, silent

if TYPE_CHECKING:
    from oneshot.compression.scoring import Scorer
    from oneshot.compression.settings import CompressionSettings
    from oneshot.search.constraint import Constraint
    from spaces.elastic.space import ElasticSpace
    from spaces.space import Codes

# Searches, after each of which some of their networks are scored. The second one corrects errors of
# the predictor where the first one has led.
_SEARCHES = 2

# Networks are sampled at these fractions of the limit, where the search decides.
_NEAR = (0.6, 1.05)

# Networks that are measured together before one is taken.
_VERIFIED = 6

# Candidates of a sample for each network that is used: few networks lie near the limits.
_OVERSAMPLING = 20


Verify: TypeAlias = "Callable[[Codes], NDArray[np.bool_]]"
"""Returns which of codes [n, choices] keep the limits when their networks are measured."""

Refine: TypeAlias = "Callable[[Codes], Sequence[Constraint]]"
"""Measures networks of codes [n, choices], and returns constraints with better estimates."""


@dataclass(frozen=True)
class Choice:
    """The network that is taken.

    Args:
        codes: Its codes [choices].
        score: Its score without training, greater is better.
        scored: Number of networks that were scored.
        kendall: Kendall's rank correlation of predicted and actual scores of the searches'
            networks.
    """

    codes: NDArray[np.signedinteger]
    score: float
    scored: int
    kendall: float


def choose_network(
    space: ElasticSpace,
    constraints: Sequence[Constraint],
    scorer: Scorer,
    settings: CompressionSettings,
    codes: Codes,
    progress: Progress = silent,
    verify: Verify | None = None,
    refine: Refine | None = None,
) -> Choice:
    """Choose the network with the best score that meets the constraints.

    Args:
        space: Space of the networks.
        constraints: Limits.
        scorer: Scores networks without training.
        settings: Number of networks of the search that are scored, and the seed.
        codes: Codes [n, choices] of the sample that the predictor learns from.
        progress: Called with the fraction of scores done.
        verify: Returns which of several networks keep the limits when they are measured; None: all
            do.
        refine: Returns the constraints after networks of a search were measured; None: they stay as
            they are.

    Raises:
        Infeasible: No scored network keeps the limits when it is measured.
    """
    import predictor
    from tables.ranks import kendall

    scores = np.array(scorer.scores(codes, progress))

    # Scores of searched networks alone, which the predictor has not been fitted to.
    predicted: list[float] = []
    actual: list[float] = []

    for number in range(_SEARCHES):
        model = predictor.default(space, settings.seed)
        model.fit(codes, scores)
        problem = SearchProblem(space, PredictorGuide(model, "compression"), constraints)
        result = run_search(problem, seed=settings.seed + number)

        # The result is sorted by predicted score: its first new networks are the most promising.
        scored = {row.tobytes() for row in codes}
        rows = [index for index, row in enumerate(result.codes) if row.tobytes() not in scored]
        rows = rows[: -(-settings.checked // _SEARCHES)]
        if not rows:
            break

        best = np.asfortranarray(result.codes[rows])
        checked = np.array(scorer.scores(best))
        predicted += result.scores[rows].tolist()
        actual += checked.tolist()
        codes = np.asfortranarray(np.concatenate([codes, best]))
        scores = np.concatenate([scores, checked])
        # The next search is not misled by the errors of the estimates that this one has found.
        if refine is not None and number < _SEARCHES - 1:
            constraints = refine(best)

    # The least network is feasible, since the limits were checked, and may not be in the sample.
    smallest = space.encode([space.smallest])
    if not feasible(constraints, codes).any():
        codes = np.asfortranarray(np.concatenate([codes, smallest]))
        scores = np.concatenate([scores, scorer.scores(smallest)])

    # By actual scores, so that no error of the predictor decides.
    allowed = np.where(feasible(constraints, codes), scores, -np.inf)
    index = _best_verified(space, constraints, codes, allowed, verify)
    agreement = kendall(np.array(predicted), np.array(actual)) if len(actual) > 1 else 0.0
    return Choice(codes[index], float(scores[index]), len(codes), float(agreement))


def _best_verified(
    space: ElasticSpace,
    constraints: Sequence[Constraint],
    codes: Codes,
    scores: NDArray[np.float64],
    verify: Verify | None,
) -> int:
    """Return the index of the network with the best finite score that keeps the limits."""
    if verify is None:
        return int(scores.argmax())

    # A search prefers networks whose latency is underestimated.
    order = np.argsort(-scores, kind="stable")
    order = order[np.isfinite(scores[order])]
    for start in range(0, len(order), _VERIFIED):
        rows = order[start : start + _VERIFIED]
        kept = verify(np.asfortranarray(codes[rows]))
        if kept.any():
            return int(rows[kept.argmax()])

    limit = constraints[0]
    raise Infeasible(
        f"no scored network of {space.name} keeps its limits when it is measured, although its"
        " estimate does; measure more networks, or on a machine that is less busy",
        limit.metric,
        limit.maximum,
        float(limit.upper(codes).min()),
    )


def sample_near(
    space: ElasticSpace, constraints: Sequence[Constraint], rng: np.random.Generator, count: int
) -> Codes:
    """Sample distinct networks, half of them close below the limits and the others of any size.

    The first ones of a sample are a sample as well, half of which are close below the limits.

    Args:
        space: Space of the networks.
        constraints: Limits.
        rng: Source of all randomness.
        count: Number of networks; a small space may have fewer.
    """
    sample = sample_sizes(space, rng, _OVERSAMPLING * count)
    if not constraints:
        return np.asfortranarray(sample[:count])

    # The limit that a network is closest to decides whether it is near.
    fractions = np.max([item.upper(sample) / item.maximum for item in constraints], axis=0)
    near = np.flatnonzero((fractions >= _NEAR[0]) & (fractions <= _NEAR[1]))[: count // 2]

    # The others let the predictor compare sizes far from the limits.
    others = np.setdiff1d(np.arange(len(sample)), near)[: count - len(near)]

    # Alternating, as far as their numbers allow.
    order = np.concatenate([np.linspace(0, 1, len(rows)) for rows in (near, others)])
    rows = np.concatenate([near, others])[np.argsort(order, kind="stable")]
    return np.asfortranarray(sample[rows])


def uniform_network(space: ElasticSpace, constraints: Sequence[Constraint]) -> Codes:
    """Return the codes [1, choices] of uniform scaling: the widest that meets the constraints.

    All widths have about the same ratio, and no block is left out: of the widest network with one
    ratio, single widths are then one step wider as far as the constraints allow. It is the
    baseline that a compression has to beat.

    Args:
        space: Space of the networks.
        constraints: Limits.
    """
    from spaces.elastic.choices import Width

    positions = np.linspace(0, 1, 201)[:, None]
    widths = np.array([isinstance(choice, Width) for choice in space.elastic_choices])
    codes = np.rint(positions * (space.candidates - 1) * widths).astype(space.dtype)
    codes = space.canonical(np.asfortranarray(codes))

    # From wide to narrow: the first feasible row is the widest.
    met = np.flatnonzero(feasible(constraints, codes))
    if not len(met):
        return codes[-1:]

    widest = codes[met[:1]]
    # Candidates are few, so that one ratio may leave much of a limit unused.
    for column in np.flatnonzero(widths & (widest[0] > 0)):
        wider = widest.copy(order="F")
        wider[0, column] -= 1
        if feasible(constraints, wider).all():
            widest = wider
    return widest
