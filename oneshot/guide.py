"""Guides: what tells a search how good an architecture is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from spaces.space import Codes

if TYPE_CHECKING:
    from oneshot.evaluator import Evaluator
    from oneshot.run import Run
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


class SupernetGuide:
    """A trained supernet as a guide: the score is the negative cross-entropy on its validation split.

    Args:
        evaluator: evaluates sub-networks.
        name: the run's folder.
    """

    def __init__(self, evaluator: Evaluator, name: str):
        self.evaluator, self.name = evaluator, name

    @classmethod
    def of_run(cls, run: Run) -> SupernetGuide:
        """The guide of a finished supernet training."""
        from oneshot.evaluator import Evaluator
        from spaces.modules.supernet import Supernet

        supernet = run.load()
        assert isinstance(supernet, Supernet)
        return cls(Evaluator(supernet, run.data()), str(run.folder))

    def score(self, codes: Codes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Negative cross-entropies [n], without deviation."""
        losses = np.array([self.evaluator.evaluate(row)["cross_entropy"] for row in codes])
        return -losses, np.zeros(len(codes))

    def to_dict(self) -> dict[str, Any]:
        """The guide's kind and name."""
        return {"kind": "supernet", "name": self.name}
