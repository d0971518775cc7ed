"""How many networks are scored, from the time that a compression may take."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from oneshot.errors import InvalidRun
from oneshot.training.passes import Passes
from spaces.files import read_text, write_text

if TYPE_CHECKING:
    from oneshot.compression.scoring import Scorer
    from oneshot.compression.settings import CompressionSettings
    from oneshot.data.images import ImageData
    from oneshot.tasks.task import Task
    from spaces.space import Codes

FEWEST_SCORED = 24
"""Networks that are scored even where the time is over."""

MOST_SCORED = 480
"""Networks after which further scores help little, and the predictor's fit takes its time."""

# Networks whose scores are timed, after a first one that warms up.
_TIMED_SCORES = 8

# Batches of fine-tuning that are timed, after a first one that warms up.
_TIMED_BATCHES = 3

# Seconds for the predictor and the searches, and for the export.
_SEARCH_S = 60.0
_EXPORT_S = 15.0


@dataclass(frozen=True)
class ScorePlan:
    """How many networks are scored.

    Args:
        scored: Number of networks of the sample.
        score_s: Seconds of one score.
        scoring_s: Seconds that remain for all scores.
        tuning_s: Seconds that fine-tuning is expected to take.
        minutes: Minutes that the compression may take.
    """

    scored: int
    score_s: float
    scoring_s: float
    tuning_s: float
    minutes: float

    def __str__(self) -> str:
        if self.scored * self.score_s > self.scoring_s:
            return (
                f"{self.scored} networks are scored, the fewest, although {self.minutes:g} minutes"
                f" leave no time for them: fine-tuning takes about {self.tuning_s:.0f} s"
            )
        return (
            f"{self.scored} networks are scored, {self.score_s:.2g} s each: of"
            f" {self.minutes:g} minutes {self.scoring_s:.0f} s remain for them, and fine-tuning"
            f" takes about {self.tuning_s:.0f} s"
        )

    @classmethod
    def from_times(
        cls, minutes: float, elapsed_s: float, score_s: float, tuning_s: float, checked: int
    ) -> ScorePlan:
        """Return the plan that fits into the time.

        Args:
            minutes: Minutes that the compression may take.
            elapsed_s: Seconds that it has taken so far.
            score_s: Seconds of one score.
            tuning_s: Seconds of fine-tuning and of what follows it.
            checked: Number of networks of the search that are scored later.

        Example:
            >>> ScorePlan.from_times(15, 100, 1.0, 300, checked=16).scored
            409
        """
        scoring_s = 60 * minutes - elapsed_s - tuning_s - _SEARCH_S - _EXPORT_S
        count = int(scoring_s / max(score_s, 1e-3)) - checked
        scored = int(np.clip(count, FEWEST_SCORED, MOST_SCORED))
        return cls(
            scored, round(score_s, 3), round(max(scoring_s, 0.0), 1), round(tuning_s, 1), minutes
        )

    def write(self, path: Path) -> None:
        """Write the plan as JSON, with which an interrupted compression is resumed."""
        write_text(path, json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def read(cls, path: Path) -> ScorePlan:
        """Read the plan of a file.

        Raises:
            InvalidRun: The file is no plan.
        """
        try:
            return cls(**json.loads(read_text(path)))
        except (ValueError, TypeError) as error:
            raise InvalidRun(f"{path}: not a plan of scores: {error}; remove it") from error


def time_scores(scorer: Scorer, codes: Codes) -> float:
    """Return the mean seconds of a score.

    Args:
        scorer: Scores networks. Scores that it has already take no time, and do not count.
        codes: Codes [n, choices] of a sample, of which as many are scored as are timed.
    """
    for row in range(len(codes)):
        if len(scorer.seconds) > _TIMED_SCORES:
            break
        scorer.scores(codes[row : row + 1])

    # All scores of the sample are known.
    if not scorer.seconds:
        return 0.0
    return float(np.mean(scorer.seconds[1:] or scorer.seconds))


def time_tuning(
    student: nn.Module,
    teacher: nn.Module,
    data: ImageData,
    task: Task,
    settings: CompressionSettings,
    augment: bool,
) -> float:
    """Return the seconds that fine-tuning, its recalibration and both tests are expected to take.

    Args:
        student: Network of about the size that is fine-tuned. It is changed.
        teacher: Original network, in evaluation mode.
        data: Data set of the training.
        task: Task of the networks.
        settings: Epochs and recipe.
        augment: Whether training images are augmented.
    """
    size = min(settings.recipe.batch_size, len(data.train))
    batches = iter(data.train.epochs(size, settings.seed, augment=augment))
    passes = Passes(task)
    student.train()

    updates = []
    evaluations = []
    for _ in range(1 + _TIMED_BATCHES):
        begin = time.monotonic()
        batch: Any = next(batches, None)
        # A small data set has fewer batches.
        if batch is None:
            break

        inputs, targets = batch
        evaluated = time.monotonic()
        with torch.no_grad():
            passes.from_start(teacher, inputs)
        evaluations.append(time.monotonic() - evaluated)

        loss, _ = passes.loss(student, inputs, partial(task.loss, targets=targets))
        loss.backward()  # type: ignore[no-untyped-call]
        updates.append(time.monotonic() - begin)

    num_updates = settings.epochs * (len(data.train) // size)
    num_evaluations = (len(data.train) + 2 * len(data.test)) / size
    return num_updates * _typical(updates) + num_evaluations * _typical(evaluations)


def _typical(seconds: list[float]) -> float:
    # The first batch warms up, unless there is no other.
    return float(np.median(seconds[1:] or seconds or [0.0]))
