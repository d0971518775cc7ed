"""Score architectures by the weights of a trained supernet."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from oneshot.errors import InvalidRun
from oneshot.evaluation.ranking import Ranking
from oneshot.tasks.registry import with_task
from spaces.space import Codes
from tables.evaluation import Evaluation, Journal

if TYPE_CHECKING:
    from oneshot.evaluation.evaluator import Evaluator
    from oneshot.evaluation.settings import EvaluationSettings
    from oneshot.evaluation.work import SupernetEvaluation
    from oneshot.run import Run
    from spaces.architecture import Architecture
    from spaces.space import SearchSpace


class SupernetGuide:
    """A trained supernet as a guide, by its metrics on validation images.

    By default they are ranked by the score of its task. The cross-entropy of a classification
    distinguishes networks that classify equally many images correctly.

    Args:
        evaluation: Supernet's run, and how its sub-networks are evaluated.
        journal: Journal that evaluations are written to and looked up in; None for no journal.
        name: Name of the supernet in results; None for its run's folder.
        rank_by: Metric of the task that scores architectures, such as `top1` as in the release of
            SPOS (arXiv 1904.00420); its sign is changed where lower values are better. Under
            conditions it is summed over them with their weights. Several metrics with weights of
            their own, such as `top1=1,top1_pgd=0.5`, are summed as they are named. None: the task's
            score.
        space: Space of the architectures that are scored, which the run's covers; None: the run's.

    Raises:
        InvalidRun: The journal has evaluations of another supernet, data set or setting.
        InvalidGuide: The task has no such metric, or a weight is not above 0.
    """

    def __init__(
        self,
        evaluation: SupernetEvaluation,
        journal: Journal | None = None,
        name: str | None = None,
        rank_by: str | None = None,
        space: SearchSpace | None = None,
    ):
        self.task = evaluation.metrics_task
        self.rank_by = rank_by or self.task.score
        self.ranking = Ranking.under(self.rank_by, self.task.metrics, evaluation.conditions)
        self.evaluation = evaluation
        self.space = evaluation.run.space if space is None else space
        self.journal = journal
        self.source = evaluation.source()
        self.name = str(self.source["run"]) if name is None else name
        self._metrics: dict[Architecture, Mapping[str, float]] = {}
        self._evaluator: Evaluator | None = None
        if journal is not None:
            for evaluated in journal.done:
                if with_task(evaluated.source) != self.source:
                    raise InvalidRun(
                        f"{journal.path} holds evaluations of another supernet, data set or"
                        " setting; remove it, or choose another output"
                    )
                self._metrics[evaluated.architecture] = evaluated.metrics

    @classmethod
    def from_run(
        cls,
        run: Run,
        settings: EvaluationSettings | None = None,
        name: str | None = None,
        rank_by: str | None = None,
        space: SearchSpace | None = None,
    ) -> SupernetGuide:
        """Make the guide of a finished supernet training, evaluated in this process."""
        from oneshot.evaluation.settings import EvaluationSettings
        from oneshot.evaluation.work import SupernetEvaluation

        evaluation = SupernetEvaluation(run, settings or EvaluationSettings())
        return cls(evaluation, name=name, rank_by=rank_by, space=space)

    def score(self, codes: Codes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the metrics [n], greater is better, without deviation.

        Each evaluation is in the journal before the next one begins.
        """
        scores = np.array([self.ranking.score(metrics) for metrics in self.metrics(codes)])
        return scores, np.zeros(len(codes))

    def metrics(self, codes: Codes) -> list[Mapping[str, float]]:
        """Return the metrics of each architecture, codes [n, choices]; see `score`."""
        architectures = self.space.decode(codes)
        new_rows = [
            row
            for row, architecture in enumerate(architectures)
            if architecture not in self._metrics
        ]
        if new_rows:
            with closing(self._stream(np.asfortranarray(codes[new_rows]))) as results:
                for index, metrics in results:
                    architecture = architectures[new_rows[index]]
                    self._metrics[architecture] = metrics
                    if self.journal is not None:
                        self.journal.append(Evaluation(architecture, metrics, self.source))
        return [self._metrics[architecture] for architecture in architectures]

    def to_dict(self) -> dict[str, Any]:
        """Return the kind, the name, and how the guide evaluates."""
        description = {**self.source, "run": self.name, "name": self.name}

        # Results without the entry are ranked by the task's score.
        if self.rank_by != self.task.score:
            description["rank_by"] = self.rank_by
        return {**description, **self.ranking.describe()}

    def _stream(self, codes: Codes) -> Generator[tuple[int, dict[str, float]], None, None]:
        evaluation = self.evaluation
        codes = evaluation.run.space.codes_for(self.space, codes)
        if evaluation.engine != "local":
            return evaluation.stream(codes)
        if self._evaluator is None:
            # One evaluator for all batches, so that its images are loaded once.
            self._evaluator = evaluation.load_evaluator()
        return self._evaluator.stream(codes)
