"""Tuner of NNI that runs any search strategy.

Implements the protocol of `nni.tuner.Tuner` (microsoft/nni, versions 1 and 2) without importing
NNI: `update_search_space`, `generate_parameters`, `receive_trial_result`, `trial_end`.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneshot.errors import InvalidGuide, InvalidOption, NoMoreTrials
from oneshot.search.constraint import Constraint
from oneshot.search.problem import SearchProblem
from oneshot.strategies.base import Strategy
from oneshot.strategies.registry import check_options, make
from spaces import formats
from spaces.architecture import Architecture
from spaces.choice_space import ChoiceSpace, Codes
from spaces.errors import InvalidArchitecture
from spaces.files import write_text
from spaces.formats.nni.keys import match_keys
from spaces.registry import get
from spaces.space import SearchSpace


class StrategyTuner:
    """Tuner that proposes a strategy's architectures as trials and reports their results to it.

    The architectures of a batch become trials one by one. When all trials of the batch have ended,
    the strategy receives their scores and proposes the next batch, and the best architectures so
    far are written to a folder.

    Args:
        strategy: Name from `oneshot.strategies.available()`.
        options: Options of the strategy; None for its defaults.
        space: Search space, or its name; None for the choices of the search-space file alone,
            without constraints.
        constraints: Constraints that all architectures satisfy; they require `space`.
        optimize_mode: Direction of the results: `maximize` or `minimize`.
        seed: Seed of all random numbers.
        folder: Folder of the best architectures after every batch, in files such as `001_000.json`
            for the best one after the first batch; None to write none.
        keep: Number of architectures to write.
        export_format: Format of these files, from `spaces.formats.available()`.

    Raises:
        InvalidOption: An option is unknown or not accepted.
    """

    def __init__(
        self,
        strategy: str = "evolution",
        *,
        options: Mapping[str, Any] | None = None,
        space: SearchSpace | str | None = None,
        constraints: Sequence[Constraint] = (),
        optimize_mode: str = "maximize",
        seed: int = 0,
        folder: str | Path | None = "checkpoints",
        keep: int = 1,
        export_format: str = "nni-1.9",
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
        self.folder = None if folder is None else Path(folder)
        self.keep = keep
        self.export_format = export_format

        self.epoch = 0
        self._strategy: Strategy | None = None
        # Rows of the batch that are not trials yet.
        self._pending: deque[int] = deque()
        # Trials for which NNI has requested parameters.
        self._requested_ids: deque[int] = deque()
        # Trial -> row of the batch, while the trial is being evaluated.
        self._rows: dict[int, int] = {}
        # NNI's callback for parameters that become available after the request.
        self._send: Callable[[int, Any], None] | None = None

    # NNI's protocol

    def update_search_space(self, search_space: Mapping[str, Any] | str) -> None:
        """Start the search in a search space of NNI.

        Args:
            search_space: Content of a search-space file, as `ss-gen` writes it.

        Raises:
            InvalidFile: The content is not a search space of NNI.
            InvalidArchitecture: Its choices differ from those of the tuner's space.
        """
        text = search_space if isinstance(search_space, str) else json.dumps(search_space)
        self.listed = ChoiceSpace("nni", formats.read_search_space(text))
        space = self.space or self.listed

        # The file may have keys from NNI's counter and another order.
        columns = match_keys(
            space.choices, {choice.key: column for column, choice in enumerate(self.listed.choices)}
        )
        self._columns = list(columns.values())
        for choice, column in zip(space.choices, self._columns, strict=True):
            listed_choice = self.listed.choices[column]
            if len(listed_choice.candidates) != len(choice.candidates):
                raise InvalidArchitecture(
                    f"{listed_choice.key} has {len(listed_choice.candidates)} candidates;"
                    f" {choice.key} of {space.name} has {len(choice.candidates)}"
                )

        problem = SearchProblem(space, _Trials(), self.constraints)
        self._strategy = make(
            self.strategy_name, problem, np.random.default_rng(self.seed), self.options
        )

        # The best architectures so far, best first, as codes of the tuner's space.
        self.known = self._strategy.empty
        self.scores = np.empty(0)
        self.epoch = 0
        self._next_batch()

    def generate_parameters(self, parameter_id: int, **kwargs: Any) -> dict[str, Any]:
        """Return the sample of a new trial, such as `{"layer_1": {"_value": "k3", "_idx": 0}}`.

        Raises:
            NoMoreTrials: All architectures of the batch are being evaluated, or the search is over
                (see `finished`).
        """
        if self._strategy is None:
            raise NoMoreTrials(
                "search_space: none has been set yet; call update_search_space first"
            )
        if not self._pending:
            state = (
                "the search is over"
                if self.finished
                else f"{len(self._rows)} trials have not ended yet"
            )
            raise NoMoreTrials(f"no more parameters now: {state}")

        row = self._pending.popleft()
        self._rows[parameter_id] = row
        return self._sample(row)

    def generate_multiple_parameters(
        self, parameter_id_list: Sequence[int], **kwargs: Any
    ) -> list[dict[str, Any]]:
        """Return the samples of new trials, or send them by NNI's `st_callback`.

        Args:
            parameter_id_list: Numbers of the new trials.
            kwargs: `st_callback(number, sample)` sends the samples instead, each as soon as the
                strategy has an architecture for it.
        """
        self._send = kwargs.get("st_callback", self._send)
        if self._send is not None:
            self._requested_ids.extend(parameter_id_list)
            self._send_pending()
            return []

        # NNI reads fewer samples than it requested as: no more trials for now.
        return [
            self.generate_parameters(number) for number in parameter_id_list[: len(self._pending)]
        ]

    def receive_trial_result(
        self, parameter_id: int, parameters: Any, value: Any, **kwargs: Any
    ) -> None:
        """Store a trial's result: a number, or a mapping whose `default` is one.

        Raises:
            InvalidGuide: The trial is not being evaluated, or its result is not a number.
        """
        metric = value.get("default") if isinstance(value, Mapping) else value
        if parameter_id not in self._rows:
            raise InvalidGuide(
                f"parameter_id: trial {parameter_id} is not being evaluated; a result must follow"
                " its parameters"
            )

        # bool is a subclass of int, and NaN differs from itself.
        if isinstance(metric, bool) or not isinstance(metric, int | float) or metric != metric:
            raise InvalidGuide(
                f"value: the result of trial {parameter_id} must be a number, not {value!r:.60}"
            )
        self._results[self._rows[parameter_id]] = self.sign * float(metric)

    def trial_end(self, parameter_id: int, success: bool, **kwargs: Any) -> None:
        """Mark a trial as ended; the last one of a batch starts the next batch.

        A trial without a result is not reported to the strategy.
        """
        if self._rows.pop(parameter_id, None) is None or self._rows or self._pending:
            return
        self._report_batch()
        self._next_batch()
        self._send_pending()

    # Progress and results

    @property
    def finished(self) -> bool:
        """Whether the strategy proposes no more architectures."""
        return self._strategy is not None and not len(self._batch)

    @property
    def best(self) -> Architecture:
        """Best architecture so far, in the tuner's space.

        Raises:
            NoMoreTrials: The first batch has not ended yet.
        """
        if self._strategy is None or not len(self.known):
            raise NoMoreTrials("no batch of trials has ended yet")
        space = self._strategy.problem.space
        return space.decode(self.known[:1])[0]

    def export_results(self) -> list[Path]:
        """Write the best architectures so far to the folder and return the files."""
        paths = []
        for rank, architecture in enumerate(
            self.listed.decode(self._as_listed(self.known[: self.keep]))
        ):
            assert self.folder is not None
            path = self.folder / f"{self.epoch:03d}_{rank:03d}.json"
            text = formats.write(architecture, self.export_format, self.listed)
            # Some formats end with a newline, others do not.
            write_text(path, text.rstrip("\n") + "\n")
            paths.append(path)
        return paths

    # Batches

    def _next_batch(self) -> None:
        assert self._strategy is not None
        self._batch: Codes = self._strategy.ask()
        # NaN marks an architecture without a result.
        self._results: NDArray[np.float64] = np.full(len(self._batch), np.nan)
        self._pending.extend(range(len(self._batch)))

    def _report_batch(self) -> None:
        assert self._strategy is not None
        has_result = ~np.isnan(self._results)
        # Strategies hold codes column by column.
        codes = np.asfortranarray(self._batch[has_result])
        scores = self._results[has_result]
        if len(codes):
            self._strategy.tell(codes, scores)

        # Merge with the best so far; among equal scores the stable sort prefers the earlier one.
        all_codes = np.concatenate([self.known, codes])
        all_scores = np.concatenate([self.scores, scores])
        order = np.argsort(-all_scores, kind="stable")[: max(self.keep, 1)]
        self.known = np.asfortranarray(all_codes[order])
        self.scores = all_scores[order]

        self.epoch += 1
        if self.folder is not None and len(self.known):
            self.export_results()

    def _send_pending(self) -> None:
        while self._send is not None and self._requested_ids and self._pending:
            number = self._requested_ids.popleft()
            self._send(number, self.generate_parameters(number))

    def _as_listed(self, codes: Codes) -> Codes:
        """Convert codes of the tuner's space to the order of the search-space file."""
        listed = np.empty_like(codes)
        listed[:, self._columns] = codes
        return listed

    def _sample(self, row: int) -> dict[str, Any]:
        architecture = self.listed.decode(self._as_listed(self._batch[row : row + 1]))[0]
        sample: dict[str, Any] = json.loads(formats.write(architecture, "nni-sample", self.listed))
        return sample


class _Trials:
    """Placeholder for the guide of a problem whose architectures NNI evaluates as trials."""

    def score(self, codes: Codes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        raise InvalidGuide(
            "guide: a tuner's architectures are evaluated by NNI's trials, not by a guide"
        )

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "trials", "name": "nni"}
