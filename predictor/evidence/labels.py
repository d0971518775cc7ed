"""Labels: the metric of a file of evaluations that columns of evidence are weighed by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from predictor.errors import InvalidValues
from predictor.evaluated import require_default
from predictor.evidence.columns import adopted_codes
from spaces.errors import PathfitError
from spaces.space import Codes, SearchSpace
from tables.errors import InvalidEvaluation
from tables.evaluation import Evaluation, find_metric, read, scores
from tables.metrics import Metric


@dataclass(frozen=True)
class Labels:
    """Values of one metric for different architectures.

    Args:
        rows: The evaluations.
        metric: Name of the metric.
        definition: Unit and direction of the metric.
        codes: Codes of the architectures, [n, choices].
        values: Scores by the metric, [n]; greater is better.
    """

    rows: Sequence[Evaluation] = field(repr=False)
    metric: str
    definition: Metric
    codes: Codes = field(repr=False)
    values: NDArray[np.float64] = field(repr=False)


def read_labels(path: Path, space: SearchSpace, metric: str | None = None) -> Labels:
    """Read the labels of a file.

    Args:
        path: File of evaluations, JSON lines.
        space: Space that the architectures are adopted to.
        metric: Name of the metric. None: the score of the evaluations' task.

    Raises:
        InvalidEvaluation: The file cannot be read, or lacks the metric.
        InvalidValues: An architecture has two labels.
    """
    rows = read(path)
    if not rows:
        raise InvalidEvaluation(f"{path} has no evaluation")
    metric = metric or require_default(rows)
    try:
        values = np.array(scores(rows, metric))
    except PathfitError as error:
        raise InvalidEvaluation(f"{path}: {error}") from error
    definition = find_metric(rows, metric)
    assert definition is not None, "scores() refuses metrics without a direction"

    codes = adopted_codes(path, rows, space)
    if len(np.unique(codes, axis=0)) < len(codes):
        raise InvalidValues(f"{path} has several evaluations of one architecture; keep one")
    return Labels(rows, metric, definition, codes, values)
