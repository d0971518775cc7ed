"""Columns of evidence: values of some architectures, and models of them for all others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from predictor.bench.columns import parse_file_column
from predictor.errors import InvalidValues
from predictor.gaussian.predictor import GaussianProcess
from spaces.errors import PathfitError
from spaces.formats.files import adopted
from spaces.space import Codes, SearchSpace
from tables.errors import InvalidEvaluation
from tables.evaluation import Evaluation, find_metric, read, scores, values
from tables.metrics import COSTS

Array = NDArray[np.float64]

# Ranks are fractions of this many random architectures of the space.
_POPULATION = 2000
_QUANTILES = 401

_NOUNS = {
    "supernet": "supernet evaluations",
    "training": "short trainings",
    "retraining": "trainings",
    "proxies": "networks' proxies",
}


@dataclass(frozen=True)
class EvidenceColumn:
    """One kind of value of some architectures; greater promises better accuracy.

    Args:
        name: Name of the value, such as `naswot` or `cross_entropy`.
        group: Name of the measurement that it is from. Columns of one group share their errors, so
            that they begin with the weight of one piece of evidence.
        codes: Codes of the architectures, [n, choices].
        values: Their values, [n].
    """

    name: str
    group: str
    codes: Codes
    values: Array


def read_columns(texts: Iterable[str], space: SearchSpace) -> list[EvidenceColumn]:
    """Read columns from files of evaluations.

    Architectures may be of the same choices in another form of the space, such as one with fewer
    channels. Of proxies all metrics are read; of a supernet's evaluations the cross-entropy, and
    of short trainings the projected score. A metric of which lower is better is negated, unless it
    is a cost, since larger networks promise better accuracy.

    Args:
        texts: `FILE.jsonl`, or `FILE.jsonl:METRIC` for one metric.
        space: Space whose architectures are predicted.

    Raises:
        InvalidEvaluation: A file cannot be read, or its metric must be named.
        InvalidArchitecture: An architecture has other choices than the space.
    """
    columns: list[EvidenceColumn] = []
    for text in texts:
        path, metric = parse_file_column(text) or (Path(text), "")
        columns += columns_of_file(path, metric, space)

    return columns


def columns_of_file(path: Path, metric: str, space: SearchSpace) -> list[EvidenceColumn]:
    """Read the columns of one file, or one of them; see `read_columns`.

    Args:
        path: File of evaluations, JSON lines.
        metric: Metric of the only column; empty for those that the evaluations' kind implies.
        space: Space whose architectures are predicted.
    """
    rows = read(path)
    if not rows:
        raise InvalidEvaluation(f"{path} has no evaluation")

    codes = adopted_codes(path, rows, space)
    names = [metric] if metric else _metrics(path, rows[0])
    return [EvidenceColumn(name, str(path), codes, _scores(path, rows, name)) for name in names]


def adopted_codes(path: Path, rows: Sequence[Evaluation], space: SearchSpace) -> Codes:
    """Return the codes of evaluations in `space`; an error names the file."""
    try:
        return space.encode([adopted(row.architecture, space) for row in rows])
    except PathfitError as error:
        raise InvalidEvaluation(f"{path}: {error}") from error


def describe(rows: Sequence[Evaluation]) -> str:
    """Describe evaluations by their number and kind, such as "200 supernet evaluations"."""
    kind = str(rows[0].source.get("kind", ""))
    return f"{len(rows)} {_NOUNS.get(kind, 'evaluations')}"


def _metrics(path: Path, row: Evaluation) -> list[str]:
    if row.source.get("kind") == "proxies":
        return list(row.metrics)

    projected = [name for name in row.metrics if name.startswith("projected_")]
    if projected:
        return projected
    if "cross_entropy" in row.metrics:
        return ["cross_entropy"]
    if len(row.metrics) == 1:
        return list(row.metrics)

    raise InvalidEvaluation(
        f"{path} has the metrics {', '.join(row.metrics)}; name one by {path}:METRIC"
    )


def _scores(path: Path, rows: Sequence[Evaluation], metric: str) -> Array:
    """Return a column of evaluations, of which greater promises better accuracy."""
    # True of every proxy, also of a plug-in's, and of every cost: larger networks are better.
    is_promise = rows[0].source.get("kind") == "proxies" or metric.partition("@")[0] in COSTS
    if not is_promise and find_metric(rows, metric) is None and metric in rows[0].metrics:
        raise InvalidEvaluation(
            f"{path}: nothing says whether a greater {metric} is better; describe it in"
            f' "source", such as {{"metrics": {{"{metric}": {{"higher_is_better": true}}}}}}'
        )

    try:
        column = values(rows, metric) if is_promise else scores(rows, metric)
    except PathfitError as error:
        raise InvalidEvaluation(f"{path}: {error}") from error

    return np.array(column, dtype=np.float64)


class ColumnModel:
    """A Gaussian process over the architecture that gives a column for every architecture.

    Args:
        process: Process that was fitted to the column.
        quantiles: Ascending predictions of random architectures at evenly spaced ranks.
    """

    def __init__(self, process: GaussianProcess, quantiles: Array):
        self.process = process
        self.quantiles = quantiles

    @classmethod
    def fit(cls, column: EvidenceColumn, space: SearchSpace, seed: int) -> Self:
        """Fit a column.

        Args:
            column: Values of at least 10 architectures.
            space: Space of the architectures.
            seed: Seed of the fit and of the random architectures.

        Raises:
            TooFewArchitectures: The column has fewer than 10 architectures.
            InvalidValues: A value is not finite.
        """
        process = GaussianProcess(space, seed)
        try:
            process.fit(column.codes, column.values)
        except InvalidValues as error:
            raise InvalidValues(f"the column {column.name}: {error}") from error

        population = space.sample(np.random.default_rng([seed, 1]), _POPULATION)
        predictions, _ = process.predict_scores(population)
        return cls(process, np.quantile(predictions, np.linspace(0, 1, _QUANTILES)))

    def log_ranks(self, codes: Codes) -> Array:
        """Return 1 + log(rank) of architectures [n], where ranks are fractions of the space.

        The logarithm punishes what one column finds bad more than it rewards what another finds
        good; Lee and Ham, CVPR 2024 (arXiv 2403.19232), eq. 1. Over the space the values have about
        the mean 0 and the deviation 1.
        """
        predictions, _ = self.process.predict_scores(codes)
        # The middle of equal quantiles, so that a constant column has one rank.
        below = np.searchsorted(self.quantiles, predictions, side="left")
        up_to = np.searchsorted(self.quantiles, predictions, side="right")
        ranks = (below + up_to) / (2 * len(self.quantiles))
        inside = np.interp(predictions, self.quantiles, np.linspace(0, 1, len(self.quantiles)))
        is_tied = up_to - below > 1
        fractions = np.where(is_tied, ranks, inside)
        result: Array = 1 + np.log(np.clip(fractions, 0.5 / _POPULATION, 1.0))

        return result

    def state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the config and the tensors for `from_state`."""
        import torch

        config, tensors = self.process.state()
        return config, {**tensors, "quantiles": torch.from_numpy(self.quantiles)}

    @classmethod
    def from_state(
        cls, space: SearchSpace, config: Mapping[str, Any], tensors: Mapping[str, Any]
    ) -> Self:
        """Rebuild a model from the config and the tensors that `state` returned."""
        parts = dict(tensors)
        quantiles = parts.pop("quantiles").numpy()
        return cls(GaussianProcess.from_state(space, config, parts), quantiles)
