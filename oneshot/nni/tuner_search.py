"""The search of a tuner: a strategy over the choices of NNI's search-space file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneshot.errors import InvalidGuide, InvalidOption
from oneshot.nni.checkpoint import TunerState
from oneshot.nni.legal import LegalProblem
from oneshot.nni.listed_space import ListedSpace
from oneshot.nni.trial_queue import TrialQueue
from oneshot.nni.trial_search import TrialGuide, TrialSearch
from oneshot.search.constraint import Constraint
from oneshot.search.problem import SearchProblem
from oneshot.strategies.registry import check_options, make
from spaces.choice_space import Codes
from spaces.registry import get
from spaces.space import SearchSpace


class TunerSearch:
    """A strategy, which starts when NNI sends the search space, and the trials of its batches.

    Args:
        strategy: Name from `oneshot.strategies.available()`.
        options: Options of the strategy; None for its defaults.
        space: Search space, or its name; None for the choices of the search-space file alone,
            without constraints.
        constraints: Constraints that all architectures satisfy; they require `space`.
        optimize_mode: Direction of the results: `maximize` or `minimize`.
        seed: Seed of all random numbers.
        keep: Number of best architectures to remember.
        is_legal: Maps codes [n, choices] to whether each architecture may become a trial, bool
            array [n]; None: all may.
        after_batch: Called after the results of each batch.

    Raises:
        InvalidOption: An option is unknown or not accepted.
    """

    def __init__(
        self,
        strategy: str,
        *,
        options: Mapping[str, Any] | None,
        space: SearchSpace | str | None,
        constraints: Sequence[Constraint],
        optimize_mode: str,
        seed: int,
        keep: int,
        is_legal: Callable[[Codes], NDArray[np.bool_]] | None,
        after_batch: Callable[[], None],
    ):
        check_options(strategy, options or {})
        if optimize_mode not in ("maximize", "minimize"):
            raise InvalidOption(
                f"optimize_mode must be 'maximize' or 'minimize', not {optimize_mode!r}"
            )

        if constraints and space is None:
            raise InvalidOption("constraints need the space that is searched: give space")

        self.strategy_name = strategy
        self.options = dict(options or {})
        self.seed = seed
        self.space = get(space) if isinstance(space, str) else space
        self.constraints = constraints
        # Strategies maximize their scores.
        self.sign = 1.0 if optimize_mode == "maximize" else -1.0
        self.keep = keep

        self.trials = TrialQueue(self._sample)
        self._is_legal = is_legal
        self._after_batch = after_batch
        self._listed: ListedSpace | None = None

    def open(self, search_space: Mapping[str, Any] | str) -> None:
        """Start the search in a search space of NNI.

        Args:
            search_space: Content of a search-space file, as `ss-gen` writes it.

        Raises:
            InvalidFile: The content is not a search space of NNI.
            InvalidArchitecture: Its choices differ from those of the tuner's space.
        """
        self._listed = ListedSpace(search_space, self.space)
        self._start(self._listed)

    def restart(self) -> None:
        """Start the search anew in the same search space.

        Raises:
            NoMoreTrials: There is no search space yet.
        """
        self._start(self.listed_space)

    @property
    def started(self) -> bool:
        """Whether there is a search space."""
        return self.trials.search is not None

    @property
    def listed_space(self) -> ListedSpace:
        """Choices of the search-space file, matched with those of the tuner's space.

        Raises:
            NoMoreTrials: There is no search space yet.
        """
        self.trials.started()
        assert self._listed is not None
        return self._listed

    def learn(self, data: Sequence[Mapping[str, Any]]) -> None:
        """Let the strategy learn known results.

        Args:
            data: Mappings with `parameter`, a sample, and `value`, its result.

        Raises:
            NoMoreTrials: There is no search space yet.
            InvalidArchitecture: A sample is not of the search space.
            InvalidGuide: A result is not a number.
        """
        codes = self.listed_space.codes([entry["parameter"] for entry in data])
        scores = np.array([self.score(entry["value"], "value") for entry in data])
        self.trials.started().learn(codes, scores)

    def score(self, value: Any, name: str) -> float:
        """Return the strategy's score of a result.

        Args:
            value: Result: a number, or a mapping whose `default` is one.
            name: Name of the result, for messages.

        Raises:
            InvalidGuide: The result is not a number.
        """
        metric = value.get("default") if isinstance(value, Mapping) else value
        # bool is a subclass of int, and NaN differs from itself.
        if isinstance(metric, bool) or not isinstance(metric, int | float) or metric != metric:
            raise InvalidGuide(f"value: {name} must be a number, not {value!r:.60}")
        return self.sign * float(metric)

    def samples(self, codes: Codes) -> list[dict[str, Any]]:
        """Return the samples of codes [n, choices] of the tuner's space."""
        # Not `listed_space`: proposals are checked before the first batch is there.
        assert self._listed is not None
        return self._listed.samples(codes)

    def state(self) -> TunerState:
        """Return the state for a checkpoint."""
        return self.trials.started().state(self._settings())

    def replay(self, state: TunerState, path: Path | None) -> None:
        """Repeat the events of a checkpoint, in a search that has received no results yet.

        Args:
            state: State of the checkpoint.
            path: File of the checkpoint, for messages.

        Raises:
            InvalidRun: The state is of another search.
        """
        state.check(self._settings(), path)
        self.trials.started().replay(state, path)

    def _start(self, listed: ListedSpace) -> None:
        """Make the strategy and its first batch."""
        problem = SearchProblem(listed.space, TrialGuide(), self.constraints)
        if self._is_legal is not None:
            problem = LegalProblem(
                listed.space, TrialGuide(), self.constraints, is_legal=self._is_legal
            )

        rng = np.random.default_rng(self.seed)
        strategy = make(self.strategy_name, problem, rng, self.options)
        self.trials.start(TrialSearch(strategy, self.keep, self._after_batch))

    def _sample(self, row: int) -> dict[str, Any]:
        """Return the sample of a row of the present batch."""
        return self.samples(self.trials.started().batch[row : row + 1])[0]

    def _settings(self) -> dict[str, Any]:
        """Return what a resumed search must have in common with the earlier one."""
        choices = self.listed_space.space.choices
        return {
            "strategy": self.strategy_name,
            "options": self.options,
            "seed": self.seed,
            "choices": {choice.key: list(choice.candidates) for choice in choices},
        }
