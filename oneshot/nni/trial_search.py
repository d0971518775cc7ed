"""The search of a tuner: batches of a strategy, their results and the best so far."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneshot.errors import InvalidGuide, InvalidRun
from oneshot.nni.checkpoint import TunerState
from oneshot.strategies.base import Strategy
from spaces.choice_space import Codes


class TrialSearch:
    """Batches of a strategy whose architectures are evaluated elsewhere, one by one.

    The search is determined by its strategy and the results that it receives. Repeating these,
    which `events` records, restores its exact state.

    Args:
        strategy: Strategy before its first batch.
        keep: Number of best architectures to remember.
        after_batch: Called after the results of each batch.
    """

    def __init__(self, strategy: Strategy, keep: int, after_batch: Callable[[], None]):
        self.strategy = strategy
        self.keep = keep

        # The best architectures so far, best first, as codes of the strategy's space.
        self.known = strategy.empty
        self.scores: NDArray[np.float64] = np.empty(0)

        self.epoch = 0
        self.events: list[dict[str, Any]] = []
        # Rows of the batch that are not trials yet.
        self.pending: deque[int] = deque()
        self._after_batch = after_batch
        self._num_proposed = 0
        self._propose()

    @property
    def finished(self) -> bool:
        """Whether the strategy proposes no more architectures."""
        return not len(self.batch)

    @property
    def continues(self) -> bool:
        """Whether the strategy is expected to propose a further batch."""
        return not self.finished and self._num_proposed < self.strategy.planned

    def complete_batch(self) -> None:
        """Report the results of the batch to the strategy, and let it propose the next one."""
        has_result = ~np.isnan(self.results)

        # Strategies hold codes column by column.
        codes = np.asfortranarray(self.batch[has_result])
        scores = self.results[has_result]
        if len(codes):
            self.strategy.tell(codes, scores)
        self._merge(codes, scores)
        self.events.append({"results": self.listed_results()})

        self.epoch += 1
        self._after_batch()
        self._propose()

    def learn(self, codes: Codes, scores: NDArray[np.float64]) -> None:
        """Let the strategy learn the scores of architectures that it did not propose.

        Args:
            codes: Codes [n, choices] of the strategy's space.
            scores: Scores [n]; greater is better.
        """
        self.strategy.seen.take(codes, len(codes))
        self.strategy.learn(codes, scores)
        self._merge(codes, scores)
        self.events.append({"codes": codes.tolist(), "scores": scores.tolist()})

    def listed_results(self) -> list[float | None]:
        """Return the scores of the present batch; None for an architecture without one."""
        return [None if score != score else score for score in self.results.tolist()]

    def state(self, settings: Mapping[str, Any]) -> TunerState:
        """Return the state for a checkpoint, with the settings of the tuner."""
        return TunerState(dict(settings), self.events, self.listed_results())

    def replay(self, state: TunerState, path: Path | None) -> None:
        """Repeat the events of a checkpoint, in a search that has received no results yet.

        Args:
            state: State of the checkpoint.
            path: File of the checkpoint, for messages.

        Raises:
            InvalidRun: The state is of another search.
        """
        for event in state.events:
            if "codes" in event:
                codes = np.asfortranarray(np.array(event["codes"], dtype=self.batch.dtype))
                self.learn(codes, np.array(event["scores"]))
            else:
                self._restore_results(event["results"], path)
                self.complete_batch()

        self._restore_results(state.results, path)

        # The trials of the other architectures were lost with the earlier experiment.
        self.pending = deque(np.flatnonzero(np.isnan(self.results)).tolist())
        if not self.pending and not self.finished:
            self.complete_batch()

    def _propose(self) -> None:
        self.batch: Codes = self.strategy.ask()
        self._num_proposed += len(self.batch)
        # NaN marks an architecture without a result.
        self.results: NDArray[np.float64] = np.full(len(self.batch), np.nan)
        self.pending.clear()
        self.pending.extend(range(len(self.batch)))

    def _merge(self, codes: Codes, scores: NDArray[np.float64]) -> None:
        # Merge with the best so far; among equal scores the stable sort prefers the earlier one.
        all_codes = np.concatenate([self.known, codes])
        all_scores = np.concatenate([self.scores, scores])
        order = np.argsort(-all_scores, kind="stable")[: max(self.keep, 1)]
        self.known = np.asfortranarray(all_codes[order])
        self.scores = all_scores[order]

    def _restore_results(self, results: Sequence[float | None], path: Path | None) -> None:
        if len(results) != len(self.results):
            raise InvalidRun(
                f"{path}: is of another search: a batch has {len(results)} architectures, not"
                f" {len(self.results)}"
            )
        self.results[:] = [np.nan if score is None else score for score in results]


class TrialGuide:
    """Placeholder for the guide of a problem whose architectures NNI evaluates as trials."""

    def score(self, codes: Codes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Raise InvalidGuide."""
        raise InvalidGuide(
            "guide: a tuner's architectures are evaluated by NNI's trials, not by a guide"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object that a search result records."""
        return {"kind": "trials", "name": "nni"}
