"""Guides: what tells a search how good an architecture is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from spaces.space import Codes

if TYPE_CHECKING:
    from predictor.base import Predictor


class Guide(Protocol):
    """Scores architectures; greater is better."""

    def score(self, codes: Codes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Scores [n] of codes [n, choices] and their deviations [n] (0 where unknown)."""

    def to_dict(self) -> dict[str, Any]:
        """What a result records of the guide."""


class PredictorGuide:
    """A trained predictor as a guide.

    Args:
        predictor: scores architectures.
        name: what the user called it.
    """

    def __init__(self, predictor: Predictor, name: str):
        self.predictor, self.name = predictor, name

    def score(self, codes: Codes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The predictor's mean and deviation, [n] each."""
        return self.predictor.predict(codes)

    def to_dict(self) -> dict[str, Any]:
        """The guide's kind and name."""
        return {"kind": "predictor", "name": self.name}
