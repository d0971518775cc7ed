"""The architectures of a file of evaluations, and their split by network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from predictor.errors import InvalidValues, TooFewArchitectures
from spaces.space import Codes, SearchSpace
from tables.errors import InvalidEvaluation
from tables.evaluation import Evaluation, default_metric, find_metric, read, scores
from tables.metrics import Metric

_FEWEST_TO_TEST = 5


@dataclass(frozen=True)
class EvaluatedArchitectures:
    """The architectures of a file of evaluations with the values to predict.

    Args:
        path: The file of evaluations, JSON lines.
        space: The space of the architectures.
        metric: Name of the metric.
        codes: Codes of the architectures, [n, choices].
        values: Scores by the metric, [n]; greater is better.
        definition: Unit and direction of the metric.
    """

    path: Path
    space: SearchSpace
    metric: str
    codes: Codes
    values: NDArray[np.float64]
    definition: Metric

    @classmethod
    def from_file(
        cls, path: Path, space: SearchSpace, metric: str | None = None
    ) -> EvaluatedArchitectures:
        """Read a file of evaluations.

        Args:
            path: The file, JSON lines.
            space: Space that the architectures must be of.
            metric: Name of the metric. None: the score of the evaluations' task; see
                `tables.evaluation.default_metric`.

        Raises:
            InvalidEvaluation: A line is not an evaluation of the space, or lacks the metric.
            InvalidValues: The evaluations have several metrics of no task, and none was named.
            UnknownName: No evaluation has the metric.
        """
        evaluations = read(path, space.name)
        metric = metric or require_default(evaluations)
        try:
            values = np.array(scores(evaluations, metric))
        except InvalidEvaluation as error:
            raise InvalidEvaluation(f"{path}: {error}") from error
        codes = space.encode([evaluation.architecture for evaluation in evaluations])
        definition = find_metric(evaluations, metric)
        assert definition is not None, "scores() refuses metrics without a direction"
        return cls(path, space, metric, codes, values, definition)

    def step_values(self, metrics: Sequence[str]) -> NDArray[np.float64]:
        """Return the scores by several metrics, [n, metrics]; raises as `from_file`."""
        evaluations = read(self.path, self.space.name)
        try:
            columns = [scores(evaluations, metric) for metric in metrics]
        except InvalidEvaluation as error:
            raise InvalidEvaluation(f"{self.path}: {error}") from error
        return np.array(columns, dtype=np.float64).T

    @cached_property
    def networks(self) -> NDArray[np.int64]:
        """The network of each row, [n]; see `network_numbers`."""
        return network_numbers(self.space, self.codes)

    def num_networks(self, rows: NDArray[np.int64]) -> int:
        """Return the number of distinct networks among rows."""
        return len(np.unique(self.networks[rows]))

    def split(self, count: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Split the rows by network; see `split_by_network`.

        Raises:
            TooFewArchitectures: Fewer than 5 networks remain to test on; the file is named.
        """
        try:
            return split_by_network(self.networks, count, seed)
        except TooFewArchitectures as error:
            raise TooFewArchitectures(f"{self.path} has {error}") from error


def require_default(evaluations: Sequence[Evaluation]) -> str:
    """Return the metric that evaluations are judged by where none is named.

    Raises:
        InvalidValues: They have several metrics, and none of them is the score of a task.
    """
    metric = default_metric(evaluations)
    if metric is None:
        names = dict.fromkeys(name for item in evaluations for name in item.metrics)
        raise InvalidValues(f"--metric: the evaluations have {', '.join(names)}; name one of them")
    return metric


def network_numbers(space: SearchSpace, codes: Codes) -> NDArray[np.int64]:
    """Number the networks of architectures in the order in which they occur.

    Args:
        space: Space of the architectures.
        codes: Codes of the architectures, [n, choices].

    Returns:
        Numbers [n]; architectures that are known to compute the same have one number.
    """
    keys = space.isomorphism_keys(codes)
    _, first_row, network = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    # numpy numbers distinct rows in lexicographic order; here by the first row of each.
    rank = np.empty(len(first_row), dtype=np.int64)
    rank[np.argsort(first_row)] = np.arange(len(first_row))
    return rank[network.reshape(-1)]


def split_by_network(
    networks: NDArray[np.int64], count: int, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split rows by network, so that none is both trained on and tested on.

    Where a network has several rows, the split is the one nearest to `count` that leaves all
    networks whole.

    Args:
        networks: Number of the network of each row, [n].
        count: Number of rows to train on.
        seed: Seed of the split.

    Returns:
        The rows to train on and the rows to test on, both ascending.

    Raises:
        TooFewArchitectures: Fewer than 5 networks remain to test on.
    """
    total = len(networks)
    order = np.random.default_rng(seed).permutation(total)
    # Move all rows of a network to the first of them in the random order.
    first = np.full(total, total)
    np.minimum.at(first, networks[order], np.arange(total))
    order = order[np.argsort(first[networks[order]], kind="stable")]

    ends = 1 + np.flatnonzero(np.diff(networks[order], append=-1))
    boundary = int(ends[np.abs(ends - count).argmin()]) if len(ends) else 0
    test_rows = np.sort(order[boundary:])
    if count > total or len(np.unique(networks[test_rows])) < _FEWEST_TO_TEST:
        num_networks = len(np.unique(networks))
        of_networks = f" of {num_networks} networks" if num_networks < total else ""
        raise TooFewArchitectures(
            f"{total} evaluations{of_networks}; training on {count} leaves fewer than"
            f" {_FEWEST_TO_TEST} to test on"
        )

    return np.sort(order[:boundary]), test_rows
