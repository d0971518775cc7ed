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

from oneshot.nni.checkpoint import FILE, TunerState
from oneshot.nni.results import TunerResults
from oneshot.nni.tuner_search import TunerSearch
from oneshot.search.constraint import Constraint
from spaces.choice_space import Codes
from spaces.space import SearchSpace


class StrategyTuner(TunerResults):
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
        # Only where it is overridden: it is called for every proposal.
        restricted = type(self)._is_legal is not StrategyTuner._is_legal
        search = TunerSearch(
            strategy,
            options=options,
            space=space,
            constraints=constraints,
            optimize_mode=optimize_mode,
            seed=seed,
            keep=keep,
            is_legal=self._are_legal if restricted else None,
            after_batch=self._export_best,
        )
        super().__init__(search, folder, keep, export_format)
        # For the hooks of subclasses.
        self.space = search.space
        self.checkpoint = None if checkpoint is None else Path(checkpoint)

        self._lock = threading.RLock()
        self._accept_customized = False
        # State of a checkpoint that waits for its search space.
        self._loaded: TunerState | None = None

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
            self._search.open(search_space)
            self._restore()

    def generate_parameters(self, parameter_id: int, **kwargs: Any) -> dict[str, Any]:
        """Return the sample of a new trial, such as `{"layer_1": {"_value": "k3", "_idx": 0}}`.

        Raises:
            NoMoreTrials: All architectures of the batch are being evaluated, or the search is over
                (see `finished`).
        """
        with self._lock:
            return self._search.trials.generate(parameter_id)

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
            return self._search.trials.request(parameter_id_list, kwargs.get("st_callback"))

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

            self._search.trials.check(parameter_id)
            score = self._search.score(value, f"the result of trial {parameter_id}")
            self._search.trials.receive(parameter_id, score)
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
            if self._search.trials.end(parameter_id, success):
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
            self._search.trials.started()
            if data:
                self._search.learn(data)
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
            if self._search.started:
                self._search.restart()
                self._restore()

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

    def _are_legal(self, codes: Codes) -> NDArray[np.bool_]:
        samples = self._search.samples(codes)
        return np.array([self._is_legal(sample) for sample in samples], dtype=bool)

    # Checkpoints

    def _checkpoint_file(self) -> Path | None:
        if self.checkpoint is not None:
            return self.checkpoint
        folder = self.get_checkpoint_path()
        return None if folder is None else Path(folder) / FILE

    def _write_state(self) -> None:
        path = self._checkpoint_file()
        if path is not None and self._search.started:
            self._search.state().write(path)

    def _restore(self) -> None:
        """Repeat the events of a checkpoint that has been read, if any."""
        if self._loaded is not None:
            self._search.replay(self._loaded, self._checkpoint_file())
            self._loaded = None
