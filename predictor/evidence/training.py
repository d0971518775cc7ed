"""Train a predictor on files of evidence."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from predictor.errors import InvalidValues
from predictor.evidence.columns import adopted_codes, describe, read_columns
from predictor.evidence.predictor import EvidencePredictor
from spaces.errors import PathfitError
from spaces.progress import Progress, silent
from spaces.registry import get
from tables.errors import InvalidEvaluation
from tables.evaluation import read, scores


def train_on_evidence(
    labels: Path,
    columns: Sequence[str],
    space_name: str,
    metric: str,
    seed: int = 0,
    progress: Progress = silent,
) -> EvidencePredictor:
    """Fit a predictor to columns of evidence and labels.

    Args:
        labels: File of evaluations whose metric is predicted, such as of short trainings.
        columns: Files of evaluations, `FILE.jsonl` or `FILE.jsonl:METRIC`; see `read_columns`.
        space_name: Space of the predictor. The files' architectures may be of another form of it
            with the same choices.
        metric: Metric of the labels.
        seed: Seed of all randomness of the fit.
        progress: Called with the fraction done.

    Raises:
        InvalidEvaluation: A file cannot be read, or lacks a metric.
        InvalidValues: A label's network has two labels.
        TooFewArchitectures: There are fewer than 10 labels, or 10 values of a column.
    """
    space = get(space_name)
    rows = read(labels)
    if not rows:
        raise InvalidEvaluation(f"{labels} has no evaluation")
    try:
        values = np.array(scores(rows, metric))
    except PathfitError as error:
        raise InvalidEvaluation(f"{labels}: {error}") from error
    codes = adopted_codes(labels, rows, space)
    if len(np.unique(codes, axis=0)) < len(codes):
        raise InvalidValues(f"{labels} has several evaluations of one architecture; keep one")

    model = EvidencePredictor(space, seed, read_columns(columns, space))
    model.fit(codes, values, progress=progress)

    files = dict.fromkeys(column.group for column in model.columns)
    counts = [describe(read(path)) for path in files]
    correlation = model.trained_on["cross_validation"]["spearman"]
    evidence = ", ".join([*counts, describe(rows)])
    model.record_training(
        {
            "data": str(labels),
            "metric": metric,
            "evidence": f"evidence: {evidence}; rank correlation in cross-validation"
            f" {correlation:.2f}",
        }
    )
    return model
