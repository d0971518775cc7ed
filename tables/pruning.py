"""Pruning of a space: candidates that good networks can do without are left out.

Block-based search-space pruning, BBSSP of aw_nas (walkerning/aw_nas, `examples/research/bbssp`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spaces.chains.additive import AdditiveTable
from spaces.formats.json_text import read_json
from spaces.space import Codes, SearchSpace
from tables.effects import Effects
from tables.errors import InvalidEvaluation, InvalidTable
from tables.evaluation import Evaluation, values
from tables.lookup_table import LookupTable
from tables.metrics import known_metric

FORMAT = "pathfit-candidates"

MARGIN = 2.0
"""Default of the standard errors by which the means of two candidates must differ.

Without a margin the noise of the means leaves out candidates that the best networks have.
"""


@dataclass(frozen=True)
class Candidates:
    """The candidates of a space that a search may use.

    Args:
        space: Canonical name of the space.
        names: Choice -> names of the candidates, at least one.

    Raises:
        InvalidTable: From `codes`, where a choice or a candidate is not one of the space.
    """

    space: str
    names: Mapping[str, tuple[str, ...]]

    def masks(self, space: SearchSpace) -> list[NDArray[np.bool_]]:
        """Return for each choice of a space whether each candidate remains, [candidates].

        Args:
            space: Space of these candidates.

        Raises:
            InvalidTable: The space is another one, or lacks a choice or a candidate.
        """
        if space.name != self.space:
            raise InvalidTable(f"candidates of {self.space} are not those of {space.name}")

        candidates_of = {choice.key: choice.candidates for choice in space.choices}
        for key, names in self.names.items():
            unknown = [name for name in names if name not in candidates_of.get(key, ())]
            if key not in candidates_of or unknown or not names:
                raise InvalidTable(
                    f"{space.name} has no {key!r} with {', '.join(unknown or names)}"
                )

        return [
            np.array(
                [
                    name in self.names.get(choice.key, choice.candidates)
                    for name in choice.candidates
                ]
            )
            for choice in space.choices
        ]

    def to_json(self) -> str:
        """Return the text of a file that `read_candidates` reads."""
        names = {key: list(candidates) for key, candidates in self.names.items()}
        return json.dumps({"format": FORMAT, "space": self.space, "candidates": names}, indent=1)


def read_candidates(path: str | Path) -> Candidates:
    """Read a file of candidates.

    Raises:
        InvalidFile: The file cannot be read.
        InvalidTable: It is no file of candidates.
    """
    document = read_json(path)
    try:
        if document["format"] != FORMAT:
            raise ValueError(f"the format is {document['format']!r}")
        names = {
            str(key): tuple(map(str, candidates))
            for key, candidates in document["candidates"].items()
        }
        return Candidates(str(document["space"]), names)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidTable(
            f"{path} is no file of candidates, as `python -m tables prune` writes it: {error}"
        ) from error


def prune(
    space: SearchSpace,
    table: LookupTable,
    evaluations: Sequence[Evaluation],
    metric: str = "top1",
    margin: float = MARGIN,
) -> Candidates:
    """Leave out the candidates that another one of their choice dominates.

    See `dominated_candidates`. Candidates with fewer than two evaluated networks remain.

    Args:
        space: Space with costs that are sums over its choices.
        table: Lookup table of the space.
        evaluations: Evaluated networks of the space, best a uniform sample.
        metric: Metric of the evaluations.
        margin: Standard errors by which the means of two candidates must differ.

    Raises:
        InvalidEvaluation: The metric is unknown, or no network is evaluated.
        InvalidTable: The costs of the space are no sums over its choices.
    """
    codes, scores = _evaluated(space, evaluations, metric)
    latencies = _latencies(space, table).terms
    dominated = []
    for column, choice in enumerate(space.choices):
        groups = [scores[codes[:, column] == code] for code in range(len(choice.candidates))]
        dominated.append(
            dominated_candidates(
                np.asarray(latencies[column], dtype=float),
                np.array([_mean(group) for group in groups]),
                np.array([_error(group) for group in groups]),
                margin,
            )
        )

    return _remaining(space, dominated)


def prune_by_effects(
    space: SearchSpace,
    table: LookupTable,
    evaluations: Sequence[Evaluation],
    metric: str = "top1",
    margin: float = MARGIN,
    limit_ms: float | None = None,
) -> Candidates:
    """Leave out the candidates that no good network below a limit has; see `Effects`.

    Where each candidate is better the slower it is, none dominates another, yet networks below a
    limit can do without those that are worth less than their latency.

    Args:
        space: Space with costs that are sums over its choices.
        table: Lookup table of the space.
        evaluations: Evaluated networks of the space, best a uniform sample.
        metric: Metric of the evaluations.
        margin: Standard errors by which the effects of two candidates must differ.
        limit_ms: Greatest latency of a network by the table's sum, in milliseconds. None: there is
            none.

    Raises:
        InvalidEvaluation: The metric is unknown, or there are too few evaluated networks.
        InvalidTable: The costs of the space are no sums over its choices, or no network of the
            evaluated candidates is below the limit.
    """
    codes, scores = _evaluated(space, evaluations, metric)
    effects = Effects.fit(codes, scores, [len(choice.candidates) for choice in space.choices])
    unpromising = effects.unpromising(_latencies(space, table), limit_ms, margin)
    return _remaining(space, unpromising)


def dominated_candidates(
    latencies: NDArray[np.float64],
    scores: NDArray[np.float64],
    errors: NDArray[np.float64] | None = None,
    margin: float = 0.0,
) -> NDArray[np.bool_]:
    """Return which candidates another one beats: bool array [candidates].

    The other one is not slower and not worse, and it is better in one of the two. With a margin it
    must be the better one, by so many standard errors of the difference.

    Args:
        latencies: Latency of each candidate; less is better.
        scores: Mean score of the networks of each candidate; more is better, and NaN is unknown.
        errors: Standard error of each mean; None: 0.
        margin: Standard errors by which the means must differ.

    Example:
        >>> dominated_candidates(np.array([1.0, 2.0, 2.0]), np.array([90.0, 89.0, 91.0])).tolist()
        [False, True, False]
    """
    errors = np.zeros(len(scores)) if errors is None else errors
    # Row: the candidate; column: the one that may beat it. Comparisons with NaN are false.
    deviation = np.sqrt(errors[:, None] ** 2 + errors[None, :] ** 2)
    gain = scores[None, :] - scores[:, None]
    not_slower = latencies[None, :] <= latencies[:, None]
    better = (latencies[None, :] < latencies[:, None]) | (gain > 0)
    beats = gain >= 0 if margin == 0 else gain > margin * deviation
    return np.asarray((not_slower & beats & better).any(axis=1))


def _evaluated(
    space: SearchSpace, evaluations: Sequence[Evaluation], metric: str
) -> tuple[Codes, NDArray[np.float64]]:
    """Return the codes [n, choices] and the scores [n] of evaluations, of which more is better."""
    definition = known_metric(metric)
    if definition is None or not evaluations:
        cause = "there are no evaluations" if definition else f"the metric {metric!r} is unknown"
        raise InvalidEvaluation(f"{cause}: pruning needs evaluated networks of {space.name}")

    scores = definition.sign * np.array(values(evaluations, metric))
    return space.encode([evaluation.architecture for evaluation in evaluations]), scores


def _latencies(space: SearchSpace, table: LookupTable) -> AdditiveTable:
    """Return the latency of each candidate; refuse spaces whose costs are no sums."""
    if not space.additive:
        raise InvalidTable(f"costs of {space.name} are no sums over its choices: nothing is pruned")
    # Block costs alone: a correction of whole networks is no property of a candidate.
    return space.additive_table(lambda block: table.blocks[block.key].latency_ms)


def _remaining(space: SearchSpace, removed: Sequence[NDArray[np.bool_]]) -> Candidates:
    """Return the candidates that are not removed, bool [candidates] of each choice."""
    names = {
        choice.key: tuple(
            name for name, is_removed in zip(choice.candidates, mask, strict=True) if not is_removed
        )
        for choice, mask in zip(space.choices, removed, strict=True)
    }
    return Candidates(space.name, names)


def _mean(scores: NDArray[np.float64]) -> float:
    return float(scores.mean()) if len(scores) > 1 else np.nan


def _error(scores: NDArray[np.float64]) -> float:
    """Return the standard error of a mean."""
    return float(scores.std(ddof=1) / np.sqrt(len(scores))) if len(scores) > 1 else np.nan
