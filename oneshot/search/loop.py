"""The search loop: the strategy proposes, the guide scores, the strategy learns."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from oneshot.errors import BrokenStrategy
from oneshot.search.evaluations import Evaluations
from oneshot.search.problem import SearchProblem
from oneshot.search.result import Candidate, SearchResult
from oneshot.strategies.registry import make
from spaces.space import Codes

SearchProgress: TypeAlias = Callable[[int, int, float], None]
"""Receives the numbers of evaluations done and planned, and the best score so far.

It may raise to stop the search.
"""

AfterBatch: TypeAlias = Callable[[int, Candidate], None]
"""Receives the number of a batch, from 1, and the best candidate so far."""

# Batches in a row without any new architecture after which a search ends.
_MAX_FRUITLESS = 100


def _ignore(done: int, planned: int, best: float) -> None:
    pass


def run_search(
    problem: SearchProblem,
    strategy: str = "evolution",
    *,
    options: Mapping[str, Any] | None = None,
    seed: int = 0,
    progress: SearchProgress = _ignore,
    after_batch: AfterBatch | None = None,
    chunk: int | None = None,
) -> SearchResult:
    """Run a search to its end.

    No architecture is evaluated twice: a strategy that requests one again receives its score again.

    Args:
        problem: Space, guide, constraints and objectives of the search.
        strategy: Name of the strategy, from `oneshot.strategies.available()`.
        options: Options of the strategy; None for its defaults.
        seed: Seed of all randomness; the same seed gives the same result.
        progress: Called after every chunk.
        after_batch: Called after every batch with a new architecture; None for no call.
        chunk: Number of architectures that the guide scores at once; None for a whole batch.

    Raises:
        UnknownName: No strategy has this name.
        InvalidOption: The strategy does not accept an option.
        Infeasible: No architecture meets all constraints at once.
        BrokenStrategy: The strategy requests an architecture that breaks a constraint, or none.
        InvalidGuide: The guide's score of an architecture is not a number.

    Example:
        >>> import spaces
        >>> from oneshot import SearchProblem, run_search
        >>> space = spaces.get("spos-tiny")
        >>> class FewestMacs:
        ...     def score(self, codes):
        ...         return -space.macs(codes).astype(float), np.zeros(len(codes))
        ...
        ...     def to_dict(self):
        ...         return {"kind": "macs"}
        >>> result = run_search(SearchProblem(space, FewestMacs()), options={"generations": 3})
        >>> len(result), result.best.architecture.space
        (150, 'spos-tiny')
    """
    begin = time.monotonic()
    proposer = make(strategy, problem, np.random.default_rng(seed), options or {})
    evaluations = Evaluations(problem)
    history: list[dict[str, float]] = []

    # Only batches in a row count: a strategy may stall for a while.
    fruitless = 0

    while fruitless < _MAX_FRUITLESS and len(codes := proposer.ask()):
        if not problem.feasible(codes).all():
            raise BrokenStrategy(
                f"the strategy {proposer.name} requested a network that breaks a constraint"
            )

        new_codes = evaluations.new(codes)
        for codes_chunk in _chunks(new_codes, chunk):
            evaluations.evaluate(codes_chunk)
            progress(len(evaluations), proposer.planned, evaluations.best)

        # A strategy learns all scores that it requested, also known ones.
        proposer.tell(codes, evaluations.scores_of(codes))

        if not len(new_codes):
            fruitless += 1
            continue
        fruitless = 0
        history.append({"evaluated": len(evaluations), "best": evaluations.best})
        if after_batch is not None:
            after_batch(len(history), evaluations.best_candidate())

    if not len(evaluations):
        raise BrokenStrategy(f"the strategy {proposer.name} requested no network at all")
    description = {"name": proposer.name, "options": dict(options or {})}
    return evaluations.result(description, seed, history, time.monotonic() - begin)


def _chunks(codes: Codes, size: int | None) -> list[Codes]:
    step = size or max(1, len(codes))
    return [np.asfortranarray(codes[start : start + step]) for start in range(0, len(codes), step)]
