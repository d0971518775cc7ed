"""Train a predictor on files of evidence."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from predictor.evidence.columns import describe, read_columns
from predictor.evidence.labels import read_labels
from predictor.evidence.predictor import EvidencePredictor
from predictor.metrics import kendall_tau
from spaces.progress import Progress, silent
from spaces.registry import get
from tables.evaluation import Evaluation, read

_FEWEST_IN_COMMON = 3


def train_on_evidence(
    data: Path,
    columns: Sequence[str],
    space_name: str,
    metric: str | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> EvidencePredictor:
    """Fit a predictor to columns of evidence and labels.

    Args:
        data: File of evaluations whose metric is predicted, such as of short trainings.
        columns: Files of evaluations, `FILE.jsonl` or `FILE.jsonl:METRIC`; see `read_columns`.
        space_name: Space of the predictor. The files' architectures may be of another form of it
            with the same choices.
        metric: Metric of the labels. None: the score of their task.
        seed: Seed of all randomness of the fit.
        progress: Called with the fraction done.

    Raises:
        InvalidEvaluation: A file cannot be read, or lacks a metric.
        InvalidValues: A label's network has two labels.
        TooFewArchitectures: There are fewer than 10 labels, or 10 values of a column.
    """
    space = get(space_name)
    labels = read_labels(data, space, metric)

    agreement = label_agreement(labels.rows, labels.metric)
    model = EvidencePredictor(space, seed, read_columns(columns, space), agreement)
    model.fit(labels.codes, labels.values, progress=progress)

    files = dict.fromkeys(column.group for column in model.columns)
    counts = [describe(read(path)) for path in files]
    correlation = model.trained_on["cross_validation"]["spearman"]
    evidence = ", ".join([*counts, describe(labels.rows)])
    model.record_training(
        {
            "data": str(data),
            "metric": labels.metric,
            **labels.definition.to_dict(),
            "evidence": f"evidence: {evidence}; rank correlation in cross-validation"
            f" {correlation:.2f}{_in_words(agreement)}{_warnings(model)}",
        }
    )
    return model


def train_without_labels(
    columns: Sequence[str], space_name: str, seed: int = 0, progress: Progress = silent
) -> EvidencePredictor:
    """Fit a predictor to columns of evidence that vote; see `Consensus`.

    Args:
        columns: Files of evaluations, `FILE.jsonl` or `FILE.jsonl:METRIC`; see `read_columns`.
        space_name: Space of the predictor. The files' architectures may be of another form of it
            with the same choices.
        seed: Seed of all randomness of the fit.
        progress: Called with the fraction done.

    Raises:
        InvalidEvaluation: A file cannot be read, or lacks a metric.
        TooFewArchitectures: A column has fewer than 10 values.
    """
    model = EvidencePredictor(get(space_name), seed, read_columns(columns, get(space_name)))
    model.fit_without_labels(progress)

    files = dict.fromkeys(column.group for column in model.columns)
    counts = [describe(read(Path(path))) for path in files]
    model.record_training(
        {
            "data": list(columns),
            "evidence": f"evidence: {', '.join(counts)}, no labels{_votes_in_words(model)}",
        }
    )
    return model


def _votes_in_words(model: EvidencePredictor) -> str:
    weights = model.trained_on["weights"]
    agreements = model.trained_on["agreements"]
    voting = [agreements[name] for name, weight in weights.items() if weight > 0]
    withdrawn = [name for name, weight in weights.items() if weight == 0]
    # The file says nothing where all columns are from one.
    if len({name.rpartition(":")[0] for name in weights}) == 1:
        withdrawn = [name.rpartition(":")[2] for name in withdrawn]

    text = ""
    if len(voting) > 1:
        text = f"; each column correlates with the others by {min(voting):.2f} to {max(voting):.2f}"
    if withdrawn:
        text += f"; without a vote, against all others: {', '.join(withdrawn)}"
    return text


def label_agreement(rows: Sequence[Evaluation], metric: str) -> float | None:
    """Estimate how labels of short trainings correlate with those of longer ones.

    Each pair of successive lengths is one estimate, weighted by the number of networks that had
    both. Kendall's tau is converted as for normal variables, sin(pi tau / 2).

    Args:
        rows: Evaluations, which may have the metric at several lengths, such as
            `cross_entropy_at_100`.
        metric: Metric of the labels, `cross_entropy` or `projected_cross_entropy`.

    Returns:
        A correlation; None where no two lengths have three networks in common.
    """
    prefix = f"{metric.removeprefix('projected_')}_at_"
    lengths = sorted(
        {
            int(name.removeprefix(prefix))
            for row in rows
            for name in row.metrics
            if name.startswith(prefix) and name.removeprefix(prefix).isdigit()
        }
    )
    counts = []
    correlations = []
    for shorter, longer in itertools.pairwise(f"{prefix}{updates}" for updates in lengths):
        both = [row.metrics for row in rows if shorter in row.metrics and longer in row.metrics]
        if len(both) < _FEWEST_IN_COMMON:
            continue
        tau = kendall_tau([row[shorter] for row in both], [row[longer] for row in both])
        counts.append(len(both))
        correlations.append(math.sin(math.pi * tau / 2))
    return float(np.average(correlations, weights=counts)) if counts else None


def _warnings(model: EvidencePredictor) -> str:
    texts = [
        f"; {first} and {second} contradict each other (rank correlation {correlation:.2f}): do not"
        " trust the ranking before one of them is shown to be wrong"
        for first, second, correlation in model.contradictions()
    ]
    return "".join(texts)


def _in_words(agreement: float | None) -> str:
    if agreement is None:
        return ""
    return f"; labels at successive lengths correlate by {agreement:.2f}"
