"""A weighted sum of guides, such as supernets of several tasks."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from oneshot.errors import InvalidGuide
from oneshot.search.guide import Guide
from spaces.space import Codes

if TYPE_CHECKING:
    from oneshot.search.guide_registry import GuideRequest

_TERM = re.compile(r"(?:(?P<weight>[^*:]*)\*)?\s*(?P<text>(?P<kind>[^:*]+):.+)", re.DOTALL)

# Short trainings compete within a batch, which a sum would not see.
_NO_TERMS = ("sum", "train", "multishot")


@dataclass(frozen=True)
class Term:
    """One guide of a sum as a user states it.

    Args:
        weight: Factor of its score, above 0.
        text: The guide, such as `supernet:FOLDER`.

    Raises:
        InvalidGuide: The weight is not above 0, or the guide cannot be a term.
    """

    weight: float
    text: str

    def __post_init__(self) -> None:
        if not 0 < self.weight < math.inf:
            raise InvalidGuide(f"--guide: the weight of {self.text!r} must be above 0")
        kind = self.text.partition(":")[0]
        if kind in _NO_TERMS:
            raise InvalidGuide(f"--guide: a sum cannot have {self.text!r}; a term is no {kind}")


def parse_terms(text: str) -> list[Term]:
    """Read `GUIDE + WEIGHT*GUIDE`; a weight that is left out is 1.

    Raises:
        InvalidGuide: A term is not of this form.

    Example:
        >>> parse_terms("supernet:runs/a + 0.5*supernet:runs/b")
        [Term(weight=1.0, text='supernet:runs/a'), Term(weight=0.5, text='supernet:runs/b')]
    """
    terms = []
    # With spaces, since names of files may contain a plus.
    for part in text.split(" + "):
        match = _TERM.fullmatch(part.strip())
        try:
            if match is None:
                raise ValueError
            weight = 1.0 if match["weight"] is None else float(match["weight"])
        except ValueError as error:
            raise InvalidGuide(
                f"--guide sum: {part.strip()!r:.80} is no term; a sum reads like"
                " 'sum:supernet:FOLDER + 0.5*supernet:OTHER'"
            ) from error
        terms.append(Term(weight, match["text"]))
    return terms


class SumGuide:
    """The weighted sum of guides' scores: the objective of several tasks at once.

    Scores are summed in their own units, of which the weights take care: aw_nas sums its tasks'
    losses in the same way.

    Args:
        guides: Guides that score the same space.
        weights: Their factors, above 0.

    Example:
        >>> class Constant:
        ...     def __init__(self, value):
        ...         self.value = value
        ...
        ...     def score(self, codes):
        ...         return np.full(len(codes), self.value), np.full(len(codes), 3.0)
        ...
        ...     def to_dict(self):
        ...         return {"kind": "constant"}
        >>> scores, deviations = SumGuide([Constant(-1.0), Constant(-4.0)], [1, 0.5]).score(
        ...     np.zeros((1, 6), dtype=int)
        ... )
        >>> float(scores[0]), round(float(deviations[0]), 3)
        (-3.0, 3.354)
    """

    def __init__(self, guides: Sequence[Guide], weights: Sequence[float]):
        self.guides = tuple(guides)
        self.weights = tuple(weights)

    def score(self, codes: Codes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the sums [n], and their deviations [n] if the guides err independently."""
        total = np.zeros(len(codes))
        variance = np.zeros(len(codes))
        for guide, weight in zip(self.guides, self.weights, strict=True):
            scores, deviations = guide.score(codes)
            total += weight * scores
            variance += (weight * deviations) ** 2
        return total, np.sqrt(variance)

    def describe(self) -> str:
        """Describe the evidence behind the guides that report some."""
        texts = [getattr(guide, "describe", str)() for guide in self.guides]
        return "; ".join(text for text in texts if text)

    def to_dict(self) -> dict[str, Any]:
        """Return the kind and the terms with their weights; a sum is of no single metric."""
        terms = [
            {"weight": weight, **guide.to_dict()}
            for guide, weight in zip(self.guides, self.weights, strict=True)
        ]
        name = " + ".join(f"{term['weight']:g}*{term.get('name', term['kind'])}" for term in terms)
        return {"kind": "sum", "name": name, "terms": terms}


def sum_guide(request: GuideRequest) -> Guide:
    """Score architectures by a weighted sum: `sum:GUIDE + WEIGHT*GUIDE`."""
    from oneshot.search.guide_registry import make_guide

    guides = []
    terms = parse_terms(request.location)
    for number, term in enumerate(terms):
        # Evaluations of two supernets are of different origins, so that each has a journal.
        part = request.with_journal(number)
        guides.append(make_guide(replace(part, text=term.text)))

    return SumGuide(guides, [term.weight for term in terms])
