"""Score topologies by supernets of several widths, read at one number of multiply-accumulates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from oneshot.errors import InvalidGuide
from oneshot.run import read_run
from oneshot.search.guide import Guide
from oneshot.search.multishot.curves import LEAST_POINTS, read_at
from oneshot.search.supernet_guide import SupernetGuide
from spaces.space import Codes, SearchSpace
from tables.metrics import ALIASES

if TYPE_CHECKING:
    from oneshot.search.guide_registry import GuideRequest

_MILLION = 1e6

_FORM = "multishot:RUN,RUN,...@flops=2e9"


class MultishotGuide:
    """Supernets of several widths as a guide for a width that none of them has.

    Each topology is evaluated in every supernet. A curve is fitted to each of its metrics over the
    multiply-accumulates that it has there, and read at the target (Ning et al., arXiv 2012.11835).

    Args:
        guides: Guides of the supernets, which rank by the same metrics.
        space: Space of the architectures that are scored.
        target: Multiply-accumulates at which the curves are read.
        name: Name of the guide in results.

    Raises:
        InvalidGuide: There are fewer than three supernets, or one has other choices.
    """

    def __init__(
        self, guides: Sequence[SupernetGuide], space: SearchSpace, target: float, name: str
    ):
        if len(guides) < LEAST_POINTS:
            raise InvalidGuide(
                f"--guide {name!r:.80}: at least {LEAST_POINTS} supernets are needed for a curve,"
                f" not {len(guides)}"
            )

        for guide in guides:
            if not guide.evaluation.run.space.has_topologies_of(space):
                raise InvalidGuide(
                    f"--guide {name!r:.80}: {guide.name} is a supernet of"
                    f" {guide.evaluation.run.space.name}, which has other choices than {space.name}"
                )

        self.guides = tuple(guides)
        self.space = space
        self.target = target
        self.name = name
        self.ranking = guides[0].ranking

    def score(self, codes: Codes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the scores [n] at the target, and the deviations [n] of the curves there."""
        scores = np.zeros(len(codes))
        variances = np.zeros(len(codes))
        macs = self._macs(codes)
        evaluated = [guide.metrics(codes) for guide in self.guides]

        for name, weight in self.ranking.weights.items():
            factor = weight * self.ranking.metrics[name].sign
            # Curves are of fractions and of millions, as in the release.
            unit = 100.0 if self.ranking.metrics[name].unit == "percent" else 1.0
            values = np.array([[metrics[name] for metrics in shot] for shot in evaluated]) / unit
            for row in range(len(codes)):
                reading = read_at(macs[:, row] / _MILLION, values[:, row], self.target / _MILLION)
                scores[row] += factor * unit * reading.value
                variances[row] += (factor * unit * reading.deviation) ** 2
        return scores, np.sqrt(variances)

    def to_dict(self) -> dict[str, Any]:
        """Return the kind, the name, the target, and how each supernet evaluates."""
        return {
            "kind": "multishot",
            "name": self.name,
            "macs": self.target,
            "supernets": [guide.to_dict() for guide in self.guides],
            **self.ranking.describe(),
        }

    def _macs(self, codes: Codes) -> NDArray[np.float64]:
        """Return the multiply-accumulates of topologies in each supernet, [supernets, n]."""
        counts = []
        for guide in self.guides:
            space = guide.evaluation.run.space
            counts.append(space.macs(space.codes_for(self.space, codes)))
        return np.array(counts, dtype=float)


def multishot_guide(request: GuideRequest) -> Guide:
    """Score topologies by supernets of several widths: `multishot:RUN,RUN,...@flops=2e9`."""
    folders, target = parse_location(request.location, request.text)
    guides = []
    for number, folder in enumerate(folders):
        # Evaluations in different supernets are of different origins.
        part = request.with_journal(number)
        run = read_run(folder, "supernet")
        if request.evaluation is None:
            guide = SupernetGuide.from_run(run, rank_by=request.rank_by, space=request.space)
        else:
            guide = SupernetGuide(
                request.evaluation(run), part.journal, None, request.rank_by, request.space
            )
        guides.append(guide)

    return MultishotGuide(guides, request.space, target, request.location)


def parse_location(location: str, text: str) -> tuple[list[str], float]:
    """Return the folders of supernets and the multiply-accumulates of the target.

    Args:
        location: Text such as `RUN,RUN,RUN@flops=2e9`.
        text: Whole text of the guide, for the error.

    Raises:
        InvalidGuide: The text does not read so.

    Example:
        >>> parse_location("a,b,c@flops=2e9", "multishot:a,b,c@flops=2e9")
        (['a', 'b', 'c'], 2000000000.0)
    """
    runs, _, cost = location.rpartition("@")
    name, _, number = cost.partition("=")
    try:
        target = float(number)
    except ValueError:
        target = math.nan
    folders = [folder for folder in runs.split(",") if folder]
    if not folders or ALIASES.get(name, name) != "macs" or not _MILLION < target < math.inf:
        raise InvalidGuide(
            f"--guide {text!r:.80}: it must read {_FORM}, with the folders of supernets and a"
            " number of multiply-accumulates above 1e6"
        )
    return folders, target
