"""Compare two networks choice by choice and block by block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from service.catalog.costs import NetworkCosts
from service.jobs import JsonObject
from service.schemas.comparison import BlockPair, ChoicePair, ComparedNetwork, Comparison
from spaces.architecture import Architecture


@dataclass(frozen=True)
class Scored:
    """A network with its costs, and with its score where a predictor is at hand.

    Args:
        reference: Reference by which the request named it.
        label: Description of the reference, in words.
        costs: Costs in total and by block.
        score: Predicted score, greater is better; None without a predictor of its space.
        deviation: Deviation of the score; None without a score.
    """

    reference: str
    label: str
    costs: NetworkCosts
    score: float | None = None
    deviation: float | None = None

    def to_schema(self) -> ComparedNetwork:
        """Return the model of the answer."""
        return ComparedNetwork(
            reference=self.reference,
            label=self.label,
            score=self.score,
            deviation=self.deviation,
            **self.costs.to_dict(),
        )


def compare(
    a: Scored, b: Scored, *, device: str | None, predictor: str | None, metric: JsonObject | None
) -> Comparison:
    """Compare two networks.

    Args:
        a: First network.
        b: Second network; it may be of another space.
        device: Name of the table that the costs are of; None without one.
        predictor: Name of the predictor that scored them; None without one.
        metric: Name, unit and direction of the predicted metric; None if unknown.
    """
    keys = [[block.block.key for block in network.costs.blocks] for network in (a, b)]
    return Comparison(
        a=a.to_schema(),
        b=b.to_schema(),
        choices=_pair_choices(a.costs.architecture, b.costs.architecture),
        blocks=align(*keys),
        device=device,
        predictor=predictor,
        metric=metric,
    )


def align(a: Sequence[str], b: Sequence[str]) -> list[BlockPair]:
    """Align the blocks of two networks, so that an additional one shifts no others.

    Args:
        a: Keys of the blocks of the first network, in order.
        b: Keys of the blocks of the second network.

    Returns:
        Pairs of positions in order; one of them is None where a network has no counterpart.

    Example:
        >>> [(pair.a, pair.b) for pair in align(["stem", "k3", "head"], ["stem", "head"])]
        [(0, 0), (1, None), (2, 1)]
    """
    pairs = []
    # Without the heuristic that treats what occurs often, such as equal blocks of a stage, as junk.
    matcher = SequenceMatcher(a=a, b=b, autojunk=False)
    for tag, a_start, a_end, b_start, b_end in matcher.get_opcodes():
        for offset in range(max(a_end - a_start, b_end - b_start)):
            index_a = a_start + offset if a_start + offset < a_end else None
            index_b = b_start + offset if b_start + offset < b_end else None
            pairs.append(BlockPair(a=index_a, b=index_b, differs=tag != "equal"))

    return pairs


def _pair_choices(a: Architecture, b: Architecture) -> list[ChoicePair]:
    first: Mapping[str, str] = a.choices
    second: Mapping[str, str] = b.choices
    return [
        ChoicePair(
            choice=choice,
            a=first.get(choice),
            b=second.get(choice),
            differs=first.get(choice) != second.get(choice),
        )
        for choice in dict.fromkeys((*first, *second))
    ]
