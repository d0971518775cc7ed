"""Tuner of NNI that runs any search strategy.

Implements the protocol of `nni.tuner.Tuner` (microsoft/nni, versions 1 to 3) without importing NNI.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneshot.errors import InvalidGuide, InvalidOption, NoMoreTrials
from oneshot.nni.checkpoint import FILE, TunerState
from oneshot.nni.legal import LegalProblem
from oneshot.nni.listed_space import ListedSpace
from oneshot.nni.trial_queue import TrialQueue
from oneshot.nni.trial_search import TrialGuide, TrialSearch
from oneshot.search.constraint import Constraint
from oneshot.search.problem import SearchProblem
from oneshot.strategies.registry import check_options, make
from spaces import formats
from spaces.architecture import Architecture
from spaces.choice_space import ChoiceSpace, Codes
from spaces.files import write_text
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

        self._lock = threading.RLock()
        self._accept_customized = False
        # State of a checkpoint that waits for its search space.
        self._loaded: TunerState | None = None
        self._listed: ListedSpace | None = None
        self._trials = TrialQueue(self._sample)

    # NNI's protocol

    def update_search_space(self, search_space: Mapping[str, Any] | str) -> None:
        """Start the search in a search space of NNI.

        Args:
            search_space: Content of a search-space file, as `ss-gen` writes it.

        Raises:
            InvalidFile: The content is not a search space of NNI.
            InvalidArchitecture: Its choices differ from those of the tuner's space.
        """
        with self._lock:
            self._listed = ListedSpace(search_space, self.space)
            self._start()
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
            return self._trials.generate(parameter_id)

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
            return self._trials.request(parameter_id_list, kwargs.get("st_callback"))

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

            self._trials.check(parameter_id)
            score = self._score(value, f"the result of trial {parameter_id}")
            self._trials.receive(parameter_id, score)
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
            if self._trials.end(parameter_id, success):
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
            search = self._trials.started()
            if not data:
                return

            codes = self._space_of_file().codes([entry["parameter"] for entry in data])
            scores = np.array([self._score(entry["value"], "value") for entry in data])
            search.learn(codes, scores)
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
            if self._trials.search is not None:
                self._start()
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
        return self._trials.search is not None and self._trials.search.finished

    @property
    def listed(self) -> ChoiceSpace:
        """Choices of the search-space file.

        Raises:
            NoMoreTrials: There is no search space yet.
        """
        return self._space_of_file().listed

    @property
    def epoch(self) -> int:
        """Number of batches whose trials have ended."""
        return 0 if self._trials.search is None else self._trials.search.epoch

    @property
    def known(self) -> Codes:
        """Codes of the best architectures so far in the tuner's space, best first.

        Raises:
            NoMoreTrials: There is no search space yet.
        """
        return self._trials.started().known

    @property
    def scores(self) -> NDArray[np.float64]:
        """Scores of the best architectures so far; greater is better.

        Raises:
            NoMoreTrials: There is no search space yet.
        """
        return self._trials.started().scores

    @property
    def best(self) -> Architecture:
        """Best architecture so far, in the tuner's space.

        Raises:
            NoMoreTrials: The first batch has not ended yet.
        """
        if self._trials.search is None or not len(self.known):
            raise NoMoreTrials("no batch of trials has ended yet")
        return self._space_of_file().space.decode(self.known[:1])[0]

    def export_results(self, result: Sequence[dict[str, Any]] | None = None) -> list[Path]:
        """Write architectures to the folder and return the files.

        It is called with the best architectures so far after every batch.

        Args:
            result: Samples of the architectures; None for the best ones so far.

        Raises:
            InvalidOption: The tuner has no folder.
            NoMoreTrials: There is no search space yet.
        """
        if self.folder is None:
            raise InvalidOption("folder: None writes no architectures; give a folder")

        paths = []
        samples = self._samples(self.known[: self.keep]) if result is None else result
        for rank, sample in enumerate(samples):
            architecture = self._space_of_file().architecture(sample)
            path = self.folder / f"{self.epoch:03d}_{rank:03d}.json"
            text = formats.write(architecture, self.export_format, self.listed)
            # Some formats end with a newline, others do not.
            write_text(path, text.rstrip("\n") + "\n")
            paths.append(path)

        return paths

    def _export_best(self) -> None:
        if self.folder is not None and len(self.known):
            self.export_results(self._samples(self.known[: self.keep]))

    # Search

    def _start(self) -> None:
        """Make the strategy and its first batch."""
        assert self._listed is not None
        space = self._listed.space
        problem = SearchProblem(space, TrialGuide(), self.constraints)
        # Only where it is overridden: it is called for every proposal.
        if type(self)._is_legal is not StrategyTuner._is_legal:
            problem = LegalProblem(space, TrialGuide(), self.constraints, is_legal=self._are_legal)

        rng = np.random.default_rng(self.seed)
        strategy = make(self.strategy_name, problem, rng, self.options)
        self._trials.start(TrialSearch(strategy, self.keep, self._export_best))

    def _space_of_file(self) -> ListedSpace:
        self._trials.started()
        assert self._listed is not None
        return self._listed

    def _are_legal(self, codes: Codes) -> NDArray[np.bool_]:
        return np.array([self._is_legal(sample) for sample in self._samples(codes)], dtype=bool)

    def _score(self, value: Any, name: str) -> float:
        metric = value.get("default") if isinstance(value, Mapping) else value
        # bool is a subclass of int, and NaN differs from itself.
        if isinstance(metric, bool) or not isinstance(metric, int | float) or metric != metric:
            raise InvalidGuide(f"value: {name} must be a number, not {value!r:.60}")
        return self.sign * float(metric)

    def _sample(self, row: int) -> dict[str, Any]:
        """Return the sample of a row of the present batch."""
        return self._samples(self._trials.started().batch[row : row + 1])[0]

    def _samples(self, codes: Codes) -> list[dict[str, Any]]:
        """Return the samples of codes of the tuner's space."""
        assert self._listed is not None
        return self._listed.samples(codes)

    # Checkpoints

    def _settings(self) -> dict[str, Any]:
        choices = self._space_of_file().space.choices
        return {
            "strategy": self.strategy_name,
            "options": self.options,
            "seed": self.seed,
            "choices": {choice.key: list(choice.candidates) for choice in choices},
        }

    def _checkpoint_file(self) -> Path | None:
        if self.checkpoint is not None:
            return self.checkpoint
        folder = self.get_checkpoint_path()
        return None if folder is None else Path(folder) / FILE

    def _write_state(self) -> None:
        path = self._checkpoint_file()
        if path is not None and self._trials.search is not None:
            self._trials.search.state(self._settings()).write(path)

    def _replay(self, state: TunerState) -> None:
        """Repeat the events of a checkpoint."""
        path = self._checkpoint_file()
        state.check(self._settings(), path)
        self._trials.started().replay(state, path)
