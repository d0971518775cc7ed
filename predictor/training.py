"""Train a predictor on evaluations, compare it with a baseline and write it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from predictor.base import Predictor
from predictor.encoders.registry import ENCODERS
from predictor.ensemble.learned_columns import LearnedColumns, read_learned_columns
from predictor.ensemble.predictor import GraphPredictor
from predictor.errors import InvalidValues
from predictor.evaluated import EvaluatedArchitectures
from predictor.evidence.columns import describe
from predictor.metrics import kendall_tau, ranking_figures
from predictor.registry import make
from spaces.registry import get
from tables.evaluation import read


class ProgressBar(Protocol):
    """An open progress bar."""

    def update(self, fraction: float, state: str, /) -> object:
        """Show the fraction done, from 0 to 1, and a short text on the state."""


OpenProgress: TypeAlias = Callable[[str], AbstractContextManager[ProgressBar]]
"""Opens a progress bar with a title, such as `spaces.console.progress.Bar`."""


@dataclass(frozen=True)
class TrainingSettings:
    """Settings of a training.

    Args:
        space: Name of the space of the evaluations.
        encoder: Kind of the predictor to train.
        baseline: Kind of the predictor that is fitted on the same split for comparison.
        metric: Metric of the evaluations to predict. None: the score of their task.
        fraction: Fraction of the evaluations to train on, between 0 and 1.
        count: Number of evaluations to train on. None: `fraction` decides.
        seed: Seed of the split and of the fits.
        pretraining: Number of random architectures whose multiply-accumulates a graph predictor
            learns first. None: the encoder's default.
        steps: Metrics that the steps of an anytime TA-GATES are taught, such as the accuracies
            after some and after all epochs; the last is `metric`. Empty: the metric alone.
        columns: Columns that the experts of DELE learn first; see
            `predictor.ensemble.learned_columns.read_learned_columns`. Empty: FLOPs and parameters.
        source: Predictor of another space that the trained one, of the same encoder, begins with.
            None: it begins with random weights.
    """

    space: str
    encoder: str
    baseline: str
    metric: str | None
    fraction: float
    count: int | None = None
    seed: int = 0
    pretraining: int | None = None
    source: GraphPredictor | None = None
    steps: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.columns and self.pretraining is not None:
            raise InvalidValues(
                f"--pretraining {self.pretraining}: columns of files are learned of their own"
                " architectures; leave it out"
            )
        if self.steps and self.encoder != "ta-gates":
            raise InvalidValues(
                "several metrics teach the steps of --encoder ta-gates, not of"
                f" {self.encoder}: name one metric"
            )


class PredictorTraining:
    """A predictor and its baseline, fitted on the same split of evaluations.

    Interrupted trainings of graph predictors resume: until `save` the state of each is stored next
    to the output (FILE.KIND.part, FILE.refit.part).

    Args:
        data: File of evaluations, JSON lines.
        settings: Settings of the training.
        output: File of the predictor to write.
        open_progress: Opens the progress bar of a fit.

    Raises:
        TooFewArchitectures: Fewer than 5 networks remain to test on.
    """

    def __init__(
        self, data: Path, settings: TrainingSettings, output: Path, open_progress: OpenProgress
    ):
        self.settings = settings
        self.output = output
        self.data = EvaluatedArchitectures.from_file(data, get(settings.space), settings.metric)
        count = settings.count or int(settings.fraction * len(self.data.codes))
        self.train_rows, self.test_rows = self.data.split(count, settings.seed)
        self.count = len(self.train_rows)
        # Other predictors, such as the baseline, are taught the last metric alone.
        self.step_values = self.data.step_values(settings.steps) if settings.steps else None
        self._columns = self._read_columns()
        self.figures: dict[str, dict[str, float | None]] = {}
        """Kind of predictor -> figures on the test rows, and the seconds of fit and test."""

        self.step_taus: dict[str, float] = {}
        """Metric of each step -> Kendall's tau of its predictions on the test rows."""

        self._open_progress = open_progress
        self._predictors: dict[str, Predictor] = {}
        self._checkpoints: list[Path] = []
        self._refitted = False

    def run(self) -> None:
        """Fit the predictor and the baseline on the training rows and test both on the others."""
        # The baseline may be the predictor itself, which is then fitted once.
        for kind in dict.fromkeys((self.settings.encoder, self.settings.baseline)):
            predictor = self._make(kind)
            begin = time.monotonic()
            self._fit(predictor, self.train_rows, kind, f"fitting {kind} on {self.count}")
            codes = self.data.codes[self.test_rows]
            self.figures[kind] = {
                **ranking_figures(predictor, codes, self.data.values[self.test_rows]),
                "seconds": time.monotonic() - begin,
            }
            self._predictors[kind] = predictor
        predictor = self._predictors[self.settings.encoder]
        predictor.record_training({"metric": self.data.metric, **self.data.definition.to_dict()})
        if self.step_values is not None:
            assert isinstance(predictor, GraphPredictor)
            predictor.record_training({"steps": list(self.settings.steps)})
            self.step_taus = self._test_steps(predictor, self.step_values)

    def _test_steps(
        self, predictor: GraphPredictor, values: NDArray[np.float64]
    ) -> dict[str, float]:
        """Return Kendall's tau of each step's predictions with its metric on the test rows."""
        predictions = predictor.predict_steps(self.data.codes[self.test_rows])
        truth = values[self.test_rows]
        return {
            metric: kendall_tau(predictions[:, step], truth[:, step])
            for step, metric in enumerate(self.settings.steps)
        }

    def refit(self) -> None:
        """Fit the predictor again, on all evaluations."""
        encoder = self.settings.encoder
        rows = np.arange(len(self.data.codes))
        predictor = self._predictors[encoder]
        recorded = {
            **predictor.describe_metric(),
            **({"steps": list(self.settings.steps)} if self.settings.steps else {}),
        }
        self._fit(predictor, rows, "refit", f"fitting {encoder} on all {len(rows)}")
        # A fit begins a new record.
        predictor.record_training(recorded)
        self._refitted = True

    def judge(self, name: str) -> dict[str, Any]:
        """Judge the predictor by a benchmark, and record the verdict with it.

        Args:
            name: Name of the benchmark, which must be of the predictor's space.

        Raises:
            InvalidValues: The benchmark is of another space.
            TooFewArchitectures: It has fewer than 10 networks besides those of the training.
        """
        from predictor.verdict.benchmark import judge_predictor
        from tables.benchmarks.registry import benchmark

        truth = benchmark(name)
        if truth.space != self.data.space:
            raise InvalidValues(
                f"the benchmark {name} is of {truth.space.name}, not {self.data.space.name}"
            )
        predictor = self._predictors[self.settings.encoder]
        rows = slice(None) if self._refitted else self.train_rows
        verdict = judge_predictor(predictor, truth, self.data.codes[rows])
        predictor.record_training({"verdict": verdict})
        return verdict

    def save(self, command: str) -> None:
        """Write the predictor with the origin of its data, and remove the states of the trainings.

        Args:
            command: The command line that is recorded in the file.
        """
        predictor = self._predictors[self.settings.encoder]
        predictor.record_training({"data": str(self.data.path), "command": command})
        predictor.record_training({"evidence": self._evidence()})
        # Of the fit before a refit, whose networks leave none to test on.
        tau = self.figures[self.settings.encoder]["kendall_tau"]
        if tau is not None:
            test = {"kendall_tau": round(tau, 4), "networks": len(self.test_rows)}
            predictor.record_training({"test": test})
        predictor.save(self.output)
        for checkpoint in self._checkpoints:
            checkpoint.unlink(missing_ok=True)

    def _evidence(self) -> str:
        """Describe the evaluations of the training, and how well the others were ranked."""
        rows = read(self.data.path, self.data.space.name)
        tested = len(self.test_rows)
        trained = rows if self._refitted else [rows[row] for row in self.train_rows]
        text = f"evidence: {describe(trained)}"
        if self._columns is not None:
            text += f", experts of {', '.join(self._columns.names)}"

        tau = self.figures[self.settings.encoder]["kendall_tau"]
        # Predictions that are all equal rank nothing.
        if tau is None:
            return text
        others = f"{tested} of them before the last fit" if self._refitted else f"{tested} others"
        return f"{text}; Kendall's tau {tau:.2f} on {others}"

    def _make(self, kind: str) -> Predictor:
        settings = self.settings
        if kind not in ENCODERS:
            return make(kind, self.data.space, settings.seed)

        # Only graph predictors can begin with pre-trained or transferred weights.
        return GraphPredictor(
            self.data.space,
            settings.seed,
            encoder=kind,
            pretraining=settings.pretraining,
            source=settings.source if kind == settings.encoder else None,
            columns=self._columns if kind == settings.encoder else None,
            config=self._anytime_config() if kind == settings.encoder else None,
        )

    def _read_columns(self) -> LearnedColumns | None:
        texts = self.settings.columns
        if not texts:
            return None
        return read_learned_columns(texts, self.data.space, self.data.path, self.data.metric)

    def _anytime_config(self) -> dict[str, Any] | None:
        steps = self.settings.steps
        return {"anytime": True, "steps": len(steps)} if steps else None

    def _fit(
        self, predictor: Predictor, rows: NDArray[np.int64], checkpoint: str, title: str
    ) -> None:
        codes = self.data.codes[rows]
        values = self.data.values[rows]
        if self.step_values is not None and getattr(predictor, "anytime", False):
            values = self.step_values[rows]
        with self._open_progress(title) as bar:
            if isinstance(predictor, GraphPredictor):
                path = self.output.with_name(f"{self.output.name}.{checkpoint}.part")
                self._checkpoints.append(path)
                predictor.fit(codes, values, progress=bar.update, checkpoint=path)
            else:
                predictor.fit(codes, values, progress=bar.update)
