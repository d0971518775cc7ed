"""Results of a search, with everything that is needed to repeat it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneshot.search.constraint import missing_margin
from oneshot.search.verification import Verification, check_ranks
from spaces.architecture import Architecture
from spaces.errors import InvalidFile, PathfitError
from spaces.files import read_text, write_text
from spaces.formats.json_text import bounded_int
from spaces.formats.search_result import FORMAT
from spaces.registry import get
from spaces.space import Codes

VERSION = 1


@dataclass(frozen=True)
class Candidate:
    """One evaluated architecture.

    Args:
        architecture: The architecture.
        score: Score of the guide; greater is better.
        deviation: Deviation of the score; 0 where the guide has none.
        costs: Metric -> estimated cost.
    """

    architecture: Architecture
    score: float
    deviation: float
    costs: Mapping[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Return the candidate as a JSON object."""
        return {
            "architecture": self.architecture.to_dict(),
            "score": self.score,
            "deviation": self.deviation,
            "costs": dict(self.costs),
        }


@dataclass(frozen=True)
class SearchResult:
    """Every candidate of a search, best first.

    Args:
        space: Canonical name of the space.
        guide: Description of the guide.
        constraints: Descriptions of the constraints.
        objectives: Names of the costs that were traded for the score.
        strategy: Name and options of the strategy.
        seed: Seed of the search.
        codes: Candidates as an int array [n, choices], best first.
        scores: Scores [n]; greater is better.
        deviations: Deviations of the scores [n].
        costs: Metric -> estimated costs [n].
        order: Positions [n] at which candidates were evaluated, from 0.
        history: Number of evaluations and the best score so far, after each batch.
        seconds: Duration of the search.
        verification: Networks that were measured on the device. None: none were.

    Example:
        >>> import spaces
        >>> space = spaces.get("spos-tiny")
        >>> result = SearchResult(
        ...     space=space.name, guide={}, constraints=[], objectives=["macs"], strategy={},
        ...     codes=space.encode([space.architecture([3] * 6), space.architecture([0] * 6)]),
        ...     scores=np.array([0.9, 0.8]), deviations=np.zeros(2),
        ...     costs={"macs": np.array([2e6, 1e6])}, order=np.array([1, 0]), history=[], seed=0,
        ... )
        >>> result.best.score, result.front()
        (0.9, [0, 1])
    """

    space: str
    guide: Mapping[str, Any]
    constraints: Sequence[Mapping[str, Any]]
    objectives: Sequence[str]
    strategy: Mapping[str, Any]
    seed: int
    codes: Codes = field(repr=False)
    scores: NDArray[np.float64] = field(repr=False)
    deviations: NDArray[np.float64] = field(repr=False)
    costs: Mapping[str, NDArray[np.float64]] = field(repr=False)
    order: NDArray[np.int64] = field(repr=False)
    history: Sequence[Mapping[str, float]] = field(repr=False)
    seconds: float = 0.0
    verification: Verification | None = None

    def __len__(self) -> int:
        return len(self.codes)

    def candidate(self, rank: int) -> Candidate:
        """Return the candidate of a rank; 0 is the best."""
        return self._candidates([rank])[0]

    def _candidates(self, ranks: Sequence[int]) -> list[Candidate]:
        # All at once: finding and checking the space takes longer than one architecture.
        architectures = get(self.space).decode(self.codes[list(ranks)])
        return [
            Candidate(
                architecture,
                float(self.scores[rank]),
                float(self.deviations[rank]),
                {metric: float(values[rank]) for metric, values in self.costs.items()},
            )
            for rank, architecture in zip(ranks, architectures, strict=True)
        ]

    @property
    def best(self) -> Candidate:
        """Candidate with the greatest score, or the first of those that were verified."""
        return self.candidate(self.best_ranks(1)[0])

    def best_ranks(self, count: int) -> list[int]:
        """Return the ranks of the best candidates.

        Verified networks come first, as their measured latencies order them. Those that break the
        limit by a measurement are left out.

        Args:
            count: Number of candidates, besides which all verified ones are returned.
        """
        verified: list[int] = []
        excluded: set[int] = set()
        if self.verification is not None:
            verified = self.verification.ranks
            excluded = {network.rank for network in self.verification.excluded}

        others = (rank for rank in range(len(self)) if rank not in {*verified, *excluded})
        missing = max(count - len(verified), 0)
        # Where no network keeps the limit, the best by the estimates is all that there is.
        return [*verified, *islice(others, missing)] or [0]

    def summary(self) -> str:
        """Describe the best candidate and the size of the front in one line."""
        best = self.best
        costs = ", ".join(f"{metric} {value:.5g}" for metric, value in best.costs.items())
        front = f"{len(self.front())} on the front of score and {', '.join(self.objectives)}"
        deviation = f" +- {best.deviation:.2g}" if best.deviation else ""
        return f"best of {len(self)}: score {best.score:.4g}{deviation}, {costs}; {front}"

    def margin_notes(self) -> list[str]:
        """Return notes on constraints whose table has no deviation to take their margin from."""
        return [
            missing_margin(f"{constraint['metric']}@{constraint['table']}", self.space)
            for constraint in self.constraints
            if constraint.get("margin") and constraint.get("sigma") is None
        ]

    def front(self) -> list[int]:
        """Return the ranks of the Pareto front of score and objectives, best score first.

        Of candidates that are equal in all of them, the first is on the front.
        """
        costs = np.stack([self.costs[name] for name in self.objectives], axis=1)
        front: list[int] = []
        for rank in np.lexsort((*costs.T[::-1], -self.scores)).tolist():
            # Sorted by score and costs, a candidate is dominated by earlier ones only.
            if not (costs[front] <= costs[rank]).all(1).any():
                front.append(rank)
        return front

    def best_so_far(self) -> NDArray[np.float64]:
        """Return the best score after each evaluation, in their order, float array [n]."""
        scores = np.empty(len(self))
        scores[self.order] = self.scores
        return np.maximum.accumulate(scores)

    def to_dict(self, count: int = 1) -> dict[str, Any]:
        """Return the JSON object.

        Args:
            count: Number of best candidates in full, as is the front; every candidate is in codes.
        """
        verification = {} if self.verification is None else {"verification": self._verified()}
        return {
            "format": FORMAT,
            "version": VERSION,
            "space": self.space,
            "guide": dict(self.guide),
            "constraints": [dict(constraint) for constraint in self.constraints],
            "objectives": list(self.objectives),
            "strategy": dict(self.strategy),
            "seed": self.seed,
            "seconds": round(self.seconds, 3),
            "evaluated": len(self),
            # Full candidates are for readers; codes alone restore the result.
            "best": [candidate.to_dict() for candidate in self._candidates(self.best_ranks(count))],
            **verification,
            "front": [candidate.to_dict() for candidate in self._candidates(self.front())],
            "candidates": {
                "codes": self.codes.tolist(),
                "scores": self.scores.tolist(),
                "deviations": self.deviations.tolist(),
                "costs": {metric: values.tolist() for metric, values in self.costs.items()},
                "order": self.order.tolist(),
            },
            "history": [dict(entry) for entry in self.history],
        }

    def _verified(self) -> dict[str, Any]:
        """Return the JSON object of the verification, whose networks have their candidates."""
        assert self.verification is not None
        plain = self.verification.to_dict()
        for name in ("networks", "excluded"):
            candidates = self._candidates([network["rank"] for network in plain[name]])
            plain[name] = [
                {**network, **candidate.to_dict()}
                for network, candidate in zip(plain[name], candidates, strict=True)
            ]
        return plain

    def save(self, path: str | Path, count: int = 1) -> None:
        """Write the JSON object of `to_dict` to a file, all or nothing."""
        write_text(path, json.dumps(self.to_dict(count)) + "\n")

    @classmethod
    def from_dict(cls, value: Any) -> SearchResult:
        """Read the JSON object that `to_dict` returns; raises InvalidFile."""
        try:
            if value["format"] != FORMAT or value["version"] != VERSION:
                raise InvalidFile(f"not a {FORMAT} of version {VERSION}")

            candidates = value["candidates"]
            columns = [candidates[key] for key in ("codes", "scores", "deviations", "order")]
            lengths = {len(column) for column in [*columns, *candidates["costs"].values()]}
            if len(lengths) > 1:
                raise InvalidFile(
                    "candidates: codes, scores, deviations, costs and order must be of one length"
                )

            # The order is a permutation, by which the evaluations are found again.
            order = np.array(candidates["order"], dtype=np.int64)
            if not np.array_equal(np.sort(order), np.arange(len(order))):
                raise InvalidFile(f"candidates.order must number the {len(order)} evaluations")
            if not value["objectives"] or not set(value["objectives"]) <= set(candidates["costs"]):
                names = ", ".join(candidates["costs"])
                raise InvalidFile(
                    f"objectives must be among the costs {names}, not {value['objectives']!r:.80}"
                )

            return cls(
                **{
                    key: value[key]
                    for key in ("space", "guide", "constraints", "objectives", "strategy", "seed")
                },
                codes=get(value["space"]).check(np.array(candidates["codes"])),
                scores=np.array(candidates["scores"], dtype=float),
                deviations=np.array(candidates["deviations"], dtype=float),
                costs={
                    metric: np.array(values, dtype=float)
                    for metric, values in candidates["costs"].items()
                },
                order=order,
                history=value["history"],
                seconds=value["seconds"],
                verification=_verification(value, len(order)),
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InvalidFile(f"not a search result: {error!r}") from error


def _verification(value: Mapping[str, Any], count: int) -> Verification | None:
    """Read the verification of a result's JSON object; None where nothing was measured."""
    if value.get("verification") is None:
        return None
    verification = Verification.from_dict(value["verification"])
    check_ranks(verification, count)
    return verification


def read_result(path: str | Path) -> SearchResult:
    """Read a search result from a file, or from a job as the service answers it.

    Raises:
        InvalidFile: The file has no search result, or one without its candidates; it is named.
    """
    try:
        value = json.loads(read_text(path), parse_int=bounded_int)
        if isinstance(value, dict) and isinstance(value.get("result"), dict):
            value = value["result"]
        return SearchResult.from_dict(value)
    # Numbers and nesting beyond Python's limits raise these as well.
    except (ValueError, RecursionError) as error:
        raise InvalidFile(f"{path}: not a search result: {error}") from error
    except PathfitError as error:
        raise InvalidFile(f"{path}: {error}") from error
