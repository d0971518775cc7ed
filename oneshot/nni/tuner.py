"""Tuner of NNI that runs any search strategy.

Implements the protocol of `nni.tuner.Tuner` (microsoft/nni, versions 1 to 3) without importing NNI.

NNI's dispatcher calls a tuner from two threads: the ends of trials overtake their results where the
tuner is busy. So a batch ends only when each of its trials has a result, has failed, or has ended
without a result before the next request for trials, which follows all results.
"""

from __future__ import annotations

import json
import os
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneshot.errors import InvalidGuide, InvalidOption, InvalidRun, NoMoreTrials
from oneshot.nni.checkpoint import FILE, TunerState
from oneshot.nni.legal import LegalProblem
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
    far are written to a folder. Where NNI has a folder of checkpoints, the state is written to it
    after every result, and a resumed experiment continues with exactly the architectures that an
    uninterrupted one would have tried.

    Subclasses may override `_is_legal`, to restrict the architectures, and `export_results`.

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
        checkpoint: File of the tuner's state; None for one in NNI's folder of checkpoints
            (`NNI_CHECKPOINT_DIRECTORY`), or for none without such a folder.

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
        checkpoint: str | Path | None = None,
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

        self.checkpoint = None if checkpoint is None else Path(checkpoint)

        self.epoch = 0
        self._lock = threading.RLock()
        self._accept_customized = False
        # State of a checkpoint that waits for its search space.
        self._loaded: TunerState | None = None
        self._strategy: Strategy | None = None
        # Rows of the batch that are not trials yet.
        self._pending: deque[int] = deque()
        # Trials for which NNI has requested parameters.
        self._requested_ids: deque[int] = deque()
        # Trial -> row of the batch, while the trial is being evaluated.
        self._rows: dict[int, int] = {}
        # Trials that ended successfully, and whose results have not arrived yet.
        self._without_result: set[int] = set()
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

        with self._lock:
            self._start(space)
            if self._loaded is not None:
                self._replay(self._loaded)
                self._loaded = None

    def generate_parameters(self, parameter_id: int, **kwargs: Any) -> dict[str, Any]:
        """Return the sample of a new trial, such as `{"layer_1": {"_value": "k3", "_idx": 0}}`.

        Raises:
            NoMoreTrials: All architectures of the batch are being evaluated, or the search is over
                (see `finished`).
        """
        with self._lock:
            return self._generate(parameter_id)

    def _generate(self, parameter_id: int) -> dict[str, Any]:
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

        Returns:
            Samples; with a callback none, in a list whose length is the number of samples that have
            been sent or will be. NNI reads a shorter list as: there are no more trials.
        """
        with self._lock:
            self._end_without_results()
            self._send = kwargs.get("st_callback", self._send)
            if self._send is None:
                numbers = parameter_id_list[: len(self._pending)]
                return [self._generate(number) for number in numbers]

            num_promised = len(parameter_id_list) if self._continues else len(self._pending)
            self._requested_ids.extend(parameter_id_list[:num_promised])
            self._send_pending()
            return _Promised(num_promised)

    def receive_trial_result(
        self, parameter_id: int, parameters: Any, value: Any, **kwargs: Any
    ) -> None:
        """Store a trial's result: a number, or a mapping whose `default` is one.

        Args:
            parameter_id: Number of the trial.
            parameters: Sample of the trial.
            value: Result.
            kwargs: `customized` marks a trial that the user added, whose result is imported.

        Raises:
            InvalidGuide: The trial is not being evaluated, or its result is not a number.
        """
        with self._lock:
            if kwargs.get("customized"):
                self.import_data([{"parameter": parameters, "value": value}])
                return
            if parameter_id not in self._rows:
                raise InvalidGuide(
                    f"parameter_id: trial {parameter_id} is not being evaluated; a result must"
                    " follow its parameters"
                )

            score = self._score(value, f"the result of trial {parameter_id}")
            self._results[self._rows[parameter_id]] = score
            if parameter_id in self._without_result:
                self._without_result.remove(parameter_id)
                self._end(parameter_id)
            self._write_state()

    def trial_end(self, parameter_id: int, success: bool, **kwargs: Any) -> None:
        """Mark a trial as ended; the last one of a batch starts the next batch.

        A trial without a result is not reported to the strategy.

        Args:
            parameter_id: Number of the trial.
            success: Whether the trial succeeded.
            kwargs: Ignored; NNI reserves further arguments.
        """
        with self._lock:
            row = self._rows.get(parameter_id)
            if row is None:
                return
            # The result of a trial that succeeded may be in NNI's other thread still.
            if success and self._send is not None and np.isnan(self._results[row]):
                self._without_result.add(parameter_id)
                return
            self._end(parameter_id)
            self._write_state()

    def import_data(self, data: Sequence[Mapping[str, Any]]) -> None:
        """Let the strategy learn known results, which are not evaluated again.

        Args:
            data: Mappings with `parameter`, a sample, and `value`, its result as in
                `receive_trial_result`.

        Raises:
            NoMoreTrials: There is no search space yet.
            InvalidArchitecture: A sample is not of the search space.
            InvalidGuide: A result is not a number.
        """
        with self._lock:
            if self._strategy is None:
                raise NoMoreTrials(
                    "search_space: none has been set yet; call update_search_space first"
                )
            if not data:
                return

            samples = [json.dumps(entry["parameter"]) for entry in data]
            architectures = [formats.read(sample, "nni-sample", self.listed) for sample in samples]
            codes = self.listed.encode(architectures)[:, self._columns]
            scores = np.array([self._score(entry["value"], "value") for entry in data])
            self._learn(np.asfortranarray(codes), scores)
            self._events.append({"codes": codes.tolist(), "scores": scores.tolist()})
            self._write_state()

    def get_checkpoint_path(self) -> str | None:
        """Return NNI's folder of checkpoints; None without one."""
        folder = os.environ.get("NNI_CHECKPOINT_DIRECTORY")
        return folder if folder and Path(folder).is_dir() else None

    def save_checkpoint(self) -> None:
        """Write the state to the file of checkpoints, where there is one."""
        with self._lock:
            self._write_state()

    def load_checkpoint(self) -> None:
        """Read the state of an earlier experiment, where there is one.

        NNI calls it before `update_search_space`, which then restores the state.

        Raises:
            InvalidRun: The file is no checkpoint, or one of another search.
        """
        with self._lock:
            path = self._checkpoint_file()
            if path is None or not path.exists():
                return
            self._loaded = TunerState.read(path)
            if self._strategy is not None:
                self._start(self._strategy.problem.space)
                self._replay(self._loaded)
                self._loaded = None

    def _accept_customized_trials(self, accept: bool = True) -> None:
        """Let the strategy learn the results of trials that the user adds to the experiment."""
        self._accept_customized = accept

    def _on_exit(self) -> None:
        """Write the state at the end of the experiment."""
        self.save_checkpoint()

    def _on_error(self) -> None:
        """Write the state after an error of the experiment."""
        self.save_checkpoint()

    # Hooks

    def _is_legal(self, cand: dict[str, Any]) -> bool:
        """Return whether an architecture may become a trial; subclasses restrict the search.

        Args:
            cand: Sample, such as `{"LayerChoice1": {"_value": "0", "_idx": 0}}`.
        """
        return True

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

    def export_results(self, result: Sequence[dict[str, Any]] | None = None) -> list[Path]:
        """Write architectures to the folder and return the files.

        It is called with the best architectures so far after every batch.

        Args:
            result: Samples of the architectures; None for the best ones so far.

        Raises:
            InvalidOption: The tuner has no folder.
        """
        if self.folder is None:
            raise InvalidOption("folder: None writes no architectures; give a folder")

        paths = []
        samples = self._samples(self.known[: self.keep]) if result is None else result
        for rank, sample in enumerate(samples):
            architecture = formats.read(json.dumps(sample), "nni-sample", self.listed)
            path = self.folder / f"{self.epoch:03d}_{rank:03d}.json"
            text = formats.write(architecture, self.export_format, self.listed)
            # Some formats end with a newline, others do not.
            write_text(path, text.rstrip("\n") + "\n")
            paths.append(path)
        return paths

    # Batches

    def _start(self, space: ChoiceSpace) -> None:
        """Make the strategy and its first batch."""
        problem = SearchProblem(space, _Trials(), self.constraints)
        # Only where it is overridden: it is called for every proposal.
        if type(self)._is_legal is not StrategyTuner._is_legal:
            problem = LegalProblem(space, _Trials(), self.constraints, is_legal=self._are_legal)
        rng = np.random.default_rng(self.seed)
        self._strategy = make(self.strategy_name, problem, rng, self.options)

        # The best architectures so far, best first, as codes of the tuner's space.
        self.known = self._strategy.empty
        self.scores = np.empty(0)
        self.epoch = 0
        self._num_proposed = 0
        self._events: list[dict[str, Any]] = []
        self._rows.clear()
        self._without_result.clear()
        self._next_batch()

    def _are_legal(self, codes: Codes) -> NDArray[np.bool_]:
        return np.array([self._is_legal(sample) for sample in self._samples(codes)], dtype=bool)

    def _next_batch(self) -> None:
        assert self._strategy is not None
        self._batch: Codes = self._strategy.ask()
        self._num_proposed += len(self._batch)
        # NaN marks an architecture without a result.
        self._results: NDArray[np.float64] = np.full(len(self._batch), np.nan)
        self._pending.clear()
        self._pending.extend(range(len(self._batch)))

    @property
    def _continues(self) -> bool:
        """Whether the strategy is expected to propose a further batch."""
        assert self._strategy is not None
        return not self.finished and self._num_proposed < self._strategy.planned

    def _end(self, parameter_id: int) -> None:
        """Release a trial; the last one of a batch starts the next batch."""
        del self._rows[parameter_id]
        if self._rows or self._pending:
            return
        self._report_batch()
        self._next_batch()
        self._send_pending()
        if self.finished:
            self._end_requests()

    def _end_without_results(self) -> None:
        """Release the trials that ended without a result."""
        while self._without_result:
            self._end(self._without_result.pop())

    def _end_requests(self) -> None:
        """Let NNI request trials once more where it waits for promised ones that never come."""
        dispatcher = getattr(self._send, "__self__", None)
        request = getattr(dispatcher, "handle_request_trial_jobs", None)
        if self._requested_ids and request is not None:
            self._requested_ids.clear()
            request(1)

    def _score(self, value: Any, name: str) -> float:
        metric = value.get("default") if isinstance(value, Mapping) else value
        # bool is a subclass of int, and NaN differs from itself.
        if isinstance(metric, bool) or not isinstance(metric, int | float) or metric != metric:
            raise InvalidGuide(f"value: {name} must be a number, not {value!r:.60}")
        return self.sign * float(metric)

    def _report_batch(self) -> None:
        assert self._strategy is not None
        has_result = ~np.isnan(self._results)
        # Strategies hold codes column by column.
        codes = np.asfortranarray(self._batch[has_result])
        scores = self._results[has_result]
        if len(codes):
            self._strategy.tell(codes, scores)
        self._merge(codes, scores)
        self._events.append({"results": self._listed_results()})

        self.epoch += 1
        if self.folder is not None and len(self.known):
            self.export_results(self._samples(self.known[: self.keep]))

    def _merge(self, codes: Codes, scores: NDArray[np.float64]) -> None:
        # Merge with the best so far; among equal scores the stable sort prefers the earlier one.
        all_codes = np.concatenate([self.known, codes])
        all_scores = np.concatenate([self.scores, scores])
        order = np.argsort(-all_scores, kind="stable")[: max(self.keep, 1)]
        self.known = np.asfortranarray(all_codes[order])
        self.scores = all_scores[order]

    def _learn(self, codes: Codes, scores: NDArray[np.float64]) -> None:
        """Let the strategy learn the scores of architectures that it did not propose."""
        assert self._strategy is not None
        self._strategy.seen.take(codes, len(codes))
        self._strategy.learn(codes, scores)
        self._merge(codes, scores)

    # Checkpoints

    def _settings(self) -> dict[str, Any]:
        assert self._strategy is not None
        choices = self._strategy.problem.space.choices
        return {
            "strategy": self.strategy_name,
            "options": self.options,
            "seed": self.seed,
            "choices": {choice.key: list(choice.candidates) for choice in choices},
        }

    def _listed_results(self) -> list[float | None]:
        return [None if score != score else score for score in self._results.tolist()]

    def _checkpoint_file(self) -> Path | None:
        if self.checkpoint is not None:
            return self.checkpoint
        folder = self.get_checkpoint_path()
        return None if folder is None else Path(folder) / FILE

    def _write_state(self) -> None:
        path = self._checkpoint_file()
        if path is not None and self._strategy is not None:
            TunerState(self._settings(), self._events, self._listed_results()).write(path)

    def _replay(self, state: TunerState) -> None:
        """Repeat the events of a checkpoint."""
        settings = json.loads(json.dumps(self._settings()))
        for name, value in settings.items():
            if state.settings.get(name) != value:
                raise InvalidRun(f"{self._checkpoint_file()}: is of another search: {name} differs")

        for event in state.events:
            if "codes" in event:
                codes = np.asfortranarray(np.array(event["codes"], dtype=self._batch.dtype))
                self._learn(codes, np.array(event["scores"]))
                self._events.append(event)
            else:
                self._restore_results(event["results"])
                self._report_batch()
                self._next_batch()

        self._restore_results(state.results)
        # The trials of the other architectures were lost with the earlier experiment.
        self._pending = deque(np.flatnonzero(np.isnan(self._results)).tolist())
        if not self._pending and not self.finished:
            self._report_batch()
            self._next_batch()

    def _restore_results(self, results: Sequence[float | None]) -> None:
        if len(results) != len(self._results):
            raise InvalidRun(
                f"{self._checkpoint_file()}: is of another search: a batch has {len(results)}"
                f" architectures, not {len(self._results)}"
            )
        self._results[:] = [np.nan if score is None else score for score in results]

    def _send_pending(self) -> None:
        while self._send is not None and self._requested_ids and self._pending:
            number = self._requested_ids.popleft()
            self._send(number, self._generate(number))

    def _as_listed(self, codes: Codes) -> Codes:
        """Convert codes of the tuner's space to the order of the search-space file."""
        listed = np.empty_like(codes)
        listed[:, self._columns] = codes
        return listed

    def _sample(self, row: int) -> dict[str, Any]:
        return self._samples(self._batch[row : row + 1])[0]

    def _samples(self, codes: Codes) -> list[dict[str, Any]]:
        """Return the samples of codes of the tuner's space."""
        return [
            json.loads(formats.write(architecture, "nni-sample", self.listed))
            for architecture in self.listed.decode(self._as_listed(codes))
        ]


class _Promised(list[dict[str, Any]]):
    """No samples, but the length of those that are sent by NNI's callback.

    Args:
        count: Number of samples.
    """

    def __init__(self, count: int):
        super().__init__()
        self.num_promised = count

    def __len__(self) -> int:
        return self.num_promised


class _Trials:
    """Placeholder for the guide of a problem whose architectures NNI evaluates as trials."""

    def score(self, codes: Codes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        raise InvalidGuide(
            "guide: a tuner's architectures are evaluated by NNI's trials, not by a guide"
        )

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "trials", "name": "nni"}
