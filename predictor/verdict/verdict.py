"""The verdict on an estimator: how far its ranking of networks can be trusted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from predictor.errors import InvalidValues

# Percentage of the summary sentence, where it is among those of the verdict.
_SUMMARY_TOP = 1.0


@dataclass(frozen=True)
class Figure:
    """One figure of a verdict.

    Args:
        name: Name of the figure, such as kendall_tau or best_rank.
        value: Its value: a correlation, or a fraction of the networks.
        low: Lower end of its 95% interval, NaN where there is none.
        high: Upper end of its 95% interval, NaN where there is none.
        chance: Its expected value for scores that are random.
        percent: Percentage of the networks that count as the best or worst. None: all networks.
        count: The number of those networks. None: all networks.

    Example:
        >>> figure = Figure("precision_top", 0.1, 0.05, 0.19, chance=0.05, percent=5, count=50)
        >>> figure.title, figure.is_fraction
        ('P@top 5%', True)
    """

    name: str
    value: float
    low: float
    high: float
    chance: float
    percent: float | None = None
    count: int | None = None

    @property
    def title(self) -> str:
        """The figure's name as a table shows it, such as `P@top 5%`."""
        title = _TITLES[self.name]
        return title if self.percent is None else f"{title} {self.percent:g}%"

    @property
    def is_fraction(self) -> bool:
        """Whether the value is a fraction of networks, and no correlation."""
        return self.name in _FRACTIONS

    def to_dict(self) -> dict[str, Any]:
        """Return the figure as JSON, None in place of NaN."""
        items = {key: value for key, value in asdict(self).items() if value is not None}
        return {
            key: None if isinstance(value, float) and math.isnan(value) else value
            for key, value in items.items()
        }


_TITLES = {
    "kendall_tau": "Kendall's tau-b",
    "sparse_kendall_tau": "sparse Kendall's tau-b",
    "spearman": "Spearman's correlation",
    "precision_top": "P@top",
    "precision_bottom": "P@bottom",
    "best_rank": "BR@",
    "worst_rank": "WR@",
    "kendall_tau_top": "Kendall's tau inside the top",
}
_FRACTIONS = ("precision_top", "precision_bottom", "best_rank", "worst_rank")


@dataclass(frozen=True)
class Verdict:
    """Figures of the ranking by scores against that by true values.

    Args:
        num_networks: Number of networks.
        num_tied: Number of networks whose score another network has as well.
        figures: The figures: first the correlations of all networks.
        subject: Estimator that the scores come from, such as `this supernet`.

    Example:
        >>> import numpy as np
        >>> from predictor.verdict import judge
        >>> verdict = judge(np.arange(50.0), np.arange(50.0), tops=[10])
        >>> verdict.num_networks, verdict.figure("precision_top", 10).value
        (50, 1.0)
    """

    num_networks: int
    num_tied: int
    figures: Sequence[Figure]
    subject: str = "this estimator"

    def figure(self, name: str, percent: float | None = None) -> Figure:
        """Return a figure.

        Args:
            name: Name of the figure.
            percent: Percentage of the best or worst. None: a figure of all networks.

        Raises:
            InvalidValues: The verdict has no such figure.
        """
        for figure in self.figures:
            if figure.name == name and figure.percent == percent:
                return figure
        raise InvalidValues(f"the verdict has no {name} at {percent}%")

    def sentence(self) -> str:
        """Return the verdict in one sentence, next to the expectation of random networks."""
        best = [figure for figure in self.figures if figure.name == "best_rank"]
        figure = next((figure for figure in best if figure.percent == _SUMMARY_TOP), best[0])
        return (
            f"of the {figure.percent:g}% that {self.subject} prefers ({figure.count} of"
            f" {self.num_networks}), the best is truly among the first {percentage(figure.value)};"
            f" of as many random networks it would be among the first {percentage(figure.chance)}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the verdict as JSON."""
        return {
            "networks": self.num_networks,
            "tied": self.num_tied,
            "sentence": self.sentence(),
            "figures": [figure.to_dict() for figure in self.figures],
        }


def percentage(fraction: float) -> str:
    """Return a fraction as a percentage with two or three digits.

    Example:
        >>> percentage(0.104896), percentage(0.0064)
        ('10.5%', '0.64%')
    """
    percent = 100 * fraction
    return f"{percent:.1f}%" if percent >= 1 else f"{percent:.2f}%"
