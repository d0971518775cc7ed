"""Any strategy as a tuner of NNI: `update_search_space`, `generate_parameters`,
`receive_trial_result`, `trial_end`.

The protocol is that of `nni.tuner.Tuner` (microsoft/nni, versions 1 and 2), which is not needed
here.
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
    """Hands a strategy's architectures out as trials and tells it their results.

    A batch of the strategy is handed out trial by trial; when all its trials have ended, the
    strategy is told and asked again, and the best so far are written to a folder.

    Args:
        strategy: a name from `oneshot.strategies.available()`.
        options: of the strategy.
        space: what is searched, or its name; None: the choices of the search-space file alone,
            without constraints.
        constraints: all are to be met; they need `space`.
        optimize_mode: `maximize` or `minimize`, of the results.
        seed: all randomness comes from it.
        folder: where the best are written after every batch, `001_000.json` being the best after
            the first; None: nowhere.
        keep: how many are written.
        export_format: of these files, from `spaces.formats.available()`.

    Raises:
        InvalidOption: an option is unknown or not accepted.
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
        self.strategy_name, self.options, self.seed = strategy, dict(options or {}), seed
        self.space = get(space) if isinstance(space, str) else space
        self.constraints, self.sign = constraints, 1.0 if optimize_mode == "maximize" else -1.0
        self.folder, self.keep, self.export_format = (
            None if folder is None else Path(folder),
            keep,
            export_format,
        )
        self.epoch = 0
        self._strategy: Strategy | None = None
        self._waiting: deque[int] = deque()  # rows of the batch that were not handed out
        self._ids: deque[int] = deque()  # trials that NNI wants parameters for
        self._rows: dict[int, int] = {}  # trial -> row of the batch
        self._send: Callable[[int, Any], None] | None = None

    # NNI's protocol

    def update_search_space(self, search_space: Mapping[str, Any] | str) -> None:
        """Begin the search of a search-space file's content, as `ss-gen` writes it.

        Raises:
            InvalidFile: it is no search space of NNI.
            InvalidArchitecture: its choices are not those of the tuner's space.
        """
        text = search_space if isinstance(search_space, str) else json.dumps(search_space)
        self.listed = ChoiceSpace("nni", formats.read_search_space(text))
        own = self.space or self.listed
        # The file may have keys from NNI's counter and another order.
        columns = match_keys(
            own.choices, {choice.key: column for column, choice in enumerate(self.listed.choices)}
        )
        self._columns = list(columns.values())
        for choice, column in zip(own.choices, self._columns, strict=True):
            listed = self.listed.choices[column]
            if len(listed.candidates) != len(choice.candidates):
                raise InvalidArchitecture(
                    f"{listed.key} has {len(listed.candidates)} candidates; {choice.key} of"
                    f" {own.name} has {len(choice.candidates)}"
                )
        problem = SearchProblem(own, _Trials(), self.constraints)
        self._strategy = make(
            self.strategy_name, problem, np.random.default_rng(self.seed), self.options
        )
        self.known, self.scores = self._strategy.empty, np.empty(0)
        self.epoch = 0
        self._next_batch()

    def generate_parameters(self, parameter_id: int, **kwargs: Any) -> dict[str, Any]:
        """The sample of a new trial, such as `{"layer_1": {"_value": "k3", "_idx": 0}}`.

        Raises:
            NoMoreTrials: all of the batch is being evaluated, or the search is over (`finished`
                tells).
        """
        if self._strategy is None:
            raise NoMoreTrials("no search space was given yet: call update_search_space first")
        if not self._waiting:
            state = (
                "the search is over"
                if self.finished
                else f"{len(self._rows)} trials have not ended yet"
            )
            raise NoMoreTrials(f"no more parameters now: {state}")
        row = self._waiting.popleft()
        self._rows[parameter_id] = row
        return self._sample(row)

    def generate_multiple_parameters(
        self, parameter_id_list: Sequence[int], **kwargs: Any
    ) -> list[dict[str, Any]]:
        """The samples of new trials; with NNI's `st_callback` they are sent by it, later ones when
        there are any.
        """
        self._send = kwargs.get("st_callback", self._send)
        if self._send is not None:
            self._ids.extend(parameter_id_list)
            self._send_waiting()
            return []
        return [
            self.generate_parameters(number) for number in parameter_id_list[: len(self._waiting)]
        ]

    def receive_trial_result(
        self, parameter_id: int, parameters: Any, value: Any, **kwargs: Any
    ) -> None:
        """Remember a trial's result: a number, or a mapping whose `default` is one.

        Raises:
            InvalidGuide: the trial is unknown, or the result is no number.
        """
        given = value.get("default") if isinstance(value, Mapping) else value
        if parameter_id not in self._rows:
            raise InvalidGuide(
                f"a result of the trial {parameter_id} was given, which is not being evaluated"
            )
        if isinstance(given, bool) or not isinstance(given, int | float) or given != given:
            raise InvalidGuide(
                f"the result of the trial {parameter_id} must be a number, not {value!r:.60}"
            )
        self._results[self._rows[parameter_id]] = self.sign * float(given)

    def trial_end(self, parameter_id: int, success: bool, **kwargs: Any) -> None:
        """Count a trial as ended; one without a result is left out. The last of a batch begins the
        next.
        """
        if self._rows.pop(parameter_id, None) is None or self._rows or self._waiting:
            return
        self._tell()
        self._next_batch()
        self._send_waiting()

    # What users ask for

    @property
    def finished(self) -> bool:
        """Whether the strategy asks for nothing more."""
        return self._strategy is not None and not len(self._batch)

    @property
    def best(self) -> Architecture:
        """The best so far, of the tuner's space; raises NoMoreTrials before the first batch has
        ended.
        """
        if self._strategy is None or not len(self.known):
            raise NoMoreTrials("no batch of trials has ended yet")
        space = self._strategy.problem.space
        return space.decode(self.known[:1])[0]

    def export_results(self) -> list[Path]:
        """Write the best so far to the folder; gives the files."""
        paths = []
        for rank, architecture in enumerate(
            self.listed.decode(self._as_listed(self.known[: self.keep]))
        ):
            assert self.folder is not None
            paths.append(self.folder / f"{self.epoch:03d}_{rank:03d}.json")
            write_text(
                paths[-1],
                formats.write(architecture, self.export_format, self.listed).rstrip("\n") + "\n",
            )
        return paths

    # Batches

    def _next_batch(self) -> None:
        assert self._strategy is not None
        self._batch: Codes = self._strategy.ask()
        self._results: NDArray[np.float64] = np.full(len(self._batch), np.nan)
        self._waiting.extend(range(len(self._batch)))

    def _tell(self) -> None:
        assert self._strategy is not None
        there = ~np.isnan(self._results)
        codes, scores = np.asfortranarray(self._batch[there]), self._results[there]
        if len(codes):
            self._strategy.tell(codes, scores)
        known, values = np.concatenate([self.known, codes]), np.concatenate([self.scores, scores])
        order = np.argsort(-values, kind="stable")[: max(self.keep, 1)]
        self.known, self.scores = np.asfortranarray(known[order]), values[order]
        self.epoch += 1
        if self.folder is not None and len(self.known):
            self.export_results()

    def _send_waiting(self) -> None:
        while self._send is not None and self._ids and self._waiting:
            number = self._ids.popleft()
            self._send(number, self.generate_parameters(number))

    def _as_listed(self, codes: Codes) -> Codes:
        listed = np.empty_like(codes)
        listed[:, self._columns] = codes
        return listed

    def _sample(self, row: int) -> dict[str, Any]:
        architecture = self.listed.decode(self._as_listed(self._batch[row : row + 1]))[0]
        sample: dict[str, Any] = json.loads(formats.write(architecture, "nni-sample", self.listed))
        return sample


class _Trials:
    """Stands for the trials, which NNI evaluates."""

    def score(self, codes: Codes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        raise InvalidGuide("a tuner's architectures are evaluated by trials")

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "trials", "name": "nni"}
