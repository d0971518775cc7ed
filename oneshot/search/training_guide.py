"""Score architectures by short trainings with successive halving."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from oneshot.errors import InvalidRun
from oneshot.parallel import fanout
from oneshot.parallel.outcome import Resources
from oneshot.retraining.short_settings import ShortTrainingSettings
from oneshot.retraining.short_training import ShortTraining
from spaces.progress import Progress, silent
from tables.evaluation import Evaluation, Journal
from tables.metrics import QUALITIES

if TYPE_CHECKING:
    from oneshot.tasks.task import Task
    from spaces.space import Codes, SearchSpace

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ShortTrainingOptions:
    """What a guide of short trainings needs besides its data and its space.

    Args:
        folder: Folder for the files of unfinished trainings.
        settings: Lengths and recipe.
        task: Task with its options; None: that of the supernet, or classification.
        device: `cpu`, `gpu` or `auto`.
        threads: Number of torch's threads in each process.
        engine: `local` or `ray`; see `oneshot.parallel.fanout`.
        workers: Number of processes; None: as many as the machine has room for.
        address: Address of a running Ray cluster, which must have the folder at the same path;
            None: this machine.
        progress: Called with the fraction done after each training of a rung.
    """

    folder: Path
    settings: ShortTrainingSettings = field(default_factory=ShortTrainingSettings)
    task: str | None = None
    device: str = "cpu"
    threads: int = 1
    engine: str = "local"
    workers: int | None = None
    address: str | None = None
    progress: Progress = silent


class TrainingGuide:
    """Short trainings as a guide: architectures that are scored together compete in rungs.

    The score of a network that stopped early is projected to the length of the longest trainings:
    the median gain of those that continued is added, and no network that stopped is ranked above
    one that continued from the same rung.

    Args:
        training: Trains and scores one candidate.
        space: Space of the candidates.
        task: Task that has the score.
        source: Origin that evaluations record.
        options: Processes and progress.
        journal: Journal that finished candidates are written to; None for no journal.

    Raises:
        InvalidRun: The journal has evaluations of other trainings.
    """

    def __init__(
        self,
        training: ShortTraining,
        space: SearchSpace,
        task: Task,
        source: dict[str, Any],
        options: ShortTrainingOptions,
        journal: Journal | None = None,
    ):
        self.training = training
        self.space = space
        self.task = task
        self.options = options
        self.settings = options.settings
        self.journal = journal
        self.metric = f"projected_{task.score}"
        lengths = [self.settings.total_steps(rung) for rung in range(self.settings.rungs)]
        self.metrics_by_rung = [f"{task.score}_at_{updates}" for updates in lengths]
        self.source = {
            **source,
            "metrics": _recorded_metrics(task, [self.metric, *self.metrics_by_rung]),
        }
        self.agreements: list[float] = []
        """Kendall's tau between the rankings after a rung and after the next, by rung."""

        done = [] if journal is None else journal.done
        if any(evaluation.source != self.source for evaluation in done):
            assert journal is not None
            raise InvalidRun(
                f"{journal.path} holds evaluations of other trainings, data or settings; remove"
                " it, or choose another output"
            )

        self._journalled = {evaluation.architecture for evaluation in done}

    def score(self, codes: Codes) -> tuple[Array, Array]:
        """Train architectures, the best of them longest, and return projected scores.

        Returns:
            Scores [n], greater is better, and deviations [n]: the spread of the gains by which a
            score is projected, 0 for the longest trainings.
        """
        results = self._trained(codes)
        scores = np.full((self.settings.rungs, len(codes)), np.nan)
        for (row, rung), metrics in results.items():
            scores[rung, row] = self._sign * metrics[self.task.score]

        projected, deviations = projected_scores(scores)
        self.agreements = rung_agreements(scores)
        self._write(codes, results, projected)
        return projected, deviations

    def to_dict(self) -> dict[str, Any]:
        """Return the kind, how candidates are trained, and the metric of their scores."""
        metric = {"metric": self.metric, **self.source["metrics"][self.metric]}
        return {**self.source, "name": self.source["data"], **metric}

    def describe(self) -> str:
        """Describe how well the rankings at successive lengths of the last call agree."""
        lengths = [self.settings.total_steps(rung) for rung in range(self.settings.rungs)]
        pairs = zip(itertools.pairwise(lengths), self.agreements, strict=False)
        texts = [f"after {first} and {second} updates {tau:.2f}" for (first, second), tau in pairs]
        return f"Kendall's tau between rankings {', '.join(texts)}" if texts else ""

    @property
    def _sign(self) -> float:
        return 1.0 if self.task.metrics[self.task.score].higher_is_better else -1.0

    def _trained(self, codes: Codes) -> dict[tuple[int, int], dict[str, float]]:
        """Return the metrics of (row, rung) for every rung that a row was trained for."""
        results: dict[tuple[int, int], dict[str, float]] = {}
        rows = np.arange(len(codes))
        for rung in range(self.settings.rungs):
            metrics = fanout.map(
                self.training,
                [(codes[row].tolist(), rung) for row in rows],
                progress=partial(self._progress, rung),
                engine=self.options.engine,
                workers=self.options.workers,
                resources=Resources(self.options.threads, float(self.options.device == "gpu")),
                address=self.options.address,
                name=lambda item: f"the training of codes {item[0]}",
            )
            results |= {(int(row), rung): values for row, values in zip(rows, metrics, strict=True)}

            # Stable: of equal scores the earlier candidate continues.
            scores = self._sign * np.array([values[self.task.score] for values in metrics])
            best = np.argsort(-scores, kind="stable")[: self.settings.num_continuing(len(rows))]
            rows = rows[np.sort(best)]

        return results

    def _progress(self, rung: int, fraction: float, state: str) -> None:
        rungs = self.settings.rungs
        self.options.progress((rung + fraction) / rungs, f"rung {rung + 1}/{rungs}, {state}")

    def _write(
        self,
        codes: Codes,
        results: dict[tuple[int, int], dict[str, float]],
        projected: Array,
    ) -> None:
        last_rung = dict(sorted(results))
        for row, architecture in enumerate(self.space.decode(codes)):
            if self.journal is not None and architecture not in self._journalled:
                by_rung = {
                    self.metrics_by_rung[rung]: results[row, rung][self.task.score]
                    for rung in range(last_rung[row] + 1)
                }
                metrics = {
                    **results[row, last_rung[row]],
                    **by_rung,
                    "updates": self.settings.total_steps(last_rung[row]),
                    self.metric: float(self._sign * projected[row]),
                }
                self.journal.append(Evaluation(architecture, metrics, self.source))
                self._journalled.add(architecture)

            # The metrics stay, from which a search that is interrupted later resumes.
            self.training.remove_weights(codes[row].tolist())


def projected_scores(scores: Array) -> tuple[Array, Array]:
    """Project scores of candidates that stopped early to the last rung.

    Args:
        scores: Score of each candidate after each rung, [rungs, n], greater is better; NaN where
            the candidate had stopped before.

    Returns:
        Scores [n] and deviations [n], 0 where the last rung was reached.

    Example:
        >>> import numpy as np
        >>> scores, deviations = projected_scores(np.array([[1.0, 3.0, 4.0], [np.nan, 5.0, 7.0]]))
        >>> scores.tolist(), deviations.tolist()
        ([3.5, 5.0, 7.0], [0.5, 0.0, 0.0])
    """
    projected = scores[-1].copy()
    variances = np.zeros(scores.shape[1])

    # From the last rung back: the candidates that continued are projected already.
    for before, after in zip(scores[-2::-1], scores[:0:-1], strict=True):
        continued = ~np.isnan(after)
        stopped = ~np.isnan(before) & ~continued
        if not stopped.any():
            continue

        gains = projected[continued] - before[continued]
        estimates = before[stopped] + np.median(gains)
        # They stopped because they were worse; the median alone could rank them above.
        excess = max(0.0, float(estimates.max() - projected[continued].min()))
        projected[stopped] = estimates - excess
        variances[stopped] = gains.var()

    return projected, np.sqrt(variances)


def rung_agreements(scores: Array) -> list[float]:
    """Return Kendall's tau between successive rungs, of the candidates that had both.

    Args:
        scores: Score of each candidate after each rung, [rungs, n]; NaN after it stopped.
    """
    from scipy.stats import kendalltau

    agreements = []
    for before, after in itertools.pairwise(scores):
        both = ~np.isnan(after)
        # Two candidates agree or not; that says nothing.
        if both.sum() > 2:
            agreements.append(float(kendalltau(before[both], after[both]).statistic))

    return agreements


def _recorded_metrics(task: Task, scores: Sequence[str]) -> dict[str, Any]:
    """Return the units and directions of the metrics that other packages do not know.

    Args:
        task: Task of the trainings.
        scores: Names of further metrics that are in the unit of the task's score.
    """
    metrics: Sequence[tuple[str, Any]] = [
        *((name, metric) for name, metric in task.metrics.items() if name not in QUALITIES),
        *((name, task.metrics[task.score]) for name in scores),
    ]
    recorded = {
        name: {"unit": metric.unit, "higher_is_better": metric.higher_is_better}
        for name, metric in metrics
    }
    return {**recorded, "updates": {"unit": "updates", "higher_is_better": False}}
