"""Rankings: the metrics, and their weights, by which a supernet scores architectures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from oneshot.errors import InvalidGuide
from spaces.errors import near_miss
from tables.metrics import Metric

if TYPE_CHECKING:
    from oneshot.perturbations.conditions import Conditions


@dataclass(frozen=True)
class Ranking:
    """A weighted sum of metrics, each of which counts in its better direction.

    Args:
        weights: Name -> weight of each metric, above 0.
        metrics: Name -> unit and direction of each metric.

    Example:
        >>> from tables.metrics import QUALITIES
        >>> ranking = Ranking.parse("top1=1, cross_entropy=10", QUALITIES)
        >>> ranking.score({"cross_entropy": 0.5, "top1": 80.0})
        75.0
    """

    weights: Mapping[str, float]
    metrics: Mapping[str, Metric]

    @classmethod
    def parse(cls, text: str, metrics: Mapping[str, Metric]) -> Ranking:
        """Read a metric, or several with their weights, such as `top1=1,top1_pgd=0.5`.

        Args:
            text: Text of `--rank-by`.
            metrics: Name -> unit and direction of the metrics that may be named.

        Raises:
            InvalidGuide: There is no such metric, it is named twice, or a weight is not above 0.
        """
        weights: dict[str, float] = {}
        for item in text.split(","):
            name, separator, number = (field.strip() for field in item.partition("="))
            if name not in metrics:
                names = ", ".join(metrics)
                raise InvalidGuide(
                    f"rank_by must be one of {names}, not {name!r:.80}{near_miss(name, metrics)}"
                )
            if name in weights:
                raise InvalidGuide(f"rank_by {text!r:.80}: {name} is named twice")
            weights[name] = _weight(number, text) if separator else 1.0
        return cls(weights, {name: metrics[name] for name in weights})

    @classmethod
    def under(
        cls, text: str, metrics: Mapping[str, Metric], conditions: Conditions | None
    ) -> Ranking:
        """Read the ranking of architectures that are evaluated under conditions.

        Args:
            text: Metric such as `top1`, which is summed over the conditions with their weights, or
                metrics with weights of their own.
            metrics: Name -> unit and direction of the metrics of the task.
            conditions: Conditions of the evaluation; None: none.

        Raises:
            InvalidGuide: There is no such metric, or a weight is not above 0.
        """
        if conditions is None:
            return cls.parse(text, metrics)

        # Imported on demand: it imports torch, which rankings without conditions do without.
        from oneshot.perturbations.conditions import conditional_metrics

        available = conditional_metrics(metrics, conditions.evaluated())
        if text not in metrics:
            return cls.parse(text, available)
        weights = {item.metric(text): item.weight for item in conditions}
        return cls(weights, {name: available[name] for name in weights})

    def score(self, values: Mapping[str, float]) -> float:
        """Return the score of an architecture, greater is better.

        Args:
            values: Name -> value of its metrics.
        """
        terms = [
            weight * self.metrics[name].sign * values[name] for name, weight in self.weights.items()
        ]
        return float(sum(terms))

    def describe(self) -> dict[str, Any]:
        """Return the metric with its unit and direction, or the weights of several."""
        if len(self.weights) > 1:
            return {"rank_by": dict(self.weights)}
        name = next(iter(self.weights))
        return {"metric": name, **self.metrics[name].to_dict()}


def _weight(number: str, text: str) -> float:
    try:
        weight = float(number)
    except ValueError:
        weight = math.nan
    if not 0 < weight < math.inf:
        raise InvalidGuide(
            f"rank_by {text!r:.80}: a weight is a number above 0, such as in top1=1,top1_pgd=0.5"
        )
    return weight
